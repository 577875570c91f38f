//! The Stripe API client, with only the calls that Billhook makes. Each call takes only what it needs, has a
//! timeout, and returns errors that contain no secret.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{RequestBuilder, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::{
    breaker::ByCustomer,
    pace::{self, Pace},
    words,
};
use crate::{config::Secret, mask::shows, model::Flow, timeouts};

/// The API version of requests and responses.
pub const API_VERSION: &str = "2026-10-28.endive";
/// Hosts of Stripe's customer portal and of its hosted invoice pages. `PORTAL_HOSTS` adds others.
const PORTAL_HOST: &str = "billing.stripe.com";
const INVOICE_HOST: &str = "invoice.stripe.com";

/// An HTTP client with timeouts, and the API key.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) http: reqwest::Client,
    pub(super) base: Url,
    key: Secret,
    portal_hosts: Vec<String>,
    pub(super) pace: Arc<Pace>,
    /// Circuit breakers of calls that write for a user who waits.
    pub(super) writes: Arc<ByCustomer>,
    /// Circuit breakers of calls that read for a user who waits. They are separate, so that successes of one kind
    /// do not hide failures of the other.
    pub(super) reads: Arc<ByCustomer>,
}

/// The parameters of a portal session.
#[derive(Clone, Copy, Debug)]
pub struct PortalSession<'a> {
    pub customer: &'a str,
    pub return_url: &'a str,
    pub flow: &'a Flow,
    /// One of [`LOCALES`](super::locale::LOCALES), or `auto`.
    pub locale: &'a str,
    /// `bpc_…`; `None` uses Stripe's default configuration.
    pub configuration: Option<&'a str>,
}

/// The URL of a portal session or a hosted invoice page. It gives access without signing in, so it is only used in
/// one redirect and never logged.
#[derive(Clone, Debug)]
pub struct PortalUrl(Secret);

/// Why a call failed. Safe to log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("Stripe could not be reached: {0}")]
    Unreachable(String),
    #[error("Stripe answered {status} to request {request_id}: {message}")]
    Refused {
        status: StatusCode,
        request_id: String,
        /// The message, after [`words::masked`].
        message: String,
        /// The permission that the key lacks, by Stripe's name: `rak_customer_read`.
        permission: Option<String>,
    },
    #[error("Stripe is left alone for a while, since it failed again and again")]
    Resting,
    #[error("too many requests wait for their turn at Stripe")]
    Busy,
    #[error("Stripe's answer could not be read")]
    Unreadable,
    #[error("Stripe cannot be asked for this object by its id")]
    NoPath,
    #[error("Stripe's answer leads to {0}, which is not an allowed host; see PORTAL_HOSTS")]
    PortalNotAllowed(String),
}

impl Client {
    /// `base` is the URL of the API. `portal_hosts` are allowed in addition to Stripe's own portal.
    pub fn new(base: Url, key: Secret, portal_hosts: Vec<String>) -> Result<Client, Error> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("billhook/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeouts::CONNECT)
            .timeout(timeouts::BACKGROUND_CALL)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(unreachable)?;
        Ok(Client {
            http,
            base,
            key,
            portal_hosts,
            pace: Arc::new(Pace::new(pace::USUAL)),
            writes: Arc::default(),
            reads: Arc::default(),
        })
    }

    /// The same client with its own rate limit.
    pub fn at_rate(&self, per_second: NonZeroU32) -> Client {
        self.with(Pace::new(per_second))
    }

    /// The same client with its own pace.
    pub fn with(&self, pace: Pace) -> Client {
        Client {
            pace: Arc::new(pace),
            ..self.clone()
        }
    }

    /// `POST /v1/billing_portal/sessions` (<https://docs.stripe.com/api/customer_portal/sessions/create>). The
    /// caller must call [`Client::admit`] before.
    pub async fn create_portal_session(
        &self,
        session: PortalSession<'_>,
        deadline: Instant,
    ) -> Result<PortalUrl, Error> {
        let PortalSession {
            customer,
            return_url,
            flow,
            locale,
            configuration,
        } = session;
        let mut form = vec![
            ("customer", customer),
            ("return_url", return_url),
            ("locale", locale),
        ];
        form.extend(configuration.map(|id| ("configuration", id)));
        let deep = match flow {
            Flow::Home => None,
            Flow::PaymentMethod => Some(("payment_method_update", None)),
            Flow::ChangePlan(id) => Some((
                "subscription_update",
                Some(("flow_data[subscription_update][subscription]", id)),
            )),
            Flow::Cancel(id) => Some((
                "subscription_cancel",
                Some(("flow_data[subscription_cancel][subscription]", id)),
            )),
        };
        if let Some((r#type, subscription)) = deep {
            form.extend([
                ("flow_data[type]", r#type),
                ("flow_data[after_completion][type]", "redirect"),
                (
                    "flow_data[after_completion][redirect][return_url]",
                    return_url,
                ),
            ]);
            form.extend(subscription.map(|(name, id)| (name, id.as_str())));
        }
        let session = self
            .post_by("v1/billing_portal/sessions", &form, customer, deadline)
            .await?;
        let url = session
            .get("url")
            .and_then(Value::as_str)
            .ok_or(Error::Unreadable)?;
        self.allowed(url, PORTAL_HOST)
    }

    /// The URL of a hosted invoice page, if its host is allowed.
    pub fn invoice_url(&self, url: &str) -> Result<PortalUrl, Error> {
        self.allowed(url, INVOICE_HOST)
    }

    /// The origins of portals and invoice pages, for the Content-Security-Policy that browsers check form redirects
    /// against.
    pub fn portal_origins(&self) -> Vec<String> {
        let stripe = [PORTAL_HOST, INVOICE_HOST].map(str::to_owned).into_iter();
        let hosts = stripe.chain(self.portal_hosts.iter().cloned());
        let origins = hosts.map(|host| format!("https://{host}"));
        origins
            .chain(
                self.stand_in()
                    .map(|url| url.origin().ascii_serialization()),
            )
            .collect()
    }

    /// Allows only https URLs on Stripe's own host or another allowed host, without user information. When the API
    /// is the stand-in, its own pages are allowed too.
    fn allowed(&self, text: &str, stripes: &str) -> Result<PortalUrl, Error> {
        let url = Url::parse(text).map_err(|_| Error::Unreadable)?;
        let host = url.host_str().unwrap_or_default();
        let plain = url.username().is_empty() && url.password().is_none();
        let listed = host == stripes || self.portal_hosts.iter().any(|allowed| allowed == host);
        let at_stripe = url.scheme() == "https" && url.port().is_none() && listed;
        let at_stand_in = self
            .stand_in()
            .is_some_and(|base| base.origin() == url.origin());
        if plain && (at_stripe || at_stand_in) {
            Ok(PortalUrl(Secret::new(url)))
        } else {
            Err(Error::PortalNotAllowed(format!(
                "{}://{host}",
                url.scheme()
            )))
        }
    }

    /// The API's URL if it is on a loopback address.
    fn stand_in(&self) -> Option<&Url> {
        crate::config::is_loopback(&self.base).then_some(&self.base)
    }

    /// `GET`, once, when the rate limit admits it.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Error> {
        self.pace.turn().await;
        let mut url = self.base.join(path).map_err(|_| Error::Unreadable)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.ask(self.http.get(url)).await
    }

    pub(super) async fn ask(&self, request: RequestBuilder) -> Result<Answer, Error> {
        let began = Instant::now();
        let result = self.answer(request, began).await;
        self.pace
            .note(!result.as_ref().is_err_and(Error::is_passing));
        result
    }

    async fn answer(&self, request: RequestBuilder, began: Instant) -> Result<Answer, Error> {
        let response = request
            .bearer_auth(self.key.expose())
            .header("Stripe-Version", API_VERSION)
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status();
        let text = |name: header::HeaderName| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let wait = text(header::RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        if let (false, Some(seconds)) = (status.is_success(), wait) {
            self.pace.leave_alone(Duration::from_secs(seconds));
        }
        let request_id = text(header::HeaderName::from_static("request-id"))
            .unwrap_or_else(|| "without an id".to_owned());
        let answered_at = text(header::DATE)
            .and_then(|date| httpdate::parse_http_date(&date).ok())
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|since_1970| i64::try_from(since_1970.as_secs()).ok());
        let body: Value = match response.json().await {
            Ok(body) => body,
            Err(_) if status.is_success() => return Err(Error::Unreadable),
            Err(_) => Value::Null,
        };
        if status.is_success() {
            // Rounded up: a request in the middle of a second may miss the rest of that second.
            let took = i64::try_from(began.elapsed().as_secs()).unwrap_or(i64::MAX);
            let as_of = |at: i64| at.saturating_sub(took).saturating_sub(2);
            return Ok(Answer {
                body,
                as_of: answered_at.map_or(0, as_of),
            });
        }
        let message = body.pointer("/error/message").and_then(Value::as_str);
        let message = message.unwrap_or("no reason given");
        Err(Error::Refused {
            status,
            request_id,
            message: words::masked(message),
            permission: words::permission(message),
        })
    }
}

/// A response of Stripe.
#[derive(Clone, PartialEq)]
pub struct Answer {
    pub body: Value,
    /// A Stripe second that was over when the request was sent, from the response's `Date` and the request's
    /// duration. The body contains everything that happened before the end of that second. 0 if the response has no
    /// `Date`.
    pub as_of: i64,
}

shows!(Answer: as_of);

impl Error {
    /// Whether the error is transient: the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Unreachable(_) | Error::Unreadable | Error::Resting | Error::Busy => true,
            Error::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Error::PortalNotAllowed(_) | Error::NoPath => false,
        }
    }

    /// Whether no object with that id exists or can exist.
    pub fn is_not_there(&self) -> bool {
        matches!(self, Error::NoPath) || self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// Whether Stripe says that the key lacks the permission. A 403 may also come from a proxy on the way, which
    /// knows nothing of permissions.
    pub fn is_not_allowed(&self) -> bool {
        matches!(self, Error::Refused { status, message, permission, .. }
            if *status == StatusCode::FORBIDDEN
                && (permission.is_some() || message.contains("permission")))
    }

    /// Whether the key is the cause: Stripe rejects it, or it lacks the permission.
    pub fn is_about_key(&self) -> bool {
        self.status() == Some(StatusCode::UNAUTHORIZED) || self.is_not_allowed()
    }

    /// The permission that the key lacks, if Stripe names it.
    pub fn permission(&self) -> Option<&str> {
        match self {
            Error::Refused { permission, .. } => permission.as_deref(),
            _ => None,
        }
    }

    /// Stripe's message of the refusal, after [`words::masked`].
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Error::Refused { message, .. } => Some(message),
            _ => None,
        }
    }

    /// The HTTP status of the refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Error::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl PortalUrl {
    /// For the `Location` of the redirect.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Includes every cause, because the first says only that something failed. Leaves out the URL.
fn unreachable(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let first: &dyn std::error::Error = &error;
    let causes = std::iter::successors(Some(first), |error| error.source());
    Error::Unreachable(
        causes
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(base: &str) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let hosts = vec!["pay.example.com".to_owned()];
        Client::new(
            Url::parse(base).unwrap(),
            Secret::new("sk_test_billhook"),
            hosts,
        )
        .unwrap()
    }

    /// checklist 36
    #[test]
    fn checklist_36_only_https_urls_on_allowed_hosts_are_portals() {
        let stripe = client("https://api.stripe.com");
        for good in [
            "https://billing.stripe.com/p/session/test_1",
            "https://pay.example.com/p/session/live_1?locale=de",
        ] {
            assert!(stripe.allowed(good, PORTAL_HOST).is_ok(), "{good}");
        }
        for bad in [
            "http://billing.stripe.com/p/session/test_1",
            "https://billing.stripe.com.evil.example/p",
            "https://evil.example/billing.stripe.com",
            "https://user@billing.stripe.com/p",
            "https://billing.stripe.com:pw@evil.example/p",
            "https://billing.stripe.com:8443/p",
            "https://a.billing.stripe.com/p",
            "//billing.stripe.com/p",
            "javascript:alert(1)",
            "http://127.0.0.1:1/p",
            "",
        ] {
            assert!(stripe.allowed(bad, PORTAL_HOST).is_err(), "{bad}");
        }
        let stand_in = client("http://127.0.0.1:4242");
        assert!(
            stand_in
                .invoice_url("http://127.0.0.1:4242/p/session/test_1")
                .is_ok()
        );
        assert!(
            stand_in
                .invoice_url("http://127.0.0.1:4243/p/session/test_1")
                .is_err()
        );
        assert!(
            stand_in
                .invoice_url("http://u@127.0.0.1:4242/p/session/test_1")
                .is_err()
        );
    }

    /// checklist 35
    #[test]
    fn checklist_35_a_portal_url_cannot_be_printed() {
        let url = client("https://api.stripe.com")
            .invoice_url("https://invoice.stripe.com/i/acct_1/test_secret")
            .unwrap();
        assert_eq!(format!("{url:?}"), "PortalUrl([redacted])");
    }
}
