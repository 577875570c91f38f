//! Whether an answer's delay tells who is a customer, or whose a customer is. It is measured, so nothing else may run: see
//! `scripts/test.sh`.

use std::time::{Duration, Instant};

use billhook::{
    clock::{self, random_bytes},
    domain::{email::Email, limits},
    store,
};
use futures::FutureExt;
use serde_json::Value;

use crate::{
    engines::Engine,
    helpers::{TestApp, customer_object, event, spawn_app},
    mails::settled,
};

/// Addresses of each kind.
const EACH: usize = 1_000;
const KINDS: [&str; 4] = ["known", "unknown", "deleted", "refused"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "alone only"]
async fn checklist_1_every_address_is_answered_as_fast_on_sqlite() {
    measure(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "alone only"]
async fn checklist_1_every_address_is_answered_as_fast_on_postgres() {
    measure(Engine::Postgres).await;
}

/// Of a hundred comparisons of like with like one is as unlike as is allowed, so a miss is measured
/// again with other addresses; what differs does so again.
async fn measure(engine: Engine) {
    let app = spawn_app(engine).await;
    let first = differences(&app, "one").await;
    if !first.is_empty() {
        let second = differences(&app, "two").await;
        let both = second
            .iter()
            .filter(|(kind, _)| first.iter().any(|(of, _)| of == kind));
        assert_eq!(both.count(), 0, "{first:#?} and {second:#?}");
    }
}

/// Which kinds are not answered as fast as known ones are.
async fn differences(app: &TestApp, round: &str) -> Vec<(&'static str, String)> {
    let mut addresses = Vec::new();
    for (kind, name) in KINDS.into_iter().enumerate() {
        for number in 0..EACH {
            let address = format!("{name}{number}.{round}@example.com");
            prepare(app, name, &address).await;
            addresses.push((random_bytes(), kind, address));
        }
    }
    settled(app).await;
    // In any order, so that whatever else goes on meets all kinds alike.
    addresses.sort();
    let mut delays = [const { Vec::new() }; KINDS.len()];
    for (_, kind, address) in addresses {
        let mut browser = app.browser();
        let began = Instant::now();
        let answer = browser.post("/api/ask_link", &[("email", &address)]).await;
        delays[kind].push(began.elapsed());
        assert_eq!(answer.status(), 303);
    }
    let known = &delays[0];
    let others = KINDS.into_iter().zip(&delays).skip(1);
    let compared = others.filter_map(|(kind, delays)| {
        let apart = median(known).abs_diff(median(delays));
        let p = mann_whitney(known, delays);
        let words = format!("medians {apart:?} apart, p = {p:.4}");
        (apart > Duration::from_millis(2) || p <= 0.01).then_some((kind, words))
    });
    compared.collect()
}

async fn prepare(app: &TestApp, kind: &str, address: &str) {
    if kind == "unknown" {
        return;
    }
    let id = app.customer(address, kind).await;
    if kind == "deleted" {
        let object = customer_object(&id, address, kind);
        let deleted = event("customer.deleted", 1_700_000_001, object, Value::Null);
        assert_eq!(app.deliver(&deleted).await.status(), 200);
    }
    if kind == "refused" {
        let address = Email::parse(address).unwrap();
        let allowance = limits::allowance(&app.app, &address, None);
        let now = app.clock.now() * 1000;
        let spend = app.app.store.write(move |tx| {
            async move {
                while store::rate_limit::take(tx, &allowance.name, now, allowance.rate).await? {}
                Ok(())
            }
            .boxed()
        });
        spend.await.unwrap();
    }
}

/// Clicks of each kind.
const CLICKS: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "alone only"]
async fn checklist_27_anothers_customer_is_refused_as_fast_as_an_unknown_one_on_sqlite() {
    compare_clicks(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "alone only"]
async fn checklist_27_anothers_customer_is_refused_as_fast_as_an_unknown_one_on_postgres() {
    compare_clicks(Engine::Postgres).await;
}

/// A miss on a busy machine is measured again, as above.
async fn compare_clicks(engine: Engine) {
    let app = spawn_app(engine).await;
    let most = Duration::from_millis(2);
    let first = clicks_apart(&app, "one").await;
    if first > most {
        let second = clicks_apart(&app, "two").await;
        assert!(second <= most, "medians {first:?} and {second:?} apart");
    }
}

/// How far apart the medians are. Each id is asked for once: what was looked up before might be found faster.
async fn clicks_apart(app: &TestApp, round: &str) -> Duration {
    let mut clicks = Vec::new();
    for number in 0..CLICKS {
        let address = format!("ada{number}.{round}@example.com");
        clicks.push((random_bytes(), 0, app.customer(&address, "Ada").await));
        clicks.push((random_bytes(), 1, clock::new_id("cus")));
    }
    let mut bob = app.signed_in(&format!("bob.{round}@example.com")).await;
    settled(app).await;
    clicks.sort();
    let mut delays = [const { Vec::new() }; 2];
    for (_, kind, id) in clicks {
        let form = [("customer", id.as_str()), ("flow", "home")];
        let began = Instant::now();
        let answer = bob.post("/api/open_portal", &form).await;
        delays[kind].push(began.elapsed());
        assert_eq!(answer.status(), 404);
    }
    assert!(delays.iter().all(|delays| delays.len() == CLICKS));
    median(&delays[0]).abs_diff(median(&delays[1]))
}

fn median(delays: &[Duration]) -> Duration {
    let mut sorted = delays.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// How likely two samples of one distribution are at least so unlike: the Mann-Whitney test of both
/// sides, by the normal approximation. Delays in nanoseconds have no ties worth a correction.
fn mann_whitney(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<_> = one.iter().map(|delay| (delay, true)).collect();
    all.extend(other.iter().map(|delay| (delay, false)));
    all.sort_unstable();
    let ranks = all.iter().enumerate().filter(|(_, (_, is_one))| *is_one);
    let sum: f64 = ranks.map(|(place, _)| place as f64 + 1.0).sum();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let u = sum - n * (n + 1.0) / 2.0;
    let spread = (n * m * (n + m + 1.0) / 12.0).sqrt();
    let z = (u - n * m / 2.0).abs() / spread;
    two_sided(z)
}

/// The chance of a normal value as far from the middle as `z` on either side (Abramowitz and Stegun,
/// 26.2.17: good to seven digits).
fn two_sided(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series = [
        0.319_381_53,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let sum = series.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    2.0 * density * sum
}

#[test]
fn the_judge_of_delays_can_tell() {
    assert!((two_sided(1.96) - 0.05).abs() < 1e-4 && (two_sided(2.576) - 0.01).abs() < 1e-4);
    let delays = |shift: u64| -> Vec<_> {
        let spread = (0..EACH as u64).map(|n| 1_000 + n * 7_919 % 1_009 + shift);
        spread.map(Duration::from_micros).collect()
    };
    assert!(mann_whitney(&delays(0), &delays(0)) > 0.9);
    assert!(mann_whitney(&delays(0), &delays(50)) < 0.01);
}
