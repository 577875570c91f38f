//! The mirrored tables besides `customer`, one file per row type. Fields have the names of Stripe's API; ids of
//! other objects end in `_id` where Stripe's name does not say that it is an id. Times are unix seconds, amounts
//! are in minor units. Only `domain::sync` writes these rows; it holds the ordering rule.

mod checkout_session;
mod coupon;
mod credit_note;
mod discount;
mod entitlement_summary;
mod invoice;
mod invoice_payment;
mod payment_intent;
mod payment_method;
mod price;
mod product;
mod refund;
mod subscription;

use super::{Result, Tx, bulk, on};

pub use checkout_session::CheckoutSession;
pub use coupon::Coupon;
pub use credit_note::CreditNote;
pub use discount::Discount;
pub use entitlement_summary::EntitlementSummary;
pub use invoice::Invoice;
pub use invoice_payment::InvoicePayment;
pub use payment_intent::PaymentIntent;
pub use payment_method::PaymentMethod;
pub use price::Price;
pub use product::Product;
pub use refund::Refund;
pub use subscription::{
    Subscription, SubscriptionItem, SubscriptionState, items_of, replace_items,
};

/// Which of these ids belong to known payment methods or deleted discounts. Customers do not see rows of detached
/// or deleted objects; with this the caller can tell "known, but gone" from "unknown".
pub async fn known_of(tx: &mut Tx, ids: &[&str]) -> Result<Vec<String>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if let Tx::Postgres(tx) = tx {
        const SQL: &str = "SELECT known_of($1)";
        return sqlx::query_scalar(SQL).bind(ids).fetch_all(&mut **tx).await;
    }
    let mut known: Vec<(String,)> = bulk::select(tx, ids, |among| {
        format!("SELECT id FROM payment_method WHERE id {among}")
    })
    .await?;
    let discounts = bulk::select(tx, ids, |among| {
        format!("SELECT id FROM discount WHERE id {among} AND deleted_at IS NOT NULL")
    });
    known.extend(discounts.await?);
    Ok(known.into_iter().map(|(id,)| id).collect())
}

/// The customers who made these payments.
pub async fn payers(tx: &mut Tx, payments: &[&str]) -> Result<Vec<String>> {
    let found: Vec<(String,)> = bulk::select(tx, payments, |among| {
        format!(
            "SELECT customer_id FROM payment_intent WHERE id {among} AND customer_id IS NOT NULL"
        )
    })
    .await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Whether a change after that Stripe second reported an invoice of this customer as paid.
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

/// The newest Stripe second of the rows that a customer's card is built from; 0 if there are none.
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
