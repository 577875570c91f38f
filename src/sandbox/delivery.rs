//! Carries events to webhook endpoints: signed like Stripe's, at least once, tried again with
//! growing pauses. First tries of one endpoint run one after the other, so that a healthy receiver
//! sees events in order; retries run beside them, so that one bad event holds up nothing.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use tokio::{
    sync::{
        Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinSet,
    time::sleep,
};

use super::{
    clock,
    state::{Shared, State, Target},
};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Stripe waits for hours; a person at a demo or a test waits for seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const TRIES: u32 = 40;
const IN_FLIGHT: usize = 32;

/// One event on its way to one target: the id of a webhook endpoint, or the URL of a target given
/// at the start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Delivery {
    pub event: String,
    pub target: String,
}

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
    fn target(&self, name: &str) -> Option<Target> {
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

    fn settle(&mut self, delivery: &Delivery, arrived: bool) {
        self.undelivered.remove(delivery);
        if let Some(mut event) = self
            .events
            .get(&delivery.event)
            .cloned()
            .filter(|_| arrived)
        {
            let pending = event["pending_webhooks"].as_u64().unwrap_or_default();
            event["pending_webhooks"] = Value::from(pending.saturating_sub(1));
            self.events.put(event);
        }
    }
}

/// Sorts deliveries into one queue per target. Dropping this future ends every delivery under way.
pub async fn run(app: Shared, mut outgoing: UnboundedReceiver<Delivery>) {
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut queues: HashMap<String, UnboundedSender<Delivery>> = HashMap::new();
    let mut workers = JoinSet::new();
    while let Some(delivery) = outgoing.recv().await {
        let queue = queues.entry(delivery.target.clone()).or_insert_with(|| {
            let (queue, waiting) = unbounded_channel();
            workers.spawn(first_tries(app.clone(), permits.clone(), waiting));
            queue
        });
        // The worker holds the other end for as long as this future lives.
        let _ = queue.send(delivery);
    }
}

async fn first_tries(
    app: Shared,
    permits: Arc<Semaphore>,
    mut waiting: UnboundedReceiver<Delivery>,
) {
    let mut retries = JoinSet::new();
    while let Some(delivery) = waiting.recv().await {
        while retries.try_join_next().is_some() {}
        if attempt(&app, &permits, &delivery).await == Outcome::Failed {
            retries.spawn(retry(app.clone(), permits.clone(), delivery));
        }
    }
}

async fn retry(app: Shared, permits: Arc<Semaphore>, delivery: Delivery) {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        if attempt(&app, &permits, &delivery).await == Outcome::Settled {
            return;
        }
    }
    tracing::warn!(
        event.id = delivery.event,
        target.name = delivery.target,
        "a webhook was given up"
    );
    app.write().settle(&delivery, false);
}

#[derive(PartialEq)]
enum Outcome {
    Settled,
    Failed,
}

async fn attempt(app: &Shared, permits: &Semaphore, delivery: &Delivery) -> Outcome {
    let Ok(_permit) = permits.acquire().await else {
        return Outcome::Failed;
    };
    let found = {
        let state = app.read();
        state
            .events
            .get(&delivery.event)
            .map(Value::to_string)
            .zip(state.target(&delivery.target))
    };
    let Some((body, target)) = found else {
        app.write().settle(delivery, false);
        return Outcome::Settled;
    };
    let request = app
        .client
        .post(&target.url)
        .timeout(TIMEOUT)
        .header("content-type", "application/json; charset=utf-8")
        .header(
            "user-agent",
            "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        )
        .header(
            "stripe-signature",
            signature(&target.secret, clock::now(), &body),
        )
        .body(body);
    match request.send().await {
        Ok(answer) if answer.status().is_success() => {
            app.write().settle(delivery, true);
            return Outcome::Settled;
        }
        Ok(answer) => tracing::debug!(
            event.id = delivery.event,
            http.status = answer.status().as_u16(),
            "a webhook was refused"
        ),
        Err(error) => {
            tracing::debug!(event.id = delivery.event, %error, "a webhook did not arrive")
        }
    }
    Outcome::Failed
}

/// The header: `v1` over time and body, and in test mode a `v0` that means nothing and must be
/// passed over.
fn signature(secret: &str, at: i64, body: &str) -> String {
    let signed = format!("{at}.{body}");
    format!(
        "t={at},v1={},v0={}",
        hmac(secret, &signed),
        hmac("v0", &signed)
    )
}

fn hmac(secret: &str, text: &str) -> String {
    // HMAC takes keys of every length; the library's type only does not say so.
    Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(text.as_bytes());
            hex::encode(mac.finalize().into_bytes())
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_signature_is_the_one_that_stripes_library_makes() {
        // generateTestHeaderString({ payload: "{}", secret: "whsec_test", timestamp: 1 }) of the
        // official library.
        let header = signature("whsec_test", 1, "{}");
        assert!(
            header.starts_with(
                "t=1,v1=7500d5d4be4b3ef07af1fe56f7d522d135cdaa7530de557e67cc1049c52de094,v0="
            ),
            "{header}"
        );
    }

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
