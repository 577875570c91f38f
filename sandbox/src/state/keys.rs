//! Restricted keys: what a key may do once that is ordered at `/_sandbox/keys`, and Stripe's words
//! for what it may not. Every other key may do everything.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use serde::Deserialize;

use crate::wire::error::ApiError;

/// `{"key": "rk_test_…", "permissions": ["customer_read", "billing_portal_session_write"]}`; without
/// permissions the key may do everything again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    key: String,
    permissions: Option<BTreeSet<String>>,
}

/// What the keys with an order may do.
#[derive(Debug, Default)]
pub struct Keys(BTreeMap<String, BTreeSet<String>>);

impl Keys {
    pub fn order(&mut self, order: Order) -> Result<(), String> {
        if !order.key.starts_with("rk_test_") {
            return Err("a restricted key begins with rk_test_".to_owned());
        }
        match order.permissions {
            Some(permissions) => self.0.insert(order.key, permissions),
            None => self.0.remove(&order.key),
        };
        Ok(())
    }

    /// 403 where the key lacks the permission. Who may write may read.
    pub fn check(&self, key: &str, method: &Method, path: &str) -> Result<(), ApiError> {
        let Some(permissions) = self.0.get(key) else {
            return Ok(());
        };
        let noun = noun(path);
        let (write, read) = (format!("{noun}_write"), format!("{noun}_read"));
        let wants_read = matches!(*method, Method::GET | Method::HEAD);
        if permissions.contains(&write) || (wants_read && permissions.contains(&read)) {
            return Ok(());
        }
        let missing = if wants_read { read } else { write };
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            format!(
                "The provided key '{}' does not have the required permissions for this endpoint on \
                 account 'acct_1BillhookSandbox'. Having the 'rak_{missing}' permission would allow \
                 this request to continue.",
                masked(key)
            ),
        ))
    }
}

/// What a permission for that path is called.
fn noun(path: &str) -> String {
    let mut segments = path.trim_start_matches("/v1/").split('/');
    let first = segments.next().unwrap_or_default();
    match (first, segments.nth(1)) {
        ("customers", Some("payment_methods")) => "payment_method",
        ("prices" | "plans", _) => "plan",
        ("subscription_items", _) => "subscription",
        ("invoiceitems" | "invoice_payments", _) => "invoice",
        ("checkout" | "payment_pages", _) => "checkout_session",
        ("entitlements", _) => "entitlement",
        ("webhook_endpoints", _) => "webhook",
        ("billing_portal", _) => "billing_portal_session",
        (plural, _) => plural.strip_suffix('s').unwrap_or(plural),
    }
    .to_owned()
}

/// As Stripe shows a key: its beginning and its last letters.
fn masked(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    let hidden = letters.len().saturating_sub("rk_test_".len() + 6);
    let end: String = letters.iter().rev().take(6).rev().collect();
    format!("rk_test_{}{end}", "*".repeat(hidden.max(3)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_an_order_may_do_that_alone() {
        let mut keys = Keys::default();
        let order = r#"{"key": "rk_test_narrow_key", "permissions": ["customer_read", "billing_portal_session_write"]}"#;
        keys.order(serde_json::from_str(order).unwrap()).unwrap();
        let may = |method: Method, path: &str| keys.check("rk_test_narrow_key", &method, path);
        assert!(may(Method::GET, "/v1/customers/cus_1").is_ok());
        assert!(may(Method::POST, "/v1/billing_portal/sessions").is_ok());
        for (method, path) in [
            (Method::POST, "/v1/customers"),
            (Method::GET, "/v1/customers/cus_1/payment_methods"),
            (Method::GET, "/v1/refunds"),
            (Method::GET, "/v1/webhook_endpoints"),
        ] {
            assert_eq!(
                may(method, path).unwrap_err().status,
                StatusCode::FORBIDDEN,
                "{path}"
            );
        }
        assert!(
            keys.check("rk_test_other", &Method::GET, "/v1/refunds")
                .is_ok()
        );
        assert_eq!(noun("/v1/events"), "event");
        assert_eq!(masked("rk_test_narrow_key"), "rk_test_****ow_key");
        let again = serde_json::from_str(r#"{"key": "rk_test_narrow_key"}"#).unwrap();
        keys.order(again).unwrap();
        let wide = keys.check("rk_test_narrow_key", &Method::GET, "/v1/refunds");
        assert!(wide.is_ok());
        let live = serde_json::from_str(r#"{"key": "sk_live_x", "permissions": []}"#).unwrap();
        assert!(keys.order(live).is_err());
    }
}
