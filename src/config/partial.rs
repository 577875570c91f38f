//! Settings of which some cannot be used, for looking at what the others lead to.

use std::collections::HashMap;

use super::{Config, SETTINGS, read};

/// Values that lead nowhere, in place of needed settings that cannot be used.
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

/// What could be read.
#[derive(Debug)]
pub struct Around {
    /// Nothing where the faults leave nothing to look at.
    pub config: Option<Config>,
    /// What is wrong, a line each.
    pub faults: Vec<String>,
    /// The settings whose values in `config` are not the operator's.
    replaced: Vec<&'static str>,
}

impl Around {
    /// The configuration, if the settings of these names are in it as the operator wrote them.
    pub fn with(&self, names: &[&str]) -> Option<&Config> {
        let is_there = |name: &&str| !self.replaced.contains(name);
        self.config.as_ref().filter(|_| names.iter().all(is_there))
    }
}

/// Reads all settings; what cannot be used has its default, or leads nowhere.
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
