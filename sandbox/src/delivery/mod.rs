//! Carries events to webhook endpoints: signed like Stripe's, at least once, tried again with
//! growing pauses. They leave in order, but several are under way at a time, so that they may
//! overtake each other, as Stripe's do.

mod orders;
mod signature;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinSet,
    time::sleep,
};

pub use self::orders::Orders;
use self::signature::signature;
use super::{
    clock,
    state::{Shared, State, Target},
};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Stripe waits for hours; a person at a demo or a test waits for seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const TRIES: u32 = 40;
/// To one target.
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

/// Sorts deliveries into one queue per target, so that a slow target holds up no other. Dropping
/// this future ends every delivery under way.
pub async fn run(app: Shared, mut outgoing: UnboundedReceiver<Delivery>) {
    let mut queues: HashMap<String, UnboundedSender<Delivery>> = HashMap::new();
    let mut workers = JoinSet::new();
    let mut late = JoinSet::new();
    while let Some(delivery) = outgoing.recv().await {
        let queue = queues.entry(delivery.target.clone()).or_insert_with(|| {
            let (queue, incoming) = unbounded_channel();
            workers.spawn(first_tries(app.clone(), incoming));
            queue
        });
        while late.try_join_next().is_some() {}
        let delay = app.orders.borrow().delay();
        // The worker holds the other end of its queue for as long as this future lives.
        if delay.is_zero() {
            let _ = queue.send(delivery);
        } else {
            let queue = queue.clone();
            late.spawn(async move {
                sleep(delay).await;
                let _ = queue.send(delivery);
            });
        }
    }
}

/// Takes up one delivery after the other as long as not too many are under way.
async fn first_tries(app: Shared, mut incoming: UnboundedReceiver<Delivery>) {
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut orders = app.orders.subscribe();
    let mut waiting = VecDeque::new();
    let mut under_way = JoinSet::new();
    // The semaphore is never closed.
    while let Ok(permit) = permits.clone().acquire_owned().await {
        while under_way.try_join_next().is_some() {}
        let delivery = loop {
            while let Ok(delivery) = incoming.try_recv() {
                waiting.push_back(delivery);
            }
            let chosen = orders.borrow_and_update().choose(&mut waiting);
            if let Some(delivery) = chosen {
                break delivery;
            }
            tokio::select! {
                delivery = incoming.recv() => waiting.extend(delivery),
                // The app holds the other end.
                _ = orders.changed() => {}
            }
        };
        under_way.spawn(carry(app.clone(), permits.clone(), permit, delivery));
    }
}

async fn carry(
    app: Shared,
    permits: Arc<Semaphore>,
    permit: OwnedSemaphorePermit,
    delivery: Delivery,
) {
    let outcome = attempt(&app, &delivery).await;
    drop(permit);
    if outcome == Outcome::Failed {
        retry(app, permits, delivery).await;
    }
}

async fn retry(app: Shared, permits: Arc<Semaphore>, delivery: Delivery) {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let Ok(permit) = permits.acquire().await else {
            return;
        };
        let outcome = attempt(&app, &delivery).await;
        drop(permit);
        if outcome == Outcome::Settled {
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

async fn attempt(app: &Shared, delivery: &Delivery) -> Outcome {
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
