//! The environment, read once and checked completely. [`SETTINGS`] is the operator's manual: the
//! README's table and `.env.example` are compared with it by tests.

use std::{collections::HashMap, fmt, net::SocketAddr};

use url::{Host, Url};

/// A setting, as the operator reads it.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    /// What holds without it; empty when `billhook serve` needs it.
    pub default: &'static str,
    pub about: &'static str,
}

/// Every setting there is.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "FRONTEND_URL",
        default: "",
        about: "The public address, such as `https://billing.example.com`. Links in mails and the way back from the portal are made from it alone. It must be https, except on a loopback address.",
    },
    Setting {
        name: "STRIPE_API_KEY",
        default: "",
        about: "A restricted key (`rk_…`) with *Customer portal: Write* and nothing else.",
    },
    Setting {
        name: "STRIPE_WEBHOOK_SECRET",
        default: "",
        about: "The signing secret of the webhook endpoint (`whsec_…`). Several, separated by commas, while one is being replaced.",
    },
    Setting {
        name: "SESSION_SECRET",
        default: "",
        about: "At least 32 random bytes, for instance from `openssl rand -hex 32`. Changing it signs everybody out.",
    },
    Setting {
        name: "SMTP_URL",
        default: "",
        about: "Where mail is handed in: `smtps://user:password@host` (TLS), `smtp://user:password@host:587?tls=required` (STARTTLS) or `smtp://localhost` (neither).",
    },
    Setting {
        name: "MAIL_FROM",
        default: "",
        about: "The sender of sign-in mails, such as `Northwind <billing@example.com>`.",
    },
    Setting {
        name: "APP_NAME",
        default: "Billing",
        about: "The name of your shop, on every page and in every mail.",
    },
    Setting {
        name: "BIND",
        default: "127.0.0.1:3000",
        about: "The address and port to listen on.",
    },
    Setting {
        name: "DATABASE_URL",
        default: "sqlite://data/billhook.db",
        about: "`sqlite://` and a file, or `postgres://user:password@host/database`.",
    },
    Setting {
        name: "STRIPE_API_BASE",
        default: "https://api.stripe.com",
        about: "Where Stripe's API is. Another address is for tests.",
    },
    Setting {
        name: "PORTAL_HOSTS",
        default: "none",
        about: "Hosts that portal links may lead to besides `billing.stripe.com`, separated by commas: your own domain, if you set one up at Stripe.",
    },
];

/// What the program runs with.
#[derive(Clone, Debug)]
pub struct Config {
    pub bind: SocketAddr,
    /// Without a path; ends in a slash.
    pub frontend_url: Url,
    pub database_url: Secret,
    pub stripe_api_key: Secret,
    pub stripe_webhook_secrets: Vec<Secret>,
    pub stripe_api_base: Url,
    pub session_secret: Secret,
    pub smtp_url: Secret,
    pub mail_from: lettre::message::Mailbox,
    pub portal_hosts: Vec<String>,
    pub app_name: String,
    /// `billhook dev`: mail is shown in the browser and Stripe is the stand-in.
    pub dev: bool,
}

impl Config {
    /// Whether cookies may be marked Secure: not on a plain loopback address.
    pub fn is_https(&self) -> bool {
        self.frontend_url.scheme() == "https"
    }

    /// Which of Stripe's two worlds the key belongs to.
    pub fn livemode(&self) -> bool {
        self.stripe_api_key.expose().contains("_live_")
    }

    /// The origin that browsers name for our own pages.
    pub fn origin(&self) -> String {
        self.frontend_url.origin().ascii_serialization()
    }

    /// An absolute address of ours. `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }
}

/// Something that must not be seen. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Secret {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The settings of this process, and those of `.env`, which do not override what is set already.
/// A missing `.env` is no fault; one that cannot be read is, and is not repeated.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn environment() -> Result<HashMap<String, String>, Vec<String>> {
    let mut settings = match dotenvy::dotenv_iter() {
        Ok(lines) => lines.collect::<Result<HashMap<_, _>, _>>(),
        Err(error) if error.not_found() => Ok(HashMap::new()),
        Err(error) => Err(error),
    }
    .map_err(|_| {
        vec![".env cannot be read. Each line must be NAME=value; a value with spaces goes between quotes.".to_owned()]
    })?;
    let read =
        |setting: &Setting| Some((setting.name.to_owned(), std::env::var(setting.name).ok()?));
    settings.extend(SETTINGS.iter().filter_map(read));
    settings.retain(|_, value| !value.trim().is_empty());
    Ok(settings)
}

/// Reads all settings, or says everything that is wrong with them, one line each. No line repeats
/// a value, which might be a secret in the wrong place.
pub fn read(environment: &HashMap<String, String>) -> Result<Config, Vec<String>> {
    let mut reader = Reader {
        environment,
        faults: Vec::new(),
    };
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
    let database_url = reader.parsed("DATABASE_URL", "sqlite://… or postgres://…", |text| {
        let known = ["sqlite://", "postgres://", "postgresql://"];
        known
            .iter()
            .any(|scheme| text.starts_with(scheme))
            .then(|| Secret::new(text))
    });
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
                .any(|kind| text.starts_with(kind))
                .then(|| Secret::new(text))
        },
    );
    let stripe_webhook_secrets = reader.parsed(
        "STRIPE_WEBHOOK_SECRET",
        "one or more whsec_…, separated by commas, without white space inside",
        |text| {
            let secrets: Vec<_> = text.split(',').map(str::trim).collect();
            let good = |secret: &&str| {
                secret.starts_with("whsec_") && !secret.contains(char::is_whitespace)
            };
            secrets
                .iter()
                .all(good)
                .then(|| secrets.into_iter().map(Secret::new).collect::<Vec<_>>())
        },
    );
    let session_secret = reader.parsed(
        "SESSION_SECRET",
        "at least 32 random bytes, such as `openssl rand -hex 32` prints",
        |text| is_strong(text).then(|| Secret::new(text)),
    );
    let smtp_url = reader.parsed(
        "SMTP_URL",
        "smtps://user:password@host or smtp://host:port",
        |text| {
            let url = Url::parse(text).ok()?;
            (matches!(url.scheme(), "smtp" | "smtps") && url.has_host()).then(|| Secret::new(text))
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
            // As URLs have them: lower case, and other alphabets in punycode.
            let host = |text: &str| Host::parse(text.trim()).ok().map(|host| host.to_string());
            let hosts: Option<Vec<_>> = text.split(',').map(host).collect();
            hosts.filter(|hosts| hosts.iter().all(|host| host.contains('.')))
        },
    );
    let app_name = reader.parsed(
        "APP_NAME",
        "a name of at most 60 letters, without line breaks",
        |text| {
            (text.chars().count() <= 60 && !text.contains(char::is_control))
                .then(|| text.to_owned())
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
            true,
        ) => Ok(Config {
            bind,
            frontend_url,
            database_url,
            stripe_api_key,
            stripe_webhook_secrets,
            stripe_api_base,
            session_secret,
            smtp_url,
            mail_from,
            portal_hosts: portal_hosts.unwrap_or_default(),
            app_name,
            dev: false,
        }),
        _ => Err(reader.faults),
    }
}

/// The table of all settings in Markdown, as it stands in the README.
pub fn table() -> String {
    let rows = SETTINGS.iter().map(|setting| {
        let default = match setting.default {
            "" => "needed".to_owned(),
            "none" => "none".to_owned(),
            value => format!("`{value}`"),
        };
        format!("| `{}` | {default} | {} |\n", setting.name, setting.about)
    });
    format!(
        "| setting | default | what it is |\n|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

/// Whether an address is this machine's own.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The folder with the pages' files: `LEPTOS_SITE_ROOT`, else `site` beside the program, else
/// beside its folder, where a build leaves it.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn site_root() -> String {
    let beside = || {
        let program = std::env::current_exe().ok()?;
        let folders = program.ancestors().skip(1).take(2);
        folders
            .map(|folder| folder.join("site"))
            .find(|site| site.join("pkg").is_dir())
    };
    std::env::var("LEPTOS_SITE_ROOT").unwrap_or_else(|_| {
        beside().map_or_else(
            || "target/site".to_owned(),
            |path| path.display().to_string(),
        )
    })
}

/// What is logged: `RUST_LOG`, else what the command's user wants to read.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn log_filter(default: &str) -> tracing_subscriber::EnvFilter {
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| default.to_owned());
    tracing_subscriber::EnvFilter::new(wanted)
}

/// What `cargo leptos watch` sets up: its folder, and the page's reloading.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn leptos_from_environment() -> Option<leptos::prelude::LeptosOptions> {
    std::env::var("LEPTOS_WATCH").ok()?;
    leptos::prelude::get_configuration(None)
        .ok()
        .map(|config| config.leptos_options)
}

struct Reader<'e> {
    environment: &'e HashMap<String, String>,
    faults: Vec<String>,
}

impl Reader<'_> {
    /// The setting or its default, parsed. What is missing or wrong goes to the faults.
    fn parsed<T>(
        &mut self,
        name: &str,
        wants: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let default = SETTINGS
            .iter()
            .find(|setting| setting.name == name)
            .map(|setting| setting.default);
        let text = self
            .environment
            .get(name)
            .map(String::as_str)
            .or(default.filter(|text| !text.is_empty()));
        let Some(text) = text else {
            self.faults
                .push(format!("{name} is missing. It must be {wants}."));
            return None;
        };
        let value = parse(text.trim());
        if value.is_none() {
            self.faults
                .push(format!("{name} cannot be used. It must be {wants}."));
        }
        value
    }

    fn optional<T>(
        &mut self,
        name: &str,
        wants: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.environment
            .contains_key(name)
            .then(|| self.parsed(name, wants, parse))?
    }
}

fn frontend(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    (plain && safe).then_some(url)
}

/// 32 bytes or more that are not one letter over and over.
fn is_strong(secret: &str) -> bool {
    let mut letters: Vec<_> = secret.bytes().collect();
    letters.sort_unstable();
    letters.dedup();
    secret.len() >= 32 && letters.len() >= 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> HashMap<String, String> {
        [
            ("FRONTEND_URL", "https://billing.example.com"),
            ("STRIPE_API_KEY", "rk_test_billhook"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_test_one, whsec_test_two"),
            ("SESSION_SECRET", "0123456789abcdef0123456789abcdef"),
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
    fn weak_or_unsafe_settings_are_refused() {
        for (name, value) in [
            ("FRONTEND_URL", "http://billing.example.com"),
            ("FRONTEND_URL", "https://billing.example.com/shop"),
            ("FRONTEND_URL", "https://user@billing.example.com"),
            ("SESSION_SECRET", "too short"),
            (
                "SESSION_SECRET",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            ("STRIPE_API_KEY", "pk_live_x"),
            ("STRIPE_API_BASE", "http://api.example.com"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_one,,whsec_two"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_a whsec_b"),
            ("SMTP_URL", "http://mail.example.com"),
            ("PORTAL_HOSTS", "https://pay.example.com"),
            ("DATABASE_URL", "mysql://x"),
        ] {
            let mut settings = good();
            settings.insert(name.to_owned(), value.to_owned());
            let faults = read(&settings).unwrap_err();
            assert!(
                faults.len() == 1 && faults[0].starts_with(name),
                "{name} {value}: {faults:?}"
            );
        }
        let mut local = good();
        local.insert(
            "FRONTEND_URL".to_owned(),
            "http://127.0.0.1:3000".to_owned(),
        );
        assert!(!read(&local).unwrap().is_https());
    }

    #[test]
    fn the_readme_holds_the_table_and_the_example_every_name() {
        let readme = include_str!("../README.md");
        assert!(
            readme.contains(&table()),
            "put the output of `billhook config` into README.md"
        );
        let example: Result<HashMap<_, _>, _> =
            dotenvy::from_read_iter(include_bytes!("../.env.example").as_slice()).collect();
        let example = example.expect("every line can be read");
        let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        names.retain(|name| !example.contains_key(*name));
        assert!(names.is_empty(), "{names:?} are missing from .env.example");
    }
}
