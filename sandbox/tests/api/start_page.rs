//! The start page: what its buttons bring about, and what it refuses.

use billhook_sandbox::Options;
use reqwest::header;
use serde_json::{Value, json};

use crate::client::{Sandbox, id};

async fn press(stripe: &Sandbox, path: &str, form: &[(&str, &str)]) -> String {
    let post = stripe.http.post(format!("{}{path}", stripe.url)).form(form);
    let answer = post.send().await.unwrap();
    assert_eq!(answer.status(), 303, "{path}");
    let way = answer.headers()[header::LOCATION].to_str().unwrap();
    let page = stripe.http.get(format!("{}{way}", stripe.url));
    page.send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn the_stand_ins_start_page_presses_the_buttons_of_time_and_of_customers() {
    let stripe = Sandbox::spawn(Options {
        seed: true,
        ..Options::default()
    })
    .await;
    let page = stripe.http.get(&stripe.url).send().await.unwrap();
    let page = page.text().await.unwrap();
    for word in [
        "ada@example.com",
        "Walk-in customer, paid in person",
        "Renew",
        "Fail the next payment",
        "Next month",
        "Buy",
    ] {
        assert!(page.contains(word), "{word}");
    }
    assert!(!page.contains("charles@example.com"), "who was deleted");

    let ada = ("customer", "cus_SeedAda0000001");
    let plan = ("subscription", "sub_1SeedAda0000001");
    let end = |subscription: &Value| {
        let end = &subscription["items"]["data"][0]["current_period_end"];
        end.as_i64().unwrap()
    };
    let path = "/v1/subscriptions/sub_1SeedAda0000001";
    let before = stripe.get(path).await;
    let told = press(&stripe, "/start/renew", &[plan, ("outcome", "paid")]).await;
    assert!(told.contains("Renewed: "), "{told}");
    let renewed = stripe.get(path).await;
    assert!(end(&renewed) > end(&before));
    assert_eq!(renewed["status"], "active");

    let told = press(&stripe, "/start/renew", &[plan, ("outcome", "failed")]).await;
    assert!(told.contains("its payment failed"), "{told}");
    let failed = stripe.get(path).await;
    assert_eq!(failed["status"], "past_due");
    let kinds = stripe.last_event("invoice.payment_failed").await;
    assert_eq!(kinds["data"]["object"]["customer"], ada.1);

    let told = press(&stripe, "/start/month", &[ada]).await;
    assert!(told.contains("A month has passed"), "{told}");
    let later = stripe.get(path).await;
    assert!(end(&later) > end(&failed));
    assert_eq!(later["status"], "active", "the card on file is good");
    // A card that is declined is declined by time, too; and what was to end, ends.
    let bad = ("customer", "cus_SeedAda0000002");
    press(&stripe, "/start/month", &[bad]).await;
    let bad = stripe.get("/v1/subscriptions/sub_1SeedAda0000002").await;
    assert_eq!(bad["status"], "past_due");
    press(
        &stripe,
        "/start/month",
        &[("customer", "cus_SeedAgency0003")],
    )
    .await;
    let over = stripe.get("/v1/subscriptions/sub_1SeedAgency0003").await;
    assert_eq!(over["status"], "canceled");

    let price = ("price", "price_1SeedTeamMonth");
    let known = stripe.events().await.len();
    let told = press(&stripe, "/start/buy", &[ada, price]).await;
    assert!(told.contains("Bought, and paid"), "{told}");
    let kinds = stripe.kinds_since(known).await;
    for kind in [
        "customer.subscription.created",
        "invoice.paid",
        "checkout.session.completed",
    ] {
        assert!(kinds.iter().any(|told| told == kind), "{kind}: {kinds:?}");
    }
    let list = format!("/v1/subscriptions?customer={}", ada.1);
    assert_eq!(stripe.get(&list).await["data"].as_array().unwrap().len(), 2);

    let new = [("email", "new@example.com"), price];
    let told = press(&stripe, "/start/buy", &new).await;
    assert!(told.contains("new@example.com") && told.contains("Bought"));
    let made = stripe.get("/v1/customers?email=new@example.com").await;
    assert_eq!(made["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_start_page_takes_no_orders_from_other_sites_and_shows_what_cannot_be_done() {
    let stripe = Sandbox::empty().await;
    let customer = stripe.customer().await;
    let price = id(&stripe.price("1200").await);
    let form = [("customer", customer.as_str()), ("price", price.as_str())];
    let post = stripe
        .http
        .post(format!("{}/start/buy", stripe.url))
        .header("Sec-Fetch-Site", "cross-site")
        .form(&form);
    assert_eq!(post.send().await.unwrap().status(), 403);
    let none = stripe.get("/v1/subscriptions").await;
    assert_eq!(none["data"], json!([]));

    for (path, form, words) in [
        (
            "renew",
            vec![("subscription", "sub_none")],
            "could not be done",
        ),
        ("month", vec![("customer", "cus_none")], "nothing was due"),
        (
            "buy",
            vec![("customer", "cus_none"), ("price", &price)],
            "could not be done",
        ),
        (
            "buy",
            vec![form[0], ("price", "price_none")],
            "could not be done",
        ),
        (
            "buy",
            vec![("email", "<script>"), ("price", &price)],
            "does not look like an e-mail address",
        ),
        ("buy", vec![], "does not look like an e-mail address"),
    ] {
        let page = press(&stripe, &format!("/start/{path}"), &form).await;
        assert!(page.contains(words), "{path} {form:?}: {page}");
        assert!(!page.contains("<script"));
    }
    let odd = "/?notice=bought&customer=%22%3E%3Cscript%3E";
    let page = stripe.http.get(format!("{}{odd}", stripe.url));
    assert!(
        !page
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("<script")
    );
}
