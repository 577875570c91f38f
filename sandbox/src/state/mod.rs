//! Everything the stand-in remembers, behind one lock that is never held across an `await`. Knows
//! nothing of HTTP.

pub mod deliveries;
pub mod faults;
pub mod idempotency;
pub mod keys;
pub mod portal_session;
pub mod rate;
pub mod request_log;
pub mod table;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc::UnboundedSender, watch};

use crate::state::{
    deliveries::{Delivery, Orders},
    faults::Fault,
    idempotency::Kept,
    keys::Keys,
    portal_session::PortalSession,
    rate::Rate,
    request_log::RequestLog,
    table::{Packed, Table},
};

/// What is stored in the state file is serialised; the rest lasts as long as the process.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub customers: Table<Packed>,
    pub payment_methods: Table,
    pub products: Table,
    pub prices: Table,
    pub features: Table,
    /// Each with its product, which the API does not show.
    pub product_features: Table,
    pub subscriptions: Table,
    pub invoices: Table,
    pub invoice_items: Table,
    pub invoice_payments: Table,
    pub payment_intents: Table,
    pub setup_intents: Table,
    pub checkout_sessions: Table,
    pub coupons: Table,
    /// Each with its whole coupon. The objects that carry a discount show less of it.
    pub discounts: Table,
    /// Cards of the old kind.
    pub sources: Table,
    pub webhook_endpoints: Table,
    pub events: Table,
    pub portal_sessions: BTreeMap<String, PortalSession>,
    /// Deliveries that have neither arrived nor been given up: taken up again after a restart.
    pub undelivered: HashSet<Delivery>,
    /// Targets that exist by order of whoever started the process, besides `webhook_endpoints`.
    #[serde(skip)]
    pub targets: Vec<Target>,
    #[serde(skip)]
    pub outgoing: Option<UnboundedSender<Delivery>>,
    #[serde(skip)]
    pub revision: u64,
    /// `http://127.0.0.1:PORT`, where links to the pages of the stand-in lead.
    #[serde(skip)]
    pub base_url: String,
    #[serde(skip)]
    pub requests: RequestLog,
    #[serde(skip)]
    pub faults: Vec<Fault>,
    #[serde(skip)]
    pub delay: Duration,
    #[serde(skip)]
    pub kept: Kept,
    #[serde(skip)]
    pub keys: Keys,
    #[serde(skip)]
    pub rate: Rate,
    #[serde(skip)]
    pub portal_is_unsaved: bool,
}

/// Where signed events go: all of them.
#[derive(Debug, Clone)]
pub struct Target {
    pub url: String,
    pub secret: String,
}

/// What every handler holds.
#[derive(Debug)]
pub struct App {
    state: Mutex<State>,
    /// Wakes the saver.
    pub changed: Notify,
    /// How deliveries are to go; the tasks that carry them watch it.
    pub orders: watch::Sender<Orders>,
    pub business_name: String,
    pub shop_url: Option<String>,
    pub client: reqwest::Client,
    stopping: watch::Receiver<bool>,
}

pub type Shared = Arc<App>;

impl App {
    pub fn new(
        state: State,
        business_name: String,
        shop_url: Option<String>,
        client: reqwest::Client,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            orders: watch::Sender::default(),
            business_name,
            shop_url,
            client,
            stopping,
        }
    }

    /// For looking only: what is changed through it is not saved.
    pub fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> MutexGuard<'_, State> {
        let mut state = self.read();
        state.revision += 1;
        self.changed.notify_one();
        state
    }

    /// Resolves when the server is asked to stop.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        // An error means that the server is already gone, which is as good as being told.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }
}
