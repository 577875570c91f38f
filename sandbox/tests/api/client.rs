//! The stand-in for Stripe alone on a free port, a small client of it, and a receiver of webhooks.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use billhook_sandbox::Options;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

pub struct Sandbox {
    pub url: String,
    pub http: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Sandbox {
    pub async fn spawn(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(billhook_sandbox::serve(
            listener,
            options,
            stop.clone().cancelled_owned(),
        ));
        // An error means that another test came first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { url, http, stop }
    }

    pub async fn empty() -> Self {
        Self::spawn(Options::default()).await
    }

    pub async fn send(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.url))
            .bearer_auth("sk_test_billhook");
        let request = if method == "GET" {
            request
        } else {
            request.form(form)
        };
        request.send().await.unwrap()
    }

    /// The answer to a request that is carried out.
    pub async fn call(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Value {
        let answer = self.send(method, path, form).await;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {body}");
        body
    }

    /// The error in the answer to a request that is refused.
    pub async fn refusal(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Value {
        let answer = self.send(method, path, form).await;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(!status.is_success(), "{method} {path}: {status} {body}");
        body["error"].clone()
    }

    pub async fn get(&self, path: &str) -> Value {
        self.call("GET", path, &[]).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        self.call("POST", path, form).await
    }

    /// Turns one of the stand-in's own switches.
    pub async fn order(&self, path: &str, order: Value) -> Value {
        let url = format!("{}/_sandbox/{path}", self.url);
        let answer = self.http.post(url).json(&order).send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// All events so far, oldest first.
    pub async fn events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        let mut path = "/v1/events?limit=100".to_owned();
        loop {
            let page = self.get(&path).await;
            events.extend(page["data"].as_array().unwrap().iter().cloned());
            if page["has_more"] == false {
                break;
            }
            let last = id(events.last().unwrap());
            path = format!("/v1/events?limit=100&starting_after={last}");
        }
        events.reverse();
        events
    }

    /// The kinds of the events that come after the first `known`.
    pub async fn kinds_since(&self, known: usize) -> Vec<String> {
        let events = self.events().await;
        let kinds = events.iter().skip(known).map(|event| &event["type"]);
        kinds
            .map(|kind| kind.as_str().unwrap().to_owned())
            .collect()
    }

    /// The newest event of that kind.
    pub async fn last_event(&self, kind: &str) -> Value {
        let found = self.get(&format!("/v1/events?limit=1&type={kind}")).await;
        found["data"][0].clone()
    }

    pub async fn customer(&self) -> String {
        let form = [
            ("email", "ada@example.com"),
            ("payment_method", "pm_card_visa"),
            ("invoice_settings[default_payment_method]", "pm_card_visa"),
        ];
        id(&self.post("/v1/customers", &form).await)
    }

    /// A monthly price of a new product.
    pub async fn price(&self, amount: &str) -> Value {
        let form = [
            ("currency", "eur"),
            ("unit_amount", amount),
            ("recurring[interval]", "month"),
            ("product_data[name]", "Pro"),
        ];
        self.post("/v1/prices", &form).await
    }

    pub async fn subscription(&self, customer: &str, price: &Value) -> Value {
        let price = id(price);
        let form = [("customer", customer), ("items[0][price]", price.as_str())];
        self.post("/v1/subscriptions", &form).await
    }
}

pub fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

/// The bodies that came in, in the order of their arrival.
#[derive(Clone, Default)]
pub struct Receiver {
    got: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    /// Gives the receiver and its address.
    pub async fn spawn() -> (Self, String) {
        let receiver = Self::default();
        let got = receiver.got.clone();
        let take = move |axum::Json(event): axum::Json<Value>| {
            let got = got.clone();
            async move { got.lock().unwrap().push(event) }
        };
        let router = axum::Router::new().route("/hook", axum::routing::post(take));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    pub fn events(&self) -> Vec<Value> {
        self.got.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    /// Descriptions of the customers that came, in order.
    pub fn descriptions(&self) -> Vec<String> {
        let text = |event: Value| {
            event["data"]["object"]["description"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        self.events().into_iter().map(text).collect()
    }
}

/// A stand-in that tells a receiver.
pub async fn with_receiver() -> (Sandbox, Receiver) {
    let (receiver, url) = Receiver::spawn().await;
    let sandbox = Sandbox::empty().await;
    let target = json!({ "url": url, "secret": "whsec_test" });
    sandbox.order("webhooks", target).await;
    (sandbox, receiver)
}

/// Asks again until there is an answer, for at most ten seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "it did not happen within 10 seconds"
        );
        sleep(Duration::from_millis(20)).await;
    }
}
