//! What a customer sees and opens: the list of their records, and Stripe's portal for one of them.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use futures::FutureExt;
use governor::Quota;
use reqwest::StatusCode;

use super::{
    App,
    audit::{self, What},
    budget::Budget,
    cards,
    changes::Change,
    mirror::{Kind, Noun},
    refetch::{self, Fetched},
};
use crate::{
    clock::Clock,
    model::{ApiError, CustomerView, Flow},
    seldom::Seldom,
    store::{self, Principal, customer::Customer},
    stripe::{
        client::{self, PortalUrl},
        json,
    },
};

/// A click is answered this long after it came, whatever Stripe and the database do.
const LONGEST: Duration = Duration::from_millis(7_000);
/// Of it, until Stripe's answers have to be there.
const FOR_STRIPE: Duration = Duration::from_millis(6_750);
/// With less time than this Stripe is not asked: not to be answered would be our own fault.
const WORTH_ASKING: Duration = Duration::from_secs(1);
/// Portal sessions that one session may open in a minute.
const A_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// The calls of a click.
const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();
/// After this an answer of Stripe's is newer than a row that was just written.
const SECONDS_ARE_OVER: Duration = Duration::from_secs(4);

/// Seconds between two lines in the log of what anybody who is signed in can repeat at will. The audit log
/// has each session's.
const SILENCE: i64 = 10;

/// Every customer record under the principal's address. Stripe is not asked.
pub async fn customers(app: &App, principal: &Principal) -> store::Result<Vec<CustomerView>> {
    let whose = principal.clone();
    let now = app.clock.now();
    app.store
        .read_as(principal, move |tx| {
            async move {
                let customers = store::customer::list(tx, &whose).await?;
                cards::of(tx, customers, now).await
            }
            .boxed()
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

/// Opens Stripe's portal for the customer `id`, if it is the principal's, who asks from `client`. Somebody else's is
/// answered like one that does not exist, and without asking Stripe. The time since the click
/// `arrived` is part of what it may take.
pub async fn open_portal(
    app: &App,
    principal: &Principal,
    id: &str,
    flow: Flow,
    client: &str,
    arrived: Instant,
) -> Result<PortalUrl, Refusal> {
    let deadline = arrived + FOR_STRIPE;
    let opening = open(app, principal, id, &flow, client, deadline);
    let opened = tokio::time::timeout_at((arrived + LONGEST).into(), opening)
        .await
        .unwrap_or_else(|_| {
            tracing::error!(
                session = principal.session(),
                "opening the portal took too long and was given up"
            );
            Err(ApiError::Unavailable.into())
        });
    if matches!(opened, Err(Refusal::Told(ApiError::NotSetUp))) {
        note_key(app, principal, client);
    }
    opened
}

async fn open(
    app: &App,
    principal: &Principal,
    id: &str,
    flow: &Flow,
    client: &str,
    deadline: Instant,
) -> Result<PortalUrl, Refusal> {
    let Some(customer) = owned(app, principal, id, flow).await? else {
        static NOT_THEIRS: Seldom = Seldom::new(SILENCE);
        if let Some(count) = NOT_THEIRS.count(app.clock.now()) {
            tracing::warn!(
                session = principal.session(),
                count,
                "portal refused: not this address's customer, or not offered for it"
            );
        }
        note_refusal(app, principal, id, client);
        return Err(ApiError::NotFound.into());
    };
    if deadline.saturating_duration_since(Instant::now()) < WORTH_ASKING {
        tracing::error!(
            session = principal.session(),
            "the database took so long that no time was left to ask Stripe"
        );
        return Err(ApiError::Unavailable.into());
    }
    app.portal_budget
        .spend(&principal.session().to_owned())
        .map_err(|wait| {
            static TOO_MANY: Seldom = Seldom::new(SILENCE);
            if let Some(count) = TOO_MANY.count(app.clock.now()) {
                tracing::warn!(
                    session = principal.session(),
                    count,
                    "portal refused: too many clicks"
                );
            }
            Refusal::TooMany(wait)
        })?;
    let return_url = app.config.url("/billing");
    let make = |flow| {
        app.stripe
            .create_portal_session(&customer.id, &return_url, flow, deadline)
    };
    let looks = app.permissions.may_read(Kind::Customer, app.clock.now());
    let calls = if looks { TWO } else { NonZeroU32::MIN };
    app.stripe
        .admit(&customer.id, calls)
        .await
        .map_err(failed(&customer))?;
    // Side by side: it is quicker, and of whoever is refused the session is dropped here.
    let (made, is_theirs) = tokio::join!(make(flow), async {
        if looks {
            is_still_theirs(app, principal, &customer, deadline).await
        } else {
            Ok(true)
        }
    });
    if !is_theirs? {
        note_refusal(app, principal, id, client);
        return Err(ApiError::NotFound.into());
    }
    let made = match made {
        // What the portal's settings do not allow cannot be known before; its first page always is.
        Err(error) if *flow != Flow::Home && error.status() == Some(StatusCode::BAD_REQUEST) => {
            tracing::warn!(%error, ?flow, "the portal is opened at its first page instead");
            app.stripe
                .admit(&customer.id, NonZeroU32::MIN)
                .await
                .map_err(failed(&customer))?;
            make(&Flow::Home).await
        }
        made => made,
    };
    let url = made.map_err(failed(&customer))?;
    tracing::info!(
        session = principal.session(),
        customer = customer.id,
        "portal opened"
    );
    let entry = audit::of(app, principal, What::PortalOpened, client);
    audit::note(app, entry.about(&customer.id));
    Ok(url)
}

/// Once for a session, since anybody who is signed in can repeat it at will.
fn note_refusal(app: &App, principal: &Principal, id: &str, client: &str) {
    // What else was sent may be an address, and the log keeps it for ever.
    let id = if is_id(id) { id } else { "what is no id" };
    let id: String = id.chars().take(64).collect();
    let entry = audit::of(app, principal, What::PortalRefused, client);
    audit::note(app, entry.about(&id).once_for(principal.session()));
}

/// Once a day, since every click finds out again.
fn note_key(app: &App, principal: &Principal, client: &str) {
    let day = app.clock.now() / (24 * 60 * 60);
    let entry = audit::of(app, principal, What::KeyRefused, client);
    audit::note(app, entry.once_for(&day.to_string()));
}

/// The principal's customer of that id, if it is offered that way into the portal.
async fn owned(
    app: &App,
    principal: &Principal,
    id: &str,
    flow: &Flow,
) -> Result<Option<Customer>, ApiError> {
    if !is_id(id) {
        return Ok(None);
    }
    let (whose, wanted) = (principal.clone(), id.to_owned());
    let (flow, now) = (flow.clone(), app.clock.now());
    app.store
        .read_as(principal, move |tx| {
            async move {
                let customer = store::customer::owned(tx, &whose, &wanted).await?;
                match customer {
                    Some(customer) if cards::offers(tx, &customer, &flow, now).await? => {
                        Ok(Some(customer))
                    }
                    _ => Ok(None),
                }
            }
            .boxed()
        })
        .await
        .map_err(|error| {
            tracing::error!(%error, "the customer of a portal session could not be looked up");
            ApiError::Unavailable
        })
}

/// Asks Stripe whether the customer is still the principal's: the news of a change may not have come
/// yet. If not, our row is mended. A key that may not read cannot know, and the row counts.
async fn is_still_theirs(
    app: &App,
    principal: &Principal,
    customer: &Customer,
    deadline: Instant,
) -> Result<bool, ApiError> {
    let path = format!("v1/{}/{}", refetch::list_of(Kind::Customer), customer.id);
    let answer = match app.stripe.read_by(&path, &customer.id, deadline).await {
        Ok(answer) => answer,
        Err(error) if error.is_not_allowed() => {
            tracing::warn!(
                permission = error.permission(),
                "the key may not read customers: a change at Stripe counts for the portal when its event comes"
            );
            app.permissions.refuse(Kind::Customer, app.clock.now());
            return Ok(true);
        }
        // Stripe remembers whom it has deleted. Whom it does not know is of another account or mode,
        // which is no reason to forget them.
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {
            tracing::error!(
                customer = customer.id,
                "portal refused: Stripe does not know this customer; is STRIPE_API_KEY of the account that the events come from?"
            );
            return Ok(false);
        }
        Err(error) => return Err(failed(customer)(error)),
    };
    let is_deleted = json::flag(&answer.body, "deleted");
    let is_theirs = match Customer::read(&answer.body) {
        Some(now) => now.email_normalised.as_deref() == Some(principal.email()),
        None if is_deleted => false,
        None => return Err(failed(customer)(client::Error::Unreadable)),
    };
    if is_theirs && !is_deleted {
        return Ok(true);
    }
    tracing::warn!(
        session = principal.session(),
        customer = customer.id,
        "portal refused: at Stripe the customer is not this address's any more"
    );
    let fetched = Fetched {
        kind: Kind::Customer,
        object: answer.body,
        as_of: answer.as_of,
    };
    // A task of its own, which goes on should the time be up.
    let mending = tokio::spawn(mend(app.clone(), customer.clone(), fetched));
    if mending.await.is_err() {
        tracing::error!(customer = customer.id, "the mirror could not be mended");
    }
    Ok(false)
}

/// Writes a customer as Stripe has it now. A row of the same seconds stays, by the ordering rule; that
/// one is read again when they are over.
async fn mend(app: App, customer: Customer, fetched: Fetched) {
    let is_deleted = json::flag(&fetched.object, "deleted");
    let is_news = is_deleted || customer.stripe_at < fetched.as_of;
    keep(&app, &customer.id, fetched).await;
    // What was written is shown to somebody else, or to nobody.
    let shown = customer.email_normalised.clone().map(Change::Of);
    app.changes.tell_all(shown.clone());
    if is_news {
        return;
    }
    tokio::spawn(async move {
        tokio::time::sleep(SECONDS_ARE_OVER).await;
        match refetch::fetch(&app.stripe, Kind::Customer, &customer.id).await {
            Ok(fetched) => {
                keep(&app, &customer.id, fetched).await;
                app.changes.tell_all(shown);
            }
            Err(error) => {
                tracing::warn!(%error, customer = customer.id, "its event has to mend the mirror");
            }
        }
    });
}

async fn keep(app: &App, id: &str, fetched: Fetched) {
    match refetch::keep(app, fetched).await {
        Ok(true) => {}
        Ok(false) => tracing::error!(customer = id, "Stripe's answer is no customer"),
        Err(error) => {
            tracing::error!(%error, customer = id, "the mirror could not be mended");
        }
    }
}

/// Logs why Stripe opened no portal for a customer, and makes of it what they may be told.
fn failed(customer: &Customer) -> impl Fn(client::Error) -> ApiError {
    move |error| {
        if !error.is_about_key() {
            tracing::error!(%error, customer = customer.id, "the portal could not be opened");
            return ApiError::Unavailable;
        }
        // Not what Stripe says with it, which names parts of the key.
        let status = error.status().map(|status| status.as_u16());
        match error.permission() {
            Some(permission) => tracing::error!(
                alarm = "stripe-key",
                status,
                permission,
                "STRIPE_API_KEY lacks a permission: in Stripe's dashboard, Developers > API keys, add it to the key"
            ),
            None => tracing::error!(
                alarm = "stripe-key",
                status,
                "Stripe refuses STRIPE_API_KEY: see in Stripe's dashboard, Developers > API keys, whether it was rolled or has expired, and whether it has \"Customer portal: Write\""
            ),
        }
        ApiError::NotSetUp
    }
}

/// What may be an id of Stripe's. Anything else never reaches the database.
fn is_id(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
