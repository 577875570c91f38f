//! Places for connections and memory for bodies: whoever waits keeps nobody out, and no connection ends
//! at the moment that a request arrives.

use std::{
    collections::BTreeSet,
    future::pending,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{extract::RawQuery, routing::get};
use billhook::http::{
    accept::Limits,
    routes::{Access, Route, browser},
};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    engines::Engine,
    helpers::{SECRET, TestApp, customer_object, event, eventually, sign, spawn_app},
    readers::{Beside, beside_with},
};

const UP: &[u8] = b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n";

/// The queries of requests that [`hanging`] has.
static BEGUN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A route that never answers.
fn hanging() -> Vec<Route> {
    let hang = |RawQuery(query): RawQuery| async {
        BEGUN.lock().unwrap().extend(query);
        pending::<()>().await;
        "never"
    };
    vec![browser("/dev/mail", Access::Public, get(hang))]
}

pub async fn door(app: &TestApp, change: impl FnOnce(&mut Limits)) -> Beside {
    let mut limits = Limits::default();
    change(&mut limits);
    beside_with(app, "target/no-site", hanging(), limits).await
}

pub async fn connect(beside: &Beside, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let address = beside.url.trim_start_matches("http://").parse().unwrap();
    socket.connect(address).await.unwrap()
}

/// Whether this is a whole answer of `/up`.
pub fn is_up(answer: &str) -> bool {
    // With a length or in chunks.
    let is_whole = answer.ends_with("\r\n\r\nup") || answer.ends_with("\r\nup\r\n0\r\n\r\n");
    answer.starts_with("HTTP/1.1 200") && is_whole
}

/// What comes until a whole answer of `/up`, or the end.
pub async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    let read = async {
        let mut some = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut some).await {
            answer.push_str(&String::from_utf8_lossy(&some[..count]));
            if is_up(&answer) {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(8), read).await;
    answer
}

pub async fn asks(beside: &Beside, from: &str) -> (TcpStream, String) {
    let mut stream = connect(beside, from).await;
    // It may be refused before.
    let _ = stream.write_all(UP).await;
    let answer = answer(&mut stream).await;
    (stream, answer)
}

/// A request that is being worked on.
async fn works(app: &TestApp, beside: &Beside, from: &str) -> TcpStream {
    let mut stream = connect(beside, from).await;
    let host = app.app.config.frontend_url.authority();
    let query = format!("request={}", NEXT.fetch_add(1, Ordering::Relaxed));
    let request = format!("GET /dev/mail?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    // Until then it is one that waits.
    eventually(|| async { BEGUN.lock().unwrap().contains(&query).then_some(()) }).await;
    stream
}

pub fn is_open(stream: &TcpStream) -> bool {
    stream
        .try_read(&mut [0; 16])
        .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_61_who_waits_gives_way_to_who_asks() {
    let app = spawn_app(Engine::Sqlite).await;
    let loopback = "127.0.0.0/8".parse().unwrap();
    let beside = door(&app, |limits| {
        limits.places = 20;
        limits.trusted = vec![loopback];
    })
    .await;
    let host = app.app.config.frontend_url.authority();
    let half_form = format!(
        "POST /api/ask_link HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nemail="
    );
    let half_webhook = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nStripe-Signature: {}\r\n\
         Content-Length: 100\r\n\r\n{{",
        sign(SECRET, app.clock.now(), b"{}")
    );
    let working = works(&app, &beside, "127.0.0.1").await;
    for half in ["", &half_form, &half_webhook, "GET / HT"] {
        // All places but one are waited on, in this way.
        let holding = join_all((0..40).map(|_| async {
            match half {
                "" => asks(&beside, "127.0.0.1").await.0,
                half => {
                    let mut stream = connect(&beside, "127.0.0.1").await;
                    let _ = stream.write_all(half.as_bytes()).await;
                    stream
                }
            }
        }));
        let holding = holding.await;
        let began = Instant::now();
        for _ in 0..30 {
            let (_, answer) = asks(&beside, "127.0.0.1").await;
            assert!(is_up(&answer), "{half}: {answer}");
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{half}");
        assert!(is_open(&working), "{half}: what is worked on goes on");
        drop(holding);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_61_a_peer_has_a_part_of_the_places_and_a_proxy_of_ours_all() {
    let app = spawn_app(Engine::Sqlite).await;
    let beside = door(&app, |limits| limits.places = 64).await;
    let idle = join_all((0..40).map(|_| asks(&beside, "127.0.0.1"))).await;
    let answered = idle.iter().filter(|(_, answer)| is_up(answer));
    assert!(answered.count() >= 16, "its idle ones give way");
    eventually(|| async {
        let open = idle.iter().filter(|(stream, _)| is_open(stream)).count();
        (open <= 16).then_some(())
    })
    .await;
    let working = join_all((0..16).map(|_| works(&app, &beside, "127.0.0.1"))).await;
    // They are under way once others who came later are answered.
    for _ in 0..5 {
        assert!(is_up(&asks(&beside, "127.0.0.2").await.1));
    }
    let mut more = connect(&beside, "127.0.0.1").await;
    let _ = more.write_all(UP).await;
    assert_eq!(answer(&mut more).await, "", "it has all that it may have");
    assert!(is_up(&asks(&beside, "127.0.0.2").await.1));
    assert!(working.iter().all(is_open));

    let trusted = "127.0.0.1/32".parse().unwrap();
    let beside = door(&app, |limits| {
        limits.places = 64;
        limits.trusted = vec![trusted];
    })
    .await;
    let _working = join_all((0..40).map(|_| works(&app, &beside, "127.0.0.1"))).await;
    assert!(is_up(&asks(&beside, "127.0.0.1").await.1));
}

#[tokio::test]
async fn checklist_41_a_signature_of_no_form_or_time_is_refused_before_the_body() {
    let app = spawn_app(Engine::Sqlite).await;
    let now = app.clock.now();
    let hex = "0".repeat(64);
    for signature in [
        String::new(),
        "Stripe-Signature: \r\n".to_owned(),
        "Stripe-Signature: nonsense\r\n".to_owned(),
        format!("Stripe-Signature: t={now}\r\n"),
        format!("Stripe-Signature: v1={hex}\r\n"),
        format!("Stripe-Signature: t={now},v1=abc\r\n"),
        format!("Stripe-Signature: t={now},v0={hex}\r\n"),
        format!("Stripe-Signature: t={},v1={hex}\r\n", now - 301),
        format!("Stripe-Signature: t={},v1={hex}\r\n", now + 301),
        format!("Stripe-Signature: t=-1,v1={hex}\r\n"),
        format!("Stripe-Signature: t={now},v1={hex}\r\n").repeat(2),
    ] {
        let mut stream = TcpStream::connect(app.url.trim_start_matches("http://"))
            .await
            .unwrap();
        let head = format!(
            "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\n{signature}Expect: 100-continue\r\n\
             Content-Length: 500000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let began = Instant::now();
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{signature}: {answer}");
        assert!(began.elapsed() < Duration::from_secs(5), "{signature}");
    }
    // Who sends a body all the same reads the answer.
    for _ in 0..20 {
        let answer = app.post_webhook("nonsense", vec![b' '; 500_000]).await;
        assert_eq!(answer.status(), 400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_61_bodies_under_way_share_one_budget() {
    let app = spawn_app(Engine::Sqlite).await;
    let most = 2 * 1024 * 1024;
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nStripe-Signature: {}\r\n\
         Content-Length: {most}\r\n\r\n",
        sign(SECRET, app.clock.now(), b"{}")
    );
    let half = [head.as_bytes(), &vec![b' '; most - 50]].concat();
    let mut object = customer_object("cus_1", "ada@example.com", "Ada");
    object["metadata"] = json!({ "long": "x".repeat(10_000) });
    let created = event("customer.created", 10, object, Value::Null);
    // One that comes while the event is read may find no room itself, so there are as many as it takes.
    let holding = tokio::sync::Mutex::new(Vec::new());
    let refused = eventually(|| async {
        let url = app.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(url).await.unwrap();
        stream.write_all(&half).await.unwrap();
        holding.lock().await.push(stream);
        let answer = app.deliver(&created).await;
        (answer.status() == 503).then_some(answer)
    })
    .await;
    assert!(refused.headers().contains_key("retry-after"));
    assert!(refused.text().await.unwrap().contains("send it again"));
    let code = "1".repeat(10_000);
    let form = [("code", code.as_str())];
    // What machines send keeps nobody from signing in.
    let answer = app.browser().post("/api/enter_code", &form).await;
    assert_ne!(answer.status(), 503);
    // What needs no body is answered, and the rest when they are gone.
    assert_eq!(app.browser().get("/").await.status(), 200);
    drop(holding);
    eventually(|| async { (app.deliver(&created).await.status() == 200).then_some(()) }).await;
}

/// On one thread: what is written here and what happens there at the same time is found in one turn.
#[tokio::test]
async fn checklist_61_no_connection_ends_while_a_request_arrives() {
    let app = spawn_app(Engine::Sqlite).await;
    assert!(
        Limits::default().silence.idle > Duration::from_secs(600),
        "proxies keep connections for so long"
    );
    let idle = Duration::from_millis(300);
    let beside = door(&app, |limits| limits.silence.idle = idle).await;
    // Idle for too long at the moment that the next request comes.
    let (mut late, first) = asks(&beside, "127.0.0.1").await;
    let (mut silent, _) = asks(&beside, "127.0.0.1").await;
    assert!(is_up(&first) && !first.contains("connection: close"));
    std::thread::sleep(idle * 2);
    assert_eq!(late.try_write(UP).unwrap(), UP.len());
    assert!(is_up(&answer(&mut late).await));
    assert_eq!(answer(&mut silent).await, "", "it ends");

    // Idle, new, and not yet taken, when the server is told to end.
    let beside = door(&app, |_| {}).await;
    let (mut kept, _) = asks(&beside, "127.0.0.1").await;
    let (mut silent, _) = asks(&beside, "127.0.0.1").await;
    let mut new = connect(&beside, "127.0.0.1").await;
    assert!(is_up(&asks(&beside, "127.0.0.1").await.1), "it was taken");
    let mut untaken = connect(&beside, "127.0.0.1").await;
    for stream in [&kept, &new, &untaken] {
        while stream.try_write(UP).is_err() {
            stream.writable().await.unwrap();
        }
    }
    beside.site.stop.cancel();
    for stream in [&mut kept, &mut new, &mut untaken] {
        let answer = answer(stream).await;
        assert!(is_up(&answer), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
    }
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap(), 0, "and cleanly");
}

#[tokio::test]
async fn checklist_61_half_a_head_on_a_kept_connection_is_cut_off() {
    let app = spawn_app(Engine::Sqlite).await;
    let beside = door(&app, |limits| limits.silence.head = Duration::from_secs(1)).await;
    let (idle, _) = asks(&beside, "127.0.0.1").await;
    let (mut half, _) = asks(&beside, "127.0.0.1").await;
    let mut never = connect(&beside, "127.0.0.1").await;
    let began = Instant::now();
    half.write_all(b"GET / HT").await.unwrap();
    assert_eq!(answer(&mut half).await, "");
    assert_eq!(answer(&mut never).await, "");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(is_open(&idle), "between requests there is more time");
}
