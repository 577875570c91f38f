//! Thousands of requests that nobody sane would send, to every route. None may break anything, and no
//! answer may repeat what was sent. A failure prints its seed; BILLHOOK_FUZZ_SEED runs it again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

use billhook::clock;
use futures::{StreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{TestApp, spawn_app},
    odd::{self, CANARY, Chance},
};

on_both_engines!(checklist_28_nothing_a_client_sends_breaks_or_is_repeated);

const REQUESTS: usize = 3_000;
/// Nobody waits for anything here: every body is as long as it says.
const ANSWERED: Duration = Duration::from_secs(20);

async fn answer(app: &TestApp, request: &[u8]) -> Vec<u8> {
    let address = app.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    // What is refused before its end is closed before its end.
    let _ = stream.write_all(request).await;
    let mut got = Vec::new();
    let mut some = [0; 16 * 1024];
    // A stream of events has no end of its own.
    let is_stream = |got: &[u8]| {
        let text = String::from_utf8_lossy(got);
        text.contains("text/event-stream") && text.contains("event: ")
    };
    let reading = async {
        while !is_stream(&got) {
            match stream.read(&mut some).await {
                Ok(0) | Err(_) => break,
                Ok(read) => got.extend_from_slice(&some[..read]),
            }
        }
    };
    let read = tokio::time::timeout(ANSWERED, reading).await;
    assert!(
        read.is_ok(),
        "no end of {:?}",
        String::from_utf8_lossy(request)
    );
    got
}

/// Panics of the program, by where they were; those of tests are their own.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn listen_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let at = panic
                .location()
                .map(ToString::to_string)
                .unwrap_or_default();
            if !at.starts_with("tests/") {
                let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
                panics.push(at);
            }
            usual(panic);
        }));
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever looks for a failure says which"
)]
fn seed() -> u64 {
    let wanted = std::env::var("BILLHOOK_FUZZ_SEED").ok();
    let wanted = wanted.and_then(|seed| seed.parse().ok());
    let drawn = || u64::from_le_bytes(clock::random_bytes()[..8].try_into().unwrap());
    wanted.unwrap_or_else(drawn)
}

async fn checklist_28_nothing_a_client_sends_breaks_or_is_repeated(engine: Engine) {
    listen_for_panics();
    let app = spawn_app(engine).await;
    app.known("ada@example.com").await;
    let seed = seed();
    let mut chance = Chance(seed);
    let mut requests = Vec::new();
    for _ in 0..REQUESTS {
        requests.push(odd::request(&app, &mut chance).await);
    }
    let app = &app;
    let answers: Vec<_> = stream::iter(&requests)
        .map(|request| async move { (request, answer(app, request).await) })
        .buffer_unordered(4)
        .collect()
        .await;
    let mut counts = BTreeMap::new();
    for (request, answer) in answers {
        let what = || {
            format!(
                "seed {seed}: {:?}\nwas answered {:?}",
                String::from_utf8_lossy(request),
                String::from_utf8_lossy(&answer)
            )
        };
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("no answer; {}", what()));
        assert!((200..500).contains(&status), "{}", what());
        assert!(!text.contains(CANARY), "{}", what());
        *counts.entry(status).or_insert(0) += 1;
    }
    // They got through to where they could do harm.
    for status in [200, 303, 400, 404] {
        assert!(counts.contains_key(&status), "seed {seed}: {counts:?}");
    }
    let panics = PANICS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    assert!(panics.is_empty(), "seed {seed}: {panics:?}");
    let up = app.http.get(format!("{}/ready", app.url)).send().await;
    assert_eq!(up.unwrap().status(), 200, "seed {seed}");
}
