//! The mirrored tables besides `customer`. Fields are named as in Stripe's API; ids of other objects
//! end in `_id` where Stripe's name does not say that it is one. Times are unix seconds, amounts
//! minor units. Rows are written by `domain::sync` alone, which holds the ordering rule.

use super::{
    Result, Tx,
    many::{self, Cell, Table},
    on,
    row::rows,
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
        /// A card or source of the older kind.
        default_source: Option<String>,
        /// The ids of its discounts, as a JSON list.
        discounts: Option<String>,
        /// The currency that the customer pays in, where that is another than `currency`
        /// (<https://docs.stripe.com/payments/currencies/localize-prices/adaptive-pricing>).
        presentment_currency: Option<String>,
        /// 1 where Stripe adds tax to prices that do not include it.
        automatic_tax: i64,
        /// 1 where tax rates of the seller's are added.
        exclusive_tax: i64,
        /// 1 where there are more items than are known.
        is_cut: i64,
        latest_invoice: Option<String>,
        /// Stripe's map, as JSON.
        metadata: Option<String>,
        start_date: Option<i64>,
        created: i64,
    }

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

    /// `price.*`
    Price in "price" {
        product_id: Option<String>,
        active: i64,
        currency: Option<String>,
        /// For one of it. With a fraction only `unit_amount_decimal` is set.
        unit_amount: Option<i64>,
        unit_amount_decimal: Option<String>,
        r#type: Option<String>,
        interval: Option<String>,
        interval_count: Option<i64>,
        usage_type: Option<String>,
        meter: Option<String>,
        billing_scheme: Option<String>,
        tiers_mode: Option<String>,
        /// Stripe's list, as JSON.
        tiers: Option<String>,
        transform_quantity: Option<String>,
        trial_period_days: Option<i64>,
        tax_behavior: Option<String>,
        lookup_key: Option<String>,
        /// Of plans from before products, which customers were shown.
        name: Option<String>,
        /// Hidden from customers.
        nickname: Option<String>,
        metadata: Option<String>,
        created: i64,
        seen_at: Option<i64>,
    }

    /// `coupon.*`
    Coupon in "coupon" {
        name: Option<String>,
        /// A decimal number: `12.5`.
        percent_off: Option<String>,
        amount_off: Option<i64>,
        currency: Option<String>,
        /// Stripe's map from currencies to amounts, as JSON.
        currency_options: Option<String>,
        /// `once`, `repeating` or `forever`
        duration: Option<String>,
        duration_in_months: Option<i64>,
        /// The ids of the products that it is restricted to, as a JSON list: empty for all. `None` where
        /// Stripe has not been asked, since no event says it.
        applies_to: Option<String>,
        created: i64,
        seen_at: Option<i64>,
    }

    /// `customer.discount.*`
    Discount in "discount" {
        customer_id: Option<String>,
        /// What it is on: all of the customer's subscriptions where neither is set and it is not
        /// elsewhere.
        subscription_id: Option<String>,
        item_id: Option<String>,
        /// 1 where it is on an invoice or a checkout alone.
        is_elsewhere: i64,
        coupon_id: Option<String>,
        starts_at: i64,
        /// `None` where the coupon's duration is `once` or `forever`.
        ends_at: Option<i64>,
        seen_at: Option<i64>,
    }

    /// `invoice.*`
    Invoice in "invoice" {
        customer_id: Option<String>,
        subscription_id: Option<String>,
        number: Option<String>,
        status: Option<String>,
        /// `charge_automatically` or `send_invoice`
        collection_method: Option<String>,
        billing_reason: Option<String>,
        currency: Option<String>,
        subtotal: Option<i64>,
        total: Option<i64>,
        amount_due: Option<i64>,
        amount_paid: Option<i64>,
        amount_remaining: Option<i64>,
        hosted_invoice_url: Option<String>,
        invoice_pdf: Option<String>,
        period_start: Option<i64>,
        period_end: Option<i64>,
        due_date: Option<i64>,
        attempt_count: Option<i64>,
        next_payment_attempt: Option<i64>,
        paid_at: Option<i64>,
        created: i64,
    }

    /// `payment_intent.*`
    PaymentIntent in "payment_intent" {
        customer_id: Option<String>,
        status: Option<String>,
        currency: Option<String>,
        amount: Option<i64>,
        amount_received: Option<i64>,
        payment_method_id: Option<String>,
        invoice_id: Option<String>,
        error_code: Option<String>,
        decline_code: Option<String>,
        canceled_at: Option<i64>,
        created: i64,
    }

    /// `invoice_payment.*`
    InvoicePayment in "invoice_payment" {
        invoice_id: Option<String>,
        payment_intent_id: Option<String>,
        status: Option<String>,
        currency: Option<String>,
        amount_requested: Option<i64>,
        amount_paid: Option<i64>,
        is_default: i64,
        paid_at: Option<i64>,
        created: i64,
    }

    /// `payment_method.*`, and `customer.source.*` of the older kind.
    PaymentMethod in "payment_method" {
        customer_id: Option<String>,
        r#type: Option<String>,
        brand: Option<String>,
        last4: Option<String>,
        exp_month: Option<i64>,
        exp_year: Option<i64>,
        created: i64,
        seen_at: Option<i64>,
    }

    /// `checkout.session.*`
    CheckoutSession in "checkout_session" {
        customer_id: Option<String>,
        mode: Option<String>,
        status: Option<String>,
        payment_status: Option<String>,
        currency: Option<String>,
        amount_total: Option<i64>,
        subscription_id: Option<String>,
        payment_intent_id: Option<String>,
        invoice_id: Option<String>,
        client_reference_id: Option<String>,
        metadata: Option<String>,
        created: i64,
    }

    /// `entitlements.active_entitlement_summary.updated`. Its id is the customer's.
    EntitlementSummary in "entitlement_summary" {
        /// Sorted, as a JSON list.
        lookup_keys: String,
    }
}

/// A row of `subscription_item`.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow, serde::Deserialize)]
pub struct SubscriptionItem {
    pub subscription_id: String,
    /// Their order in the subscription, from 0.
    pub position: i64,
    pub id: Option<String>,
    pub price_id: Option<String>,
    pub product_id: Option<String>,
    pub quantity: Option<i64>,
    /// The ids of its discounts, as a JSON list.
    pub discounts: Option<String>,
    /// When its price was made: another of the same id is another price.
    pub price_created: Option<i64>,
    pub current_period_start: Option<i64>,
    pub current_period_end: Option<i64>,
}

/// The items of these subscriptions, each in its order.
pub async fn items_of(tx: &mut Tx, subscriptions: &[&str]) -> Result<Vec<SubscriptionItem>> {
    many::select(tx, subscriptions, |among| {
        format!(
            "SELECT * FROM subscription_item WHERE subscription_id {among}
             ORDER BY subscription_id, position"
        )
    })
    .await
}

/// Makes these the items of these subscriptions, and removes all others that they had.
pub async fn replace_items(
    tx: &mut Tx,
    subscriptions: &[&str],
    items: &[&SubscriptionItem],
) -> Result<()> {
    many::change(tx, subscriptions, [], |among, []| {
        format!("DELETE FROM subscription_item WHERE subscription_id {among}")
    })
    .await?;
    let table = Table {
        name: "subscription_item",
        columns: SubscriptionItem::COLUMNS,
    };
    let rows: Vec<_> = items.iter().map(|item| item.cells()).collect();
    many::insert(tx, table, &rows, "").await?;
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

/// Those of these ids of payment methods and deleted discounts that are known. A customer does not see the rows of
/// what was detached or taken away, and is told by this that it is not unknown.
pub async fn known_of(tx: &mut Tx, ids: &[&str]) -> Result<Vec<String>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if let Tx::Postgres(tx) = tx {
        const SQL: &str = "SELECT known_of($1)";
        return sqlx::query_scalar(SQL).bind(ids).fetch_all(&mut **tx).await;
    }
    let mut known: Vec<(String,)> = many::select(tx, ids, |among| {
        format!("SELECT id FROM payment_method WHERE id {among}")
    })
    .await?;
    let discounts = many::select(tx, ids, |among| {
        format!("SELECT id FROM discount WHERE id {among} AND deleted_at IS NOT NULL")
    });
    known.extend(discounts.await?);
    Ok(known.into_iter().map(|(id,)| id).collect())
}

/// Whether an invoice of this customer was told to be paid after that Stripe second.
pub async fn has_paid_since(tx: &mut Tx, customer: &str, second: i64) -> Result<bool> {
    const SQL: &str = "SELECT id FROM invoice WHERE customer_id = $1 AND stripe_at > $2
        AND status = 'paid' AND amount_paid > 0 AND deleted_at IS NULL LIMIT 1";
    let found: Option<String> = on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(customer)
        .bind(second)
        .fetch_optional(connection)
        .await)?;
    Ok(found.is_some())
}

/// The newest Stripe second of the rows of a customer that a card is made of; 0 where there are none.
pub async fn newest(tx: &mut Tx, customer: &str) -> Result<i64> {
    const SQL: &str = "SELECT CAST(COALESCE(MAX(stripe_at), 0) AS BIGINT) FROM (
        SELECT stripe_at FROM customer WHERE id = $1
        UNION ALL SELECT stripe_at FROM subscription WHERE customer_id = $1
        UNION ALL SELECT stripe_at FROM payment_method WHERE customer_id = $1
        UNION ALL SELECT stripe_at FROM invoice WHERE customer_id = $1) AS of_customer";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(customer)
        .fetch_one(connection)
        .await)
}
