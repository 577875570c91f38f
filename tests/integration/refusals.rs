//! What the operator is told when Stripe refuses a click.

use serde_json::{Value, json};

use crate::{
    engines::Engine,
    helpers::{TestApp, assert_redirect, spawn_app},
    portal_faults::{Log, SESSIONS, click},
};

const NOT_SAVED: &str = "No configuration provided and your test mode default configuration has not been \
    created. Provide a configuration or create your default by saving your customer portal settings.";
const BY_ADDRESS: &str = "The API key provided does not allow requests from your IP address.";

async fn refuse(app: &TestApp, status: u16, message: &str) {
    let body = json!({ "error": { "message": message } }).to_string();
    let fault = json!({ "path": SESSIONS, "status": status, "body": body });
    app.control("POST", "faults", fault).await;
}

/// On one thread, so that all that the program logs can be heard.
#[tokio::test]
async fn each_refusal_is_told_to_the_operator_with_what_to_do() {
    let (log, _heard) = Log::listen();
    let app = spawn_app(Engine::Sqlite).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    let mut before = log.text().len();
    for (status, message, alarm, advice) in [
        (
            400,
            NOT_SAVED,
            "stripe-setup",
            "Customer portal was saved once",
        ),
        (
            400,
            "No such configuration: 'bpc_1'",
            "stripe-setup",
            "PORTAL_CONFIGURATION exists",
        ),
        (400, "Something new.", "stripe-setup", "`billhook doctor`"),
        (
            404,
            "Unrecognized request URL",
            "stripe-setup",
            "`billhook doctor`",
        ),
        (
            401,
            "Invalid API Key provided",
            "stripe-key",
            "was rolled or has expired",
        ),
        (403, BY_ADDRESS, "stripe-key", "restricted to IP addresses"),
        (
            403,
            "Something new.",
            "stripe-key",
            "Customer portal: Write",
        ),
    ] {
        refuse(&app, status, message).await;
        let place = format!("/billing?problem=not-set-up&customer={mine}");
        assert_redirect(&click(&mut ada, &mine).await, &place);
        app.control("DELETE", "faults", Value::Null).await;
        let text = log.text();
        let errors: Vec<_> = text[before..]
            .lines()
            .filter(|line| line.contains("ERROR"))
            .collect();
        assert_eq!(errors.len(), 1, "{message}: {errors:#?}");
        for said in [alarm, advice, &format!("status={status}")] {
            assert!(errors[0].contains(said), "{message}: {said}: {}", errors[0]);
        }
        // In Stripe's words too, but where they name the key.
        let is_said = errors[0].contains(message);
        assert_eq!(is_said, status != 401, "{message}: {}", errors[0]);
        assert!(!errors[0].contains("ada@example.com"), "{}", errors[0]);
        before = text.len();
        app.clock.advance(60);
    }
}
