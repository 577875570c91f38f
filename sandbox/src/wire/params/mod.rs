//! Stripe's form encoding: `metadata[a]=b`, `items[0][price]=…`, `expand[]=…`. A handler takes out
//! what it knows and then calls `finish`, which refuses whatever is left.

pub mod entry;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use serde_json::{Map, Value, json};

use crate::wire::{
    error::ApiError,
    params::entry::{Entry, insert, split},
};

/// Nobody nests deeper or sends more; without the limits a hostile body could exhaust stack or
/// time.
const MAX_DEPTH: usize = 8;
const MAX_PAIRS: usize = 1_000;
/// As deep as Stripe expands; the `data` of a list counts.
const MAX_EXPANSION: usize = 4;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params {
    /// Where these parameters sit in the request, for messages: empty at the top, `flow_data`
    /// inside of it.
    place: String,
    entries: Vec<(String, Entry)>,
    expanded: Vec<String>,
}

impl Params {
    pub fn parse(pairs: &[(String, String)]) -> Result<Self, ApiError> {
        if pairs.len() > MAX_PAIRS {
            return Err(ApiError::invalid("", "Too many parameters."));
        }
        let (mut entries, mut expanded) = (Vec::new(), Vec::new());
        for (key, value) in pairs {
            let path = split(key);
            if path.len() > MAX_DEPTH {
                return Err(ApiError::invalid(key, "Parameters are nested too deeply."));
            }
            // Expansion is accepted everywhere and has no effect unless a handler asks for it: the
            // stand-in answers with ids.
            if path.first() == Some(&"expand") {
                if value.split('.').count() > MAX_EXPANSION {
                    return Err(too_deep(value));
                }
                expanded.push(value.clone());
            } else {
                insert(&mut entries, &path, value);
            }
        }
        Ok(Self {
            place: String::new(),
            entries,
            expanded,
        })
    }

    /// Whether the request wants a field that is usually left out, of one object or of a list. Who
    /// wants what is inside of it wants it too.
    pub fn expands(&self, field: &str) -> bool {
        self.expanded.iter().any(|path| {
            let path = path.strip_prefix("data.").unwrap_or(path);
            path.strip_prefix(field)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    fn take(&mut self, name: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|(key, _)| key == name)?;
        Some(self.entries.remove(index).1)
    }

    /// The full name of a parameter, as Stripe's messages give it.
    pub fn name(&self, name: &str) -> String {
        if self.place.is_empty() {
            name.to_owned()
        } else {
            format!("{}[{name}]", self.place)
        }
    }

    /// An empty text means "unset", which is for the caller to carry out.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Entry::Text(text)) if text.len() > 5_000 => Err(ApiError::invalid(
                &self.name(name),
                format!(
                    "Invalid string: {}…; must be at most 5000 characters",
                    first(&text, 20)
                ),
            )),
            Some(Entry::Text(text)) => Ok(Some(text)),
            Some(Entry::Group(_)) => Err(ApiError::invalid(
                &self.name(name),
                "Invalid string: must be a text, not an object",
            )),
        }
    }

    pub fn required(&mut self, name: &str) -> Result<String, ApiError> {
        let full = self.name(name);
        match self.text(name)? {
            None => Err(ApiError::missing(&full)),
            Some(text) if text.is_empty() => Err(ApiError::invalid(
                &full,
                format!(
                    "You passed an empty string for '{full}'. We assume empty values are an \
                     attempt to unset a parameter; however '{full}' cannot be unset. You should \
                     remove '{full}' from your request or supply a non-empty value."
                ),
            )
            .code("parameter_invalid_empty")),
            Some(text) => Ok(text),
        }
    }

    pub fn integer(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| {
            ApiError::invalid(
                &self.name(name),
                format!("Invalid integer: {}", first(&text, 40)),
            )
            .code("parameter_invalid_integer")
        })?;
        Ok(Some(number))
    }

    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ApiError::invalid(
                &self.name(name),
                format!("Invalid boolean: {}", first(other, 40)),
            )),
        }
    }

    /// One of a fixed set of words.
    pub fn choice(&mut self, name: &str, words: &[&str]) -> Result<Option<String>, ApiError> {
        match self.text(name)? {
            Some(text) if !words.contains(&text.as_str()) => {
                let list = words.join(", ");
                Err(ApiError::invalid(
                    &self.name(name),
                    format!("Invalid {}: must be one of {list}", self.name(name)),
                ))
            }
            given => Ok(given),
        }
    }

    /// A nested object. An empty text gives an empty group: "unset".
    pub fn group(&mut self, name: &str) -> Result<Option<Params>, ApiError> {
        let place = self.name(name);
        match self.take(name) {
            None => Ok(None),
            Some(Entry::Group(entries)) => Ok(Some(Params {
                place,
                entries,
                ..Params::default()
            })),
            Some(Entry::Text(text)) if text.is_empty() => Ok(Some(Params {
                place,
                ..Params::default()
            })),
            Some(Entry::Text(_)) => Err(ApiError::invalid(&place, "Invalid object")),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn list(&mut self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(mut group) = self.group(name)? else {
            return Ok(None);
        };
        let keys: Vec<String> = group.entries.iter().map(|(key, _)| key.clone()).collect();
        let mut texts = Vec::with_capacity(keys.len());
        for key in keys {
            texts.extend(group.text(&key)?);
        }
        Ok(Some(texts))
    }

    /// A list of nested objects.
    pub fn groups(&mut self, name: &str) -> Result<Option<Vec<Params>>, ApiError> {
        let Some(mut group) = self.group(name)? else {
            return Ok(None);
        };
        let keys: Vec<String> = group.entries.iter().map(|(key, _)| key.clone()).collect();
        let mut groups = Vec::with_capacity(keys.len());
        for key in keys {
            groups.extend(group.group(&key)?);
        }
        Ok(Some(groups))
    }

    /// Sets `fields` of a new object, absent ones to null. For addresses and their like, which
    /// Stripe replaces as a whole.
    pub fn object(mut self, fields: &[&str]) -> Result<Value, ApiError> {
        let mut object = Map::new();
        for field in fields {
            object.insert(
                (*field).to_owned(),
                nullable(self.text(field)?.unwrap_or_default()),
            );
        }
        self.finish()?;
        Ok(Value::Object(object))
    }

    /// Stripe merges metadata: keys sent are set, keys sent empty are removed, an empty whole
    /// removes all.
    pub fn metadata(&mut self, into: &mut Value) -> Result<(), ApiError> {
        let Some(mut group) = self.group("metadata")? else {
            return Ok(());
        };
        let mut merged = if group.is_empty() {
            Map::new()
        } else {
            into.as_object().cloned().unwrap_or_default()
        };
        let keys: Vec<String> = group.entries.iter().map(|(key, _)| key.clone()).collect();
        for key in keys {
            match group.text(&key)?.unwrap_or_default() {
                empty if empty.is_empty() => drop(merged.remove(&key)),
                _ if key.chars().count() > 40 => {
                    return Err(ApiError::invalid(
                        "metadata",
                        "Metadata keys can be up to 40 characters long.",
                    ));
                }
                text if text.chars().count() > 500 => {
                    return Err(ApiError::invalid(
                        &group.name(&key),
                        "Metadata values can have up to 500 characters.",
                    ));
                }
                text => drop(merged.insert(key, json!(text))),
            }
        }
        if merged.len() > 50 {
            return Err(ApiError::invalid(
                "metadata",
                "You can only have up to 50 keys in metadata.",
            ));
        }
        *into = Value::Object(merged);
        Ok(())
    }

    /// Accepts parameters that Stripe knows and that have no effect here.
    pub fn ignore(&mut self, names: &[&str]) {
        self.entries
            .retain(|(key, _)| !names.contains(&key.as_str()));
    }

    /// Refuses what nobody took, as Stripe does.
    pub fn finish(self) -> Result<(), ApiError> {
        let left: Vec<String> = self.entries.iter().map(|(key, _)| self.name(key)).collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(ApiError::unknown(&left))
        }
    }
}

/// The gate has parsed them; the handler takes them as an argument.
impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.remove::<Params>().unwrap_or_default())
    }
}

fn too_deep(path: &str) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        format!(
            "You cannot expand more than {MAX_EXPANSION} levels of a property. Property: {}",
            first(path, 100)
        ),
    )
    .code("property_expansion_max_depth")
}

/// Stripe stores an empty text as null.
pub fn nullable(text: String) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        Value::String(text)
    }
}

/// The first characters of a text, so that a message never carries a whole body back.
pub fn first(text: &str, count: usize) -> String {
    text.chars().take(count).collect()
}

/// Whether a text is an address of the web: a link made of it cannot be a script, and an event can
/// be sent there.
pub fn is_web_address(text: &str) -> bool {
    // The parser drops line breaks and tabs without a word; a header or an attribute would not.
    let clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    clean
        && reqwest::Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(body: &str) -> Params {
        let pairs: Vec<_> = form_urlencoded::parse(body.as_bytes())
            .into_owned()
            .collect();
        Params::parse(&pairs).unwrap()
    }

    #[test]
    fn nested_parameters_are_read_by_name() {
        let mut given = params(
            "customer=cus_1&flow_data[type]=payment_method_update&expand[]=x\
             &items[0][price]=a&items[1][price]=b",
        );
        assert_eq!(given.required("customer").unwrap(), "cus_1");
        let mut flow = given.group("flow_data").unwrap().unwrap();
        assert_eq!(
            flow.text("type").unwrap().as_deref(),
            Some("payment_method_update")
        );
        let prices: Vec<_> = given
            .groups("items")
            .unwrap()
            .unwrap()
            .iter_mut()
            .map(|item| item.required("price").unwrap())
            .collect();
        assert_eq!(prices, ["a", "b"]);
        given.finish().unwrap();
    }

    #[test]
    fn a_parameter_nobody_took_is_refused_by_its_full_name() {
        let mut given = params("a[b]=1&a[c]=2");
        let mut group = given.group("a").unwrap().unwrap();
        group.text("b").unwrap();
        assert_eq!(group.finish(), Err(ApiError::unknown(&["a[c]".to_owned()])));
    }

    #[test]
    fn metadata_merges_and_an_empty_value_removes() {
        let mut stored = json!({ "a": "1", "b": "2" });
        params("metadata[a]=&metadata[c]=3")
            .metadata(&mut stored)
            .unwrap();
        assert_eq!(stored, json!({ "b": "2", "c": "3" }));
        params("metadata=").metadata(&mut stored).unwrap();
        assert_eq!(stored, json!({}));
    }

    #[test]
    fn what_holds_an_expanded_field_is_expanded_too() {
        let given = params("expand[]=data.discounts.source.coupon");
        assert!(given.expands("discounts") && given.expands("discounts.source.coupon"));
        assert!(!given.expands("discount") && !given.expands("discounts.source.coupon.applies_to"));
        let pairs = [(
            "expand[]".to_owned(),
            "data.discounts.source.coupon.applies_to".to_owned(),
        )];
        assert!(Params::parse(&pairs).is_err());
    }

    #[test]
    fn both_ways_of_writing_a_list_are_read() {
        assert_eq!(
            params("l[]=a&l[]=b").list("l").unwrap().unwrap(),
            ["a", "b"]
        );
        assert_eq!(
            params("l[0]=a&l[1]=b").list("l").unwrap().unwrap(),
            ["a", "b"]
        );
    }

    #[test]
    fn objects_of_a_list_without_numbers_are_told_apart_by_their_fields() {
        let lines = params("l[][price]=a&l[][quantity]=2&l[][price]=b")
            .groups("l")
            .unwrap()
            .unwrap();
        let read: Vec<_> = lines
            .into_iter()
            .map(|mut line| {
                (
                    line.required("price").unwrap(),
                    line.integer("quantity").unwrap(),
                )
            })
            .collect();
        assert_eq!(read, [("a".to_owned(), Some(2)), ("b".to_owned(), None)]);
    }

    #[test]
    fn deep_or_broken_keys_do_no_harm() {
        let deep = ("a".to_owned() + &"[b]".repeat(100_000), String::new());
        assert!(Params::parse(&[deep]).is_err());
        assert_eq!(
            params("a[b=1&[]=2&]=3&=4").finish().unwrap_err().status,
            400
        );
    }
}
