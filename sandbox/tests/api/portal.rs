//! What a visitor changes on the hosted portal page is told as Stripe tells it.

use serde_json::json;

use crate::client::{Sandbox, id};

struct Portal {
    stripe: Sandbox,
    url: String,
    subscription: String,
}

async fn portal() -> Portal {
    let stripe = Sandbox::empty().await;
    let customer = stripe.customer().await;
    let price = stripe.price("1200").await;
    let subscription = id(&stripe.subscription(&customer, &price).await);
    let form = [("customer", customer.as_str())];
    let session = stripe.post("/v1/billing_portal/sessions", &form).await;
    Portal {
        url: session["url"].as_str().unwrap().to_owned(),
        subscription,
        stripe,
    }
}

impl Portal {
    async fn submit(&self, action: &str, form: &[(&str, &str)]) {
        let url = format!("{}/{action}", self.url);
        let answer = self.stripe.http.post(url).form(form).send().await.unwrap();
        assert_eq!(answer.status(), 303);
    }
}

#[tokio::test]
async fn a_cancellation_sets_a_date_and_can_be_undone() {
    let portal = portal().await;
    let form = [("subscription", portal.subscription.as_str())];
    portal.submit("cancel", &form).await;
    let told = portal
        .stripe
        .last_event("customer.subscription.updated")
        .await;
    let object = &told["data"]["object"];
    assert_eq!(
        object["cancel_at"],
        object["items"]["data"][0]["current_period_end"]
    );
    assert_eq!(
        (&object["cancel_at_period_end"], &object["status"]),
        (&json!(false), &json!("active"))
    );
    let previous = json!({
        "cancel_at": null,
        "canceled_at": null,
        "cancellation_details": { "reason": null },
    });
    assert_eq!(told["data"]["previous_attributes"], previous);
    assert_eq!(told["request"]["id"], json!(null));

    portal.submit("resume", &form).await;
    let told = portal
        .stripe
        .last_event("customer.subscription.updated")
        .await;
    assert_eq!(told["data"]["object"]["cancel_at"], json!(null));
    assert_eq!(
        told["data"]["previous_attributes"]["cancel_at"],
        object["cancel_at"]
    );
}

#[tokio::test]
async fn a_plan_can_be_changed_within_the_currency() {
    let portal = portal().await;
    let dearer = portal.stripe.price("4900").await;
    let page = portal.stripe.http.get(&portal.url).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("Change plan"));
    let form = [
        ("subscription", portal.subscription.as_str()),
        ("price", &id(&dearer)),
    ];
    portal.submit("plan", &form).await;
    let told = portal
        .stripe
        .last_event("customer.subscription.updated")
        .await;
    let item = &told["data"]["object"]["items"]["data"][0];
    let old = &told["data"]["previous_attributes"]["items"]["data"][0];
    assert_eq!(
        (&item["price"]["unit_amount"], &old["price"]["unit_amount"]),
        (&json!(4900), &json!(1200))
    );
    assert_eq!(item["id"], old["id"]);
    assert_eq!(item["current_period_end"], old["current_period_end"]);
}

#[tokio::test]
async fn an_overdue_invoice_can_be_paid() {
    let portal = portal().await;
    let failed = json!({ "subscription": portal.subscription, "outcome": "failed" });
    portal.stripe.order("renew", failed).await;
    let open = portal.stripe.get("/v1/invoices?status=open").await;
    portal
        .submit("pay", &[("invoice", &id(&open["data"][0]))])
        .await;
    let told = portal
        .stripe
        .last_event("customer.subscription.updated")
        .await;
    assert_eq!(told["data"]["object"]["status"], "active");
    assert_eq!(
        told["data"]["previous_attributes"],
        json!({ "status": "past_due" })
    );
    let told = portal.stripe.last_event("customer.updated").await;
    assert_eq!(told["data"]["object"]["delinquent"], false);
}
