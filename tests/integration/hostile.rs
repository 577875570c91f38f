//! Requests of people who mean no good, at the one door that everybody can reach.

use std::{collections::BTreeMap, time::Duration};

use billhook::store::{self, Store};
use futures::{FutureExt, StreamExt, future::join_all, stream};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    contract,
    engines::{Engine, on_both_engines},
    helpers::{SECRET, TestApp, customer_object, event, eventually, sign, spawn_app},
};

on_both_engines!(checklist_43_ten_thousand_bad_signatures_write_nothing);

fn body() -> String {
    let object = customer_object("cus_1", "ada@example.com", "Ada");
    event("customer.created", 1_700_000_000, object, Value::Null).to_string()
}

/// Every row of every table.
async fn everything(app: &TestApp) -> BTreeMap<String, String> {
    let store = &app.app.store;
    let tables: Vec<String> = match store {
        Store::Sqlite { readers, .. } => {
            const SQL: &str = "SELECT name FROM sqlite_schema WHERE type = 'table'";
            sqlx::query_scalar(SQL).fetch_all(readers).await.unwrap()
        }
        Store::Postgres(pool) => {
            const SQL: &str = "SELECT CAST(tablename AS TEXT) FROM pg_tables
                WHERE schemaname = current_schema()";
            sqlx::query_scalar(SQL).fetch_all(pool).await.unwrap()
        }
    };
    let mut all = BTreeMap::new();
    for table in tables {
        // Of sqlx, and partly no text.
        if table == "_sqlx_migrations" {
            continue;
        }
        let rows = contract::dump(store, &table).await;
        all.insert(table, rows);
    }
    all
}

async fn checklist_43_ten_thousand_bad_signatures_write_nothing(engine: Engine) {
    let app = spawn_app(engine).await;
    // The sweep at the start writes down where it was.
    eventually(|| async {
        let store = &app.app.store;
        let found = store.read(|tx| async move { store::progress::get(tx, "sweep").await }.boxed());
        found.await.unwrap()
    })
    .await;
    let before = everything(&app).await;
    assert!(
        before.len() > 10 && before["event"].is_empty(),
        "{before:?}"
    );
    let body = body();
    let now = app.clock.now();
    let signatures = [
        "t=1,v1=00".to_owned(),
        sign("whsec_test_other", now, body.as_bytes()),
        sign(SECRET, now - 10_000, body.as_bytes()),
        "v1=".repeat(1000),
    ];
    let statuses: Vec<_> = stream::iter(0..10_000_usize)
        .map(|number| {
            let (app, body) = (&app, body.clone().into_bytes());
            let signature = &signatures[number % signatures.len()];
            async move { app.post_webhook(signature, body).await.status().as_u16() }
        })
        .buffer_unordered(8)
        .collect()
        .await;
    assert!(statuses.iter().all(|status| *status == 400));
    assert_eq!(everything(&app).await, before);
}

/// The status of the answer to what has been written, once there is one.
async fn status(stream: &mut TcpStream) -> u16 {
    let mut answer = Vec::new();
    let line = async {
        while !answer.contains(&b'\n') {
            let mut some = [0; 1024];
            let read = stream.read(&mut some).await.unwrap();
            assert!(read > 0, "closed without an answer");
            answer.extend_from_slice(&some[..read]);
        }
    };
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, line)
        .await
        .expect("an answer in time");
    let line = String::from_utf8_lossy(&answer).into_owned();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Begins a request to the webhook by hand.
async fn begin(app: &TestApp, headers: &str) -> TcpStream {
    let address = app.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Of good form: without one no body is waited for.
    let signature = sign(SECRET, app.clock.now(), b"another body");
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {address}\r\nStripe-Signature: {signature}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_42_a_body_without_end_is_413_before_its_end() {
    let app = spawn_app(Engine::Sqlite).await;
    let mut endless = begin(&app, "Transfer-Encoding: chunked\r\n").await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..32 {
        endless.write_all(chunk.as_bytes()).await.unwrap();
    }
    // As much as may be; and one byte more.
    endless.write_all(b"1\r\nx\r\n").await.unwrap();
    assert_eq!(status(&mut endless).await, 413);
    // What is announced as too long is not waited for.
    let mut long = begin(&app, "Content-Length: 10000000000\r\n").await;
    long.write_all(&vec![b'x'; 2 * 1024 * 1024 + 1])
        .await
        .unwrap();
    assert_eq!(status(&mut long).await, 413);
    assert_eq!(everything(&app).await["event"], "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_42_headers_decide_only_what_they_should() {
    let app = spawn_app(Engine::Sqlite).await;
    let post = |name: &'static str, value: &'static str| {
        let body = body();
        let signature = sign(SECRET, app.clock.now(), body.as_bytes());
        let request = app.http.post(format!("{}/webhooks/stripe", app.url));
        let request = request
            .header("Stripe-Signature", signature)
            .header(name, value);
        async move { request.body(body).send().await.unwrap().status().as_u16() }
    };
    // Nothing is ever unpacked, however well it is signed.
    for encoding in ["gzip", "br", "deflate", "zstd", "gzip, identity", "GZIP"] {
        assert_eq!(post("Content-Encoding", encoding).await, 415, "{encoding}");
    }
    assert_eq!(everything(&app).await["event"], "");
    assert_eq!(post("Content-Encoding", "identity").await, 200);
    // What is signed is what counts; what the sender calls it does not.
    for r#type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
    ] {
        assert_eq!(post("Content-Type", r#type).await, 200, "{type}");
    }
    let many: String = (0..1000)
        .map(|number| format!("X-{number}: 1\r\n"))
        .collect();
    let mut many = begin(&app, &format!("{many}Content-Length: 0\r\n")).await;
    assert_eq!(status(&mut many).await, 431);
}

/// A body that does not come is given up after ten seconds, and meanwhile costs the others nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_42_slow_bodies_are_408_and_hold_up_nobody() {
    let app = spawn_app(Engine::Sqlite).await;
    let began = tokio::time::Instant::now();
    let slow = join_all((0..100).map(|_| async {
        let mut stream = begin(&app, "Content-Length: 1000\r\n").await;
        stream.write_all(b"{").await.unwrap();
        stream
    }));
    let mut slow = slow.await;
    for number in 0..20 {
        app.customer("ada@example.com", &format!("Ada {number}"))
            .await;
    }
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "they were held up"
    );
    let statuses = join_all(slow.iter_mut().map(status)).await;
    assert!(statuses.iter().all(|status| *status == 408), "{statuses:?}");
    assert!(began.elapsed() < Duration::from_secs(15));
}
