//! Webhook events as Stripe sends them.

use serde_json::Value;

use super::json::{flag, id, number, text};
use crate::mask::shows;

/// A snapshot or thin event. `created` is in unix seconds, 0 where it cannot be read.
#[derive(Clone, PartialEq)]
pub struct Event {
    pub id: String,
    pub r#type: String,
    pub created: i64,
    pub livemode: bool,
    /// The connected account, if the event belongs to one.
    pub account: Option<String>,
    /// The account of the event, if an organization's event destination sends the events of all its accounts
    /// (<https://docs.stripe.com/api/events/object#event_object-context>).
    pub context: Option<String>,
    pub api_version: Option<String>,
    /// The id of the object that the event is about. `invoice.upcoming` has none. A summary of entitlements has
    /// none either, and gets the id of its customer.
    pub object_id: Option<String>,
    /// `data.object`.
    pub object: Value,
    /// `data.previous_attributes`.
    pub previous: Value,
    /// The signed body.
    pub payload: String,
}

shows!(Event: id, r#type, created, livemode, account, context, api_version, object_id);

/// Why a body with a valid signature is not an event.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    #[error("the body is not text: {0}")]
    NotText(#[from] std::str::Utf8Error),
    #[error("the body is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("the body is JSON without the id and type of an event")]
    NotAnEvent,
}

impl Event {
    pub fn parse(body: &[u8]) -> Result<Event, ParseError> {
        let body = std::str::from_utf8(body)?;
        let mut json: Value = serde_json::from_str(body)?;
        let (Some(id), Some(r#type)) = (text(&json, "id"), text(&json, "type")) else {
            return Err(ParseError::NotAnEvent);
        };
        let mut data = json.get_mut("data").map(Value::take).unwrap_or_default();
        let mut take = |key| data.get_mut(key).map(Value::take).unwrap_or_default();
        let object = take("object");
        Ok(Event {
            id,
            r#type,
            created: number(&json, "created"),
            livemode: flag(&json, "livemode"),
            account: text(&json, "account"),
            context: text(&json, "context"),
            api_version: text(&json, "api_version"),
            object_id: object_id(&object),
            object,
            previous: take("previous_attributes"),
            payload: body.to_owned(),
        })
    }

    /// The id of the customer that the event is about, if it names one.
    pub fn customer_id(&self) -> Option<String> {
        if text(&self.object, "object").as_deref() == Some("customer") {
            return text(&self.object, "id");
        }
        id(&self.object, "customer").or_else(|| id(&self.previous, "customer"))
    }
}

/// See [`Event`].
pub fn object_id(object: &Value) -> Option<String> {
    text(object, "id").or_else(|| {
        let r#type = text(object, "object")?;
        let is_summary = r#type == "entitlements.active_entitlement_summary";
        let customer = is_summary.then(|| id(object, "customer"))?;
        customer.map(|customer| format!("{customer}/entitlements"))
    })
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
        assert_eq!((event.created, event.object_id), (0, None));
        let odd = br#"{"id":"evt_2","type":"customer.updated","created":9007199254740993,
            "id":"evt_3","data":{"object":{"object":"customer","id":"cus_1","email":7,"name":"a\u0000b"}}}"#;
        let event = Event::parse(odd).unwrap();
        assert_eq!(
            (event.id.as_str(), event.created),
            ("evt_3", 9_007_199_254_740_993)
        );
        assert_eq!(event.customer_id().as_deref(), Some("cus_1"));
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
