//! Clocks that are wrong: ours jumps, or an event says that it is of another time. What is newer is
//! told by Stripe's seconds alone.

use billhook::{
    clock::Clock,
    domain::{
        App,
        sign_in::{self, Link},
        worker,
    },
};
use futures::FutureExt;
use serde_json::{Value, json};

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{Browser, TestApp, eventually, spawn_app, spawn_app_with},
    worker::{at_stripe, open_tie, row, state},
};

on_both_engines!(
    a_tie_of_the_far_future_is_settled_without_asking_again,
    a_tie_of_the_near_future_waits_for_stripes_clock,
    checklist_7_a_link_lives_by_the_clock_of_the_database,
    checklist_7_a_wrong_clock_neither_holds_up_nor_keeps_a_mail,
    checklist_48_a_clock_that_jumps_makes_no_event_stale,
    checklist_48_what_was_to_be_tried_again_survives_a_jump_of_the_clock,
);

async fn name_of(app: &TestApp, id: &str) -> Option<String> {
    row(app, id).await?.name
}

/// How often Stripe was asked for the customer.
async fn readings(app: &TestApp, id: &str) -> usize {
    let path = format!("/v1/customers/{id}");
    let calls = app.stripe_calls().await;
    calls.iter().filter(|call| **call == path).count()
}

async fn a_tie_of_the_far_future_is_settled_without_asking_again(engine: Engine) {
    let app = spawn_app(engine).await;
    let real = at_stripe(&app, &[("email", "ada@example.com"), ("name", "Real")]).await;
    let id = real["id"].as_str().unwrap();
    let in_ten_years = Clock::default().now() + 10 * 365 * 24 * 60 * 60;
    let events = open_tie(id, in_ten_years);
    for event in &events {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    eventually(|| async { (state(&app, &events[1]).await != "pending").then_some(()) }).await;
    for _ in 0..20 {
        app.clock.advance(60 * 60);
        worker::step(&app.app).await.unwrap();
    }
    assert_eq!(readings(&app, id).await, 1);
    let greatest = events.iter().max_by_key(|event| event["id"].as_str());
    let name = &greatest.unwrap()["data"]["object"]["name"];
    assert_eq!(name_of(&app, id).await.as_deref(), name.as_str());
    for event in &events {
        assert!(["applied", "stale"].contains(&state(&app, event).await.as_str()));
    }
}

async fn a_tie_of_the_near_future_waits_for_stripes_clock(engine: Engine) {
    let app = spawn_app(engine).await;
    let real = at_stripe(&app, &[("email", "ada@example.com"), ("name", "Real")]).await;
    let id = real["id"].as_str().unwrap();
    let events = open_tie(id, Clock::default().now() + 1);
    for event in &events {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    eventually(|| async { (name_of(&app, id).await? == "Real").then_some(()) }).await;
    eventually(|| async { (state(&app, &events[1]).await == "applied").then_some(()) }).await;
    let readings = readings(&app, id).await;
    assert!((1..=6).contains(&readings), "{readings}");
}

/// Changes the customer at the stand-in, and returns the event that it would send.
async fn change(app: &TestApp, id: &str, name: &str) -> Value {
    let url = format!("{}/v1/customers/{id}", app.stripe_url);
    let request = app.http.post(url).bearer_auth("sk_test_billhook");
    let answer = request.form(&[("name", name)]).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let events = format!("{}/v1/events?type=customer.updated", app.stripe_url);
    let request = app.http.get(events).bearer_auth("sk_test_billhook");
    let list: Value = request.send().await.unwrap().json().await.unwrap();
    let events = list["data"].as_array().unwrap();
    let of_it = events
        .iter()
        .find(|event| event["data"]["object"]["name"] == name);
    of_it.unwrap().clone()
}

async fn checklist_48_a_clock_that_jumps_makes_no_event_stale(engine: Engine) {
    let app = spawn_app(engine).await;
    // An hour ahead, an hour behind, and right again.
    for (round, by) in [3600, -7200, 3600].into_iter().enumerate() {
        app.clock.advance(by);
        let real = at_stripe(&app, &[("email", "ada@example.com"), ("name", "Real")]).await;
        let id = real["id"].as_str().unwrap();
        let events = open_tie(id, Clock::default().now() - 60);
        for event in &events {
            assert_eq!(app.deliver(event).await.status(), 200);
        }
        eventually(|| async { (name_of(&app, id).await? == "Real").then_some(()) }).await;
        eventually(|| async { (state(&app, &events[1]).await == "applied").then_some(()) }).await;
        // What was read counts as of Stripe's second, so what happens after it is newer.
        let name = format!("After {round}");
        let changed = change(&app, id, &name).await;
        let said = app.deliver(&changed).await.text().await.unwrap();
        assert_eq!(said, "applied\n", "{by}");
        assert_eq!(name_of(&app, id).await, Some(name));
    }
}

async fn checklist_48_what_was_to_be_tried_again_survives_a_jump_of_the_clock(engine: Engine) {
    let app = spawn_app(engine).await;
    let real = at_stripe(&app, &[("email", "ada@example.com"), ("name", "Real")]).await;
    let id = real["id"].as_str().unwrap();
    let fault = json!({ "path": format!("/v1/customers/{id}"), "status": 400 });
    app.control("POST", "faults", fault).await;
    app.clock.advance(3600);
    let events = open_tie(id, Clock::default().now() - 60);
    for event in &events {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    eventually(|| async { (state(&app, &events[1]).await == "failed").then_some(()) }).await;
    app.clock.advance(-3600);
    app.control("DELETE", "faults", Value::Null).await;
    // At the latest when the clock is again where it was.
    app.clock.advance(3600 + 60);
    eventually(|| async { (state(&app, &events[1]).await == "applied").then_some(()) }).await;
    assert_eq!(name_of(&app, id).await.as_deref(), Some("Real"));
}

/// Two more processes on the database of the first, in the same world, one five minutes ahead and one
/// as much behind. What they mail is found with the first's.
async fn three_clocks(engine: Engine) -> [TestApp; 3] {
    let url = database_url(engine).await;
    let right = spawn_app_with(&url, |_| {}).await;
    let wrong = async |skew| {
        spawn_app_with(&url, |app: &mut App| {
            app.clock = right.clock.skewed(skew);
            app.mailer = right.app.mailer.clone();
        })
        .await
    };
    let (ahead, behind) = (wrong(300).await, wrong(-300).await);
    right.known("ada@example.com").await;
    [right, ahead, behind]
}

/// What the database's clock shows.
async fn time(app: &TestApp) -> i64 {
    let read = app
        .app
        .store
        .read(|tx| async move { tx.clock().await }.boxed());
    app.clock.of_database(read.await.unwrap())
}

/// A browser of `app` that has asked, and the token and the code of its mail.
async fn asked<'a>(right: &TestApp, app: &'a TestApp) -> (Browser<'a>, String, String) {
    let mut browser = app.browser();
    let before = right.mails_to("ada@example.com").len();
    let form = [("email", "ada@example.com")];
    assert_eq!(browser.post("/api/ask_link", &form).await.status(), 303);
    eventually(|| async { (right.mails_to("ada@example.com").len() > before).then_some(()) }).await;
    let token = right.link_token("ada@example.com").await;
    (browser, token, right.code("ada@example.com").await)
}

/// Whether link and code still sign in that many seconds after they were asked for in `one` process,
/// when `other` is asked. Nothing if a second passed in between, so that nobody can tell.
async fn sign_in_after(
    seconds: i64,
    right: &TestApp,
    one: &TestApp,
    other: &TestApp,
) -> Option<[bool; 3]> {
    // The limits of an address are not the subject.
    right.clock.advance(24 * 60 * 60);
    let mut ways = Vec::new();
    for is_code in [false, true] {
        let (asking, token, code) = asked(right, one).await;
        let sql = "SELECT MAX(created_at) FROM sign_in";
        let asked_at: i64 = match &right.app.store {
            billhook::store::Store::Sqlite { readers, .. } => {
                sqlx::query_scalar(sql).fetch_one(readers).await
            }
            billhook::store::Store::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        }
        .unwrap();
        let mut browser = other.browser();
        browser.cookies = asking.cookies;
        let path = format!("/sign-in/link?token={token}");
        browser.get(&path).await;
        let moment = asked_at + seconds;
        right.clock.advance(moment - time(right).await);
        if !is_code {
            let mark = browser.cookies["billhook_browser"].clone();
            let link = sign_in::look(&other.app, &token, Some(&mark)).await;
            ways.push(matches!(link.unwrap(), Link::Ready(_)));
        }
        let answer = match is_code {
            true => browser.post("/api/enter_code", &[("code", &code)]).await,
            false => browser.post("/api/confirm_link", &[]).await,
        };
        ways.push(answer.headers()["location"] == "/billing");
        if time(right).await != moment {
            return None;
        }
    }
    ways.try_into().ok()
}

async fn checklist_7_a_link_lives_by_the_clock_of_the_database(engine: Engine) {
    let apps = three_clocks(engine).await;
    let [right, ahead, behind] = &apps;
    for (seconds, one, other, lives) in [
        (599, right, ahead, true),
        (599, ahead, right, true),
        (599, behind, ahead, true),
        (600, right, behind, false),
        (600, behind, right, false),
        (600, ahead, behind, false),
        (601, ahead, behind, false),
    ] {
        let what = eventually(|| sign_in_after(seconds, right, one, other)).await;
        assert_eq!(what, [lives; 3], "{seconds} {:?}", one.app.clock);
    }
}

async fn checklist_7_a_wrong_clock_neither_holds_up_nor_keeps_a_mail(engine: Engine) {
    let apps = three_clocks(engine).await;
    let [right, ahead, behind] = &apps;
    for app in [ahead, behind] {
        // It is sent at once by whichever process comes first, and the check page names the address.
        let (mut browser, _, code) = asked(right, app).await;
        let page = browser.get("/sign-in/check").await.text().await.unwrap();
        assert!(page.contains("ada@example.com"), "{page}");
        let answer = browser.post("/api/enter_code", &[("code", &code)]).await;
        assert_eq!(answer.headers()["location"], "/billing");
        right.clock.advance(24 * 60 * 60);
    }
}
