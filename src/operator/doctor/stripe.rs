//! Requests to Stripe, each made once, and the raw answers. The usual client waits for the rate limit, retries and
//! hides details; here each answer is a finding.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use reqwest::{Method, StatusCode, header};
use serde_json::Value;

use crate::{
    clock::Clock,
    config::{Around, Config},
    domain::mirror::{Kind, Source},
    mask::shows,
    stripe::{client::API_VERSION, path},
};

/// Settings that are required to ask Stripe anything.
pub const NEEDED: [&str; 2] = ["STRIPE_API_KEY", "STRIPE_API_BASE"];
/// Creates portal sessions. Without a customer it creates none, and Stripe answers 400 or, if the key lacks the
/// permission, 403.
pub const PORTAL: &str = "v1/billing_portal/sessions";
/// Portal configurations. Without a default one Stripe creates no portal session.
pub const CONFIGURATIONS: &str = "v1/billing_portal/configurations";
pub const ENDPOINTS: &str = "v1/webhook_endpoints";
/// A list that is read to test a permission of the key.
#[derive(Debug)]
pub struct List {
    pub path: String,
    /// The permission's name in Stripe's dashboard.
    pub title: &'static str,
}

/// The list in which events that never arrived are looked up.
pub const EVENTS: &str = "v1/events";

/// The lists that the key must be able to read: customers, events, and what else is mirrored, one list per
/// permission.
pub static READS: LazyLock<Vec<List>> = LazyLock::new(|| {
    let mut reads = vec![list_of(Kind::Customer), list(EVENTS, "Events")];
    for kind in Kind::ALL {
        let title = kind.about().source.permission();
        if title.is_some_and(|title| reads.iter().all(|list| list.title != title)) {
            reads.push(list_of(kind));
        }
    }
    reads
});

/// The lists that the key must not be able to read.
pub static SECRETS: LazyLock<Vec<List>> = LazyLock::new(|| {
    let is_closed = |kind: &Kind| matches!(kind.about().source, Source::Closed(_));
    let closed = Kind::ALL.into_iter().filter(is_closed).map(list_of);
    let others = [list("v1/charges", "Charges"), list("v1/payouts", "Payouts")];
    closed.chain(others).collect()
});

fn list(path: &str, title: &'static str) -> List {
    List {
        path: path.to_owned(),
        title,
    }
}

fn list_of(kind: Kind) -> List {
    let about = kind.about();
    let title = match about.source {
        Source::Closed(title) => Some(title),
        source => source.permission(),
    };
    list(&format!("v1/{}", about.list), title.unwrap_or(about.list))
}

/// A response of Stripe.
#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    /// The permission that Stripe says is missing, without its `rak_`.
    pub permission: Option<String>,
    pub body: Value,
}

shows!(Answer: status, permission);

/// All responses.
#[derive(Debug, Default)]
pub struct Answers {
    of: BTreeMap<String, Answer>,
    /// The response about the configuration of `PORTAL_CONFIGURATION`.
    pub configuration: Option<Answer>,
    /// Why the first request got no response at all.
    pub unreachable: Option<String>,
    /// Clock skew: seconds that this machine's clock is ahead of Stripe's.
    pub ahead: Option<i64>,
}

impl Answers {
    pub fn to(&self, path: &str) -> Option<&Answer> {
        self.of.get(path)
    }

    /// Whether the response says neither that the key has the permission nor that it lacks it: Stripe had an error.
    pub fn is_open(&self, path: &str) -> bool {
        self.to(path).is_none_or(Answer::is_of_no_use)
    }

    /// The error text of such a response.
    pub fn instead(&self, path: &str) -> String {
        self.to(path)
            .map_or_else(|| "nothing".to_owned(), |answer| answer.status.to_string())
    }

    /// The response to the first request, about customers.
    pub fn first(&self) -> Option<&Answer> {
        self.to(&READS.first()?.path)
    }

    /// Whether Stripe could not be reached, or rejected the key.
    pub fn is_refused(&self) -> bool {
        self.first().is_none_or(Answer::is_of_no_use)
    }
}

impl Answer {
    /// The key lacks the permission.
    pub fn is_not_allowed(&self) -> bool {
        self.status == StatusCode::FORBIDDEN
    }

    /// The key has the permission: the request succeeded, or failed for another reason.
    pub fn is_allowed(&self) -> bool {
        self.status.is_success()
            || matches!(self.status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND)
    }

    fn is_of_no_use(&self) -> bool {
        !self.is_allowed() && !self.is_not_allowed()
    }
}

/// Makes all requests, unless the first response shows that the others are pointless.
pub async fn ask_all(around: &Around, clock: &Clock) -> Option<Answers> {
    let config = around.with(&NEEDED)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut answers = Answers::default();
    let http = reqwest::Client::builder()
        .user_agent(concat!("billhook/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let http = match http {
        Ok(http) => http,
        Err(error) => {
            answers.unreachable = Some(causes(error));
            return Some(answers);
        }
    };
    let questions = READS
        .iter()
        .chain(SECRETS.iter())
        .map(|list| (Method::GET, list.path.as_str()))
        .chain([
            (Method::GET, ENDPOINTS),
            (Method::GET, CONFIGURATIONS),
            (Method::POST, PORTAL),
        ]);
    for (method, path) in questions {
        match ask(&http, config, clock, method, path, &mut answers.ahead).await {
            Ok(answer) => {
                answers.of.insert(path.to_owned(), answer);
            }
            Err(why) if answers.of.is_empty() => answers.unreachable = Some(why),
            // Stripe answered before. Each further request would wait for the timeout again.
            Err(_) => break,
        }
        if answers.is_refused() {
            break;
        }
    }
    let chosen = config.portal_configuration.as_deref();
    let path = chosen.and_then(|id| path::object("billing_portal/configurations", id).ok());
    if let (Some(path), false) = (path, answers.is_refused()) {
        let asked = ask(&http, config, clock, Method::GET, &path, &mut answers.ahead);
        answers.configuration = asked.await.ok();
    }
    Some(answers)
}

async fn ask(
    http: &reqwest::Client,
    config: &Config,
    clock: &Clock,
    method: Method,
    path: &str,
    ahead: &mut Option<i64>,
) -> Result<Answer, String> {
    let mut url = config
        .stripe_api_base
        .join(path)
        .map_err(|error| error.to_string())?;
    let mut lists = READS.iter().chain(SECRETS.iter());
    let is_list =
        lists.any(|list| list.path == path) || [ENDPOINTS, CONFIGURATIONS].contains(&path);
    if is_list && method == Method::GET {
        let limit = if path == ENDPOINTS { "100" } else { "1" };
        url.query_pairs_mut().append_pair("limit", limit);
    }
    if path == CONFIGURATIONS {
        url.query_pairs_mut().append_pair("is_default", "true");
    }
    let began = clock.now();
    let response = http
        .request(method, url)
        .bearer_auth(config.stripe_api_key.expose())
        .header("Stripe-Version", API_VERSION)
        .send()
        .await
        .map_err(causes)?;
    let middle = began + (clock.now() - began) / 2;
    let date = response.headers().get(header::DATE);
    let stripes = date
        .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok())
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_secs()).ok());
    *ahead = ahead.or(stripes.map(|stripes| middle - stripes));
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    let message = body.pointer("/error/message").and_then(Value::as_str);
    Ok(Answer {
        status,
        permission: message.and_then(permission),
        body,
    })
}

/// The permission name after `rak_` in Stripe's message, which also contains parts of the key.
fn permission(message: &str) -> Option<String> {
    let (_, name) = message.split_once("'rak_")?;
    let (name, _) = name.split_once('\'')?;
    let is_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    (name.len() <= 60 && name.chars().all(is_name)).then(|| name.to_owned())
}

/// Every cause, because the first says only that something failed. Without the URL.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let first: &dyn std::error::Error = &error;
    let all = std::iter::successors(Some(first), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permission_is_read_and_nothing_of_the_key() {
        let words = "The provided key 'rk_test_***abc' does not have the required permissions for this \
                     endpoint on account 'acct_1'. Having the 'rak_customer_read' permission would allow \
                     this request to continue.";
        assert_eq!(permission(words).as_deref(), Some("customer_read"));
        assert_eq!(permission("Having the 'rak_\u{1b}' permission"), None);
        assert_eq!(permission("no"), None);
    }
}
