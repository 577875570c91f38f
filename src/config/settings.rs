//! The list of all settings. A test compares `docs/settings.md` and `.env.example` with it.

use url::Url;

use crate::mask;

/// A setting, as documented for the operator.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    /// The default; empty if `billhook serve` requires the setting.
    pub default: &'static str,
    /// How much of the value `billhook config` prints.
    pub shown: Shown,
    pub about: &'static str,
}

/// How much of a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Whole,
    /// A URL that may contain a password.
    Address,
    Secret,
}

/// All settings.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "FRONTEND_URL",
        default: "",
        shown: Shown::Address,
        about: "The public address, such as `https://billing.example.com`. Links in mails and the return from the portal use this address only. It must be https, except on a loopback address.",
    },
    Setting {
        name: "STRIPE_API_KEY",
        default: "",
        shown: Shown::Secret,
        about: "A restricted key (`rk_…`) with *Customer portal: Write*. What else it may read, Billhook can import and look up.",
    },
    Setting {
        name: "STRIPE_WEBHOOK_SECRET",
        default: "",
        shown: Shown::Secret,
        about: "The signing secret of the webhook endpoint (`whsec_…`). While you replace it, several, separated by commas.",
    },
    Setting {
        name: "SESSION_SECRET",
        default: "",
        shown: Shown::Secret,
        about: "At least 32 random bytes, for instance from `openssl rand -hex 32`. Changing it signs everybody out, unless `SESSION_SECRET_PREVIOUS` has the old one.",
    },
    Setting {
        name: "SMTP_URL",
        default: "",
        shown: Shown::Address,
        about: "The mail server: `smtps://user:password@host` (TLS), `smtp://user:password@host:587?tls=required` (STARTTLS) or, only for a server on the same machine, `smtp://localhost` (neither). In user and password, `%` begins a percent-encoded character, so write `%25` for a `%`, and `%3A` for a `:` in the user; all other characters may stand as they are.",
    },
    Setting {
        name: "MAIL_FROM",
        default: "",
        shown: Shown::Whole,
        about: "The sender of sign-in mails, such as `Northwind <billing@example.com>`.",
    },
    Setting {
        name: "EHLO_NAME",
        default: "none",
        shown: Shown::Whole,
        about: "The name that Billhook gives to the mail server in EHLO: this machine's name in DNS, or its IP address. Without it, the host of `FRONTEND_URL`.",
    },
    Setting {
        name: "APP_NAME",
        default: "Billing",
        shown: Shown::Whole,
        about: "The name of your shop, on every page and in every mail.",
    },
    Setting {
        name: "BIND",
        default: "127.0.0.1:3000",
        shown: Shown::Whole,
        about: "The address and port to listen on.",
    },
    Setting {
        name: "DATABASE_URL",
        default: "sqlite://data/billhook.db",
        shown: Shown::Address,
        about: "The database: `sqlite://` and a file, or `postgres://user:password@host/database`.",
    },
    Setting {
        name: "ERASURES_FILE",
        default: "none",
        shown: Shown::Whole,
        about: "The file that keeps erasures, as hashes, so that a restored backup does not undo them. With SQLite it is beside the database by default (`billhook.db-erased`); with Postgres, set it.",
    },
    Setting {
        name: "STRIPE_API_BASE",
        default: "https://api.stripe.com",
        shown: Shown::Address,
        about: "The address of Stripe's API. Others are for tests.",
    },
    Setting {
        name: "EVENT_RETENTION_DAYS",
        default: "30",
        shown: Shown::Whole,
        about: "How many days to keep the payloads of events, 1 to 3650. Their ids are kept for ever.",
    },
    Setting {
        name: "SESSION_SECRET_PREVIOUS",
        default: "none",
        shown: Shown::Secret,
        about: "Earlier values of `SESSION_SECRET`, separated by commas. Sessions, links and codes made with them still work while they are here. Remove them after as many hours as `SESSION_HOURS` says.",
    },
    Setting {
        name: "SESSION_IDLE_MINUTES",
        default: "30",
        shown: Shown::Whole,
        about: "After how many minutes without a request a session ends, 5 to 1440. An open page that nobody uses makes no request.",
    },
    Setting {
        name: "SESSION_HOURS",
        default: "24",
        shown: Shown::Whole,
        about: "After how many hours a session ends even if it is in use, 1 to 720.",
    },
    Setting {
        name: "TRUSTED_PROXIES",
        default: "127.0.0.0/8,::1/128",
        shown: Shown::Whole,
        about: "The reverse proxies in front of Billhook, as addresses or networks separated by commas. `X-Forwarded-For` is trusted from these only. `none` if browsers connect directly.",
    },
    Setting {
        name: "MAILS_PER_HOUR",
        default: "auto",
        shown: Shown::Whole,
        about: "How many sign-in mails may leave in an hour, refilled evenly. `auto` is two per customer and at least 60, so that after a newsletter everybody can ask twice. A number fixes the limit, for instance to that of your mail provider. Addresses without a customer count as well: otherwise the delay would tell who is a customer. Requests from a browser that signed in with the address before do not count.",
    },
    Setting {
        name: "PORTAL_HOSTS",
        default: "none",
        shown: Shown::Whole,
        about: "Hosts that links to the portal and to invoices may lead to, besides `billing.stripe.com` and `invoice.stripe.com`, separated by commas: your custom domain, if you set one up at Stripe.",
    },
    Setting {
        name: "PORTAL_CONFIGURATION",
        default: "none",
        shown: Shown::Whole,
        about: "The portal configuration that customers see (`bpc_…`), if not Stripe's default.",
    },
    Setting {
        name: "STRIPE_ACCOUNT",
        default: "none",
        shown: Shown::Whole,
        about: "The account of the key (`acct_…`). Needed only if an organization's event destination sends the events: those that name another account in `context` are ignored, and while this is not set, all that name one.",
    },
];

/// The part of a setting's value that may be shown.
pub fn shown(setting: &Setting, value: &str) -> String {
    let seen = match setting.shown {
        Shown::Whole => value.to_owned(),
        Shown::Address => without_password(value),
        Shown::Secret if value == "none" => value.to_owned(),
        Shown::Secret => {
            let each = value.split(',').map(|secret| kind_of(secret.trim()));
            each.collect::<Vec<_>>().join(", ")
        }
    };
    // A secret in the wrong setting.
    if setting.shown != Shown::Secret && mask::has_key(&seen) {
        return HIDDEN.to_owned();
    }
    seen
}

const HIDDEN: &str = "…";

/// `rk_test_…`: the mode of a key is not secret.
fn kind_of(secret: &str) -> String {
    let kind = mask::SECRETS.iter().find(|kind| secret.starts_with(**kind));
    format!("{}{HIDDEN}", kind.copied().unwrap_or_default())
}

/// A URL without its credentials. The user name is shown only if a password follows: alone it may be a key, and
/// some services use one key as both.
fn without_password(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let Ok(mut url) = Url::parse(text) else {
        return HIDDEN.to_owned();
    };
    let rest = [
        url.path(),
        url.query().unwrap_or_default(),
        url.fragment().unwrap_or_default(),
    ];
    // An unescaped delimiter in a password makes the URL end its user information too early.
    let is_torn = rest.concat().contains('@')
        || (text.contains('@') && url.username().is_empty() && url.password().is_none());
    if is_torn {
        return HIDDEN.to_owned();
    }
    let user = match url.password() {
        Some(password) if password != url.username() => format!("{}:{HIDDEN}@", url.username()),
        None if url.username().is_empty() => String::new(),
        _ => format!("{HIDDEN}@"),
    };
    let query: Vec<_> = url
        .query_pairs()
        .map(|(name, value)| match name.as_ref() {
            "tls" | "sslmode" | "application_name" | "host" | "port" | "dbname" => {
                format!("{name}={value}")
            }
            _ => HIDDEN.to_owned(),
        })
        .collect();
    // An error means that such a URL has no credentials.
    let _ = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    let plain = url.to_string().replacen("://", &format!("://{user}"), 1);
    match query.is_empty() {
        true => plain,
        false => format!("{plain}?{}", query.join("&")),
    }
}

/// The Markdown table of all settings, as in `docs/settings.md`.
pub fn table() -> String {
    let rows = SETTINGS.iter().map(|setting| {
        let default = match setting.default {
            "" => "required".to_owned(),
            "none" => "none".to_owned(),
            value => format!("`{value}`"),
        };
        format!("| `{}` | {default} | {} |\n", setting.name, setting.about)
    });
    format!(
        "| setting | default | meaning |\n|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::{super::dotenv, *};

    #[test]
    fn the_manual_holds_the_table_and_the_example_every_name() {
        let manual = include_str!("../../docs/settings.md");
        let (_, found) = manual.split_once("\n\n| setting |").unwrap_or_default();
        assert!(
            format!("| setting |{found}") == table(),
            "put the output of `billhook config --table` at the end of docs/settings.md"
        );
        let example = dotenv::parse(include_bytes!("../../.env.example"), |_| true)
            .expect("every line can be read");
        let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        names.retain(|name| example.iter().all(|line| line.name != *name));
        assert!(names.is_empty(), "{names:?} are missing from .env.example");
    }

    #[test]
    fn no_password_is_seen_in_an_address() {
        let name = |name| {
            SETTINGS
                .iter()
                .find(|setting| setting.name == name)
                .unwrap()
        };
        let smtp = name("SMTP_URL");
        for (value, wanted) in [
            (
                "smtps://user:canary@mail.example.com",
                "smtps://user:…@mail.example.com",
            ),
            (
                "smtp://canary@mail.example.com:587?tls=required",
                "smtp://…@mail.example.com:587?tls=required",
            ),
            (
                "smtps://canary:canary@mail.example.com",
                "smtps://…@mail.example.com",
            ),
            ("smtp://127.0.0.1:25", "smtp://127.0.0.1:25"),
            ("smtp://[::1]:25", "smtp://[::1]:25"),
            ("smtp://user:1/canary@mail.example.com", "…"),
            ("smtp://user:1?canary@mail.example.com", "…"),
            ("smtp://user:1#canary@mail.example.com", "…"),
            ("smtp://user:can@canary/@mail.example.com", "…"),
            ("canary", "…"),
            (
                "smtps://u:p@mail.example.com?password=canary#canary",
                "smtps://u:…@mail.example.com?…",
            ),
        ] {
            assert_eq!(shown(smtp, value), wanted, "{value}");
        }
        let database = name("DATABASE_URL");
        for (value, wanted) in [
            (
                "sqlite://data/a@b.db?mode=rwc",
                "sqlite://data/a@b.db?mode=rwc",
            ),
            (
                "postgres://ada:canary@db/x?sslmode=require",
                "postgres://ada:…@db/x?sslmode=require",
            ),
            (
                "postgres://db/x?user=ada&password=canary",
                "postgres://db/x?…&…",
            ),
        ] {
            assert_eq!(shown(database, value), wanted, "{value}");
        }
        assert_eq!(shown(name("STRIPE_API_KEY"), "rk_live_canary"), "rk_live_…");
        assert_eq!(
            shown(name("STRIPE_WEBHOOK_SECRET"), "whsec_a,whsec_b, c"),
            "whsec_…, whsec_…, …"
        );
        assert_eq!(shown(name("APP_NAME"), "sk_live_canary"), "…");
    }
}
