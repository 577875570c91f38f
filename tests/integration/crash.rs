//! `kill -9` of the real program while events come in: whatever was answered 200 is there.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
};

use billhook::store::{self, Store};
use futures::FutureExt;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{SECRET, customer_object, event, sign},
};

on_both_engines!(checklist_44_what_was_answered_200_survives_kill_9);

/// Starts `billhook serve` and waits for the line that says where.
async fn start(database_url: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_billhook"))
        .arg("serve")
        .env_clear()
        .env("BIND", "127.0.0.1:0")
        .env("FRONTEND_URL", "http://127.0.0.1:3000")
        .env("DATABASE_URL", database_url)
        .env("STRIPE_API_KEY", "rk_test_billhook")
        .env("STRIPE_WEBHOOK_SECRET", SECRET)
        .env("SESSION_SECRET", "a test secret of more than 32 bytes")
        .env("SMTP_URL", "smtp://127.0.0.1:1")
        .env("MAIL_FROM", "billing@example.com")
        .current_dir(std::env::temp_dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("it says that it listens");
    let address = line.split("http://").nth(1).unwrap().split(',').next().unwrap();
    (child, format!("http://{address}/webhooks/stripe"))
}

async fn checklist_44_what_was_answered_200_survives_kill_9(engine: Engine) {
    let database_url = database_url(engine).await;
    let acknowledged = Arc::new(Mutex::new(Vec::<(String, String)>::new()));
    for round in 0..5 {
        let (mut child, url) = start(&database_url).await;
        let http = reqwest::Client::builder().build().unwrap();
        let senders: Vec<_> = (0..16)
            .map(|sender| {
                let (http, url, acknowledged) = (http.clone(), url.clone(), acknowledged.clone());
                tokio::spawn(async move {
                    for number in 0..200 {
                        let customer = format!("cus_{round}_{sender}_{number}");
                        let object = customer_object(&customer, "ada@example.com", "Ada");
                        let event = event("customer.created", 10, object, Value::Null);
                        let body = event.to_string();
                        let now = billhook::clock::Clock::default().now();
                        let post = http
                            .post(&url)
                            .header("stripe-signature", sign(SECRET, now, body.as_bytes()))
                            .body(body);
                        match post.send().await {
                            Ok(answer) if answer.status() == 200 => {
                                let id = event["id"].as_str().unwrap().to_owned();
                                acknowledged.lock().unwrap().push((id, customer));
                            }
                            _ => return,
                        }
                    }
                })
            })
            .collect();
        let before = acknowledged.lock().unwrap().len();
        crate::helpers::eventually(|| async {
            (acknowledged.lock().unwrap().len() > before + 100).then_some(())
        })
        .await;
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        for sender in senders {
            sender.await.unwrap();
        }
    }
    let store = Store::connect(&database_url).await.unwrap();
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() > 500);
    let count = acknowledged.len();
    let missing = store.read(move |tx| {
        async move {
            let mut missing = Vec::new();
            for (event, customer) in acknowledged {
                let stored = store::event::find(tx, &event).await?;
                let applied = store::customer::find(tx, &customer).await?;
                if stored.is_none() || applied.is_none() {
                    missing.push(event);
                }
            }
            Ok(missing)
        }
        .boxed()
    });
    assert_eq!(missing.await.unwrap(), Vec::<String>::new(), "of {count} acknowledged");
}
