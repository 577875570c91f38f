//! Stripe's side: posts each delivery until it is answered, and remembers what was acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use billhook::clock::Clock;
use futures::StreamExt;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    plan::{Delivery, Plan},
    program::SECRET,
};

/// Connections.
const AT_ONCE: usize = 32;

pub struct Client {
    http: reqwest::Client,
    url: Mutex<String>,
    bodies: Vec<(String, String)>,
    deliveries: Vec<Delivery>,
    rate: Option<u32>,
    done: Mutex<Done>,
    progress: tokio::sync::Notify,
}

#[derive(Default)]
struct Done {
    /// Deliveries that came to an end.
    count: usize,
    /// How often each id was answered 200, and how often not as a duplicate.
    acknowledged: BTreeMap<String, (u32, u32)>,
    faults: Vec<String>,
}

impl Client {
    pub fn new(plan: &Plan, rate: Option<u32>) -> Client {
        let events = plan.events.iter();
        Client {
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(10))
                .build()
                .expect("a client"),
            url: Mutex::default(),
            bodies: events
                .map(|event| (event.id.clone(), event.body.clone()))
                .collect(),
            deliveries: plan.deliveries.clone(),
            rate,
            done: Mutex::default(),
            progress: tokio::sync::Notify::new(),
        }
    }

    pub fn move_to(&self, url: String) {
        *self.url.lock().unwrap() = url;
    }

    pub async fn send_all(self: Arc<Self>, url: String) {
        self.move_to(url);
        let pause = self.rate.map(|rate| Duration::from_secs(1) / rate);
        let client = self.clone();
        let began = tokio::time::Instant::now();
        futures::stream::iter(self.deliveries.iter().zip(0_u32..))
            .for_each_concurrent(AT_ONCE, |(delivery, number)| {
                let client = client.clone();
                async move {
                    if let Some(pause) = pause {
                        tokio::time::sleep_until(began + pause * number).await;
                    }
                    client.send(*delivery).await;
                    client.done.lock().unwrap().count += 1;
                    client.progress.notify_waiters();
                }
            })
            .await;
    }

    /// Returns when so many deliveries have come to their end.
    pub async fn until_acknowledged(&self, count: usize) {
        loop {
            let changed = self.progress.notified();
            if self.done.lock().unwrap().count >= count {
                return;
            }
            changed.await;
        }
    }

    /// Again and again, as Stripe does, until there is an answer that settles it.
    async fn send(&self, delivery: Delivery) {
        let (id, body) = &self.bodies[delivery.event];
        for _ in 0..2_000 {
            let url = self.url.lock().unwrap().clone();
            let secret = if delivery.is_forged {
                "whsec_wrong"
            } else {
                SECRET
            };
            let post = self
                .http
                .post(url)
                .header("stripe-signature", sign(secret, body))
                .body(body.clone());
            let answer = match post.send().await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    // Only a 200 that was read to its end counts.
                    answer.text().await.ok().map(|text| (status, text))
                }
                Err(_) => None,
            };
            let mut done = self.done.lock().unwrap();
            match answer {
                Some((200, text)) if !delivery.is_forged => {
                    let seen = done.acknowledged.entry(id.clone()).or_default();
                    seen.0 += 1;
                    seen.1 += u32::from(text != "duplicate\n");
                    return;
                }
                Some((400, _)) if delivery.is_forged => return,
                Some((status, text)) if status != 503 => {
                    done.faults
                        .push(format!("{id} was answered {status}: {text}"));
                    return;
                }
                _ => drop(done),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.done
            .lock()
            .unwrap()
            .faults
            .push(format!("{id} was never answered"));
    }

    /// The ids that were answered 200.
    pub fn acknowledged(&self) -> BTreeSet<String> {
        self.done
            .lock()
            .unwrap()
            .acknowledged
            .keys()
            .cloned()
            .collect()
    }

    /// What was wrong in the answers.
    pub fn faults(&self) -> Vec<String> {
        let done = self.done.lock().unwrap();
        let twice = done
            .acknowledged
            .iter()
            .filter(|(_, (_, effects))| *effects > 1)
            .map(|(id, (_, effects))| format!("{id} had an effect {effects} times"));
        done.faults.iter().cloned().chain(twice).collect()
    }
}

fn sign(secret: &str, body: &str) -> String {
    let now = Clock::default().now();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(format!("{now}.{body}").as_bytes());
    format!("t={now},v1={}", hex::encode(mac.finalize().into_bytes()))
}
