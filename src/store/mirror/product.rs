use crate::store::row::rows;

rows! {
    /// `product.*`
    Product in "product" {
        name: Option<String>,
        description: Option<String>,
        active: i64,
        default_price: Option<String>,
        statement_descriptor: Option<String>,
        unit_label: Option<String>,
        /// The names of its marketing features, as a JSON list.
        features: Option<String>,
        metadata: Option<String>,
        created: i64,
        /// See [`Noun::seen_at`](crate::domain::mirror::Noun::seen_at).
        seen_at: Option<i64>,
    }
}
