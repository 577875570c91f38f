//! Who may do what: a row for every route, and what is in the forms that are sent to it.

use std::collections::BTreeSet;

use billhook::{
    domain::{devices, session},
    store,
};
use futures::FutureExt;
use serde_json::{Value, json};

use crate::helpers::{Browser, TestApp, event};

/// A route, the form that is sent to it, and what three people get: a stranger, Ada, whose things are in the
/// form, and Bob, who is signed in too. A status, and a redirect's target behind `>`. To add a route, add
/// its row. There is no fourth column: the operator has no way in by HTTP, but commands on the server.
pub const MATRIX: &[(&str, &str, Form, [&str; 3])] = &[
    ("GET", "/", &[], ["200", "303 > /billing", "303 > /billing"]),
    ("GET", "/sign-in/check", &[], ["200", "200", "200"]),
    (
        "GET",
        "/sign-in/confirm",
        &[],
        ["200", "303 > /billing", "303 > /billing"],
    ),
    ("GET", "/sign-in/link", &[], [CONFIRM, CONFIRM, CONFIRM]),
    ("GET", "/billing", &[], [START, "200", "200"]),
    ("GET", "/billing/live", &[], [START, "200", "200"]),
    ("GET", "/devices", &[], [START, "200", "200"]),
    ("POST", "/api/ask_link", &[], ["400", "400", "400"]),
    (
        "POST",
        "/api/ask_link",
        &[("email", "ada@example.com")],
        [CHECK, CHECK, CHECK],
    ),
    ("POST", "/api/enter_code", &[], ["400", "400", "400"]),
    (
        "POST",
        "/api/enter_code",
        &[("code", "12345678")],
        [SPENT, SPENT, SPENT],
    ),
    (
        "POST",
        "/api/confirm_link",
        &[],
        [CONFIRM, CONFIRM, CONFIRM],
    ),
    (
        "POST",
        "/api/customers",
        &[],
        [START, "303 > /billing", "303 > /billing"],
    ),
    ("POST", "/api/open_portal", &[], [START, "400", "400"]),
    (
        "POST",
        "/api/open_portal",
        &[("customer", "{customer}"), ("flow", "home")],
        [START, PORTAL, "404"],
    ),
    (
        "POST",
        "/api/open_portal",
        &[("customer", "{customer}"), ("flow", "payment_method")],
        [START, PORTAL, "404"],
    ),
    (
        "POST",
        "/api/open_portal",
        &[
            ("customer", "{customer}"),
            ("flow", "change_plan"),
            ("subscription", "{subscription}"),
        ],
        [START, PORTAL, "404"],
    ),
    (
        "POST",
        "/api/open_portal",
        &[
            ("customer", "{customer}"),
            ("flow", "cancel"),
            ("subscription", "{subscription}"),
        ],
        [START, PORTAL, "404"],
    ),
    // One's own customer, and somebody else's subscription.
    (
        "POST",
        "/api/open_portal",
        &[
            ("customer", "{of bob}"),
            ("flow", "cancel"),
            ("subscription", "{subscription}"),
        ],
        [START, "404", "404"],
    ),
    ("POST", "/api/pay_invoice", &[], [START, "400", "400"]),
    (
        "POST",
        "/api/pay_invoice",
        &[("customer", "{customer}"), ("invoice", "in_of_ada")],
        [START, PORTAL, "404"],
    ),
    (
        "POST",
        "/api/pay_invoice",
        &[("customer", "{of bob}"), ("invoice", "in_of_ada")],
        [START, "404", "404"],
    ),
    ("POST", "/api/sign_out", &[], [START, START, START]),
    ("POST", "/api/end_session", &[], [START, "400", "400"]),
    (
        "POST",
        "/api/end_session",
        &[("handle", "{handle}")],
        [START, "303 > /devices", "303 > /devices"],
    ),
    (
        "POST",
        "/api/sign_out_everywhere",
        &[],
        [START, START, START],
    ),
    ("GET", "/up", &[], ["200", "200", "200"]),
    ("GET", "/ready", &[], ["200", "200", "200"]),
    ("POST", "/webhooks/stripe", &[], ["400", "400", "400"]),
    ("GET", "/api/v1/version", &[], ["200", "200", "200"]),
    ("GET", "/api/v1/{*rest}", &[], ["404", "404", "404"]),
];

type Form = &'static [(&'static str, &'static str)];
pub const START: &str = "303 > /";
const CONFIRM: &str = "303 > /sign-in/confirm";
const CHECK: &str = "303 > /sign-in/check";
const SPENT: &str = "303 > /sign-in/check?problem=spent";
const PORTAL: &str = "303 > {portal}";

/// A browser with a session of this address, for which no mail was sent.
pub async fn signed_in<'a>(app: &'a TestApp, address: &str) -> Browser<'a> {
    let row = session::new(address.to_owned(), "", app.clock.now());
    let tokens = session::tokens(&app.app, &row.id, row.generation);
    let insert = app
        .app
        .store
        .write(move |tx| async move { store::session::insert(tx, &row).await }.boxed());
    insert.await.unwrap();
    let mut browser = app.browser();
    browser.cookies = [
        ("billhook_access", tokens.access),
        ("billhook_refresh", tokens.refresh),
    ]
    .map(|(name, value)| (name.to_owned(), value.expose().to_owned()))
    .into();
    browser
}

/// What the operator does, who has no route.
pub const OPERATORS: &[&str] = &[
    "account", "admin", "audit", "config", "doctor", "events", "import", "migrate", "operator",
    "purge", "replay", "sweep",
];

/// What is Ada's, and a customer of Bob's.
pub struct Things {
    pub customer: String,
    of_bob: String,
}

impl Things {
    pub async fn make(app: &TestApp) -> Things {
        let customer = app.customer_at_stripe("ada@example.com").await;
        let of_bob = app.customer_at_stripe("bob@example.com").await;
        let price = json!({
            "id": "price_1", "object": "price", "product": "prod_1", "currency": "eur",
            "unit_amount": 1200, "recurring": { "interval": "month", "interval_count": 1 },
        });
        let item = json!({
            "id": "si_1", "object": "subscription_item", "quantity": 1, "price": price,
            "current_period_end": 1_900_000_000,
        });
        let subscription = json!({
            "id": "sub_of_ada", "object": "subscription", "customer": customer, "created": 1,
            "status": "active", "cancel_at": null, "items": { "data": [item] },
        });
        let product = json!({ "id": "prod_1", "object": "product", "name": "Team" });
        // The stand-in does not have it, so the portal is opened in its place.
        let invoice = json!({
            "id": "in_of_ada", "object": "invoice", "customer": customer, "status": "open",
            "created": 1,
        });
        for (at, r#type, object) in [
            (1_700_000_000, "product.created", product),
            (1_700_000_001, "customer.subscription.created", subscription),
            (1_700_000_001, "invoice.finalized", invoice),
        ] {
            let event = event(r#type, at, object, Value::Null);
            assert_eq!(app.deliver(&event).await.status(), 200);
        }
        Things { customer, of_bob }
    }

    pub fn fill(&self, value: &str, handle: &str) -> String {
        value
            .replace("{customer}", &self.customer)
            .replace("{of bob}", &self.of_bob)
            .replace("{subscription}", "sub_of_ada")
            .replace("{handle}", handle)
    }

    /// Signs Ada in once more, somewhere else, and gives that device's name on her page.
    pub async fn another_session_of_ada(&self, app: &TestApp) -> String {
        let before = self.sessions_of_ada(app).await;
        signed_in(app, "ada@example.com").await;
        let after = self.sessions_of_ada(app).await;
        after.difference(&before).next().unwrap().clone()
    }

    /// The names of her devices.
    pub async fn sessions_of_ada(&self, app: &TestApp) -> BTreeSet<String> {
        let row = session::new("ada@example.com".to_owned(), "", app.clock.now());
        let limits = session::limits(&app.app, app.clock.now());
        // Nothing but a session makes a principal, so this one is there for a moment.
        let found = app.app.store.write(move |tx| {
            async move {
                store::session::insert(tx, &row).await?;
                let found = store::session::principal(tx, &row.id, limits, false).await?;
                store::session::end(tx, &row.id, row.created_at).await?;
                Ok(found)
            }
            .boxed()
        });
        let (principal, _) = found.await.unwrap().unwrap();
        let devices = devices::list(&app.app, &principal).await.unwrap();
        devices.into_iter().map(|device| device.handle).collect()
    }
}
