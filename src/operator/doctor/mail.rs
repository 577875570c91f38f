//! The mail server: reached, encrypted, signed in to. No mail is sent.

use std::time::Duration;

use lettre::{AsyncSmtpTransport, Tokio1Executor, transport::smtp};
use url::Url;

use super::Finding;
use crate::{config::Around, operator::text::plain};

const CHECK: &str = "mail";
const NEEDED: &str = "SMTP_URL";
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn examine(around: &Around) -> Vec<Finding> {
    let Some(config) = around.with(&[NEEDED]) else {
        let says = format!("not looked at: that needs {NEEDED}");
        return vec![Finding::skipped(CHECK, says)];
    };
    let url = config.smtp_url.expose();
    vec![match connect(url).await {
        Ok(()) => Finding::ok(CHECK, praise(url)),
        Err(error) => told(&error),
    }]
}

/// Connects, agrees on TLS and signs in, as for a mail.
async fn connect(url: &str) -> Result<(), Option<smtp::Error>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let transport: AsyncSmtpTransport<Tokio1Executor> =
        AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(Some)?
            .timeout(Some(PATIENCE))
            .build();
    // Each command has its own limit; all of them together have one too.
    match tokio::time::timeout(PATIENCE * 2, transport.test_connection()).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) | Err(_) => Err(None),
        Ok(Err(error)) => Err(Some(error)),
    }
}

fn praise(url: &str) -> String {
    let url = Url::parse(url).ok();
    let has = |part: fn(&Url) -> bool| url.as_ref().is_some_and(part);
    let encrypted = if has(|url| url.scheme() == "smtps") {
        "TLS holds"
    } else if has(|url| {
        url.query_pairs()
            .any(|pair| pair == ("tls".into(), "required".into()))
    }) {
        "STARTTLS holds"
    } else {
        "it is on this machine, without TLS"
    };
    let signed_in = if has(|url| url.password().is_some()) {
        "user and password are taken"
    } else {
        "it asks for no password"
    };
    format!("the server answers, {encrypted}, {signed_in}")
}

fn told(error: &Option<smtp::Error>) -> Finding {
    let failure = |says: String, advice: &str| Finding::failure(CHECK, says, advice);
    let Some(error) = error else {
        return failure(
            "The mail server took too long.".to_owned(),
            "See that host and port in SMTP_URL are right, and that nothing between here and there holds \
             the connection up.",
        );
    };
    // The server's own words may hold the user's name: its number says enough.
    if let Some(code) = error.status() {
        let says = format!("The mail server refused, with {code}.");
        let advice = match u16::from(code) {
            534 | 535 | 538 => {
                "User or password in SMTP_URL are wrong, or the provider wants a password made for programs. \
                 Letters such as @ or / in them are written as %40 or %2F."
            }
            530 => "The mail server wants a user and password: smtps://user:password@host.",
            _ => "Ask the provider what that number means for you; its log has the whole sentence.",
        };
        return failure(says, advice);
    }
    let causes = causes(error);
    if causes.contains("STARTTLS is not supported") {
        return failure(
            "The mail server offers no STARTTLS, so nothing was sent to it.".to_owned(),
            "Use smtps:// (port 465), or another port: 587 is for STARTTLS.",
        );
    }
    if error.is_tls() || causes.contains("tls handshake") || causes.contains("certificate") {
        return failure(
            format!("TLS with the mail server failed: {causes}."),
            "The host in SMTP_URL must be the name in the server's certificate, and that must be of a known \
             authority. smtps:// is for port 465, smtp://…?tls=required for port 587.",
        );
    }
    if causes.contains("authentication mechanism") {
        return failure(
            "The mail server lets nobody sign in this way.".to_owned(),
            "Take user and password out of SMTP_URL, or use the port where it asks for them (465 or 587).",
        );
    }
    failure(
        format!("The mail server cannot be reached: {causes}."),
        "See that host and port in SMTP_URL are right and that this machine may connect out. Many providers \
         block port 25: use 465 with smtps:// or 587 with ?tls=required.",
    )
}

/// The words of the program and of the system, none of the server's.
fn causes(error: &smtp::Error) -> String {
    let first: &dyn std::error::Error = error;
    let sources = std::iter::successors(first.source(), |error| error.source());
    let mut all: Vec<String> = Vec::new();
    for cause in sources.map(|cause| plain(&cause.to_string())) {
        // Some say themselves what is behind them.
        if !all.last().is_some_and(|last| last.contains(&cause)) {
            all.push(cause);
        }
    }
    if all.is_empty() {
        "no reason is known".to_owned()
    } else {
        all.join(": ")
    }
}
