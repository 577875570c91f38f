//! Reads one setting after the other and keeps what is wrong with them.

use std::collections::HashMap;

use super::SETTINGS;
use crate::mask::shows;

pub struct Reader<'e> {
    environment: &'e HashMap<String, String>,
    pub faults: Vec<String>,
}

// The settings hold every secret.
shows!(Reader<'e>: faults);

impl<'e> Reader<'e> {
    pub fn new(environment: &'e HashMap<String, String>) -> Reader<'e> {
        Reader {
            environment,
            faults: Vec::new(),
        }
    }

    /// The setting or its default, parsed. What is missing or wrong goes to the faults.
    pub fn parsed<T>(
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

    /// The same for a setting that nothing needs. `none`, which the table shows for it, is as good as
    /// leaving it out.
    pub fn optional<T>(
        &mut self,
        name: &str,
        wants: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.environment.get(name)?;
        (text.trim() != "none").then(|| self.parsed(name, wants, parse))?
    }
}
