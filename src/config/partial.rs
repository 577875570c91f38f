//! Partial configuration for `billhook doctor`: checks the valid settings even if others are invalid.

use std::collections::HashMap;

use super::{Config, SETTINGS, read};

/// Harmless placeholder values for required settings that are invalid.
const NOWHERE: [(&str, &str); 6] = [
    ("FRONTEND_URL", "https://billing.invalid"),
    ("STRIPE_API_KEY", "rk_test_none"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_none"),
    (
        "SESSION_SECRET",
        "none: these bytes are never a key of anything",
    ),
    ("SMTP_URL", "smtp://127.0.0.1:1"),
    ("MAIL_FROM", "nobody@billing.invalid"),
];

/// The result of a partial read.
#[derive(Debug)]
pub struct Around {
    /// `None` if the errors leave nothing to check.
    pub config: Option<Config>,
    /// The errors, one line each.
    pub faults: Vec<String>,
    /// The settings whose values in `config` are defaults or placeholders, not the operator's.
    replaced: Vec<&'static str>,
}

impl Around {
    /// The configuration, if the operator's own values of these settings are in it.
    pub fn with(&self, names: &[&str]) -> Option<&Config> {
        let is_there = |name: &&str| !self.replaced.contains(name);
        self.config.as_ref().filter(|_| names.iter().all(is_there))
    }
}

/// Reads all settings. An invalid one gets its default or a placeholder.
pub fn read_around(environment: &HashMap<String, String>) -> Around {
    let faults = match read(environment) {
        Ok(config) => {
            return Around {
                config: Some(config),
                faults: Vec::new(),
                replaced: Vec::new(),
            };
        }
        Err(faults) => faults,
    };
    let is_at_fault = |name: &str| {
        faults
            .iter()
            .any(|fault| fault.split(' ').next() == Some(name))
    };
    let names = SETTINGS.iter().map(|setting| setting.name);
    let replaced: Vec<_> = names.filter(|name| is_at_fault(name)).collect();
    let mut settings = environment.clone();
    for name in &replaced {
        settings.remove(*name);
        let nowhere = NOWHERE.iter().find(|(needed, _)| needed == name);
        settings.extend(nowhere.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    }
    Around {
        config: read(&settings).ok(),
        faults,
        replaced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_wrong_the_rest_is_read() {
        let nothing = read_around(&HashMap::new());
        assert!(nothing.config.is_some() && !nothing.faults.is_empty());
        assert!(nothing.with(&["SMTP_URL"]).is_none());
        assert!(nothing.with(&["DATABASE_URL"]).is_some());
        for setting in SETTINGS {
            let bad = HashMap::from([(setting.name.to_owned(), "\u{1}x, ".to_owned())]);
            let around = read_around(&bad);
            assert!(around.config.is_some(), "{}", setting.name);
            assert!(around.with(&[setting.name]).is_none(), "{}", setting.name);
        }
    }
}
