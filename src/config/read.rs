//! Parses texts into a [`Config`], or returns all errors.

use std::{collections::HashMap, net::IpAddr, path::PathBuf};

use ipnet::IpNet;
use url::{Host, Url};

use super::{
    Config, Secret,
    checks::{frontend, is_key, is_known, is_strong},
    is_loopback,
    reader::Reader,
};
use crate::mail::{Server, ehlo_name};

/// Reads all settings, or returns all errors, one line each. No error repeats a value, which may be a secret in the
/// wrong setting.
pub fn read(environment: &HashMap<String, String>) -> Result<Config, Vec<String>> {
    let mut reader = Reader::new(environment);
    let bind = reader.parsed(
        "BIND",
        "an address and port, such as 127.0.0.1:3000",
        |text| text.parse().ok(),
    );
    let frontend_url = reader.parsed(
        "FRONTEND_URL",
        "an address without a path: https://…, or http:// on a loopback address",
        frontend,
    );
    // The public secrets of the documentation are allowed on a loopback address only, for trials.
    let is_trial = frontend_url.as_ref().is_some_and(is_loopback);
    let is_safe = |secret: &str| is_trial || !is_known(secret);
    let database_url = reader.parsed("DATABASE_URL", "sqlite://… or postgres://…", |text| {
        let known = ["sqlite://", "postgres://", "postgresql://"];
        known
            .iter()
            .any(|scheme| text.starts_with(scheme))
            .then(|| Secret::new(text))
    });
    let erasures_file = reader.optional(
        "ERASURES_FILE",
        "the whole path of a file, such as /var/lib/billhook/erased",
        |text| {
            let is_path = text.starts_with('/') && !text.contains(char::is_control);
            (is_path && !text.ends_with('/')).then(|| PathBuf::from(text))
        },
    );
    let stripe_api_base = reader.parsed(
        "STRIPE_API_BASE",
        "https://…, or http:// on a loopback address",
        frontend,
    );
    let stripe_api_key = reader.parsed(
        "STRIPE_API_KEY",
        "a key of Stripe: rk_… (restricted, better) or sk_…",
        |text| {
            let kinds = ["rk_live_", "rk_test_", "sk_live_", "sk_test_"];
            kinds
                .iter()
                .any(|kind| is_key(text, kind))
                .then(|| Secret::new(text))
        },
    );
    let stripe_webhook_secrets = reader.parsed(
        "STRIPE_WEBHOOK_SECRET",
        "one or more whsec_… of your own, separated by commas, without white space inside",
        |text| {
            let secrets: Vec<_> = text.split(',').map(str::trim).collect();
            secrets
                .iter()
                .all(|secret| is_key(secret, "whsec_") && is_safe(secret))
                .then(|| secrets.into_iter().map(Secret::new).collect::<Vec<_>>())
        },
    );
    let session_secret = reader.parsed(
        "SESSION_SECRET",
        "at least 32 random bytes of your own, such as `openssl rand -hex 32` prints",
        |text| (is_strong(text) && is_safe(text)).then(|| Secret::new(text)),
    );
    let session_secrets_previous = reader.optional(
        "SESSION_SECRET_PREVIOUS",
        "earlier values of SESSION_SECRET, separated by commas",
        |text| {
            let secrets: Vec<_> = text.split(',').map(str::trim).collect();
            secrets
                .iter()
                .all(|secret| is_strong(secret))
                .then(|| secrets.into_iter().map(Secret::new).collect::<Vec<_>>())
        },
    );
    let smtp_url = reader.parsed(
        "SMTP_URL",
        "smtps://user:password@host or smtp://user:password@host:587?tls=required, as mails hold what \
         signs in; without TLS only a server on this machine, smtp://127.0.0.1. Letters such as / # ? @ : % in \
         user and password are percent-encoded, %2F for /, and the address ends with host and port",
        |text| {
            let server = Server::read(text)?;
            (is_trial || server.is_private()).then(|| Secret::new(text))
        },
    );
    let ehlo_name = reader.optional(
        "EHLO_NAME",
        "the name of this machine in DNS, such as billing.example.com, or its IP address",
        |text| {
            let is_whole = |name: &String| name.contains(['.', ':']) || name == "localhost";
            ehlo_name(text).filter(is_whole)
        },
    );
    let mail_from = reader.parsed(
        "MAIL_FROM",
        "an address, such as Northwind <billing@example.com>",
        |text| text.parse().ok(),
    );
    let portal_hosts = reader.optional(
        "PORTAL_HOSTS",
        "host names separated by commas, without https://",
        |text| {
            // Normalised as in URLs: lower case, and other alphabets in punycode.
            let host = |text: &str| Host::parse(text.trim()).ok().map(|host| host.to_string());
            let hosts: Option<Vec<_>> = text.split(',').map(host).collect();
            hosts.filter(|hosts| hosts.iter().all(|host| host.contains('.')))
        },
    );
    let portal_configuration = reader.optional(
        "PORTAL_CONFIGURATION",
        "the id of a portal configuration, bpc_…",
        |text| is_key(text, "bpc_").then(|| text.to_owned()),
    );
    let stripe_account = reader.optional(
        "STRIPE_ACCOUNT",
        "the id of an account of Stripe, acct_…",
        |text| is_key(text, "acct_").then(|| text.to_owned()),
    );
    let app_name = reader.parsed(
        "APP_NAME",
        "a name of at most 60 letters, without line breaks",
        |text| {
            (text.chars().count() <= 60 && !text.contains(char::is_control))
                .then(|| text.to_owned())
        },
    );
    let event_retention_days = reader.parsed(
        "EVENT_RETENTION_DAYS",
        "a number of days from 1 to 3650",
        |text| text.parse().ok().filter(|days| (1..=3650).contains(days)),
    );
    let session_idle_minutes = reader.parsed(
        "SESSION_IDLE_MINUTES",
        "a number of minutes from 5 to 1440",
        |text| {
            text.parse()
                .ok()
                .filter(|minutes| (5..=1440).contains(minutes))
        },
    );
    let session_hours = reader.parsed("SESSION_HOURS", "a number of hours from 1 to 720", |text| {
        text.parse().ok().filter(|hours| (1..=720).contains(hours))
    });
    let trusted_proxies = reader.parsed(
        "TRUSTED_PROXIES",
        "addresses or networks separated by commas, such as 10.0.0.0/8, but not everybody's (/0); or none",
        networks,
    );
    let mails_per_hour = reader.parsed(
        "MAILS_PER_HOUR",
        "a number from 1 to 1000000, or auto",
        |text| match text {
            "auto" => Some(None),
            number => number
                .parse()
                .ok()
                .filter(|mails| (1..=1_000_000).contains(mails))
                .map(Some),
        },
    );
    match (
        bind,
        frontend_url,
        database_url,
        stripe_api_base,
        stripe_api_key,
        stripe_webhook_secrets,
        session_secret,
        smtp_url,
        mail_from,
        app_name,
        event_retention_days,
        session_idle_minutes,
        session_hours,
        trusted_proxies,
        mails_per_hour,
        reader.faults.is_empty(),
    ) {
        (
            Some(bind),
            Some(frontend_url),
            Some(database_url),
            Some(stripe_api_base),
            Some(stripe_api_key),
            Some(stripe_webhook_secrets),
            Some(session_secret),
            Some(smtp_url),
            Some(mail_from),
            Some(app_name),
            Some(event_retention_days),
            Some(session_idle_minutes),
            Some(session_hours),
            Some(trusted_proxies),
            Some(mails_per_hour),
            true,
        ) => Ok(Config {
            bind,
            database_url,
            erasures_file,
            stripe_api_key,
            stripe_webhook_secrets,
            stripe_api_base,
            session_secret,
            session_secrets_previous: session_secrets_previous.unwrap_or_default(),
            smtp_url,
            mail_from,
            ehlo_name: ehlo_name.unwrap_or_else(|| usual_ehlo_name(&frontend_url)),
            frontend_url,
            portal_hosts: portal_hosts.unwrap_or_default(),
            portal_configuration,
            stripe_account,
            app_name,
            event_retention_days,
            session_idle_minutes,
            session_hours,
            trusted_proxies,
            mails_per_hour,
            dev: false,
        }),
        _ => Err(reader.faults),
    }
}

/// The default EHLO name: the host of the links in mails. Mail servers reject names of other machines, and
/// `localhost`.
fn usual_ehlo_name(frontend_url: &Url) -> String {
    let host = frontend_url.host_str().unwrap_or_default();
    ehlo_name(host).unwrap_or_else(|| "[127.0.0.1]".to_owned())
}

fn networks(text: &str) -> Option<Vec<IpNet>> {
    if text == "none" {
        return Some(Vec::new());
    }
    let network = |text: &str| {
        let address = |text: &str| text.parse::<IpAddr>().ok().map(IpNet::from);
        let network: IpNet = text.parse().ok().or_else(|| address(text))?;
        (network.prefix_len() > 0).then_some(network)
    };
    text.split(',').map(str::trim).map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::SETTINGS, *};

    fn good() -> HashMap<String, String> {
        [
            ("FRONTEND_URL", "https://billing.example.com"),
            ("STRIPE_API_KEY", "rk_test_billhook"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_test_one, whsec_test_two"),
            ("SESSION_SECRET", "9e2b7c51d80f4a36b1c4e7f02d5a8893"),
            ("SMTP_URL", "smtp://127.0.0.1:1025"),
            ("MAIL_FROM", "Northwind <billing@example.com>"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn good_settings_are_read() {
        let config = read(&good()).unwrap();
        assert_eq!(config.stripe_webhook_secrets.len(), 2);
        assert_eq!(
            config.url("/billing"),
            "https://billing.example.com/billing"
        );
        assert!(config.is_https() && !config.livemode());
        assert!(!format!("{config:?}").contains("rk_test_billhook"));
        let words = HashMap::from([("SESSION_SECRET".to_owned(), "x".to_owned())]);
        assert!(read(&words).is_err());
    }

    #[test]
    fn what_the_table_shows_as_default_can_be_written_down() {
        let mut settings = good();
        for setting in SETTINGS {
            if !setting.default.is_empty() {
                settings.insert(setting.name.to_owned(), setting.default.to_owned());
            }
        }
        let config = read(&settings).unwrap();
        assert!(config.portal_hosts.is_empty() && config.session_secrets_previous.is_empty());
    }

    #[test]
    fn every_fault_is_told_at_once_and_no_value_is_repeated() {
        let faults = read(&HashMap::new()).unwrap_err();
        assert_eq!(
            faults.len(),
            SETTINGS
                .iter()
                .filter(|setting| setting.default.is_empty())
                .count()
        );
        let mut bad: HashMap<_, _> = SETTINGS
            .iter()
            .map(|setting| (setting.name.to_owned(), "canary\nvalue, ".repeat(9)))
            .collect();
        bad.insert("SESSION_SECRET".to_owned(), "canary".to_owned());
        let faults = read(&bad).unwrap_err();
        assert_eq!(faults.len(), SETTINGS.len(), "{faults:#?}");
        assert!(!faults.concat().contains("canary"));
    }

    #[test]
    fn checklist_70_weak_or_unsafe_settings_are_refused() {
        for (name, value) in [
            ("FRONTEND_URL", "http://billing.example.com"),
            ("FRONTEND_URL", "https://billing.example.com/shop"),
            ("FRONTEND_URL", "https://user@billing.example.com"),
            ("SESSION_SECRET", "too short"),
            (
                "SESSION_SECRET",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            ("SESSION_SECRET_PREVIOUS", "too short"),
            (
                "SESSION_SECRET_PREVIOUS",
                "0123456789abcdef0123456789abcdef, ",
            ),
            ("STRIPE_API_KEY", "pk_live_x"),
            ("STRIPE_API_KEY", "rk_live_…"),
            ("STRIPE_API_KEY", "rk_live_"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_…"),
            ("STRIPE_API_BASE", "http://api.example.com"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_one,,whsec_two"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_a whsec_b"),
            ("SESSION_SECRET", "a test secret of more than 32 bytes"),
            ("SESSION_SECRET", "0123456789abcdef0123456789abcdef"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_one,whsec_test_billhook"),
            ("SMTP_URL", "http://mail.example.com"),
            ("SMTP_URL", "smtp://mail.example.com"),
            ("SMTP_URL", "smtp://user:password@mail.example.com:25"),
            ("SMTP_URL", "smtp://mail.example.com:587?tls=opportunistic"),
            ("SMTP_URL", "smtp://mail.example.com:587?tls=none"),
            ("SMTP_URL", "smtp://127.0.0.1.example.com"),
            ("SMTP_URL", "smtps://ada@mail.example.com"),
            ("SMTP_URL", "smtps://ada:12/34"),
            ("SMTP_URL", "smtps://mail.example.com/name"),
            ("EHLO_NAME", "mailhost"),
            ("EHLO_NAME", "https://mail.example.com"),
            ("EHLO_NAME", "mail.example.com\r\nMAIL FROM:<>"),
            ("PORTAL_HOSTS", "https://pay.example.com"),
            ("PORTAL_HOSTS", "pay.example.com,none"),
            ("DATABASE_URL", "mysql://x"),
            ("EVENT_RETENTION_DAYS", "0"),
            ("EVENT_RETENTION_DAYS", "a week"),
            ("SESSION_IDLE_MINUTES", "4"),
            ("SESSION_IDLE_MINUTES", "1441"),
            ("SESSION_HOURS", "0"),
            ("SESSION_HOURS", "-24"),
            ("TRUSTED_PROXIES", "0.0.0.0/0"),
            ("TRUSTED_PROXIES", "10.0.0.0/8,::/0"),
            ("TRUSTED_PROXIES", "proxy.example.com"),
            ("MAILS_PER_HOUR", "0"),
            ("MAILS_PER_HOUR", "automatic"),
        ] {
            let mut settings = good();
            settings.insert(name.to_owned(), value.to_owned());
            let faults = read(&settings).unwrap_err();
            assert!(
                faults.len() == 1 && faults[0].starts_with(name),
                "{name} {value}: {faults:?}"
            );
            assert!(name != "SMTP_URL" || faults[0].contains("percent-encoded"));
        }
        let mut local = good();
        local.insert(
            "FRONTEND_URL".to_owned(),
            "http://127.0.0.1:3000".to_owned(),
        );
        local.insert(
            "SESSION_SECRET".to_owned(),
            "a test secret of more than 32 bytes".to_owned(),
        );
        assert!(!read(&local).unwrap().is_https());
        for private in [
            "smtps://mail.example.com",
            "smtp://mail.example.com:587?tls=required",
            "smtp://localhost",
            "smtp://[::1]:1025",
        ] {
            let mut settings = good();
            settings.insert("SMTP_URL".to_owned(), private.to_owned());
            assert!(read(&settings).is_ok(), "{private}");
        }
    }
}
