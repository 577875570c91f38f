//! Bodies that are waited for: they keep nobody out, share one budget, and are read to their end where they are
//! refused.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    connections::{answer, asks, connect, door, is_open, is_up},
    engines::{Engine, database_url},
    helpers::{SECRET, TestApp, customer_object, event, sign, spawn_app, spawn_app_with},
    readers::Beside,
};

/// Sends a head that expects to be told to go on, and waits for that: the body is waited for from then on.
async fn goes_on(beside: &Beside, from: &str, head: &str) -> TcpStream {
    let mut stream = connect(beside, from).await;
    let head = format!("{head}Expect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

fn head_of_webhook(app: &TestApp, length: usize) -> String {
    let signature = sign(SECRET, app.clock.now(), b"{}");
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nStripe-Signature: {signature}\r\n\
         Content-Length: {length}\r\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_61_who_sends_no_body_gives_way_to_who_asks() {
    let app = spawn_app(Engine::Sqlite).await;
    let loopback = "127.0.0.0/8".parse().unwrap();
    let host = app.app.config.frontend_url.authority();
    let form = format!(
        "POST /api/enter_code HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n"
    );
    for head in [form, head_of_webhook(&app, 100)] {
        let beside = door(&app, |limits| {
            limits.places = 20;
            limits.trusted = vec![loopback];
        })
        .await;
        let holding = join_all((0..20).map(|_| goes_on(&beside, "127.0.0.1", &head))).await;
        for _ in 0..5 {
            assert!(is_up(&asks(&beside, "127.0.0.1").await.1), "{head}");
        }
        assert!(holding.iter().any(is_open), "{head}");
    }
}

/// How many bodies of this size one address can have under way before its next is refused.
async fn bodies_of_one(app: &TestApp, beside: &Beside, small: &[u8]) -> usize {
    let length = 2 * 1024 * 1024;
    let head = head_of_webhook(app, length);
    let mut holding = Vec::new();
    while holding.len() < 40 {
        let mut stream = goes_on(beside, "127.0.0.1", &head).await;
        stream.write_all(&vec![b' '; length - 50]).await.unwrap();
        holding.push(stream);
        let mut next = connect(beside, "127.0.0.1").await;
        next.write_all(small).await.unwrap();
        let mut status = [0; 12];
        next.read_exact(&mut status).await.unwrap();
        if status.ends_with(b"503") {
            let mut other = connect(beside, "127.0.0.2").await;
            other.write_all(small).await.unwrap();
            other.read_exact(&mut status).await.unwrap();
            return match status.ends_with(b"200") {
                true => holding.len(),
                false => usize::MAX,
            };
        }
    }
    holding.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_61_the_bodies_of_a_peer_have_a_part_and_those_of_a_proxy_of_ours_all() {
    let app = spawn_app(Engine::Sqlite).await;
    let mut object = customer_object("cus_1", "ada@example.com", "Ada");
    object["metadata"] = json!({ "long": "x".repeat(10_000) });
    let body = event("customer.created", 10, object, Value::Null).to_string();
    let small = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nStripe-Signature: {}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        sign(SECRET, app.clock.now(), body.as_bytes()),
        body.len()
    );
    for (trusted, is_part) in [
        (vec![], true),
        (vec!["127.0.0.1/32".parse().unwrap()], false),
    ] {
        let url = database_url(Engine::Sqlite).await;
        let app = spawn_app_with(&url, |app| {
            Arc::make_mut(&mut app.config).trusted_proxies = trusted;
        })
        .await;
        let beside = door(&app, |_| {}).await;
        let most = bodies_of_one(&app, &beside, small.as_bytes()).await;
        match is_part {
            true => assert!((4..12).contains(&most), "{most}, and others have room"),
            false => assert!(most > 12, "{most}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_61_who_sends_all_of_a_refused_body_reads_the_answer() {
    let app = spawn_app(Engine::Sqlite).await;
    let body = vec![b' '; 3 * 1024 * 1024];
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nStripe-Signature: nonsense\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    for _ in 0..5 {
        let address = app.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // Nothing that comes meanwhile is read.
        stream.write_all(&body).await.unwrap();
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
}
