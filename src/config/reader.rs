//! Reads settings one by one and collects their errors.

use std::collections::HashMap;

use super::SETTINGS;
use crate::mask::shows;

pub struct Reader<'e> {
    environment: &'e HashMap<String, String>,
    pub faults: Vec<String>,
}

// Debug output must not show the settings: they contain every secret.
shows!(Reader<'e>: faults);

impl<'e> Reader<'e> {
    pub fn new(environment: &'e HashMap<String, String>) -> Reader<'e> {
        Reader {
            environment,
            faults: Vec::new(),
        }
    }

    /// The setting or its default, parsed. A missing or invalid value is added to the errors.
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

    /// Like [`Reader::parsed`] for an optional setting. `none`, which the table shows as its default, means the
    /// same as leaving it out.
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
