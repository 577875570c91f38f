//! The customer's side: what a click on the portal's button adds, what a page asks of Stripe, and
//! what goes over the wire.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use billhook::{
    clock::Clock,
    config::{self, Config},
    mail::{KeptMail, Mailer},
    say, serve,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    SECRET,
    clients::{self, Browser},
    databases::{Database, Engine},
    events,
};

pub async fn measure() {
    const DELAY: Duration = Duration::from_millis(200);
    let database = Database::new(Engine::Sqlite).await.expect("a database");
    let running = Running::start(&database.url, DELAY).await;
    let mut browser = Browser::new(running.address);
    let customers = running.customers("ada@example.com", 50).await;
    browser.sign_in("ada@example.com", &running.mails).await;

    let mut added: Vec<Duration> = Vec::new();
    for customer in customers.iter().take(20) {
        // So many in a minute are more than a session may open.
        running.clock.advance(6);
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
        browser.asset("/pkg/billhook.css", false).await,
        browser.bytes("/favicon.svg", false).await,
    ];
    let program = [
        browser.asset("/pkg/billhook.wasm", true).await,
        browser.asset("/pkg/billhook.js", true).await + browser.asset("/islands.js", true).await,
    ];
    say(&format!(
        "Over the wire, brotli: sign-in page with style and icon {} bytes (goal 15,000); /billing WASM {} + JS {} = {} bytes (goal 110,000)",
        sign_in.iter().sum::<usize>(),
        program[0],
        program[1],
        program.iter().sum::<usize>(),
    ));
}

/// A whole program on free ports.
pub struct Running {
    clock: Clock,
    pub address: std::net::SocketAddr,
    stripe_url: String,
    pub mails: Arc<Mutex<Vec<KeptMail>>>,
    stop: CancellationToken,
    http: reqwest::Client,
}

impl Running {
    pub async fn start(database_url: &str, stripe_delay: Duration) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stand_in = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let stripe_url = format!("http://{}", stand_in.local_addr().expect("an address"));
        let config = settings(&format!("http://{address}"), &stripe_url, database_url);
        let (clock, mails) = (Clock::default(), Arc::default());
        let mailer = Mailer::Kept {
            mails: Arc::clone(&mails),
            app_name: config.app_name.clone(),
            clock: clock.clone(),
        };
        let app = serve::build(config, clock.clone(), mailer)
            .await
            .expect("it starts");
        let stop = CancellationToken::new();
        let options = billhook_sandbox::Options {
            delay: stripe_delay,
            ..billhook_sandbox::Options::default()
        };
        tokio::spawn(billhook_sandbox::serve(
            stand_in,
            options,
            stop.clone().cancelled_owned(),
        ));
        tokio::spawn(serve::run(app, listener, Vec::new(), stop.clone()));
        let http = reqwest::Client::builder().build().expect("a client");
        Running {
            clock,
            address,
            stripe_url,
            mails,
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
    }
}

fn settings(url: &str, stripe_url: &str, database_url: &str) -> Config {
    let settings = [
        ("FRONTEND_URL", url),
        ("DATABASE_URL", database_url),
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
