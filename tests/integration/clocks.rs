//! Clocks that are wrong: ours jumps, or an event says that it is of another time. What is newer is
//! told by Stripe's seconds alone.

use billhook::{clock::Clock, domain::worker};
use serde_json::{Value, json};

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{TestApp, eventually, spawn_app},
    worker::{at_stripe, open_tie, row, state},
};

on_both_engines!(
    a_tie_of_the_far_future_is_settled_without_asking_again,
    a_tie_of_the_near_future_waits_for_stripes_clock,
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
