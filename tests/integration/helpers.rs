//! A whole program on a free port, with the stand-in for Stripe, mail that is kept, and a clock
//! that tests move. And a browser without a screen: cookies, forms, redirects that are not followed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use billhook::{
    clock::{self, Clock},
    config,
    domain::{App, email::normalise},
    mail::{KeptMail, Mailer},
    serve, store,
};
use futures::FutureExt;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Response, header};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::engines::{Engine, database_url};

pub const SECRET: &str = "whsec_test_billhook";

/// A folder that has what a server looks for, for trials of the program itself.
pub fn site() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/site")
}

pub struct TestApp {
    pub app: App,
    pub url: String,
    pub stripe_url: String,
    pub clock: Clock,
    pub http: reqwest::Client,
    mails: Arc<Mutex<Vec<KeptMail>>>,
    stop: CancellationToken,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub async fn spawn_app(engine: Engine) -> TestApp {
    spawn_app_with(&database_url(engine).await, |_| {}).await
}

/// On a database that others may use too, and with what `change` makes other than usual.
pub async fn spawn_app_with(database_url: &str, change: impl FnOnce(&mut App)) -> TestApp {
    spawn_app_set(database_url, &[], change).await
}

/// The same, with these settings beside the usual ones.
pub async fn spawn_app_set(
    database_url: &str,
    more: &[(&str, &str)],
    change: impl FnOnce(&mut App),
) -> TestApp {
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stand_in = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stripe_url = format!("http://{}", stand_in.local_addr().unwrap());
    let settings = [
        ("FRONTEND_URL", url.as_str()),
        ("DATABASE_URL", database_url),
        ("STRIPE_API_KEY", "sk_test_billhook"),
        ("STRIPE_API_BASE", &stripe_url),
        ("STRIPE_WEBHOOK_SECRET", SECRET),
        ("SESSION_SECRET", "a test secret of more than 32 bytes"),
        ("SMTP_URL", "smtp://127.0.0.1:1"),
        ("MAIL_FROM", "Northwind <billing@example.com>"),
        // Each test has mails enough; those about this limit set another.
        ("MAILS_PER_HOUR", "100000"),
        ("APP_NAME", "Northwind </title><script>alert(1)</script>"),
    ];
    let settings = settings
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let config = config::read(&settings).unwrap();
    let clock = Clock::default();
    let mails = Arc::new(Mutex::new(Vec::new()));
    let mailer = Mailer::Kept {
        mails: mails.clone(),
        app_name: config.app_name.clone(),
        clock: clock.clone(),
    };
    let mut app = serve::build(config, clock.clone(), mailer).await.unwrap();
    change(&mut app);
    let sandbox = billhook_sandbox::serve(
        stand_in,
        billhook_sandbox::Options::default(),
        stop.clone().cancelled_owned(),
    );
    tokio::spawn(sandbox);
    tokio::spawn(serve::run(app.clone(), listener, Vec::new(), stop.clone()));
    let http = reqwest::Client::builder()
        .default_headers(header::HeaderMap::from_iter([(
            header::HeaderName::from_static("x-forwarded-for"),
            new_client().parse().unwrap(),
        )]))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    TestApp {
        app,
        url,
        stripe_url,
        clock,
        http,
        mails,
        stop,
    }
}

impl TestApp {
    pub fn browser(&self) -> Browser<'_> {
        Browser {
            app: self,
            cookies: BTreeMap::new(),
            agent: "",
            languages: "",
            client: new_client(),
        }
    }

    /// Makes sure that somebody is under the address: to others no mail goes.
    pub async fn known(&self, address: &str) {
        let (email, livemode) = (normalise(address), self.app.config.livemode());
        let found = self.app.store.read(move |tx| {
            async move { store::customer::exists(tx, &email, livemode).await }.boxed()
        });
        if !found.await.unwrap() {
            self.customer(address, "Known").await;
        }
    }

    /// A browser that has signed in as `address`.
    pub async fn signed_in(&self, address: &str) -> Browser<'_> {
        self.signed_in_from(address, "").await
    }

    /// The same, with this User-Agent.
    pub async fn signed_in_from(&self, address: &str, agent: &'static str) -> Browser<'_> {
        let mut browser = self.browser();
        browser.agent = agent;
        self.ask(&mut browser, address).await;
        let token = self.link_token(address).await;
        browser.get(&format!("/sign-in/link?token={token}")).await;
        let answer = browser.post("/api/confirm_link", &[]).await;
        assert_redirect(&answer, "/billing");
        browser
    }

    /// Asks for a link, as somebody known, and waits for its mail.
    pub async fn ask(&self, browser: &mut Browser<'_>, address: &str) {
        self.known(address).await;
        let before = self.mails_to(address).len();
        let answer = browser.post("/api/ask_link", &[("email", address)]).await;
        assert_redirect(&answer, "/sign-in/check");
        eventually(|| async { (self.mails_to(address).len() > before).then_some(()) }).await;
    }

    /// How many mails went to `address` so far.
    pub fn mails_to(&self, address: &str) -> Vec<KeptMail> {
        self.mails
            .lock()
            .unwrap()
            .iter()
            .filter(|mail| mail.to == address)
            .cloned()
            .collect()
    }

    /// The newest mail to `address`, waited for.
    pub async fn mail(&self, address: &str) -> KeptMail {
        eventually(|| async { self.mails_to(address).pop() }).await
    }

    pub async fn link_token(&self, address: &str) -> String {
        let mail = self.mail(address).await;
        let text = mail.text.expose();
        let start = text.find("token=").expect("the mail has a link") + "token=".len();
        text[start..].chars().take(43).collect()
    }

    /// The 8 digits in the newest mail to `address`.
    pub async fn code(&self, address: &str) -> String {
        code_in(&self.mail(address).await)
    }

    /// Posts an event with a good signature.
    pub async fn deliver(&self, event: &Value) -> Response {
        let body = event.to_string();
        let signature = sign(SECRET, self.clock.now(), body.as_bytes());
        self.post_webhook(&signature, body.into_bytes()).await
    }

    pub async fn post_webhook(&self, signature: &str, body: Vec<u8>) -> Response {
        self.http
            .post(format!("{}/webhooks/stripe", self.url))
            .header("Stripe-Signature", signature)
            .body(body)
            .send()
            .await
            .unwrap()
    }

    /// Makes a customer known to the mirror, and returns its id.
    pub async fn customer(&self, email: &str, name: &str) -> String {
        let id = clock::new_id("cus");
        let object = customer_object(&id, email, name);
        let event = event("customer.created", 1_700_000_000, object, Value::Null);
        assert_eq!(self.deliver(&event).await.status(), 200);
        id
    }

    /// Makes a customer at the stand-in too, where a portal can be opened for it.
    pub async fn customer_at_stripe(&self, email: &str) -> String {
        let answer: Value = self
            .http
            .post(format!("{}/v1/customers", self.stripe_url))
            .bearer_auth("sk_test_billhook")
            .form(&[("email", email), ("name", "Ada Lovelace")])
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let created = event(
            "customer.created",
            1_700_000_000,
            answer.clone(),
            Value::Null,
        );
        assert_eq!(self.deliver(&created).await.status(), 200);
        self.control("DELETE", "requests", Value::Null).await;
        answer["id"].as_str().unwrap().to_owned()
    }

    /// The paths of all API calls that reached the stand-in, without the sweep's, which comes by
    /// itself.
    pub async fn stripe_calls(&self) -> Vec<String> {
        let log = self.control("GET", "requests", Value::Null).await;
        let calls = log["requests"].as_array().unwrap().iter();
        calls
            .map(|call| call["path"].as_str().unwrap().to_owned())
            .filter(|path| path != "/v1/events")
            .collect()
    }

    /// Calls one of the stand-in's own switches.
    pub async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}/_sandbox/{path}", self.stripe_url);
        let request = self.http.request(method.parse().unwrap(), url).json(&body);
        request
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap_or_default()
    }

    /// Every text in every table, for looking for what must not be there.
    pub async fn dump(&self) -> String {
        let mut dump = String::new();
        for table in [
            "customer",
            "event",
            "sign_in",
            "session",
            "outbox",
            "progress",
            "allowance",
            "audit",
        ] {
            dump.push_str(&crate::contract::dump(&self.app.store, table).await);
        }
        dump
    }
}

/// The 8 digits in a mail.
pub fn code_in(mail: &KeptMail) -> String {
    let lines = mail.text.expose().lines();
    let digits = lines.map(|line| line.trim().replace(' ', ""));
    let mut codes =
        digits.filter(|line| line.len() == 8 && line.bytes().all(|byte| byte.is_ascii_digit()));
    codes
        .next()
        .expect("the mail has a code on a line of its own")
}

/// Cookies and forms, as a browser without JavaScript has them.
pub struct Browser<'a> {
    app: &'a TestApp,
    pub cookies: BTreeMap<String, String>,
    agent: &'static str,
    /// What `Accept-Language` says; empty for a browser that does not say.
    pub languages: &'static str,
    /// What the proxy in front says about where it is: no two are at the same place.
    pub client: String,
}

/// An address that no other client has.
pub fn new_client() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [_, a, b, c] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

impl Browser<'_> {
    pub async fn get(&mut self, path: &str) -> Response {
        self.send("GET", path, None).await
    }

    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Response {
        self.send("POST", path, Some(form)).await
    }

    /// Calls a server function as the island does.
    pub async fn call(&mut self, path: &str) -> Response {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let request = self
            .app
            .http
            .post(format!("{}{path}", self.app.url))
            .header(header::ACCEPT, "application/json")
            .header("Sec-Fetch-Site", "same-origin")
            .header("X-Forwarded-For", &self.client)
            .header(header::COOKIE, pairs.collect::<Vec<_>>().join("; "));
        request.form::<[(&str, &str)]>(&[]).send().await.unwrap()
    }

    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        form: Option<&[(&str, &str)]>,
    ) -> Response {
        let mut request = self
            .app
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.app.url))
            .header(header::ACCEPT, "text/html,application/xhtml+xml")
            .header("Sec-Fetch-Site", "same-origin")
            // As the proxy has it that several processes are behind.
            .header(header::HOST, self.app.app.config.frontend_url.authority())
            .header(header::USER_AGENT, self.agent)
            .header("X-Forwarded-For", &self.client);
        if !self.languages.is_empty() {
            request = request.header(header::ACCEPT_LANGUAGE, self.languages);
        }
        if !self.cookies.is_empty() {
            let pairs = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            request = request.header(header::COOKIE, pairs.collect::<Vec<_>>().join("; "));
        }
        if let Some(form) = form {
            request = request.form(form);
        }
        let response = request.send().await.unwrap();
        self.keep_cookies(&response);
        response
    }

    fn keep_cookies(&mut self, response: &Response) {
        for line in set_cookies(response) {
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// A page as text without what is new in every answer: the nonces of its scripts and the tickets of its forms.
pub async fn without_nonces(answer: Response) -> String {
    let page = answer.text().await.unwrap();
    without(&without(&page, "nonce=\""), "name=\"ticket\" value=\"")
}

/// A text without all that stands between this and the next quote.
fn without(page: &str, before: &str) -> String {
    let mut parts = page.split(before);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('"').map_or(part, |(_, rest)| rest)
    })
}

pub fn set_cookies(response: &Response) -> Vec<String> {
    let lines = response.headers().get_all(header::SET_COOKIE).iter();
    lines
        .map(|line| line.to_str().unwrap().to_owned())
        .collect()
}

pub fn assert_redirect(response: &Response, location: &str) {
    assert_eq!(response.status(), 303, "{response:?}");
    assert_eq!(response.headers()[header::LOCATION], location);
}

/// Asks again until there is an answer, for at most ten seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "it did not happen within 10 seconds"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn sign(secret: &str, time: i64, body: &[u8]) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.").as_bytes());
    mac.update(body);
    format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()))
}

pub fn customer_object(id: &str, email: &str, name: &str) -> Value {
    json!({
        "id": id, "object": "customer", "email": email, "name": name, "description": null,
        "delinquent": false, "livemode": false, "created": 1_700_000_000, "metadata": {},
    })
}

/// An event with a new id.
pub fn event(r#type: &str, created: i64, object: Value, previous: Value) -> Value {
    let mut data = json!({ "object": object });
    if !previous.is_null() {
        data["previous_attributes"] = previous;
    }
    json!({
        "id": clock::new_id("evt"), "object": "event", "type": r#type, "created": created,
        "livemode": false, "api_version": "2026-10-28.endive", "data": data,
    })
}
