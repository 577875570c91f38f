//! `billhook dev` as the real program, as somebody meets it who has just heard of it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use billhook::clock;
use reqwest::{Response, header};
use serde_json::Value;

use crate::helpers::{assert_redirect, eventually, set_cookies};

struct Trial {
    program: Child,
    folder: PathBuf,
    url: String,
    stand_in: String,
    http: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

impl Drop for Trial {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.program.kill();
        let _ = self.program.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Trial {
    /// Waits until the example customers have arrived.
    async fn start() -> Trial {
        let folder = std::env::temp_dir().join(clock::new_id("trial"));
        std::fs::create_dir_all(&folder).unwrap();
        // An error means that another test came first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let program = Command::new(env!("CARGO_BIN_EXE_billhook"))
            .arg("dev")
            .env_clear()
            .env("BIND", "127.0.0.1:0")
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From here on it ends with the test, however that goes.
        let mut trial = Trial {
            program,
            folder,
            url: String::new(),
            stand_in: String::new(),
            http,
            cookies: BTreeMap::new(),
        };
        let mut said = BufReader::new(trial.program.stdout.take().unwrap()).lines();
        let mut address = |before: &str| {
            let line = said.find(|line| line.as_ref().unwrap().trim().starts_with(before));
            let line = line.unwrap().unwrap();
            let from = line.find("http://").unwrap();
            line[from..].split_whitespace().next().unwrap().to_owned()
        };
        trial.url = address("Open");
        trial.stand_in = address("Stripe");
        eventually(|| async {
            let log = format!("{}/_sandbox/delivery", trial.stand_in);
            let log: Value = trial.http.get(log).send().await.ok()?.json().await.unwrap();
            (log["undelivered"] == 0).then_some(())
        })
        .await;
        trial
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Response {
        let cookies = self.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let answer = request
            .header(header::ACCEPT, "text/html")
            .header("Sec-Fetch-Site", "same-origin")
            .header(header::COOKIE, cookies.join("; "))
            .send()
            .await
            .unwrap();
        for line in set_cookies(&answer) {
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    async fn get(&mut self, path: &str) -> Response {
        let request = self.http.get(format!("{}{path}", self.url));
        self.send(request).await
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self.http.post(format!("{}{path}", self.url)).form(form);
        self.send(request).await
    }

    async fn ask(&mut self, address: &str) {
        let answer = self.post("/api/ask_link", &[("email", address)]).await;
        assert_redirect(&answer, "/sign-in/check");
    }

    /// The list of mails once these words are on it.
    async fn mails_with(&self, words: &str) -> String {
        eventually(|| async {
            let page = self.http.get(format!("{}/dev/mail", self.url));
            let page = page.send().await.unwrap().text().await.unwrap();
            page.contains(words).then_some(page)
        })
        .await
    }
}

#[tokio::test]
async fn a_trial_says_why_a_mail_was_not_sent() {
    let mut trial = Trial::start().await;
    trial.ask("stranger@example.org").await;
    let page = trial.mails_with("Not sent").await;
    assert!(page.contains("To stranger@example.org"), "{page}");
    assert!(page.contains("No billing record has this address"));

    trial.cookies.clear();
    trial.ask("grace@example.com").await;
    trial.ask("grace@example.com").await;
    let page = trial.mails_with("less than a minute ago").await;
    assert!(page.contains("To grace@example.com"), "{page}");

    trial.cookies.clear();
    for name in ["ada", "agency", "maud", "mary"] {
        trial.ask(&format!("{name}@example.com")).await;
    }
    trial
        .mails_with("This browser has as many links open as it may")
        .await;
    for _ in 0..4 {
        trial.cookies.clear();
        trial.ask("grace@example.com").await;
    }
    trial
        .mails_with("This address has as many links open as it may")
        .await;
}

#[tokio::test]
async fn a_trial_limits_no_client() {
    let mut trial = Trial::start().await;
    for number in 0..40 {
        trial.cookies.clear();
        trial.ask(&format!("visitor{number}@example.com")).await;
        let answer = trial.post("/api/enter_code", &[("code", "12345678")]).await;
        assert_eq!(answer.status(), 303);
    }
}

/// Whoever tries it signs in with the same address again and again.
#[tokio::test]
async fn a_trial_limits_no_address() {
    let mut trial = Trial::start().await;
    for number in 1..=6 {
        trial.cookies.clear();
        trial.ask("grace@example.com").await;
        let mail = format!("{}/dev/mail/{number}", trial.url);
        let http = trial.http.clone();
        let code = eventually(|| async {
            let page = http.get(&mail).send().await.unwrap().text().await.unwrap();
            let page = page.replace("<!>", "");
            let digits = page.lines().map(|line| line.trim().replace(' ', ""));
            let mut codes = digits.filter(|line| line.parse::<u32>().is_ok() && line.len() == 8);
            codes.next()
        })
        .await;
        let answer = trial.post("/api/enter_code", &[("code", &code)]).await;
        assert_redirect(&answer, "/billing");
    }
}

#[tokio::test]
async fn a_trial_shows_a_mail_as_it_is_sent() {
    let mut trial = Trial::start().await;
    trial.ask("ada@example.com").await;
    trial.mails_with("/dev/mail/1").await;
    let page = trial.get("/dev/mail/1").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-src 'self'"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(page.contains("src=\"/dev/mail/1/html\""), "{page}");
    assert!(page.contains("sandbox=\"allow-top-navigation-by-user-activation\""));

    let mail = trial.get("/dev/mail/1/html").await;
    let policy = mail.headers()["content-security-policy"].to_str().unwrap();
    for word in ["default-src 'none'", "; sandbox ", "frame-ancestors 'self'"] {
        assert!(policy.contains(word), "{word}: {policy}");
    }
    for word in ["script-src", "allow-scripts", "allow-same-origin"] {
        assert!(!policy.contains(word), "{word}: {policy}");
    }
    assert!(!mail.headers().contains_key("cross-origin-opener-policy"));
    let mail = mail.text().await.unwrap();
    assert!(mail.contains("/sign-in/link?token=") && mail.contains("<base target=\"_top\">"));
    // All other pages keep theirs.
    let list = trial.get("/dev/mail").await;
    let policy = list.headers()["content-security-policy"].to_str().unwrap();
    assert!(!policy.contains("frame-src") && policy.contains("frame-ancestors 'none'"));
    for nowhere in ["/dev/mail/2/html", "/dev/mail/0/html", "/dev/mail/x/html"] {
        assert_eq!(trial.get(nowhere).await.status(), 404, "{nowhere}");
    }
}

#[tokio::test]
async fn in_a_trial_the_list_without_records_can_be_seen_and_filled() {
    let mut trial = Trial::start().await;
    trial.ask("nobody@example.com").await;
    trial.mails_with("To nobody@example.com").await;
    let mail = trial.get("/dev/mail/1/html").await.text().await.unwrap();
    let (_, rest) = mail.split_once("/sign-in/link?token=").unwrap();
    let token = rest.split('"').next().unwrap();
    trial.get(&format!("/sign-in/link?token={token}")).await;
    let answer = trial.post("/api/confirm_link", &[]).await;
    assert_redirect(&answer, "/billing");
    let page = trial.get("/billing").await.text().await.unwrap();
    assert!(page.contains("Nothing found for this address"), "{page}");

    let way = trial.get("/dev/stripe").await;
    let stand_in = format!("{}/", trial.stand_in);
    assert_eq!(way.headers()[header::LOCATION], stand_in);
    let page = trial.http.get(&stand_in).send().await.unwrap();
    let page = page.text().await.unwrap();
    let link = format!("{}/?email=ada%40example.com", trial.url);
    assert!(page.contains(&link) && page.contains(&format!("{}/dev/mail", trial.url)));
    let form = [
        ("email", "nobody@example.com"),
        ("price", "price_1SeedProMonth"),
    ];
    let buy = trial
        .http
        .post(format!("{stand_in}start/buy"))
        .form(&form)
        .send();
    assert_eq!(buy.await.unwrap().status(), 303);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let page = trial.get("/billing").await.text().await.unwrap();
        if page.contains("Northwind: ") && page.contains("Pro") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{page}");
    }
}

#[tokio::test]
async fn a_trial_is_found_by_the_other_name_of_the_machine() {
    let trial = Trial::start().await;
    let host = trial.url.trim_start_matches("http://");
    let other = host.replace("127.0.0.1", "localhost");
    let ask = |host: &str| {
        let get = trial.http.get(format!("{}/dev/mail?a=b", trial.url));
        get.header(header::HOST, host).send()
    };
    let answer = ask(&other).await.unwrap();
    let here = format!("{}/dev/mail?a=b", trial.url);
    assert_eq!(answer.headers()[header::LOCATION], here);
    assert_eq!(ask("evil.example").await.unwrap().status(), 421);
}

#[test]
fn the_help_of_the_trial_names_what_there_is() {
    let help = Command::new(env!("CARGO_BIN_EXE_billhook"))
        .args(["dev", "--help"])
        .env_clear()
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for word in [
        "--reset",
        "http://127.0.0.1:3000 ",
        "http://127.0.0.1:3000/dev/mail",
        "http://127.0.0.1:4242",
        "ada@example.com",
        "nobody@example.com",
        "sk_test_billhook",
        "dev-secrets",
        "Ctrl-C",
        "BIND",
        "renew",
        "buy",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
}
