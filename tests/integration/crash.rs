//! `kill -9` of the real program: whatever was answered 200 is there, and what was counted stays so.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use billhook::store::{self, Store};
use futures::FutureExt;
use serde_json::Value;

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{SECRET, customer_object, event, new_client, sign, site},
};

on_both_engines!(
    checklist_44_what_was_answered_200_survives_kill_9,
    checklist_9_wrong_codes_are_counted_over_kill_9,
    checklist_13_the_limit_of_an_address_survives_kill_9,
);

const FRONTEND: &str = "127.0.0.1:3000";

/// `billhook serve`, on any free port.
pub fn serve(database_url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_billhook"));
    command
        .arg("serve")
        .env_clear()
        .env("BIND", "127.0.0.1:0")
        .env("FRONTEND_URL", format!("http://{FRONTEND}"))
        .env("DATABASE_URL", database_url)
        .env("STRIPE_API_KEY", "rk_test_billhook")
        .env("STRIPE_WEBHOOK_SECRET", SECRET)
        .env("SESSION_SECRET", "a test secret of more than 32 bytes")
        .env("SMTP_URL", "smtp://127.0.0.1:1")
        .env("MAIL_FROM", "billing@example.com")
        .env("LEPTOS_SITE_ROOT", site())
        .current_dir(std::env::temp_dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Starts it and waits for the line that says where: an address without a path.
pub fn start(database_url: &str) -> (Running, String) {
    let mut child = serve(database_url).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().expect("it says that it listens").unwrap();
    let address = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    (Running(child), format!("http://{address}"))
}

/// The program; killed with SIGKILL when this goes, however the test ends.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn client() -> reqwest::Client {
    // An error means that another test has chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    http.build().unwrap()
}

/// Posts a form of ours, and returns where it leads and the cookie that it sets.
async fn post(url: &str, cookie: &str, name: &str, value: &str) -> (String, String) {
    let request = client()
        .post(url)
        .header("host", FRONTEND)
        .header("sec-fetch-site", "same-origin")
        .header("x-forwarded-for", new_client())
        .header("cookie", cookie)
        .form(&[(name, value)]);
    let answer = request.send().await.unwrap();
    let text = |name: &str| {
        let value = answer.headers().get(name).map(|value| value.to_str());
        value.unwrap_or(Ok("")).unwrap().to_owned()
    };
    (text("location"), text("set-cookie"))
}

async fn checklist_9_wrong_codes_are_counted_over_kill_9(engine: Engine) {
    let database_url = database_url(engine).await;
    let mut cookie = String::new();
    // The right one is another, but for a chance of one in some millions.
    for (round, wrong) in ["00000000", "00000001", "00000002", "00000003", "00000004"]
        .iter()
        .enumerate()
    {
        let (running, url) = start(&database_url);
        if round == 0 {
            let ask = format!("{url}/api/ask_link");
            cookie = post(&ask, "", "email", "ada@example.com").await.1;
        }
        let code = format!("{url}/api/enter_code");
        let (location, _) = post(&code, &cookie, "code", wrong).await;
        let over = if round < 4 { "code" } else { "spent" };
        assert_eq!(location, format!("/sign-in/check?problem={over}"));
        drop(running);
    }
    let store = Store::connect(&database_url).await.unwrap();
    let rows = crate::contract::dump(&store, "sign_in").await;
    assert!(rows.lines().count() == 1 && rows.contains("ada@example.com"));
    let browser = cookie.split(['=', ';']).nth(1).unwrap();
    let hash = billhook::domain::keys::sha256_hex(browser);
    let rows =
        store.read(move |tx| async move { store::sign_in::of_browser(tx, &hash, 0).await }.boxed());
    let attempts: Vec<_> = rows.await.unwrap().iter().map(|row| row.attempts).collect();
    assert_eq!(attempts, [5]);
}

async fn checklist_13_the_limit_of_an_address_survives_kill_9(engine: Engine) {
    let database_url = database_url(engine).await;
    for _ in 0..2 {
        let (running, url) = start(&database_url);
        for _ in 0..3 {
            let ask = format!("{url}/api/ask_link");
            let (location, _) = post(&ask, "", "email", "ada@example.com").await;
            assert_eq!(location, "/sign-in/check");
        }
        drop(running);
    }
    let store = Store::connect(&database_url).await.unwrap();
    let now = billhook::clock::Clock::default().now();
    let live = store.read(move |tx| {
        let count = store::sign_in::count_live(tx, "ada@example.com", "", now, 5, now);
        count.boxed()
    });
    assert_eq!(live.await.unwrap().of_address, 3, "three of six");
    // Three hours until it is whole again, less what the test took.
    let rows = crate::contract::dump(&store, "allowance").await;
    let mut of_address = rows.lines().filter(|row| row.contains("address:"));
    let row = of_address.next().unwrap_or_default();
    let full_at = row.trim().rsplit(|letter: char| !letter.is_ascii_digit());
    let full_at = full_at.filter(|digits| !digits.is_empty()).map(str::parse);
    let left = full_at
        .map(|digits| digits.unwrap_or(0) - now * 1000)
        .next();
    assert!(
        left.is_some_and(|left| (9_000_000..=10_800_000).contains(&left)),
        "{rows}"
    );
}

async fn checklist_44_what_was_answered_200_survives_kill_9(engine: Engine) {
    let database_url = database_url(engine).await;
    let acknowledged = Arc::new(Mutex::new(Vec::<(String, String)>::new()));
    for round in 0..5 {
        let (running, url) = start(&database_url);
        let (http, url) = (client(), format!("{url}/webhooks/stripe"));
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
        drop(running);
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
                let applied = store::row::find::<store::customer::Customer>(tx, &customer).await?;
                if stored.is_none() || applied.is_none() {
                    missing.push(event);
                }
            }
            Ok(missing)
        }
        .boxed()
    });
    assert_eq!(
        missing.await.unwrap(),
        Vec::<String>::new(),
        "of {count} acknowledged"
    );
}
