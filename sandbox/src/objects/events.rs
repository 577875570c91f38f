//! Events: recording what happened, and reading it back. Every change of an object that Stripe
//! tells about goes through `emit` or `emit_update`.

use serde_json::{Value, json};

use crate::{
    state::{State, deliveries::Delivery},
    wire::{
        clock, ids,
        json::{cut, previous_attributes},
    },
};

pub const API_VERSION: &str = "2026-10-28.endive";

/// Older ones are forgotten, as Stripe forgets after 30 days.
const KEPT: usize = 10_000;

/// What caused an event: the API request, or (without an id) a person on the portal page.
#[derive(Debug, Clone)]
pub struct Cause {
    pub request: Option<String>,
    pub idempotency_key: Option<String>,
    /// The version that the request asked for.
    pub version: Option<String>,
    pub at: i64,
}

impl Cause {
    /// For what no API request asked for.
    pub fn of_itself(at: i64) -> Self {
        Self {
            request: None,
            idempotency_key: None,
            version: None,
            at,
        }
    }

    /// For what happens on a page of the stand-in, or by order of a control route.
    pub fn portal() -> Self {
        Self::of_itself(clock::now())
    }

    /// Versions are dates, so they compare as texts.
    pub fn is_endive(&self) -> bool {
        self.version
            .as_deref()
            .is_some_and(|version| version >= "2026-09-30")
    }
}

impl State {
    pub fn emit(&mut self, cause: &Cause, kind: &str, object: &Value) {
        self.record(cause, kind, json!({ "object": cut(object.clone()) }));
    }

    /// Nothing changed, nothing told: so does Stripe.
    pub fn emit_update(&mut self, cause: &Cause, kind: &str, before: &Value, after: &Value) {
        if before != after {
            let (before, after) = (cut(before.clone()), cut(after.clone()));
            let previous = previous_attributes(&before, &after);
            let data = json!({ "object": after, "previous_attributes": previous });
            self.record(cause, kind, data);
        }
    }

    fn record(&mut self, cause: &Cause, kind: &str, data: Value) {
        let id = ids::long("evt_");
        let targets = self.targets_for(kind);
        self.events.put(json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": cause.at,
            "data": data,
            "livemode": false,
            "pending_webhooks": targets.len(),
            "request": { "id": cause.request, "idempotency_key": cause.idempotency_key },
            "type": kind,
        }));
        for target in targets {
            self.send(Delivery {
                event: id.clone(),
                target,
            });
        }
        while self.events.len() > KEPT {
            self.events.remove_oldest();
        }
    }
}
