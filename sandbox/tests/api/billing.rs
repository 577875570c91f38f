//! The stand-in bills as Stripe does: products, prices, subscriptions, invoices, payments.

use serde_json::json;

use crate::client::{Sandbox, id};

#[tokio::test]
async fn a_subscription_is_billed_and_paid_from_draft_on() {
    let stripe = Sandbox::empty().await;
    let customer = stripe.customer().await;
    let price = stripe.price("1200").await;
    let known = stripe.events().await.len();
    let subscription = stripe.subscription(&customer, &price).await;
    assert_eq!(subscription["status"], "active");
    assert_eq!(
        stripe.kinds_since(known).await,
        [
            "customer.subscription.created",
            "invoice.created",
            "customer.updated",
            "invoice.finalized",
            "payment_intent.created",
            "payment_intent.succeeded",
            "invoice_payment.paid",
            "invoice.paid",
            "invoice.payment_succeeded",
        ]
    );
    let draft = &stripe.last_event("invoice.created").await["data"]["object"];
    assert_eq!(
        (&draft["status"], &draft["number"]),
        (&json!("draft"), &json!(null))
    );

    let invoice = subscription["latest_invoice"].as_str().unwrap();
    let invoice = stripe.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(invoice["status"], "paid");
    assert_eq!(invoice["amount_paid"], 1200);
    let owner = &invoice["parent"]["subscription_details"]["subscription"];
    assert_eq!(owner, &subscription["id"]);
    for gone in ["payment_intent", "charge", "paid", "subscription"] {
        assert!(invoice.get(gone).is_none(), "{gone}");
    }

    let payments = stripe
        .get(&format!("/v1/invoice_payments?invoice={}", id(&invoice)))
        .await;
    let payment = &payments["data"][0];
    assert_eq!(payment["status"], "paid");
    let one = stripe
        .get(&format!("/v1/invoice_payments/{}", id(payment)))
        .await;
    assert_eq!(one, *payment);
    let intent = payment["payment"]["payment_intent"].as_str().unwrap();
    let intent = stripe.get(&format!("/v1/payment_intents/{intent}")).await;
    assert_eq!(
        (&intent["status"], &intent["amount_received"]),
        (&json!("succeeded"), &json!(1200))
    );
    let found = stripe
        .get(&format!(
            "/v1/payment_intents?customer={customer}&created[gte]=1"
        ))
        .await;
    assert_eq!(found["data"], json!([intent]));
    let none = stripe.get("/v1/payment_intents?created[lt]=1").await;
    assert_eq!(none["data"], json!([]));
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_a_debt_and_one_that_is_paid_clears_it() {
    let stripe = Sandbox::empty().await;
    let customer = stripe.customer().await;
    let price = stripe.price("1200").await;
    let subscription = stripe.subscription(&customer, &price).await;
    let sub = id(&subscription);
    let end = &subscription["items"]["data"][0]["current_period_end"];
    let known = stripe.events().await.len();
    let failed = json!({ "subscription": sub, "outcome": "failed" });
    let renewed = stripe.order("renew", failed).await;
    assert_eq!(renewed["status"], "past_due");
    assert_eq!(&renewed["items"]["data"][0]["current_period_start"], end);
    assert_eq!(
        stripe.kinds_since(known).await,
        [
            "customer.subscription.updated",
            "invoice.created",
            "customer.updated",
            "invoice.finalized",
            "payment_intent.created",
            "payment_intent.payment_failed",
            "invoice.payment_failed",
            "customer.subscription.updated",
            "customer.updated",
        ]
    );
    let told = stripe.last_event("customer.updated").await;
    assert_eq!(told["data"]["object"]["delinquent"], true);
    assert_eq!(
        told["data"]["previous_attributes"],
        json!({ "delinquent": false })
    );
    let told = stripe.last_event("customer.subscription.updated").await;
    assert_eq!(
        told["data"]["previous_attributes"],
        json!({ "status": "active" })
    );
    let open = stripe.get("/v1/invoices?status=open").await;
    assert_eq!(open["data"][0]["billing_reason"], "subscription_cycle");
    assert!(open["data"][0]["next_payment_attempt"].is_i64());

    let debt = id(&open["data"][0]);
    stripe.post(&format!("/v1/invoices/{debt}/pay"), &[]).await;
    let subscription = stripe.get(&format!("/v1/subscriptions/{sub}")).await;
    assert_eq!(subscription["status"], "active");
    let customer = stripe.get(&format!("/v1/customers/{customer}")).await;
    assert_eq!(customer["delinquent"], false);
    let paid = json!({ "subscription": sub, "outcome": "paid" });
    let renewed = stripe.order("renew", paid).await;
    assert_eq!(renewed["status"], "active");
    let all = stripe
        .get(&format!("/v1/invoices?subscription={sub}"))
        .await;
    assert_eq!(all["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_subscription_that_is_to_end_ends_instead_of_renewing() {
    let stripe = Sandbox::empty().await;
    let customer = stripe.customer().await;
    let price = stripe.price("1200").await;
    let sub = id(&stripe.subscription(&customer, &price).await);
    let path = format!("/v1/subscriptions/{sub}");
    stripe
        .post(&path, &[("cancel_at_period_end", "true")])
        .await;
    let paid = json!({ "subscription": sub, "outcome": "paid" });
    assert_eq!(stripe.order("renew", paid).await["status"], "canceled");
    stripe.last_event("customer.subscription.deleted").await;
    let hidden = stripe.get("/v1/subscriptions").await;
    assert_eq!(hidden["data"], json!([]));
    let all = stripe.get("/v1/subscriptions?status=all").await;
    assert_eq!(all["data"][0]["id"], json!(sub));
}

#[tokio::test]
async fn without_anything_to_pay_with_a_subscription_is_refused_or_waits() {
    let stripe = Sandbox::empty().await;
    let customer = id(&stripe.post("/v1/customers", &[]).await);
    let price = id(&stripe.price("1200").await);
    let plain = [("customer", customer.as_str()), ("items[0][price]", &price)];
    let refused = stripe.refusal("POST", "/v1/subscriptions", &plain).await;
    assert_eq!(refused["code"], "resource_missing");
    let waiting = [
        plain[0],
        plain[1],
        ("payment_behavior", "default_incomplete"),
    ];
    let subscription = stripe.post("/v1/subscriptions", &waiting).await;
    assert_eq!(subscription["status"], "incomplete");
    let trial = [plain[0], plain[1], ("trial_period_days", "14")];
    let subscription = stripe.post("/v1/subscriptions", &trial).await;
    assert_eq!(subscription["status"], "trialing");
    let invoice = subscription["latest_invoice"].as_str().unwrap();
    let invoice = stripe.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(
        (&invoice["status"], &invoice["total"]),
        (&json!("paid"), &json!(0))
    );
}

#[tokio::test]
async fn a_trial_that_ends_begins_the_first_paid_period() {
    let stripe = Sandbox::empty().await;
    let customer = stripe.customer().await;
    let price = id(&stripe.price("1200").await);
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", price.as_str()),
        ("trial_period_days", "14"),
    ];
    let sub = id(&stripe.post("/v1/subscriptions", &form).await);
    let path = format!("/v1/subscriptions/{sub}");
    let known = stripe.events().await.len();
    let subscription = stripe.post(&path, &[("trial_end", "now")]).await;
    assert_eq!(subscription["status"], "active");
    let item = &subscription["items"]["data"][0];
    assert_eq!(item["current_period_start"], subscription["trial_end"]);
    let kinds = stripe.kinds_since(known).await;
    assert_eq!(kinds[0], "customer.subscription.updated");
    assert!(kinds.contains(&"invoice.paid".to_owned()));
    let open = stripe
        .get(&format!("/v1/invoices?subscription={sub}"))
        .await;
    assert_eq!(open["data"][0]["amount_paid"], 1200);
}

#[tokio::test]
async fn products_and_prices_change_and_tell_what_they_were() {
    let stripe = Sandbox::empty().await;
    let price = stripe.price("1200").await;
    let product = price["product"].as_str().unwrap();
    let path = format!("/v1/products/{product}");
    stripe
        .post(&path, &[("name", "Pro 2"), ("active", "false")])
        .await;
    let told = stripe.last_event("product.updated").await;
    assert_eq!(told["data"]["previous_attributes"]["name"], "Pro");
    assert_eq!(told["data"]["previous_attributes"]["active"], true);
    let refused = stripe.refusal("DELETE", &path, &[]).await;
    assert_eq!(refused["type"], "invalid_request_error");
    let bare = id(&stripe.post("/v1/products", &[("name", "Bare")]).await);
    let gone = stripe
        .call("DELETE", &format!("/v1/products/{bare}"), &[])
        .await;
    assert_eq!(
        gone,
        json!({ "id": bare, "object": "product", "deleted": true })
    );
    let told = stripe.last_event("product.deleted").await;
    assert_eq!(told["data"]["object"]["name"], "Bare");

    let path = format!("/v1/prices/{}", id(&price));
    stripe
        .post(&path, &[("lookup_key", "pro"), ("nickname", "P")])
        .await;
    let told = stripe.last_event("price.updated").await;
    let previous = json!({ "lookup_key": null, "nickname": null });
    assert_eq!(told["data"]["previous_attributes"], previous);
    let other = id(&stripe.price("900").await);
    let other = format!("/v1/prices/{other}");
    let refused = stripe
        .refusal("POST", &other, &[("lookup_key", "pro")])
        .await;
    assert_eq!(refused["param"], "lookup_key");
    let take = [("lookup_key", "pro"), ("transfer_lookup_key", "true")];
    stripe.post(&other, &take).await;
    let found = stripe
        .get("/v1/prices?lookup_keys[]=pro&lookup_keys[]=x")
        .await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["unit_amount"], 900);
    assert_eq!(stripe.get(&path).await["lookup_key"], json!(null));
    let found = stripe
        .get(&format!("/v1/prices?product={product}&active=true"))
        .await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_price_in_tiers_is_billed_by_them() {
    let stripe = Sandbox::empty().await;
    let customer = stripe.customer().await;
    let tiers = [
        ("currency", "usd"),
        ("billing_scheme", "tiered"),
        ("tiers_mode", "graduated"),
        ("tiers[0][up_to]", "10"),
        ("tiers[0][unit_amount]", "100"),
        ("tiers[1][up_to]", "inf"),
        ("tiers[1][unit_amount]", "50"),
        ("recurring[interval]", "month"),
        ("recurring[interval_count]", "3"),
        ("product_data[name]", "Seats"),
    ];
    let price = stripe.post("/v1/prices", &tiers).await;
    assert_eq!(
        (&price["unit_amount"], &price["tiers_mode"]),
        (&json!(null), &json!("graduated"))
    );
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", &id(&price)),
        ("items[0][quantity]", "12"),
    ];
    let subscription = stripe.post("/v1/subscriptions", &form).await;
    let invoice = subscription["latest_invoice"].as_str().unwrap();
    let invoice = stripe.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(invoice["total"], 1100);
    // As at Stripe, the tiers come only when they are asked for.
    assert!(price.get("tiers").is_none());
    let path = format!("/v1/prices/{}?expand[]=tiers", id(&price));
    assert_eq!(stripe.get(&path).await["tiers"][1]["unit_amount"], 50);
    let listed = stripe.get("/v1/prices?expand[]=data.tiers").await;
    assert_eq!(listed["data"][0]["tiers"][0]["up_to"], 10);
}

#[tokio::test]
async fn inner_lists_end_after_ten_and_their_own_addresses_have_the_rest() {
    let stripe = Sandbox::empty().await;
    let customer = stripe.customer().await;
    let mut form = vec![("customer".to_owned(), customer)];
    for index in 0..13 {
        let price = id(&stripe.price("100").await);
        form.push((format!("items[{index}][price]"), price));
    }
    let form: Vec<(&str, &str)> = form
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let subscription = stripe.post("/v1/subscriptions", &form).await;
    let shown = |object: &serde_json::Value, list: &str| {
        let list = &object[list];
        (
            list["data"].as_array().unwrap().len(),
            list["has_more"].clone(),
        )
    };
    assert_eq!(shown(&subscription, "items"), (10, json!(true)));
    let told = stripe.last_event("customer.subscription.created").await;
    assert_eq!(shown(&told["data"]["object"], "items"), (10, json!(true)));
    let listed = stripe.get("/v1/subscriptions").await;
    assert_eq!(shown(&listed["data"][0], "items"), (10, json!(true)));

    let sub = id(&subscription);
    let last = id(&subscription["items"]["data"][9]);
    let rest = stripe
        .get(&format!(
            "/v1/subscription_items?subscription={sub}&starting_after={last}"
        ))
        .await;
    assert_eq!(
        (rest["data"].as_array().unwrap().len(), &rest["has_more"]),
        (3, &json!(false))
    );

    let invoice = subscription["latest_invoice"].as_str().unwrap().to_owned();
    let invoice = stripe.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(
        (shown(&invoice, "lines"), &invoice["total"]),
        ((10, json!(true)), &json!(1300))
    );
    let told = stripe.last_event("invoice.paid").await;
    assert_eq!(shown(&told["data"]["object"], "lines"), (10, json!(true)));
    let lines = stripe
        .get(&format!("/v1/invoices/{}/lines?limit=100", id(&invoice)))
        .await;
    assert_eq!(lines["data"].as_array().unwrap().len(), 13);
}

#[tokio::test]
async fn payment_methods_come_and_go() {
    let stripe = Sandbox::empty().await;
    let customer = id(&stripe.post("/v1/customers", &[]).await);
    let form = [
        ("type", "card"),
        ("card[token]", "tok_visa"),
        ("billing_details[name]", "Ada"),
    ];
    let card = id(&stripe.post("/v1/payment_methods", &form).await);
    let path = format!("/v1/payment_methods/{card}");
    let refused = stripe.refusal("POST", &path, &[("metadata[a]", "b")]).await;
    assert_eq!(refused["type"], "invalid_request_error");
    let to = [("customer", customer.as_str())];
    let attached = stripe.post(&format!("{path}/attach"), &to).await;
    assert_eq!(attached["customer"], json!(customer));
    stripe.last_event("payment_method.attached").await;
    let default = [("invoice_settings[default_payment_method]", card.as_str())];
    stripe
        .post(&format!("/v1/customers/{customer}"), &default)
        .await;
    stripe.post(&path, &[("card[exp_year]", "2033")]).await;
    let told = stripe.last_event("payment_method.updated").await;
    let previous = json!({ "card": { "exp_year": 2030 } });
    assert_eq!(told["data"]["previous_attributes"], previous);

    let detached = stripe.post(&format!("{path}/detach"), &[]).await;
    assert_eq!(detached["customer"], json!(null));
    let told = stripe.last_event("payment_method.detached").await;
    assert_eq!(told["data"]["object"]["customer"], json!(null));
    assert_eq!(
        told["data"]["previous_attributes"],
        json!({ "customer": customer })
    );
    let owner = stripe.get(&format!("/v1/customers/{customer}")).await;
    assert_eq!(
        owner["invoice_settings"]["default_payment_method"],
        json!(null)
    );
    let declined = "/v1/payment_methods/pm_card_chargeDeclined/attach";
    let refused = stripe.refusal("POST", declined, &to).await;
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("card_error"), &json!("card_declined"))
    );
}

#[tokio::test]
async fn entitlements_follow_the_subscriptions() {
    let stripe = Sandbox::empty().await;
    let customer = stripe.customer().await;
    let price = stripe.price("1200").await;
    let product = price["product"].as_str().unwrap();
    for number in 0..12 {
        let key = format!("feature-{number}");
        let form = [("lookup_key", key.as_str()), ("name", "A feature")];
        let feature = id(&stripe.post("/v1/entitlements/features", &form).await);
        let form = [("entitlement_feature", feature.as_str())];
        stripe
            .post(&format!("/v1/products/{product}/features"), &form)
            .await;
    }
    let sub = id(&stripe.subscription(&customer, &price).await);
    let kind = "entitlements.active_entitlement_summary.updated";
    let told = stripe.last_event(kind).await;
    let summary = &told["data"]["object"];
    assert!(summary.get("id").is_none());
    assert_eq!(summary["customer"], json!(customer));
    assert_eq!(
        summary["entitlements"]["data"].as_array().unwrap().len(),
        10
    );
    assert_eq!(summary["entitlements"]["has_more"], true);
    let path = format!("/v1/entitlements/active_entitlements?customer={customer}&limit=100");
    let all = stripe.get(&path).await;
    assert_eq!(all["data"].as_array().unwrap().len(), 12);
    assert_eq!(all["data"][0]["lookup_key"], "feature-0");

    stripe
        .call("DELETE", &format!("/v1/subscriptions/{sub}"), &[])
        .await;
    let told = stripe.last_event(kind).await;
    assert_eq!(told["data"]["object"]["entitlements"]["data"], json!([]));
    assert_eq!(stripe.get(&path).await["data"], json!([]));
}

#[tokio::test]
async fn a_checkout_makes_what_it_is_for() {
    let stripe = Sandbox::empty().await;
    let price = id(&stripe.price("1200").await);
    let form = [
        ("mode", "subscription"),
        ("customer_email", "new@example.com"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "2"),
        (
            "success_url",
            "https://example.com/?s={CHECKOUT_SESSION_ID}",
        ),
        ("metadata[cart]", "7"),
    ];
    let session = stripe.post("/v1/checkout/sessions", &form).await;
    assert_eq!(
        (&session["status"], &session["amount_total"]),
        (&json!("open"), &json!(2400))
    );
    let page = session["url"].as_str().unwrap();
    assert_eq!(stripe.http.get(page).send().await.unwrap().status(), 200);

    let order = json!({ "session": session["id"] });
    let done = stripe.order("checkout/complete", order.clone()).await;
    assert_eq!(
        (&done["status"], &done["payment_status"]),
        (&json!("complete"), &json!("paid"))
    );
    let told = stripe.last_event("checkout.session.completed").await;
    assert_eq!(told["data"]["object"], done);
    let customer = done["customer"].as_str().unwrap();
    let customer = stripe.get(&format!("/v1/customers/{customer}")).await;
    assert_eq!(customer["email"], "new@example.com");
    let subscription = done["subscription"].as_str().unwrap();
    let subscription = stripe
        .get(&format!("/v1/subscriptions/{subscription}"))
        .await;
    assert_eq!(subscription["status"], "active");
    assert_eq!(subscription["latest_invoice"], done["invoice"]);
    let again = format!("{}/_sandbox/checkout/complete", stripe.url);
    let again = stripe.http.post(again).json(&order).send().await.unwrap();
    assert_eq!(again.status(), 400);

    let listed = stripe.get("/v1/checkout/sessions?status=complete").await;
    assert_eq!(listed["data"][0], done);
    let setup = stripe
        .post(
            "/v1/checkout/sessions",
            &[("mode", "setup"), ("currency", "eur")],
        )
        .await;
    let done = stripe
        .order("checkout/complete", json!({ "session": setup["id"] }))
        .await;
    assert!(done["setup_intent"].as_str().unwrap().starts_with("seti_"));
}

#[tokio::test]
async fn a_visitor_pays_on_the_page_of_the_checkout() {
    let stripe = Sandbox::empty().await;
    let form = [
        ("currency", "jpy"),
        ("unit_amount", "1800"),
        ("product_data[name]", "<Mug>"),
    ];
    let price = id(&stripe.post("/v1/prices", &form).await);
    let form = [
        ("mode", "payment"),
        ("line_items[][price]", price.as_str()),
        ("line_items[][quantity]", "1"),
        (
            "success_url",
            "https://example.com/?s={CHECKOUT_SESSION_ID}",
        ),
    ];
    let session = stripe.post("/v1/checkout/sessions", &form).await;
    let page = session["url"].as_str().unwrap().to_owned();
    let shown = stripe
        .http
        .get(&page)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        shown.contains("&lt;Mug&gt;") && shown.contains("¥1800"),
        "{shown}"
    );
    let pay = async |card: &str| {
        let answer = stripe
            .http
            .post(&page)
            .form(&[("card", card)])
            .send()
            .await
            .unwrap();
        answer.headers()["location"].to_str().unwrap().to_owned()
    };
    assert!(
        pay("pm_card_chargeDeclined")
            .await
            .ends_with("notice=declined")
    );
    let next = format!("https://example.com/?s={}", id(&session));
    assert_eq!(pay("pm_card_visa").await, next);
    let done = stripe
        .get(&format!("/v1/checkout/sessions/{}", id(&session)))
        .await;
    assert_eq!(
        (&done["payment_status"], &done["customer"]),
        (&json!("paid"), &json!(null))
    );
    assert!(done["payment_intent"].is_string());
}

#[tokio::test]
async fn a_decline_is_refused_as_a_card_error_and_told() {
    let stripe = Sandbox::empty().await;
    let form = [
        ("amount", "2000"),
        ("currency", "usd"),
        ("payment_method", "pm_card_chargeDeclined"),
        ("confirm", "true"),
    ];
    let refused = stripe.refusal("POST", "/v1/payment_intents", &form).await;
    assert_eq!(refused["type"], "card_error");
    assert_eq!(refused["decline_code"], "generic_decline");
    let intent = id(&refused["payment_intent"]);
    let intent = stripe.get(&format!("/v1/payment_intents/{intent}")).await;
    assert_eq!(intent["status"], "requires_payment_method");
    let told = stripe.last_event("payment_intent.payment_failed").await;
    assert_eq!(told["data"]["object"], intent);
}
