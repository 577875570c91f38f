//! Carries events to webhook endpoints: signed like Stripe's, at least once, tried again with
//! growing pauses. They leave in order, but several are under way at a time, so that they may
//! overtake each other, as Stripe's do.

pub mod signature;

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinSet,
    time::sleep,
};

use crate::{
    delivery::signature::signature,
    state::{Shared, deliveries::Delivery},
    wire::clock,
};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Stripe waits for hours; a person at a demo or a test waits for seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const TRIES: u32 = 40;
/// To one target.
const IN_FLIGHT: usize = 32;

/// They go over plain HTTP: no certificate is trusted, so none has to be found on the
/// machine. The library wants to know its cryptography all the same.
pub fn client() -> io::Result<reqwest::Client> {
    // An error means that the program has chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(io::Error::other)
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
