//! Events as Stripe posts them, and the fields of a customer that Billhook reads. Reading is
//! lenient: unknown fields are passed over, a missing or odd one is nothing, never an error, so
//! that no version of Stripe's API stops the webhook.

use serde_json::Value;

/// A snapshot or thin event. `created` is in unix seconds, 0 where it cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: String,
    pub r#type: String,
    pub created: i64,
    pub livemode: bool,
    /// Set when the event is of a connected account.
    pub account: Option<String>,
    pub api_version: Option<String>,
    /// `data.object`.
    pub object: Value,
    /// `data.previous_attributes`.
    pub previous: Value,
    /// The body as it was signed.
    pub payload: String,
}

/// What a customer object says. A deleted one is `{id, object, deleted: true}` in answers of the
/// API, and the whole object before deletion in `customer.deleted`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    pub id: String,
    pub email: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub phone: Option<String>,
    pub delinquent: bool,
    pub livemode: bool,
    pub created: i64,
    pub deleted: bool,
}

/// A body with a good signature that is no event.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    #[error("the body is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("the body is JSON without the id and type of an event")]
    NotAnEvent,
}

impl Event {
    pub fn parse(body: &[u8]) -> Result<Event, ParseError> {
        let mut json: Value = serde_json::from_slice(body)?;
        let (Some(id), Some(r#type)) = (text(&json, "id"), text(&json, "type")) else {
            return Err(ParseError::NotAnEvent);
        };
        let data = json.get_mut("data").map(Value::take).unwrap_or_default();
        Ok(Event {
            id,
            r#type,
            created: number(&json, "created"),
            livemode: flag(&json, "livemode"),
            account: text(&json, "account"),
            api_version: text(&json, "api_version"),
            object: data.get("object").cloned().unwrap_or_default(),
            previous: data.get("previous_attributes").cloned().unwrap_or_default(),
            payload: String::from_utf8_lossy(body).into_owned(),
        })
    }

    /// The id of the object that the event is about. `invoice.upcoming` has none.
    pub fn object_id(&self) -> Option<String> {
        text(&self.object, "id")
    }
}

impl Customer {
    /// `None` for anything that is not a customer with an id.
    pub fn read(object: &Value) -> Option<Customer> {
        if text(object, "object")? != "customer" {
            return None;
        }
        Some(Customer {
            id: text(object, "id")?,
            email: text(object, "email"),
            name: text(object, "name"),
            description: text(object, "description"),
            phone: text(object, "phone"),
            delinquent: flag(object, "delinquent"),
            livemode: flag(object, "livemode"),
            created: number(object, "created"),
            deleted: flag(object, "deleted"),
        })
    }
}

/// A text that is there and not empty, without NUL, which Postgres cannot store.
fn text(json: &Value, key: &str) -> Option<String> {
    let text = json.get(key)?.as_str()?.replace('\0', "");
    (!text.is_empty()).then_some(text)
}

fn number(json: &Value, key: &str) -> i64 {
    json.get(key).and_then(Value::as_i64).unwrap_or_default()
}

fn flag(json: &Value, key: &str) -> bool {
    json.get(key).and_then(Value::as_bool).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_events_are_read_as_far_as_they_go() {
        let thin =
            br#"{"id":"evt_1","object":"v2.core.event","type":"v1.billing.meter.no_meter_found",
            "created":"2026-10-28T00:00:00.000Z","data":null}"#;
        let event = Event::parse(thin).unwrap();
        assert_eq!((event.created, event.object_id()), (0, None));
        let odd = br#"{"id":"evt_2","type":"customer.updated","created":9007199254740993,
            "id":"evt_3","data":{"object":{"object":"customer","id":"cus_1","email":7,"name":"a\u0000b"}}}"#;
        let event = Event::parse(odd).unwrap();
        assert_eq!(
            (event.id.as_str(), event.created),
            ("evt_3", 9_007_199_254_740_993)
        );
        let customer = Customer::read(&event.object).unwrap();
        assert_eq!(
            (customer.email, customer.name.as_deref()),
            (None, Some("ab"))
        );
    }

    #[test]
    fn what_is_not_an_event_is_refused() {
        let deep = format!("{{\"id\":\"e\",\"type\":\"t\",\"data\":{}", "[".repeat(200));
        for body in [
            "",
            "hello",
            "[]",
            "{}",
            "{\"id\":1,\"type\":\"t\"}",
            "{\"id\":\"e\"}",
            &deep,
        ] {
            assert!(Event::parse(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Event::parse(b"{\"id\":\"e\",\"type\":\"\xff\"}").is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Event::parse(&body);
        }
    }
}
