//! The real program, talkative as it can be, is led through what goes right and what goes wrong, with
//! secrets and personal data that are known beforehand. Then they are looked for in all that it wrote.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
};

use billhook::{
    clock::{self, Clock},
    config::SETTINGS,
    store::Store,
};
use futures::future::join_all;
use reqwest::{Response, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{customer_object, event, eventually, new_client, set_cookies, sign},
    mail_server,
    operator::run_with,
    post_office::PostOffice,
};

on_both_engines!(
    checklist_66_no_canary_leaves_by_any_way,
    checklist_66_no_broken_setting_is_repeated,
);

const FRONTEND: &str = "127.0.0.1:3000";
const KEY: &str = "rk_test_canary0key";
const WHSEC: &str = "whsec_canary0now";
const WHSEC_BEFORE: &str = "whsec_canary0before";
const SECRET: &str = "canary0session0secret0of0forty0bytes0abc";
const SECRET_BEFORE: &str = "canary0earlier0secret0of0forty0bytes0abc";
const SMTP_PASSWORD: &str = "canary0smtp0password";
const DATABASE_PASSWORD: &str = "canary0database0password";
const ADDRESS: &str = "canary.lovelace@example.com";
const GONE: &str = "gone.canary.byron@example.com";
const LATER: &str = "later.canary.byron@example.com";
const NAME: &str = "Canarina Lovelace";
const LAST4: &str = "4-cn-4";

/// What is known before the program runs.
const KNOWN: [&str; 14] = [
    KEY,
    WHSEC,
    WHSEC_BEFORE,
    SECRET,
    SECRET_BEFORE,
    SMTP_PASSWORD,
    DATABASE_PASSWORD,
    // Of addresses what is before the `@`: masked ones have the rest.
    "canary.lovelace",
    "canary.byron",
    "canary%2Elovelace",
    NAME,
    "Canarina",
    LAST4,
    "canary0",
];

/// Where personal data is kept, since it is needed there. Nothing else may hold any of it.
const KEPT: [(&str, &str); 7] = [
    ("customer", "email"),
    ("customer", "email_normalised"),
    ("customer", "name"),
    ("payment_method", "last4"),
    ("event", "payload"),
    ("sign_in", "email"),
    ("session", "email"),
];

/// The program, the stand-in for Stripe, the mail server, and the file that all output goes to.
struct Scene {
    folder: PathBuf,
    settings: HashMap<String, String>,
    stripe_url: String,
    url: String,
    /// As Stripe has it.
    customer: Value,
    post: PostOffice,
    program: Child,
    _stripe: DropGuard,
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn settings(database_url: &str, stripe_url: &str, smtp: &str) -> HashMap<String, String> {
    [
        ("BIND", "127.0.0.1:0"),
        ("FRONTEND_URL", &format!("http://{FRONTEND}")),
        ("DATABASE_URL", database_url),
        ("STRIPE_API_KEY", KEY),
        ("STRIPE_API_BASE", stripe_url),
        ("STRIPE_WEBHOOK_SECRET", &format!("{WHSEC},{WHSEC_BEFORE}")),
        ("SESSION_SECRET", SECRET),
        ("SESSION_SECRET_PREVIOUS", SECRET_BEFORE),
        ("SMTP_URL", smtp),
        ("MAIL_FROM", "billing@example.com"),
        ("RUST_LOG", "trace,h2=trace,hyper_util=trace,sqlx=trace"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

async fn stand_in() -> (String, DropGuard) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let options = billhook_sandbox::Options::default();
    tokio::spawn(billhook_sandbox::serve(
        listener,
        options,
        stop.clone().cancelled_owned(),
    ));
    (url, stop.drop_guard())
}

impl Scene {
    async fn set(engine: Engine) -> Scene {
        let folder = std::env::temp_dir()
            .join("billhook-tests")
            .join(clock::new_id("canary"));
        std::fs::create_dir_all(&folder).unwrap();
        let (stripe_url, stripe) = stand_in().await;
        let post = PostOffice::default();
        let smtp = format!("smtp://canary:{SMTP_PASSWORD}@{}", post.open().await);
        let settings = settings(&database_url(engine).await, &stripe_url, &smtp);
        let log = File::create(folder.join("log")).unwrap();
        let customer = at_stripe(&stripe_url).await;
        let program = Command::new(env!("CARGO_BIN_EXE_billhook"))
            .arg("serve")
            .env_clear()
            .envs(&settings)
            .env("LEPTOS_SITE_ROOT", crate::helpers::site())
            .current_dir(&folder)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut scene = Scene {
            folder,
            settings,
            stripe_url,
            url: String::new(),
            customer,
            post,
            program,
            _stripe: stripe,
        };
        scene.url = eventually(|| async {
            let said = scene.log();
            let rest = said.split("listening on ").nth(1)?;
            rest.split_once(',').map(|(url, _)| url.to_owned())
        })
        .await;
        scene
    }

    /// All that the server has printed.
    fn log(&self) -> String {
        read(&self.folder.join("log"))
    }

    async fn logged(&self, words: &str) {
        let found = || async { self.log().contains(words).then_some(()) };
        let waiting = eventually(found);
        let waited = tokio::time::timeout(std::time::Duration::from_secs(9), waiting).await;
        assert!(waited.is_ok(), "{words:?} is not in {}", self.log());
    }

    fn visitor(&self) -> Visitor {
        Visitor {
            url: self.url.clone(),
            cookies: BTreeMap::new(),
            seen: Vec::new(),
            client: new_client(),
        }
    }

    async fn deliver(&self, secret: &str, body: &str) -> u16 {
        let signature = sign(secret, Clock::default().now(), body.as_bytes());
        let request = http()
            .post(format!("{}/webhooks/stripe", self.url))
            .header("stripe-signature", signature)
            .body(body.to_owned());
        request.send().await.unwrap().status().as_u16()
    }

    /// Has the stand-in answer every call of this route so, and of no other route.
    async fn fault(&self, path: &str, status: u16, body: &str) {
        let fault = json!({ "path": path, "status": status, "body": body });
        let url = format!("{}/_sandbox/faults", self.stripe_url);
        http().delete(&url).send().await.unwrap();
        let answer = http().post(url).json(&fault).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    fn id(&self) -> &str {
        self.customer["id"].as_str().unwrap()
    }

    /// The newest mail to an address, waited for.
    async fn mail(&self, address: &str, number: usize) -> String {
        eventually(|| async { self.post.to(address).into_iter().nth(number) }).await
    }

    async fn command(&self, arguments: &[&str]) -> String {
        both(&run_with(&self.settings, arguments).await)
    }
}

async fn at_stripe(url: &str) -> Value {
    let made = http()
        .post(format!("{url}/v1/customers"))
        .bearer_auth(KEY)
        .form(&[("email", ADDRESS), ("name", NAME)]);
    made.send().await.unwrap().json().await.unwrap()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

fn both(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn http() -> reqwest::Client {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    http.build().unwrap()
}

/// A browser that remembers every cookie that it ever had.
struct Visitor {
    url: String,
    cookies: BTreeMap<String, String>,
    seen: Vec<String>,
    client: String,
}

impl Visitor {
    async fn get(&mut self, path: &str) -> Response {
        self.send(http().get(format!("{}{path}", self.url))).await
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = http().post(format!("{}{path}", self.url)).form(form);
        self.send(request).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Response {
        let pairs = self.cookies.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = request
            .header(header::HOST, FRONTEND)
            .header(header::ACCEPT, "text/html")
            .header("sec-fetch-site", "same-origin")
            .header("x-forwarded-for", &self.client)
            .header(header::COOKIE, pairs.join("; "));
        let answer = request.send().await.unwrap();
        for line in set_cookies(&answer) {
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap().to_owned();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.seen.push(value.clone());
                self.cookies.insert(name.to_owned(), value);
            }
        }
        answer
    }

    async fn ask(&mut self, address: &str) {
        let answer = self.post("/api/ask_link", &[("email", address)]).await;
        assert_eq!(location(&answer), "/sign-in/check");
    }

    async fn open_portal(&mut self, customer: &str) -> String {
        let form = [("customer", customer), ("flow", "home")];
        location(&self.post("/api/open_portal", &form).await)
    }
}

fn location(answer: &Response) -> String {
    let value = answer.headers().get(header::LOCATION);
    let value = value.map(|value| value.to_str().unwrap());
    value.unwrap_or_default().to_owned()
}

/// The token and the code of a sign-in mail.
fn token_and_code(mail: &str) -> (String, String) {
    let is_of_token = |letter: &char| letter.is_ascii_alphanumeric() || "-_".contains(*letter);
    let after = mail.split("token=").nth(1).expect("a link").chars();
    let token: String = after.take_while(is_of_token).collect();
    let mut digits = mail.lines().map(|line| line.trim().replace(' ', ""));
    let is_code = |line: &String| line.len() == 8 && line.bytes().all(|byte| byte.is_ascii_digit());
    // In quoted-printable the `=` before it is `=3D`.
    let token = token[token.len() - 43..].to_owned();
    (token, digits.find(is_code).expect("a code"))
}

async fn checklist_66_no_canary_leaves_by_any_way(engine: Engine) {
    let scene = Scene::set(engine).await;
    let mut canaries: Vec<String> = KNOWN.map(str::to_owned).into();

    webhooks(&scene).await;
    let (mut ada, mut others) = sign_ins(&scene, &mut canaries).await;
    portals(&scene, &mut ada, &mut canaries).await;
    faulty_events(&scene).await;
    copies(&scene, &mut others).await;
    oddities(&scene, &mut ada).await;
    let printed = [
        scene.command(&["events", "list"]).await,
        scene
            .command(&["events", "replay", "--failed", "--yes"])
            .await,
        scene.command(&["audit", "list"]).await,
        scene.command(&["doctor"]).await,
        scene.command(&["account", "sign-out", GONE]).await,
    ];
    scene.logged("a mail was refused for good").await;
    scene.logged("a mail could not be sent").await;
    broken_database(&scene, &mut ada).await;

    for value in ada.seen.iter().chain(&others.seen) {
        // Of a token also what makes it one: the rest of it names the session.
        canaries.extend(value.rsplit('.').next().map(str::to_owned));
        canaries.push(value.clone());
    }
    let log = scene.log();
    // It was talkative, and it was about this.
    for words in [
        "DEBUG event received",
        "signed in",
        "portal opened",
        "lacks a permission",
        "the click could not be passed on to Stripe",
        "came again",
        "webhooks refused",
        "is no event",
        "an event failed",
        "the database did not answer",
        "[address]",
        "c…e@example.com",
    ] {
        assert!(log.contains(words), "{words:?} is not in {log}");
    }
    for canary in &canaries {
        for text in printed.iter().chain([&log]) {
            let line = text.lines().find(|line| line.contains(canary.as_str()));
            assert!(line.is_none(), "{canary}: {line:?}");
        }
    }
    let rows = rows(&scene).await;
    for place in &KEPT {
        let mut kept = rows
            .iter()
            .filter(|(table, column, _)| (table.as_str(), column.as_str()) == *place);
        let holds = kept.any(|(.., value)| KNOWN.iter().any(|canary| value.contains(canary)));
        assert!(holds, "{place:?} holds what is looked for");
    }
    for (table, column, value) in &rows {
        if !KEPT.contains(&(table.as_str(), column.as_str())) {
            let found = canaries.iter().find(|canary| value.contains(&***canary));
            assert_eq!(found, None, "{table}.{column}: {value}");
        }
    }
}

/// A customer at Stripe and others that only their events tell of, a card, and what is none of it.
async fn webhooks(scene: &Scene) {
    for object in [
        scene.customer.clone(),
        customer_object("cus_gone", GONE, NAME),
        customer_object("cus_later", LATER, NAME),
    ] {
        let body = event("customer.created", 1_700_000_000, object, Value::Null);
        assert_eq!(scene.deliver(WHSEC, &body.to_string()).await, 200);
    }
    let card = json!({
        "id": "pm_canary", "object": "payment_method", "customer": scene.id(), "type": "card",
        "created": 1_700_000_000, "livemode": false,
        "billing_details": { "email": ADDRESS, "name": NAME },
        "card": { "brand": "visa", "last4": LAST4, "exp_month": 12, "exp_year": 2030 },
    });
    let attached = event("payment_method.attached", 1_700_000_001, card, Value::Null);
    let body = attached.to_string();
    assert_eq!(scene.deliver(WHSEC_BEFORE, &body).await, 200);
    assert_eq!(scene.deliver(WHSEC, &body).await, 200, "twice");
    assert_eq!(scene.deliver("whsec_of_somebody", &body).await, 400);
    for odd in [
        format!("{ADDRESS} {NAME} {LAST4} {KEY}"),
        format!("{{\"email\": \"{ADDRESS}\", \"name\": \"{NAME}"),
        format!("{{\"id\": \"{LAST4}\", \"name\": \"{NAME}\"}}"),
        format!("\"{ADDRESS}\""),
    ] {
        assert_eq!(scene.deliver(WHSEC, &odd).await, 400, "{odd}");
    }
}

/// By link and by code, with a foreign link and wrong codes, and two addresses that the mail server
/// does not take.
async fn sign_ins(scene: &Scene, canaries: &mut Vec<String>) -> (Visitor, Visitor) {
    let (mut ada, mut stranger) = (scene.visitor(), scene.visitor());
    ada.ask(ADDRESS).await;
    let (token, code) = token_and_code(&scene.mail(ADDRESS, 0).await);
    canaries.extend([token.clone(), code]);
    stranger.ask(GONE).await;
    for browser in [&mut stranger, &mut ada] {
        let link = format!("/sign-in/link?token={token}");
        assert_eq!(location(&browser.get(&link).await), "/sign-in/confirm");
        browser.get("/sign-in/confirm").await;
    }
    stranger.post("/api/confirm_link", &[]).await;
    stranger.get("/sign-in/check").await;
    let answer = ada.post("/api/confirm_link", &[]).await;
    assert_eq!(location(&answer), "/billing");
    assert_eq!(ada.get("/billing").await.status(), 200);

    let mut other = scene.visitor();
    other.ask(ADDRESS).await;
    let (token, code) = token_and_code(&scene.mail(ADDRESS, 1).await);
    for wrong in ["00000001", NAME, ADDRESS] {
        other.post("/api/enter_code", &[("code", wrong)]).await;
    }
    let answer = other.post("/api/enter_code", &[("code", &code)]).await;
    assert_eq!(location(&answer), "/billing");
    canaries.extend([token, format!("{} {}", &code[..4], &code[4..]), code]);

    let mut later = scene.visitor();
    later.ask(LATER).await;
    later.ask("nobody.canary.byron@example.com").await;
    later
        .post(
            "/api/ask_link",
            &[("email", &format!("{NAME} <{ADDRESS}>"))],
        )
        .await;
    later.get("/?problem=address").await;
    for browser in [stranger, later] {
        other.seen.extend(browser.seen);
    }
    (ada, other)
}

/// Opened, and refused in every way that Stripe has, in words that hold what they should not.
async fn portals(scene: &Scene, ada: &mut Visitor, canaries: &mut Vec<String>) {
    for id in [ADDRESS, "cus_gone"] {
        let refused = ada.open_portal(id).await;
        assert!(!refused.contains("/p/session/"), "{id}: {refused}");
    }
    let opened = ada.open_portal(scene.id()).await;
    assert!(opened.contains("/p/session/"), "{opened}: {}", scene.log());
    canaries.extend(opened.rsplit('/').next().map(str::to_owned));
    canaries.push(opened);

    let words = |words: &str| json!({ "error": { "message": words } }).to_string();
    let portal = "/v1/billing_portal/sessions";
    let right = "Having the 'rak_billing_portal_session_write' permission would allow this";
    for (status, body, code) in [
        (
            403,
            words(&format!("The key '{KEY}' may not. {right}")),
            "not-set-up",
        ),
        (
            401,
            words(&format!("Invalid API Key provided: {KEY}")),
            "not-set-up",
        ),
        (
            404,
            words(&format!("No such customer: {ADDRESS}")),
            "not-set-up",
        ),
        (402, format!("<html>{NAME} {LAST4}"), "unavailable"),
        (200, format!("{{\"url\": \"https://{NAME}"), "unavailable"),
        (
            200,
            format!("{{\"url\": \"https://evil.example/{LAST4}\"}}"),
            "not-set-up",
        ),
    ] {
        scene.fault(portal, status, &body).await;
        let refused = ada.open_portal(scene.id()).await;
        assert!(refused.contains(code), "{status}: {refused}");
    }
}

/// Events that the database does not take, and one about which Stripe gives no sense.
async fn faulty_events(scene: &Scene) {
    execute(
        scene,
        &format!(
            "CREATE TRIGGER poison BEFORE INSERT ON customer WHEN NEW.id = 'cus_poison'
             BEGIN SELECT RAISE(ABORT, 'no room for {ADDRESS} with {KEY}'); END"
        ),
        &format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF NEW.id = 'cus_poison' THEN
                     RAISE EXCEPTION 'no room for % with {KEY}', NEW.email; END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER poison BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION refuse()"
        ),
    )
    .await;
    let object = customer_object("cus_poison", ADDRESS, NAME);
    let body = event("customer.created", 1_700_000_000, object, Value::Null);
    assert_eq!(scene.deliver(WHSEC, &body.to_string()).await, 200);
    let cut = json!({
        "id": "sub_canary", "object": "subscription", "customer": scene.id(),
        "status": "active", "items": { "data": [], "has_more": true }, "livemode": false,
    });
    let words = json!({ "error": { "message": format!("no {ADDRESS} for '{KEY}'") } });
    scene
        .fault("/v1/subscriptions", 400, &words.to_string())
        .await;
    let changed = "customer.subscription.updated";
    let body = event(changed, 1_700_000_000, cut, json!({ "status": "trialing" }));
    assert_eq!(scene.deliver(WHSEC, &body.to_string()).await, 200);
    scene.logged("an event failed").await;
}

/// Renews twice, and shows the first token again.
async fn copies(scene: &Scene, browser: &mut Visitor) {
    let first = browser.cookies.clone();
    for _ in 0..2 {
        browser.cookies.remove("billhook_access");
        assert_eq!(browser.get("/billing").await.status(), 200);
    }
    browser.cookies = first;
    browser.cookies.remove("billhook_access");
    assert_eq!(location(&browser.get("/billing").await), "/");
    eventually(|| async {
        let mails = scene.post.to(ADDRESS);
        let told = mails.iter().any(|mail| mail.contains("signed out"));
        told.then_some(())
    })
    .await;
}

/// Requests with what belongs elsewhere.
async fn oddities(scene: &Scene, ada: &mut Visitor) {
    let access = ada.cookies["billhook_access"].clone();
    for path in [
        format!("/nothing/{ADDRESS}"),
        format!("/billing?email={ADDRESS}&token={access}"),
        format!("/sign-in/link?token={access}"),
        format!("/sign-in/link?token={ADDRESS}"),
        "/devices".to_owned(),
        "/up".to_owned(),
        "/ready".to_owned(),
    ] {
        ada.get(&path).await;
    }
    let mut stranger = scene.visitor();
    for name in [
        "billhook_access",
        "billhook_refresh",
        "billhook_link",
        "billhook_typed",
    ] {
        stranger
            .cookies
            .insert(name.to_owned(), format!("{access}x"));
    }
    stranger.get("/billing").await;
    stranger.post("/api/confirm_link", &[]).await;
    stranger.post("/api/customers", &[("email", ADDRESS)]).await;
    stranger
        .post(&format!("/api/{ADDRESS}"), &[("code", NAME)])
        .await;
    let garbage = http()
        .post(format!("{}/api/ask_link", scene.url))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(vec![0xff; 1_000]);
    stranger.send(garbage).await;
    let elsewhere = http()
        .get(&scene.url)
        .header(header::HOST, "canary.lovelace.example");
    assert_eq!(elsewhere.send().await.unwrap().status(), 421);
}

/// The tables that are asked are away.
async fn broken_database(scene: &Scene, ada: &mut Visitor) {
    for (from, to) in [("session", "away"), ("sign_in", "gone")] {
        let rename = format!("ALTER TABLE {from} RENAME TO {to}");
        execute(scene, &rename, &rename).await;
    }
    ada.get("/billing").await;
    let mut late = scene.visitor();
    late.post("/api/ask_link", &[("email", ADDRESS)]).await;
    let code = [("code", "12345678")];
    late.cookies
        .insert("billhook_browser".to_owned(), "x".repeat(43));
    late.post("/api/enter_code", &code).await;
    scene.logged("the database did not answer").await;
    for (from, to) in [("away", "session"), ("gone", "sign_in")] {
        let rename = format!("ALTER TABLE {from} RENAME TO {to}");
        execute(scene, &rename, &rename).await;
    }
}

async fn execute(scene: &Scene, sqlite: &str, postgres: &str) {
    let safe = |sql: &str| sqlx::AssertSqlSafe(sql.to_owned());
    let store = Store::open(&scene.settings["DATABASE_URL"]).await.unwrap();
    match &store {
        Store::Sqlite { writer, .. } => {
            let done = sqlx::raw_sql(safe(sqlite)).execute(writer).await;
            done.unwrap();
        }
        Store::Postgres(pool) => {
            let done = sqlx::raw_sql(safe(postgres)).execute(pool).await;
            done.unwrap();
        }
    }
    store.close().await;
}

/// Every value in every table: with the names of its table and its column.
async fn rows(scene: &Scene) -> Vec<(String, String, String)> {
    const SQLITE: &str =
        "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c
        WHERE m.type = 'table' AND m.name NOT LIKE '\\_%' ESCAPE '\\'";
    const POSTGRES: &str = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT)
        FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_%'";
    let store = Store::open(&scene.settings["DATABASE_URL"]).await.unwrap();
    let places: Vec<(String, String)> = match &store {
        Store::Sqlite { readers, .. } => sqlx::query_as(SQLITE).fetch_all(readers).await.unwrap(),
        Store::Postgres(pool) => sqlx::query_as(POSTGRES).fetch_all(pool).await.unwrap(),
    };
    let mut all = Vec::new();
    for (table, column) in places {
        let sql = format!("SELECT CAST(\"{column}\" AS TEXT) FROM \"{table}\"");
        let sql = sqlx::AssertSqlSafe(sql);
        let values: Vec<Option<String>> = match &store {
            Store::Sqlite { readers, .. } => {
                sqlx::query_scalar(sql).fetch_all(readers).await.unwrap()
            }
            Store::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap(),
        };
        let values = values.into_iter().flatten();
        all.extend(values.map(|value| (table.clone(), column.clone(), value)));
    }
    store.close().await;
    all
}

async fn checklist_66_no_broken_setting_is_repeated(engine: Engine) {
    let (stripe_url, _stripe) = stand_in().await;
    let folder = std::env::temp_dir()
        .join("billhook-tests")
        .join(clock::new_id("broken"));
    std::fs::create_dir_all(&folder).unwrap();
    let usual = settings(
        &database_url(engine).await,
        &stripe_url,
        "smtp://127.0.0.1:1",
    );
    let with = |changes: &[(&str, &str)]| {
        let mut settings = usual.clone();
        for (name, value) in changes {
            settings.insert((*name).to_owned(), (*value).to_owned());
        }
        settings
    };
    let mut printed = Vec::new();

    // What cannot be read.
    let mut all = usual.clone();
    for setting in SETTINGS.iter().filter(|setting| setting.name != "APP_NAME") {
        let values = ["canary0", "canary0\nx, ", "https://u:canary0@example.com/x"];
        let runs = values.map(|value| {
            let settings = with(&[(setting.name, value)]);
            let folder = &folder;
            async move { refused(folder, &settings).await }
        });
        printed.extend(join_all(runs).await);
        all.insert(setting.name.to_owned(), "canary0".to_owned());
    }
    printed.push(both(&run_with(&all, &["doctor"]).await));
    for unread in [
        "SESSION_SECRET='canary0",
        "canary0 canary0",
        "A=\"canary0\" canary0",
    ] {
        std::fs::write(folder.join(".env"), unread).unwrap();
        printed.push(refused(&folder, &HashMap::new()).await);
    }
    std::fs::remove_file(folder.join(".env")).unwrap();

    // What can be read, and is wrong.
    let junk = folder.join("junk.db");
    std::fs::write(
        &junk,
        format!("{ADDRESS} {NAME} {SECRET} {}", "x".repeat(5_000)),
    )
    .unwrap();
    let pgpass = folder.join("pgpass");
    std::fs::write(&pgpass, "canary0 is no line of such a file\n").unwrap();
    std::fs::set_permissions(&pgpass, Permissions::from_mode(0o600)).unwrap();
    let pgpass = pgpass.display().to_string();
    let away = format!("postgres://canary:{DATABASE_PASSWORD}@127.0.0.1:1/x");
    let odd = format!("{away}?passwrd={DATABASE_PASSWORD}");
    let no_mode = format!("{away}?sslmode={DATABASE_PASSWORD}");
    let junk = format!("sqlite://{}", junk.display());
    let odd_junk = format!("{junk}?passwrd={DATABASE_PASSWORD}");
    let not_theirs = match engine {
        Engine::Sqlite => junk.clone(),
        Engine::Postgres => with_password(&usual["DATABASE_URL"]),
    };
    let smtp = mail_server::start(&["AUTH PLAIN"]).await;
    let wrong_password = format!("smtp://ada:{SMTP_PASSWORD}@{smtp}");
    // Side by side: most of them wait for a database that is not there.
    let changes = [
        &[("DATABASE_URL", odd.as_str())][..],
        &[("DATABASE_URL", no_mode.as_str())],
        &[("DATABASE_URL", odd_junk.as_str())],
        &[("DATABASE_URL", not_theirs.as_str())],
        &[
            ("DATABASE_URL", "postgres://canary@127.0.0.1:1/x"),
            ("PGPASSFILE", pgpass.as_str()),
        ],
        &[(
            "DATABASE_URL",
            "postgres://canary:canary0@[canary0]:x/canary0",
        )],
        &[("DATABASE_URL", "sqlite:///proc/canary.db?mode=canary0")],
        &[("SMTP_URL", "smtp://ada:canary0@[canary0]:x")],
    ];
    let runs = changes.map(|changes| {
        let settings = with(changes);
        let folder = &folder;
        async move {
            let (serve, doctor) =
                tokio::join!(refused(folder, &settings), run_with(&settings, &["doctor"]));
            [serve, both(&doctor)]
        }
    });
    printed.extend(join_all(runs).await.into_iter().flatten());
    let words = json!({ "error": { "message": format!("Invalid API Key provided: {KEY}") } });
    let fault = json!({ "path": "/v1", "status": 401, "body": words.to_string() });
    let faults = format!("{stripe_url}/_sandbox/faults");
    http().post(faults).json(&fault).send().await.unwrap();
    let wrong = with(&[
        ("SMTP_URL", &wrong_password),
        ("SESSION_SECRET_PREVIOUS", SECRET),
    ]);
    for command in [
        &["doctor"][..],
        &["doctor", "--json"],
        &["sweep"],
        &["import", "customers"],
    ] {
        printed.push(both(&run_with(&wrong, command).await));
    }

    for text in &printed {
        let mut canaries = KNOWN.iter().chain(&["passwrd", "no line of such"]);
        let found = canaries.find(|canary| text.contains(**canary));
        assert_eq!(found, None, "{text}");
        assert!(text.len() > 20, "{text}");
    }
}

/// The same address of a Postgres, with a password that it does not take.
fn with_password(url: &str) -> String {
    let (before, after) = url.split_once('@').unwrap();
    let user = before.rsplit_once(':').unwrap().0;
    format!("{user}:{DATABASE_PASSWORD}@{after}")
}

/// What the server prints that does not start.
async fn refused(folder: &Path, settings: &HashMap<String, String>) -> String {
    let said = folder.join(clock::new_id("said"));
    let file = File::create(&said).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_billhook"))
        .arg("serve")
        .env_clear()
        .envs(settings)
        .current_dir(folder)
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        if let Some(status) = program.try_wait().unwrap() {
            assert!(!status.success());
            return read(&said);
        }
        if std::time::Instant::now() > deadline {
            program.kill().unwrap();
            program.wait().unwrap();
            panic!("it started: {}", read(&said));
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
