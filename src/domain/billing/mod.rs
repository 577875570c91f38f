//! What a customer sees and opens: the list of their records, and for one of them Stripe's portal or the
//! page of an invoice. What leads out of our site is made at the click and kept nowhere.

mod back;
mod invoice;
mod ownership;
mod portal;
mod refused;

use std::{num::NonZeroU32, time::Instant};

use futures::FutureExt;
use governor::Quota;

use super::{
    App,
    audit::{self, What},
    budget::Budget,
    cards::{self, card::Card},
};
use crate::{
    clock::Clock,
    log_throttle::LogThrottle,
    model::ApiError,
    store::{self, Principal},
    timeouts,
};

pub use back::news;
pub use invoice::{Opened, open_invoice};
pub use portal::open_portal;
pub use refused::shown;

/// Calls to Stripe that a click makes when it also reads the object first.
const TWO_CALLS: NonZeroU32 = NonZeroU32::new(2).unwrap();
/// Portal sessions that one session may open in a minute.
const A_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Seconds between two log lines about one refusal: a signed-in customer can repeat it as often as they like.
/// The audit log has an entry for each session.
const SILENCE: i64 = 10;

/// Every customer record under the principal's address. Stripe is not asked.
pub async fn customers(app: &App, principal: &Principal) -> store::Result<Vec<Card>> {
    let whose = principal.clone();
    let now = app.clock.now();
    app.store
        .read_as(principal, move |tx| {
            async move { cards::list(tx, &whose, now).await }.boxed()
        })
        .await
}

/// The portal sessions that a session may open.
pub fn budget(clock: Clock) -> Budget<String> {
    Budget::new(Quota::per_minute(A_MINUTE), clock)
}

/// Why no portal was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What the visitor may be told.
    Told(ApiError),
    /// Too many in a short time; after so many seconds there may be another.
    TooMany(u64),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Refusal {
        Refusal::Told(error)
    }
}

/// When a request came. What a click may take is counted from here.
#[derive(Clone, Copy, Debug)]
pub struct Arrived(pub Instant);

/// Who clicked, and until when the click is to be answered.
#[derive(Clone, Copy)]
struct Click<'a> {
    app: &'a App,
    principal: &'a Principal,
    /// Where they are, for the audit log.
    client: &'a str,
    deadline: Instant,
}

impl<'a> Click<'a> {
    fn new(app: &'a App, principal: &'a Principal, client: &'a str, arrived: Instant) -> Self {
        Click {
            app,
            principal,
            client,
            deadline: arrived + timeouts::STRIPE,
        }
    }

    /// For a customer that is not the principal's, or a flow that is not offered for it: gets the answer of an
    /// unknown customer, and Stripe is not asked.
    fn refuse(&self, id: &str) -> Refusal {
        static NOT_THEIRS: LogThrottle = LogThrottle::new(SILENCE);
        if let Some(count) = NOT_THEIRS.count(self.app.clock.now()) {
            tracing::warn!(
                session = self.principal.session(),
                count,
                "click refused: not this address's customer, or not offered for it"
            );
        }
        note_refusal(self.app, self.principal, id, self.client);
        ApiError::NotFound.into()
    }

    /// Whether there is time left to ask Stripe, and this session has not asked too often.
    fn spend(&self) -> Result<(), Refusal> {
        if self.deadline.saturating_duration_since(Instant::now()) < timeouts::WORTH_ASKING {
            tracing::error!(
                session = self.principal.session(),
                "the database took so long that no time was left to ask Stripe"
            );
            return Err(ApiError::Unavailable.into());
        }
        if self.app.config.dev {
            return Ok(());
        }
        let spent = self
            .app
            .portal_budget
            .spend(&self.principal.session().to_owned());
        spent.map_err(|wait| {
            static TOO_MANY: LogThrottle = LogThrottle::new(SILENCE);
            if let Some(count) = TOO_MANY.count(self.app.clock.now()) {
                tracing::warn!(
                    session = self.principal.session(),
                    count,
                    "click refused: too many"
                );
            }
            Refusal::TooMany(wait)
        })
    }

    fn note_opened(&self, id: &str) {
        let entry = audit::of(self.app, self.principal, What::PortalOpened, self.client);
        audit::note(self.app, entry.about(&shown(id)));
    }
}

/// Answers a click within its time. That Stripe refused the key is noted.
async fn in_time<T>(
    click: Click<'_>,
    arrived: Instant,
    opening: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let opened = tokio::time::timeout_at((arrived + timeouts::CLICK).into(), opening)
        .await
        .unwrap_or_else(|_| {
            tracing::error!(
                session = click.principal.session(),
                "a click took too long and was given up"
            );
            Err(ApiError::Unavailable.into())
        });
    if matches!(opened, Err(Refusal::Told(ApiError::NotSetUp))) {
        note_key(click.app, click.principal, click.client);
    }
    opened
}

/// Postgres takes no NUL, and no row has an id with one: it is left out of what Stripe says.
fn may_be_id(text: &str) -> bool {
    !text.contains('\0')
}

/// Logs why the database gave nothing for a click.
fn unavailable(error: store::Error) -> Refusal {
    tracing::error!(%error, "the customer of a click could not be looked up");
    ApiError::Unavailable.into()
}

/// One audit entry for each session: a signed-in customer can repeat the click as often as they like.
fn note_refusal(app: &App, principal: &Principal, id: &str, client: &str) {
    // What was sent may be an address, and the log keeps it for ever.
    let id: String = shown(id).chars().take(64).collect();
    let entry = audit::of(app, principal, What::PortalRefused, client);
    audit::note(app, entry.about(&id).once_for(principal.session()));
}

/// Once a day, since every click finds out again.
fn note_key(app: &App, principal: &Principal, client: &str) {
    let day = app.clock.now() / (24 * 60 * 60);
    let entry = audit::of(app, principal, What::KeyRefused, client);
    audit::note(app, entry.once_for(&day.to_string()));
}
