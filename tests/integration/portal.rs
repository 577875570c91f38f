//! What a customer sees and opens, and what they must not.

use serde_json::{Value, json};

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{Browser, assert_redirect, customer_object, event, spawn_app},
};

on_both_engines!(
    checklist_26_an_address_sees_exactly_its_own_live_customers,
    checklist_27_anothers_customer_is_answered_like_an_unknown_one,
    checklist_34_portal_sessions_are_made_on_click_only,
    checklist_35_the_portal_url_is_in_the_redirect_and_nowhere_else,
    checklist_36_a_portal_elsewhere_is_refused,
    one_failing_customer_leaves_the_others_alone,
    what_the_portal_does_not_allow_opens_its_first_page,
    deep_links_carry_their_flow,
    a_card_shows_its_subscriptions_and_offers_what_stripe_allows,
    an_address_without_customers_is_told_so,
    an_open_page_gets_its_list_at_once_and_at_each_change,
);

/// checklist 26
async fn checklist_26_an_address_sees_exactly_its_own_live_customers(engine: Engine) {
    let app = spawn_app(engine).await;
    let send = |id: &str, email: &str, change: fn(&mut Value)| {
        let mut event = event(
            "customer.created",
            1_700_000_000,
            customer_object(id, email, id),
            Value::Null,
        );
        change(&mut event);
        let app = &app;
        async move { assert_eq!(app.deliver(&event).await.status(), 200) }
    };
    let none: fn(&mut Value) = |_| {};
    send("cus_upper", "A@x.example.com", none).await;
    send("cus_lower", "a@x.example.com", none).await;
    send("cus_space", " a@x.example.com ", none).await;
    send("cus_tagged", "a+1@x.example.com", none).await;
    send("cus_other", "b@x.example.com", none).await;
    send("cus_live", "a@x.example.com", |event| {
        event["livemode"] = json!(true)
    })
    .await;
    send("cus_connect", "a@x.example.com", |event| {
        event["account"] = json!("acct_1")
    })
    .await;
    send("cus_gone", "a@x.example.com", none).await;
    let gone = customer_object("cus_gone", "a@x.example.com", "Gone");
    let deleted = event("customer.deleted", 1_700_000_001, gone, Value::Null);
    assert_eq!(app.deliver(&deleted).await.status(), 200);
    for number in 0..120 {
        send(&format!("cus_many{number:03}"), "a@x.example.com", none).await;
    }
    let mut browser = app.signed_in("a@x.example.com").await;
    let page = browser.get("/billing").await.text().await.unwrap();
    assert!(page.contains("You have 123 billing records"), "{page}");
    assert_eq!(page.matches("<article").count(), 123);
    for (id, is_mine) in [
        ("cus_upper", true),
        ("cus_lower", true),
        ("cus_space", true),
        ("cus_many000", true),
        ("cus_many119", true),
        ("cus_tagged", false),
        ("cus_other", false),
        ("cus_live", false),
        ("cus_connect", false),
        ("cus_gone", false),
    ] {
        assert_eq!(page.contains(id), is_mine, "{id}");
    }
}

/// checklist 27
async fn checklist_27_anothers_customer_is_answered_like_an_unknown_one(engine: Engine) {
    let app = spawn_app(engine).await;
    let of_ada = app.customer_at_stripe("ada@example.com").await;
    let mut bob = app.signed_in("bob@example.com").await;
    let mut answers = Vec::new();
    for id in [of_ada.as_str(), "cus_unknown", ""] {
        let answer = bob
            .post("/api/open_portal", &[("customer", id), ("flow", "home")])
            .await;
        let status = answer.status();
        let mut headers = answer.headers().clone();
        headers.remove("content-security-policy");
        headers.remove("date");
        answers.push((status, headers, answer.text().await.unwrap()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "one answer for all: {answers:#?}");
    assert_eq!(answers[0].0, 404);
    assert!(answers[0].2.contains("There is no such page"));
    assert_eq!(app.stripe_calls().await, Vec::<String>::new());
}

/// checklist 34
async fn checklist_34_portal_sessions_are_made_on_click_only(engine: Engine) {
    let app = spawn_app(engine).await;
    for number in 0..50 {
        app.customer("ada@example.com", &format!("Entry {number}"))
            .await;
    }
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut browser = app.signed_in("ada@example.com").await;
    for method in ["GET", "HEAD"] {
        assert_eq!(browser.send(method, "/billing", None).await.status(), 200);
        browser
            .send(
                method,
                &format!("/api/open_portal?customer={mine}&flow=home"),
                None,
            )
            .await;
    }
    browser.post("/api/customers", &[]).await;
    // A browser that fetches ahead of a click.
    let ahead = app.http.get(format!("{}/billing", app.url));
    let ahead = ahead.header("Sec-Purpose", "prefetch;prerender");
    let ahead = ahead.header("Cookie", cookies(&browser)).send().await;
    assert_eq!(ahead.unwrap().status(), 200);
    assert_eq!(app.stripe_calls().await, Vec::<String>::new());
    let answer = browser
        .post("/api/open_portal", &[("customer", &mine), ("flow", "home")])
        .await;
    assert_eq!(answer.status(), 303);
    let mut calls = app.stripe_calls().await;
    calls.sort();
    let read = format!("/v1/customers/{mine}");
    assert_eq!(calls, ["/v1/billing_portal/sessions", &read]);
}

/// checklist 35
async fn checklist_35_the_portal_url_is_in_the_redirect_and_nowhere_else(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut browser = app.signed_in("ada@example.com").await;
    let answer = browser
        .post("/api/open_portal", &[("customer", &mine), ("flow", "home")])
        .await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["cache-control"]),
        (303, &"no-store".parse().unwrap())
    );
    let url = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(
        url.starts_with(&format!("{}/p/session/", app.stripe_url)),
        "{url}"
    );
    assert!(!answer.text().await.unwrap().contains("/p/session/"));
    assert_eq!(
        app.http.get(&url).send().await.unwrap().status(),
        200,
        "it is a portal"
    );
    assert!(!app.dump().await.contains("/p/session/"));
    assert!(
        !browser
            .get("/billing")
            .await
            .text()
            .await
            .unwrap()
            .contains("/p/session/")
    );
}

/// checklist 36
async fn checklist_36_a_portal_elsewhere_is_refused(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut browser = app.signed_in("ada@example.com").await;
    for url in [
        "https://evil.example/p/session/1",
        "http://billing.stripe.com/p",
        "https://a@billing.stripe.com/p",
    ] {
        let fault = json!({ "path": "/v1/billing_portal/sessions", "portal_url": url });
        app.control("POST", "faults", fault).await;
        let answer = browser
            .post("/api/open_portal", &[("customer", &mine), ("flow", "home")])
            .await;
        assert_redirect(
            &answer,
            &format!("/billing?problem=not-set-up&customer={mine}"),
        );
        app.control("DELETE", "faults", Value::Null).await;
    }
}

async fn one_failing_customer_leaves_the_others_alone(engine: Engine) {
    let app = spawn_app(engine).await;
    let (broken, fine) = (
        app.customer_at_stripe("ada@example.com").await,
        app.customer_at_stripe("ada@example.com").await,
    );
    for fault in [
        json!({ "status": 500 }),
        json!({ "status": 429 }),
        json!({ "status": 403 }),
        json!({ "status": 200, "body": "{\"url\":" }),
    ] {
        let mut fault = fault;
        fault["path"] = json!("/v1/billing_portal/sessions");
        fault["match"] = json!(broken);
        app.control("POST", "faults", fault.clone()).await;
        let mut browser = app.signed_in("ada@example.com").await;
        let answer = browser
            .post(
                "/api/open_portal",
                &[("customer", &broken), ("flow", "home")],
            )
            .await;
        let (problem, words) = match fault["status"].as_u64() {
            Some(403) => ("not-set-up", "billing is not fully set up"),
            _ => ("unavailable", "Stripe did not answer"),
        };
        let location = format!("/billing?problem={problem}&customer={broken}");
        assert_redirect(&answer, &location);
        let page = browser.get(&location).await;
        assert_eq!(
            (page.status().as_u16(), &page.headers()["retry-after"]),
            (503, &"5".parse().unwrap())
        );
        let page = page.text().await.unwrap();
        assert_eq!(page.matches("role=\"alert\"").count(), 1, "{page}");
        let card = page
            .split("<article")
            .skip(1)
            .find(|card| card.contains(&broken))
            .unwrap();
        assert!(card.contains(words), "{card}");
        let other = browser
            .post("/api/open_portal", &[("customer", &fine), ("flow", "home")])
            .await;
        assert!(
            other.headers()["location"]
                .to_str()
                .unwrap()
                .starts_with(&app.stripe_url)
        );
        app.control("DELETE", "faults", Value::Null).await;
        // So that the address has a mail left for the next round.
        app.clock.advance(60 * 60);
    }
}

async fn what_the_portal_does_not_allow_opens_its_first_page(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let fault = json!({
        "path": "/v1/billing_portal/sessions", "match": "payment_method_update", "status": 400,
    });
    app.control("POST", "faults", fault).await;
    let mut browser = app.signed_in("ada@example.com").await;
    let form = [("customer", mine.as_str()), ("flow", "payment_method")];
    let answer = browser.post("/api/open_portal", &form).await;
    let location = answer.headers()["location"].to_str().unwrap();
    assert!(location.starts_with(&app.stripe_url), "{location}");
}

async fn deep_links_carry_their_flow(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut browser = app.signed_in("ada@example.com").await;
    for flow in ["home", "payment_method", "invoices"] {
        let answer = browser
            .post("/api/open_portal", &[("customer", &mine), ("flow", flow)])
            .await;
        assert!(
            answer.headers()["location"]
                .to_str()
                .unwrap()
                .contains("/p/session/")
        );
    }
    let log = app.control("GET", "requests", Value::Null).await;
    let flows: Vec<_> = log["requests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|call| call["path"] == "/v1/billing_portal/sessions")
        .map(|call| call["form"]["flow_data[type]"].clone())
        .collect();
    assert_eq!(
        flows,
        [Value::Null, json!("payment_method_update"), Value::Null]
    );
    let sessions = log["requests"].as_array().unwrap().iter();
    let session = sessions
        .rev()
        .find(|call| call["path"] == "/v1/billing_portal/sessions");
    let return_url = &session.unwrap()["form"]["return_url"];
    let back = format!("{}/billing?back=1700000000+{mine}", app.url);
    assert_eq!(return_url, &json!(back));
}

async fn a_card_shows_its_subscriptions_and_offers_what_stripe_allows(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mine_too = app.customer_at_stripe("ada@example.com").await;
    let other = app.customer_at_stripe("bob@example.com").await;
    let price = |id: &str| {
        json!({
            "id": id, "object": "price", "product": "prod_1", "currency": "eur",
            "unit_amount": 1200, "recurring": { "interval": "month", "interval_count": 1 },
        })
    };
    let subscription = |id: &str, customer: &str, items: usize, cancel_at: Value| {
        let item = json!({
            "id": "si_1", "object": "subscription_item", "quantity": 3,
            "price": price("price_1"), "current_period_end": 1_900_000_000,
        });
        json!({
            "id": id, "object": "subscription", "customer": customer, "status": "active",
            "cancel_at": cancel_at, "created": items, "items": { "data": vec![item; items] },
        })
    };
    let product = json!({ "id": "prod_1", "object": "product", "name": "Team <plan>" });
    for (number, (r#type, object)) in [
        ("product.created", product),
        (
            "customer.subscription.created",
            subscription("sub_one", &mine, 1, Value::Null),
        ),
        (
            "customer.subscription.created",
            subscription("sub_two", &mine, 2, Value::Null),
        ),
        (
            "customer.subscription.created",
            subscription("sub_ending", &mine, 1, json!(1_900_000_000)),
        ),
        (
            "customer.subscription.created",
            subscription("sub_bob", &other, 1, Value::Null),
        ),
        (
            "customer.subscription.created",
            subscription("sub_too", &mine_too, 1, Value::Null),
        ),
        ("customer.subscription.deleted", {
            let mut ended = subscription("sub_ended", &mine, 1, Value::Null);
            ended["status"] = json!("canceled");
            ended
        }),
    ]
    .into_iter()
    .enumerate()
    {
        let at = 1_700_000_000 + i64::try_from(number).unwrap();
        let event = event(r#type, at, object, Value::Null);
        assert_eq!(app.deliver(&event).await.status(), 200);
    }
    let mut browser = app.signed_in("ada@example.com").await;
    let page = browser.get("/billing").await.text().await.unwrap();
    for text in [
        "Team &lt;plan&gt;",
        "€12.00 / month × 3",
        "Renews on",
        "Ends on",
        "17 March 2030",
    ] {
        assert!(page.contains(text), "{text} is missing: {page}");
    }
    assert!(!page.contains("sub_bob"));
    for (flow, subscription, is_offered) in [
        ("change_plan", "sub_one", true),
        ("cancel", "sub_one", true),
        ("change_plan", "sub_two", false),
        ("cancel", "sub_two", true),
        ("change_plan", "sub_ending", false),
        ("cancel", "sub_ending", false),
        ("change_plan", "sub_ended", false),
        ("cancel", "sub_ended", false),
        ("cancel", "sub_bob", false),
        ("change_plan", "sub_too", false),
        ("cancel", "sub_too", false),
        ("cancel", "sub_none", false),
        ("cancel", &mine, false),
        ("cancel", "../v1/customers", false),
    ] {
        app.control("DELETE", "requests", Value::Null).await;
        let form = [
            ("customer", mine.as_str()),
            ("flow", flow),
            ("subscription", subscription),
        ];
        let answer = browser.post("/api/open_portal", &form).await;
        let calls = app.control("GET", "requests", Value::Null).await;
        let call = calls["requests"]
            .as_array()
            .unwrap()
            .iter()
            .find(|call| call["path"] == "/v1/billing_portal/sessions");
        assert_eq!(call.is_some(), is_offered, "{flow} {subscription}");
        if let Some(call) = call {
            let r#type = if flow == "cancel" {
                "subscription_cancel"
            } else {
                "subscription_update"
            };
            let field = format!("flow_data[{type}][subscription]");
            assert_eq!(call["form"]["flow_data[type]"], *r#type);
            assert_eq!(call["form"][field.as_str()], *subscription);
        } else {
            assert_eq!(answer.status(), 404, "{flow} {subscription}");
            assert!(!answer.headers().contains_key("location"));
        }
    }
    for (flow, subscription) in [
        ("cancel", ""),
        ("change_plan", ""),
        ("home", "sub_one"),
        ("payment_method", "sub_one"),
        ("subscription_cancel", "sub_one"),
        ("refund", "sub_one"),
    ] {
        let form = [
            ("customer", mine.as_str()),
            ("flow", flow),
            ("subscription", subscription),
        ];
        let answer = browser.post("/api/open_portal", &form).await;
        assert!(
            [400, 404].contains(&answer.status().as_u16()),
            "{flow} {subscription}"
        );
    }
}

async fn an_address_without_customers_is_told_so(engine: Engine) {
    let app = spawn_app(engine).await;
    // The last customer goes while the mail is on its way.
    let mut browser = app.browser();
    let id = app.customer("nobody@example.com", "Somebody").await;
    app.ask(&mut browser, "nobody@example.com").await;
    let object = customer_object(&id, "nobody@example.com", "Somebody");
    let deleted = event("customer.deleted", 1_700_000_001, object, Value::Null);
    assert_eq!(app.deliver(&deleted).await.status(), 200);
    let code = app.code("nobody@example.com").await;
    let answer = browser.post("/api/enter_code", &[("code", &code)]).await;
    assert_redirect(&answer, "/billing");
    let page = browser.get("/billing").await.text().await.unwrap();
    assert!(page.contains("Nothing found for this address") && page.contains("nobody@example.com"));
    assert!(!page.contains("<article"));
}

async fn an_open_page_gets_its_list_at_once_and_at_each_change(engine: Engine) {
    let app = spawn_app(engine).await;
    app.customer("ada@example.com", "Ada").await;
    let mut browser = app.signed_in("ada@example.com").await;
    let mut stream = browser.get("/billing/live").await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(titles(&mut stream).await, ["Ada"]);
    app.customer("bob@example.com", "Bob").await;
    app.customer("ada@example.com", "Another").await;
    // Were Bob's change told too, a list without it would come first.
    let mut after = titles(&mut stream).await;
    after.sort();
    assert_eq!(after, ["Ada", "Another"]);
    let list: Value = browser.call("/api/customers").await.json().await.unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
    browser.post("/api/sign_out", &[]).await;
    assert_eq!(
        next_event(&mut stream).await,
        "event: signed-out\ndata: the session is over\n\n"
    );
    let end = tokio::time::timeout(std::time::Duration::from_secs(10), stream.chunk()).await;
    assert!(end.unwrap().unwrap().is_none(), "nothing comes after it");
}

/// The cookies of a browser as it would send them.
fn cookies(browser: &Browser<'_>) -> String {
    let pairs = browser.cookies.iter();
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("; ")
}

/// The titles of the list in the next event.
async fn titles(stream: &mut reqwest::Response) -> Vec<String> {
    let event = next_event(stream).await;
    let json = event.strip_prefix("event: customers\ndata: ").unwrap();
    let (list, _): (Vec<Value>, Option<String>) = serde_json::from_str(json).unwrap();
    list.iter()
        .map(|view| view["title"].as_str().unwrap().to_owned())
        .collect()
}

/// The next server-sent event as it came.
pub async fn next_event(stream: &mut reqwest::Response) -> String {
    let mut heard = String::new();
    while !heard.ends_with("\n\n") {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(10), stream.chunk());
        let chunk = chunk.await.unwrap().unwrap().expect("the stream has ended");
        heard.push_str(&String::from_utf8_lossy(&chunk));
    }
    heard
}
