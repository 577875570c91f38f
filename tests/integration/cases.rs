//! `tests/cases/*.json`, played through the program's own doors: webhooks in, a sign-in, the page, clicks.
//! Each forward and reversed, since Stripe promises no order. A new case is a new file; CONTRIBUTING.md
//! says how to add one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use billhook::{
    clock::Clock, config::Secret, domain::email::normalise, store::Store, stripe::Client,
};
use futures::{StreamExt, stream};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, eventually, sign, spawn_app_with},
};

on_both_engines!(every_case_forward, every_case_reversed);

/// 28 November 2026, which the cases take for today.
const TODAY: i64 = 1_795_840_000;
const SECRET: &str = crate::helpers::SECRET;

#[derive(Deserialize)]
struct Case {
    id: String,
    /// What is typed into the form.
    sign_in: String,
    events: Vec<Value>,
    #[serde(default)]
    page_must_have: Vec<String>,
    #[serde(default)]
    page_must_not_have: Vec<String>,
    /// What `GET /v1/<key>` answers.
    #[serde(default)]
    at_stripe: BTreeMap<String, Value>,
    #[serde(default)]
    clicks: Vec<Click>,
    /// Of the keys of `at_stripe`, before anything is clicked on.
    #[serde(default)]
    asked_once: Vec<String>,
    #[serde(default)]
    never_asked: Vec<String>,
    metadata_filler: Option<Filler>,
}

#[derive(Deserialize)]
struct Click {
    customer: String,
    flow: String,
    subscription: Option<String>,
    invoice: Option<String>,
    want: u16,
}

/// So many bytes of metadata in the object of that event.
#[derive(Deserialize)]
struct Filler {
    event: usize,
    bytes: usize,
}

fn cases() -> Vec<Case> {
    let mut files: Vec<_> = std::fs::read_dir("tests/cases")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| -> Case {
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let mut cases: Vec<_> = files.iter().map(read).collect();
    for case in &mut cases {
        if let Some(filler) = &case.metadata_filler {
            let metadata = json!({ "filler": "x".repeat(filler.bytes) });
            case.events[filler.event]["data"]["object"]["metadata"] = metadata;
        }
    }
    cases
}

/// One program plays all cases, so what a case is about must be its own.
#[test]
fn no_two_cases_share_an_object() {
    let mut owners = BTreeMap::new();
    for case in cases() {
        let own: BTreeSet<_> = case
            .events
            .iter()
            .flat_map(|event| [&event["id"], &event["data"]["object"]["id"]])
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        for id in own {
            if let Some(other) = owners.insert(id.clone(), case.id.clone()) {
                panic!("{id} is in {other} and in {}", case.id);
            }
        }
    }
}

async fn every_case_forward(engine: Engine) {
    play_all(engine, false).await;
}

async fn every_case_reversed(engine: Engine) {
    play_all(engine, true).await;
}

async fn play_all(engine: Engine, is_reversed: bool) {
    let cases = cases();
    let clock = Clock::default();
    clock.advance(TODAY - clock.now());
    let stripe = Stripe::start(&cases, clock.clone()).await;
    let app = spawn_app_with(&database_url(engine).await, |app| {
        let key = Secret::new("sk_test_billhook");
        app.stripe = Client::new(stripe.url.parse().unwrap(), key, Vec::new()).unwrap();
    })
    .await;
    app.clock.advance(TODAY - app.clock.now());
    for case in &cases {
        let mut events: Vec<_> = case.events.iter().collect();
        if is_reversed {
            events.reverse();
        }
        for event in events {
            let status = deliver(&app, event).await;
            assert_eq!(status, 200, "{}: {}", case.id, event["id"]);
        }
    }
    settled(&app).await;
    let mut faults = Vec::new();
    for case in &cases {
        let id = &case.id;
        for path in &case.asked_once {
            let times = stripe.asked(path);
            if times != 1 {
                faults.push(format!("{id}: Stripe was asked {times} times for {path:?}"));
            }
        }
        for path in &case.never_asked {
            if stripe.asked(path) > 0 {
                faults.push(format!("{id}: Stripe was asked for {path:?}"));
            }
        }
    }
    // Some side by side: each waits for a mail.
    let looks = cases.iter().map(|case| look(&app, case, &stripe.url));
    let looks: Vec<_> = stream::iter(looks).buffered(6).collect().await;
    faults.extend(looks.into_iter().flatten());
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

async fn deliver(app: &TestApp, event: &Value) -> StatusCode {
    let body = event.to_string().into_bytes();
    let signature = sign(SECRET, app.clock.now(), &body);
    app.post_webhook(&signature, body).await.status()
}

/// Until nothing waits for Stripe any more. Time goes on meanwhile.
async fn settled(app: &TestApp) {
    eventually(|| async {
        app.clock.advance(1);
        const EVENTS: &str = "SELECT COUNT(*) FROM event WHERE state IN ('pending', 'failed')";
        const OBJECTS: &str = "SELECT COUNT(*) FROM unknown_object WHERE due_at IS NOT NULL";
        let waiting = count(&app.app.store, EVENTS).await + count(&app.app.store, OBJECTS).await;
        (waiting == 0).then_some(())
    })
    .await;
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    let count = match store {
        Store::Sqlite { readers, .. } => sqlx::query_scalar(sql).fetch_one(readers).await,
        Store::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
    };
    count.unwrap()
}

/// What the page and the clicks of a case should not have said.
async fn look(app: &TestApp, case: &Case, stripe_url: &str) -> Vec<String> {
    let is_about_page = !case.page_must_have.is_empty()
        || !case.page_must_not_have.is_empty()
        || !case.clicks.is_empty();
    if !is_about_page {
        return Vec::new();
    }
    let mut browser = app.browser();
    let address = normalise(&case.sign_in);
    let form = [("email", case.sign_in.as_str())];
    let asked = browser.post("/api/ask_link", &form).await;
    if asked.status() != 303 || asked.headers()["location"] != "/sign-in/check" {
        return vec![format!("{}: the address is refused", case.id)];
    }
    let mut tries = 0;
    while app.mails_to(&address).is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        tries += 1;
        if tries == 150 {
            return vec![format!("{}: no mail comes", case.id)];
        }
    }
    let code = app.code(&address).await;
    browser.post("/api/enter_code", &[("code", &code)]).await;
    let page = browser.get("/billing").await.text().await.unwrap();
    let mut faults = Vec::new();
    for text in &case.page_must_have {
        if !page.contains(text.as_str()) {
            faults.push(format!("{}: {text:?} is missing", case.id));
        }
    }
    for text in &case.page_must_not_have {
        if page.contains(text.as_str()) {
            faults.push(format!("{}: {text:?} is there", case.id));
        }
    }
    if !faults.is_empty() {
        faults.push(words_of(&page));
    }
    for click in &case.clicks {
        let mut form = vec![("customer", click.customer.as_str())];
        form.extend(click.subscription.as_deref().map(|id| ("subscription", id)));
        let path = match &click.invoice {
            Some(invoice) => {
                form.push(("invoice", invoice));
                "/api/pay_invoice"
            }
            None => {
                form.push(("flow", &click.flow));
                "/api/open_portal"
            }
        };
        let answer = browser.post(path, &form).await;
        let location = answer.headers().get(header::LOCATION);
        let leads_out = location.is_some_and(|to| {
            let to = to.to_str().unwrap();
            to.starts_with(stripe_url) || to.starts_with("https://invoice.stripe.com/")
        });
        if answer.status() != click.want || leads_out != (click.want == 303) {
            let status = answer.status();
            let to = &click.customer;
            faults.push(format!(
                "{}: {to:?} is answered {status}, {location:?}",
                case.id
            ));
        }
    }
    faults
}

/// The words of the cards, for whoever reads of the fault.
fn words_of(page: &str) -> String {
    let cards = page.split("<article").skip(1);
    let words = cards.map(|card| {
        let texts = card.split('<').filter_map(|part| part.split_once('>'));
        let texts: Vec<_> = texts.map(|(_, text)| text.trim()).collect();
        texts
            .join(" ")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    });
    format!("    {}", words.collect::<Vec<_>>().join("\n    "))
}

/// A Stripe that has what the cases say, and makes portal sessions.
struct Stripe {
    url: String,
    asked: Asked,
}

/// How often each path was asked for.
type Asked = Arc<Mutex<BTreeMap<Vec<String>, usize>>>;

#[derive(Clone)]
struct CardRows {
    objects: Arc<BTreeMap<Vec<String>, Value>>,
    asked: Asked,
    url: String,
    clock: Clock,
}

impl Stripe {
    fn asked(&self, path: &str) -> usize {
        self.asked
            .lock()
            .unwrap()
            .get(&segments_of_key(path))
            .copied()
            .unwrap_or_default()
    }

    async fn start(cases: &[Case], clock: Clock) -> Stripe {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let objects = cases.iter().flat_map(|case| case.at_stripe.iter());
        let objects = objects.map(|(key, object)| (segments_of_key(key), object.clone()));
        let shelf = CardRows {
            objects: Arc::new(objects.collect()),
            asked: Asked::default(),
            url: url.clone(),
            clock,
        };
        let asked = shelf.asked.clone();
        let router = Router::new().fallback(answer).with_state(shelf);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Stripe { url, asked }
    }
}

async fn answer(State(shelf): State<CardRows>, request: Request) -> Response {
    let now = u64::try_from(shelf.clock.now()).unwrap();
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
    let path = request.uri().path().trim_start_matches("/v1/");
    let (status, body) = if request.method() == Method::POST {
        let url = format!("{}/p/session/test_case", shelf.url);
        (
            StatusCode::OK,
            json!({ "object": "billing_portal.session", "url": url }),
        )
    } else {
        let path: Vec<_> = path.split('/').map(decoded).collect();
        *shelf.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
        match shelf.objects.get(&path) {
            Some(object) => (StatusCode::OK, object.clone()),
            None => {
                let error = json!({ "type": "invalid_request_error", "message": "No such object" });
                (StatusCode::NOT_FOUND, json!({ "error": error }))
            }
        }
    };
    (status, [(header::DATE, date)], Json(body)).into_response()
}

/// The segments of a key of `at_stripe`: a list, and perhaps an id, which is one segment whatever it holds.
fn segments_of_key(key: &str) -> Vec<String> {
    key.splitn(2, '/').map(str::to_owned).collect()
}

/// One segment of a path without percent-encoding. Decoded as a whole, `a%2Fb` would be the path `a/b`.
fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
