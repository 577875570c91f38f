//! The list of a visitor's customer records, and for each record Stripe's portal or the page of an invoice. Links to Stripe are created
//! at the click and never stored.

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

/// Calls to Stripe's API that a click makes if it also reads the object.
const TWO_CALLS: NonZeroU32 = NonZeroU32::new(2).unwrap();
/// The rate limit of portal sessions that one session may open, per minute.
const A_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Seconds between two log lines about the same refusal: a signed-in customer can repeat it as often as they like. The audit log has one
/// entry for each session.
const SILENCE: i64 = 10;

/// Lists every customer record under the principal's address, from the mirror. Makes no call to Stripe.
pub async fn customers(app: &App, principal: &Principal) -> store::Result<Vec<Card>> {
    let whose = principal.clone();
    let now = app.clock.now();
    app.store
        .read_as(principal, move |tx| {
            async move { cards::list(tx, &whose, now).await }.boxed()
        })
        .await
}

/// Creates the rate limit of portal sessions by session.
pub fn budget(clock: Clock) -> Budget<String> {
    Budget::new(Quota::per_minute(A_MINUTE), clock)
}

/// Why a click did not open the portal or the invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The error that the visitor may see.
    Told(ApiError),
    /// The rate limit of the session is reached. Holds the seconds to wait.
    TooMany(u64),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Refusal {
        Refusal::Told(error)
    }
}

/// When a request arrived. The deadline of a click is counted from here.
#[derive(Clone, Copy, Debug)]
pub struct Arrived(pub Instant);

/// A click: who made it, and its deadline.
#[derive(Clone, Copy)]
struct Click<'a> {
    app: &'a App,
    principal: &'a Principal,
    /// The client's IP address or network, for the audit log.
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

    /// Refuses a customer that is not the principal's, or a flow that is not offered for it. The response is that for an unknown
    /// customer, so that it does not reveal which ids exist. Stripe is not asked.
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

    /// Checks that enough time is left to ask Stripe, and takes one click from the rate limit of the session.
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

/// Runs a click with its timeout. If Stripe refused the API key, writes that to the audit log.
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

/// Whether a text can be an id. Postgres rejects NUL in text, and no row has an id with one, since NUL is removed from Stripe's data.
fn may_be_id(text: &str) -> bool {
    !text.contains('\0')
}

/// Logs the database error of a click, and maps it to the error that the visitor may see.
fn unavailable(error: store::Error) -> Refusal {
    tracing::error!(%error, "the customer of a click could not be looked up");
    ApiError::Unavailable.into()
}

/// Writes an audit entry, only once for each session: a signed-in customer can repeat the click as often as they like.
fn note_refusal(app: &App, principal: &Principal, id: &str, client: &str) {
    // The submitted text may be an e-mail address, and the audit log is kept for ever: mask and truncate it.
    let id: String = shown(id).chars().take(64).collect();
    let entry = audit::of(app, principal, What::PortalRefused, client);
    audit::note(app, entry.about(&id).once_for(principal.session()));
}

/// Writes an audit entry that Stripe refused the API key, only once a day, since every click gets the same refusal.
fn note_key(app: &App, principal: &Principal, client: &str) {
    let day = app.clock.now() / (24 * 60 * 60);
    let entry = audit::of(app, principal, What::KeyRefused, client);
    audit::note(app, entry.once_for(&day.to_string()));
}
