//! How the portal's configuration looks.

use serde_json::{Value, json};

/// The default configuration.
pub const DEFAULT: &str = "bpc_1SandboxConfiguration0000";

/// When it was saved: 1 January 2026.
const SAVED: i64 = 1_767_225_600;

/// It says what the page of the stand-in can do.
pub fn configuration() -> Value {
    json!({
        "id": DEFAULT,
        "object": "billing_portal.configuration",
        "active": true,
        "application": null,
        "business_profile": {
            "headline": null,
            "privacy_policy_url": null,
            "terms_of_service_url": null,
        },
        "created": SAVED,
        "default_return_url": null,
        "features": {
            "customer_update": { "allowed_updates": ["email", "name"], "enabled": true },
            "invoice_history": { "enabled": true },
            "payment_method_update": { "enabled": true, "payment_method_configuration": null },
            "subscription_cancel": {
                "cancellation_reason": {
                    "enabled": false,
                    "feedback_options": null,
                    "options": ["too_expensive", "missing_features", "unused", "other"],
                },
                "enabled": true,
                "mode": "at_period_end",
                "proration_behavior": "none",
            },
            "subscription_pause": {
                "duration": { "interval_options": [], "type": "indefinite" },
                "enabled": false,
            },
            "subscription_update": {
                "billing_cycle_anchor": null,
                "default_allowed_updates": ["price"],
                "enabled": true,
                "proration_behavior": "none",
                "schedule_at_period_end": { "conditions": [] },
                "trial_update_behavior": "end_trial",
            },
        },
        "is_default": true,
        "livemode": false,
        "login_page": { "enabled": false, "url": null },
        "metadata": {},
        "name": null,
        "updated": SAVED,
    })
}
