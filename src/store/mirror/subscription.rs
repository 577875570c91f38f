//! Subscriptions and their items. Both are replaced in the same transaction.

use crate::store::{
    Result, Tx,
    bulk::{self, Cell, Table},
    row::{self, Row, rows},
};

rows! {
    /// `customer.subscription.*`
    Subscription in "subscription" {
        customer_id: Option<String>,
        status: Option<String>,
        description: Option<String>,
        currency: Option<String>,
        collection_method: Option<String>,
        cancel_at: Option<i64>,
        cancel_at_period_end: i64,
        canceled_at: Option<i64>,
        ended_at: Option<i64>,
        trial_start: Option<i64>,
        trial_end: Option<i64>,
        pause_behavior: Option<String>,
        pause_resumes_at: Option<i64>,
        default_payment_method: Option<String>,
        /// A card or source of Stripe's older APIs.
        default_source: Option<String>,
        /// The ids of its discounts, as a JSON list.
        discounts: Option<String>,
        /// The currency that the customer pays in, if it differs from `currency`
        /// (<https://docs.stripe.com/payments/currencies/localize-prices/adaptive-pricing>).
        presentment_currency: Option<String>,
        /// 1 if Stripe adds tax to prices that do not include it.
        automatic_tax: i64,
        /// 1 if tax rates of the seller are added.
        exclusive_tax: i64,
        /// 1 if the list of items is truncated: Stripe has more items than the mirror.
        is_cut: i64,
        latest_invoice: Option<String>,
        /// Stripe's metadata map, as JSON.
        metadata: Option<String>,
        start_date: Option<i64>,
        created: i64,
    }
}

/// A row of `subscription_item`.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow, serde::Deserialize)]
pub struct SubscriptionItem {
    pub subscription_id: String,
    /// The order of the items in the subscription, from 0.
    pub position: i64,
    pub id: Option<String>,
    pub price_id: Option<String>,
    pub product_id: Option<String>,
    pub quantity: Option<i64>,
    /// The ids of its discounts, as a JSON list.
    pub discounts: Option<String>,
    /// When its price was created: the same price id with another creation time is a different price.
    pub price_created: Option<i64>,
    pub current_period_start: Option<i64>,
    pub current_period_end: Option<i64>,
}

/// The items of these subscriptions, in their order.
pub async fn items_of(tx: &mut Tx, subscriptions: &[&str]) -> Result<Vec<SubscriptionItem>> {
    bulk::select(tx, subscriptions, |among| {
        format!(
            "SELECT * FROM subscription_item WHERE subscription_id {among}
             ORDER BY subscription_id, position"
        )
    })
    .await
}

/// Replaces all items of these subscriptions with these.
pub async fn replace_items(
    tx: &mut Tx,
    subscriptions: &[&str],
    items: &[&SubscriptionItem],
) -> Result<()> {
    bulk::change(tx, subscriptions, [], |among, []| {
        format!("DELETE FROM subscription_item WHERE subscription_id {among}")
    })
    .await?;
    let table = Table {
        name: "subscription_item",
        columns: SubscriptionItem::COLUMNS,
    };
    let rows: Vec<_> = items.iter().map(|item| item.cells()).collect();
    bulk::insert(tx, table, &rows, "").await?;
    Ok(())
}

impl SubscriptionItem {
    pub const COLUMNS: &[&str] = &[
        "subscription_id",
        "position",
        "id",
        "price_id",
        "product_id",
        "quantity",
        "discounts",
        "price_created",
        "current_period_start",
        "current_period_end",
    ];

    /// In the order of the columns.
    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            (&self.subscription_id).into(),
            self.position.into(),
            (&self.id).into(),
            (&self.price_id).into(),
            (&self.product_id).into(),
            self.quantity.into(),
            (&self.discounts).into(),
            self.price_created.into(),
            self.current_period_start.into(),
            self.current_period_end.into(),
        ]
    }
}

/// A subscription with its items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionState {
    pub row: Subscription,
    pub items: Vec<SubscriptionItem>,
}

impl Row for SubscriptionState {
    const TABLE: &'static str = Subscription::TABLE;

    type Plain = Subscription;

    fn id(&self) -> &str {
        &self.row.id
    }

    fn stripe_at(&self) -> i64 {
        self.row.stripe_at
    }

    fn deleted_at(&self) -> Option<i64> {
        self.row.deleted_at
    }

    fn tombstone(id: &str, livemode: i64, at: i64) -> SubscriptionState {
        SubscriptionState {
            row: Row::tombstone(id, livemode, at),
            items: Vec::new(),
        }
    }

    fn with_deleted_at(self, at: Option<i64>) -> SubscriptionState {
        SubscriptionState {
            row: self.row.with_deleted_at(at),
            ..self
        }
    }

    fn stamped(self, livemode: i64, at: i64) -> SubscriptionState {
        SubscriptionState {
            row: self.row.stamped(livemode, at),
            ..self
        }
    }

    async fn load(tx: &mut Tx, ids: &[&str]) -> Result<Vec<SubscriptionState>> {
        let rows: Vec<Subscription> = row::find_all(tx, ids).await?;
        let mut items = items_of(tx, ids).await?;
        Ok(rows
            .into_iter()
            .map(|row| SubscriptionState {
                items: items
                    .extract_if(.., |item| item.subscription_id == row.id)
                    .collect(),
                row,
            })
            .collect())
    }

    async fn save(tx: &mut Tx, all: &[&SubscriptionState]) -> Result<()> {
        let rows: Vec<_> = all.iter().map(|state| &state.row).collect();
        row::put_all(tx, &rows).await?;
        let ids: Vec<_> = all.iter().map(|state| state.row.id.as_str()).collect();
        let items: Vec<_> = all.iter().flat_map(|state| &state.items).collect();
        replace_items(tx, &ids, &items).await
    }
}
