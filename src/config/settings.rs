//! Every setting there is: the operator's manual. The README's table and `.env.example` are compared
//! with it by a test.

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
        about: "A restricted key (`rk_…`) with *Customer portal: Write*. What it may read besides, it can import and look up.",
    },
    Setting {
        name: "STRIPE_WEBHOOK_SECRET",
        default: "",
        about: "The signing secret of the webhook endpoint (`whsec_…`). Several, separated by commas, while one is being replaced.",
    },
    Setting {
        name: "SESSION_SECRET",
        default: "",
        about: "At least 32 random bytes, for instance from `openssl rand -hex 32`. Changing it signs everybody out, unless the old one is kept in `SESSION_SECRET_PREVIOUS`.",
    },
    Setting {
        name: "SMTP_URL",
        default: "",
        about: "Where mail is handed in: `smtps://user:password@host` (TLS), `smtp://user:password@host:587?tls=required` (STARTTLS) or, for a server on the same machine alone, `smtp://localhost` (neither).",
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
        name: "EVENT_RETENTION_DAYS",
        default: "30",
        about: "How many days the payloads of events are kept, 1 to 3650. Their ids are kept for ever.",
    },
    Setting {
        name: "SESSION_SECRET_PREVIOUS",
        default: "none",
        about: "Earlier values of `SESSION_SECRET`, separated by commas: sessions, links and codes made with them still work. Take them out after as many hours as `SESSION_HOURS` says; what is made with them counts for nothing from then on.",
    },
    Setting {
        name: "SESSION_IDLE_MINUTES",
        default: "30",
        about: "How many minutes without a request end a session, 5 to 1440. A page that is open and not touched counts as none.",
    },
    Setting {
        name: "SESSION_HOURS",
        default: "24",
        about: "After how many hours everybody signs in again, however busy, 1 to 720.",
    },
    Setting {
        name: "TRUSTED_PROXIES",
        default: "127.0.0.0/8,::1/128",
        about: "The reverse proxies in front, as addresses or networks separated by commas: what they say in `X-Forwarded-For` about a client's address is believed, and nobody else's word is. `none` when browsers connect directly.",
    },
    Setting {
        name: "MAILS_PER_HOUR",
        default: "auto",
        about: "How many sign-in mails may leave, refilled evenly over an hour. `auto` is two for every customer and at least 60, so that after a newsletter everybody can ask, and ask again; a number fixes it, for instance at what your mail provider takes. Addresses that nobody is under count as well, or the delay would tell who is a customer. What a browser asks for with an address that it signed in with before does not count.",
    },
    Setting {
        name: "PORTAL_HOSTS",
        default: "none",
        about: "Hosts that links to the portal and to invoices may lead to besides `billing.stripe.com` and `invoice.stripe.com`, separated by commas: your own domain, if you set one up at Stripe.",
    },
    Setting {
        name: "PORTAL_CONFIGURATION",
        default: "none",
        about: "The portal configuration that customers are shown (`bpc_…`), if not Stripe's default one.",
    },
    Setting {
        name: "STRIPE_ACCOUNT",
        default: "none",
        about: "The account of the key (`acct_…`). Needed only where an organization's event destination sends events: those that name another account in `context` are ignored, and so are all that name one while this is not set.",
    },
];

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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_readme_holds_the_table_and_the_example_every_name() {
        let readme = include_str!("../../README.md");
        assert!(
            readme.contains(&table()),
            "put the output of `billhook config` into README.md"
        );
        let example: Result<HashMap<_, _>, _> =
            dotenvy::from_read_iter(include_bytes!("../../.env.example").as_slice()).collect();
        let example = example.expect("every line can be read");
        let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        names.retain(|name| !example.contains_key(*name));
        assert!(names.is_empty(), "{names:?} are missing from .env.example");
    }
}
