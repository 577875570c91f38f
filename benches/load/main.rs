//! The figures of `make bench`: measured over real sockets on this machine, printed, and compared
//! with the bare limit in the same run. Nothing is asserted here.

#![expect(
    clippy::expect_used,
    reason = "a measurement that meets what it does not expect ends"
)]

mod clients;
mod events;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use billhook::{
    clock::Clock,
    config::{self, Config},
    mail::{KeptMail, Mailer},
    sandbox, say, serve,
    stripe::signature,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use clients::{Browser, Load};

const SECRET: &str = "whsec_test_billhook";

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run());
}

async fn run() {
    say("Webhook ingest, SQLite with synchronous=FULL, distinct signed events");
    say(
        "  connections   what                    events/s   p50 ms   p99 ms   ratio to signature only",
    );
    for (connections, events) in [(16, 15_000), (256, 40_000)] {
        let bare = signature_only(connections, events).await;
        let whole = ingest(connections, events).await;
        line(connections, "signature only", &bare, 1.0);
        line(
            connections,
            "durable and applied",
            &whole,
            whole.per_second() / bare.per_second(),
        );
    }
    portal_and_pages().await;
}

fn line(connections: usize, what: &str, load: &Load, ratio: f64) {
    say(&format!(
        "  {connections:>11}   {what:<20}   {:>9.0}   {:>6.2}   {:>6.2}   {ratio:.3}",
        load.per_second(),
        load.percentile(0.50),
        load.percentile(0.99),
    ));
}

/// The bare limit: the same server and client, and nothing done but reading and verifying.
async fn signature_only(connections: usize, events: usize) -> Load {
    async fn verify(State(clock): State<Clock>, headers: HeaderMap, body: Bytes) -> &'static str {
        let header = headers
            .get("stripe-signature")
            .and_then(|value| value.to_str().ok());
        match signature::verify(header.unwrap_or_default(), &body, &[SECRET], clock.now()) {
            Ok(()) => "applied\n",
            Err(_) => "refused\n",
        }
    }
    let router = Router::new()
        .route("/webhooks/stripe", post(verify))
        .with_state(Clock::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let load = clients::post_all(address, connections, events::requests(events, SECRET)).await;
    server.abort();
    load
}

async fn ingest(connections: usize, events: usize) -> Load {
    let running = Running::start(Duration::ZERO).await;
    clients::post_all(
        running.address,
        connections,
        events::requests(events, SECRET),
    )
    .await
}

async fn portal_and_pages() {
    const DELAY: Duration = Duration::from_millis(200);
    let running = Running::start(DELAY).await;
    let mut browser = Browser::new(running.address);
    let customers = running.customers("ada@example.com", 50).await;
    browser.sign_in("ada@example.com", &running.mails).await;

    let mut added: Vec<Duration> = Vec::new();
    for customer in customers.iter().take(20) {
        let began = Instant::now();
        browser.open_portal(customer).await;
        added.push(began.elapsed().saturating_sub(DELAY));
    }
    added.sort();
    say(&format!(
        "\nPortal click, stand-in delaying {} ms: added p50 {:.1} ms, most {:.1} ms (goal 10)",
        DELAY.as_millis(),
        added[added.len() / 2].as_secs_f64() * 1000.0,
        added[added.len() - 1].as_secs_f64() * 1000.0,
    ));
    let before = running.stripe_calls().await;
    let page = browser.get("/billing").await;
    let calls = running.stripe_calls().await - before;
    say(&format!(
        "/billing with 50 customers: {calls} calls to Stripe, {page} bytes"
    ));

    let sign_in = [
        browser.bytes("/", false).await,
        browser.bytes("/pkg/billhook.css", false).await,
        browser.bytes("/favicon.svg", false).await,
    ];
    let program = [
        browser.bytes("/pkg/billhook.wasm", true).await,
        browser.bytes("/pkg/billhook.js", true).await + browser.bytes("/islands.js", true).await,
    ];
    say(&format!(
        "Over the wire, brotli: sign-in page with style and icon {} bytes (goal 15,000); /billing WASM {} + JS {} = {} bytes (goal 110,000)",
        sign_in.iter().sum::<usize>(),
        program[0],
        program[1],
        program.iter().sum::<usize>(),
    ));
}

/// A whole program on free ports, with a database of its own that is deleted at the end.
struct Running {
    address: std::net::SocketAddr,
    stripe_url: String,
    mails: Arc<Mutex<Vec<KeptMail>>>,
    folder: PathBuf,
    stop: CancellationToken,
    http: reqwest::Client,
}

impl Running {
    async fn start(stripe_delay: Duration) -> Running {
        let folder = std::env::temp_dir().join(billhook::clock::new_id("billhook-bench"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stand_in = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let stripe_url = format!("http://{}", stand_in.local_addr().expect("an address"));
        let config = settings(&format!("http://{address}"), &stripe_url, &folder);
        let (clock, mails) = (Clock::default(), Arc::default());
        let mailer = Mailer::Kept {
            mails: Arc::clone(&mails),
            app_name: config.app_name.clone(),
            clock: clock.clone(),
        };
        let app = serve::build(config, clock, mailer)
            .await
            .expect("it starts");
        let stop = CancellationToken::new();
        let options = sandbox::Options {
            delay: stripe_delay,
            ..sandbox::Options::default()
        };
        tokio::spawn(sandbox::serve(
            stand_in,
            options,
            stop.clone().cancelled_owned(),
        ));
        tokio::spawn(serve::run(app, listener, Router::new(), stop.clone()));
        let http = reqwest::Client::builder().build().expect("a client");
        Running {
            address,
            stripe_url,
            mails,
            folder,
            stop,
            http,
        }
    }

    /// Makes customers at the stand-in, and tells the program of them.
    async fn customers(&self, email: &str, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for number in 0..count {
            let name = format!("Customer {number}");
            let object: serde_json::Value = self
                .http
                .post(format!("{}/v1/customers", self.stripe_url))
                .bearer_auth("sk_test_billhook")
                .form(&[("email", email), ("name", &name)])
                .send()
                .await
                .expect("an answer")
                .json()
                .await
                .expect("a customer");
            ids.push(object["id"].as_str().expect("an id").to_owned());
            let request = events::request(number, &object, SECRET);
            clients::post_all(self.address, 1, vec![request]).await;
        }
        ids
    }

    async fn stripe_calls(&self) -> usize {
        let url = format!("{}/_sandbox/requests", self.stripe_url);
        let log: serde_json::Value = self
            .http
            .get(url)
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("a log");
        log["requests"].as_array().map_or(0, Vec::len)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn settings(url: &str, stripe_url: &str, folder: &std::path::Path) -> Config {
    let database_url = format!("sqlite://{}/billhook.db", folder.display());
    let settings = [
        ("FRONTEND_URL", url),
        ("DATABASE_URL", &database_url),
        ("STRIPE_API_KEY", "sk_test_billhook"),
        ("STRIPE_API_BASE", stripe_url),
        ("STRIPE_WEBHOOK_SECRET", SECRET),
        ("SESSION_SECRET", "a bench secret of more than 32 bytes"),
        ("SMTP_URL", "smtp://127.0.0.1:1"),
        ("MAIL_FROM", "billing@example.com"),
    ];
    let settings = settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    config::read(&settings).expect("good settings")
}
