//! Which webhook targets want an event, and which deliveries are still under way.

use serde_json::Value;

use crate::state::{State, Target, deliveries::Delivery};

impl State {
    /// Names of the targets that want events of this kind.
    pub fn targets_for(&self, kind: &str) -> Vec<String> {
        let endpoints = self.webhook_endpoints.iter().filter(|endpoint| {
            let wanted = endpoint["enabled_events"]
                .as_array()
                .is_some_and(|events| events.iter().any(|event| event == "*" || event == kind));
            wanted && endpoint["status"] == "enabled"
        });
        let endpoints = endpoints.filter_map(|endpoint| endpoint["id"].as_str().map(str::to_owned));
        self.targets
            .iter()
            .map(|target| target.url.clone())
            .chain(endpoints)
            .collect()
    }

    /// Address and secret of a target, unless it was removed or disabled since.
    pub fn target(&self, name: &str) -> Option<Target> {
        if let Some(target) = self.targets.iter().find(|target| target.url == name) {
            return Some(target.clone());
        }
        let endpoint = self
            .webhook_endpoints
            .get(name)
            .filter(|endpoint| endpoint["status"] == "enabled")?;
        Some(Target {
            url: endpoint["url"].as_str()?.to_owned(),
            secret: endpoint["secret"].as_str()?.to_owned(),
        })
    }

    pub fn send(&mut self, delivery: Delivery) {
        self.undelivered.insert(delivery.clone());
        if let Some(outgoing) = &self.outgoing {
            // The receiver only goes when the server stops; then the state file keeps what is
            // undelivered.
            let _ = outgoing.send(delivery);
        }
    }

    /// What was under way when the process ended the last time.
    pub fn resume(&mut self) {
        let mut left: Vec<Delivery> = std::mem::take(&mut self.undelivered).into_iter().collect();
        left.sort_by_key(|delivery| self.events.place(&delivery.event));
        for delivery in left {
            if self.target(&delivery.target).is_some() {
                self.send(delivery);
            }
        }
    }

    pub fn settle(&mut self, delivery: &Delivery, arrived: bool) {
        // A second copy of it finds it gone, and changes nothing.
        let first = self.undelivered.remove(delivery);
        if first
            && arrived
            && let Some(event) = self.events.get_mut(&delivery.event)
        {
            let pending = event["pending_webhooks"].as_u64().unwrap_or_default();
            event["pending_webhooks"] = Value::from(pending.saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_endpoint_gets_what_it_asked_for() {
        let mut state = State::default();
        state.webhook_endpoints.put(
            json!({ "id": "we_1", "enabled_events": ["customer.created"], "status": "enabled" }),
        );
        state
            .webhook_endpoints
            .put(json!({ "id": "we_2", "enabled_events": ["*"], "status": "enabled" }));
        state
            .webhook_endpoints
            .put(json!({ "id": "we_3", "enabled_events": ["*"], "status": "disabled" }));
        assert_eq!(state.targets_for("customer.created"), ["we_2", "we_1"]);
        assert_eq!(state.targets_for("price.created"), ["we_2"]);
    }
}
