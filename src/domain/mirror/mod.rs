//! What of Stripe is mirrored: one file for each noun, saying where its fields are in today's API
//! and where older versions had them.
//!
//! To mirror another noun: its table in both migrations, its row in `store::mirror`, a file here
//! with its [`Noun`], and its line in [`Kind`].

mod checkout_session;
mod customer;
mod entitlements;
mod events;
mod invoice;
mod payment;
mod payment_method;
mod price;
mod product;
mod subscription;

use std::fmt::Debug;

use serde_json::Value;

use super::email;
use crate::{
    store::{
        self, Tx,
        mirror::{PaymentMethod, Price},
        row::{self, Row},
    },
    stripe::{Event, json},
};

pub use events::EVENTS;
pub use subscription::SubscriptionState;

/// The nouns that are mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Customer,
    Subscription,
    Product,
    Price,
    Invoice,
    PaymentIntent,
    InvoicePayment,
    PaymentMethod,
    CheckoutSession,
    EntitlementSummary,
}

impl Kind {
    /// What an event of that type is about, if it is mirrored.
    pub fn of_type(r#type: &str) -> Option<Kind> {
        let (noun, _) = r#type.rsplit_once('.')?;
        Some(match noun {
            "customer" => Kind::Customer,
            "customer.subscription" => Kind::Subscription,
            "customer.source" | "payment_method" => Kind::PaymentMethod,
            "product" => Kind::Product,
            "price" => Kind::Price,
            "invoice" => Kind::Invoice,
            "payment_intent" => Kind::PaymentIntent,
            "invoice_payment" => Kind::InvoicePayment,
            "checkout.session" => Kind::CheckoutSession,
            "entitlements.active_entitlement_summary" => Kind::EntitlementSummary,
            _ => return None,
        })
    }
}

/// Runs code with `$noun` as the type of that kind.
macro_rules! with_noun {
    ($kind:expr, $noun:ident => $code:expr) => {{
        use $crate::{
            domain::mirror::{Kind, SubscriptionState},
            store::{customer::Customer, mirror as rows},
        };
        macro_rules! run {
            ($type:ty) => {{
                type $noun = $type;
                $code
            }};
        }
        match $kind {
            Kind::Customer => run!(Customer),
            Kind::Subscription => run!(SubscriptionState),
            Kind::Product => run!(rows::Product),
            Kind::Price => run!(rows::Price),
            Kind::Invoice => run!(rows::Invoice),
            Kind::PaymentIntent => run!(rows::PaymentIntent),
            Kind::InvoicePayment => run!(rows::InvoicePayment),
            Kind::PaymentMethod => run!(rows::PaymentMethod),
            Kind::CheckoutSession => run!(rows::CheckoutSession),
            Kind::EntitlementSummary => run!(rows::EntitlementSummary),
        }
    }};
}
pub(super) use with_noun;

/// Whose page something is on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// A customer's, by its id.
    ToCustomer(&'a str),
    /// That of a normalised address.
    ToAddress(&'a str),
    /// Many.
    ToAnybody,
    ToNobody,
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shown::ToCustomer(id) => write!(f, "ToCustomer({id})"),
            Shown::ToAddress(address) => write!(f, "ToAddress({})", email::mask(address)),
            Shown::ToAnybody => f.write_str("ToAnybody"),
            Shown::ToNobody => f.write_str("ToNobody"),
        }
    }
}

impl<'a> Shown<'a> {
    fn to_customer(id: Option<&'a str>) -> Shown<'a> {
        id.map_or(Shown::ToNobody, Shown::ToCustomer)
    }
}

/// A mirrored noun as one row.
pub trait Noun: Row {
    /// What an object of Stripe's says. `None` for anything else than such an object with an id.
    fn read(object: &Value) -> Option<Self>;

    /// Whose page it is on.
    fn shown(&self) -> Shown<'_>;

    /// With what Stripe does not say every time, from what is known already.
    fn completed(self, _known: &Self) -> Self {
        self
    }

    /// Whether it is without something that Stripe does not say every time, and that is not known yet.
    fn lacks_something(&self, _known: Option<&Self>) -> bool {
        false
    }

    /// How far it has come in its life, where Stripe lets it go one way only.
    fn progress(&self) -> u8 {
        0
    }
}

/// A mirrored noun with all that is replaced together with its row.
pub trait Mirrored: Clone + Debug + PartialEq + Send + Sync + Sized + 'static {
    fn read(object: &Value) -> Option<Self>;
    fn id(&self) -> &str;
    fn stripe_at(&self) -> i64;
    fn deleted_at(&self) -> Option<i64>;
    fn shown(&self) -> Shown<'_>;
    fn completed(self, known: &Self) -> Self;
    fn lacks_something(&self, known: Option<&Self>) -> bool;
    fn progress(&self) -> u8;
    fn tombstone(id: &str, livemode: i64, at: i64) -> Self;
    fn stamped(self, livemode: i64, at: i64) -> Self;
    fn load(tx: &mut Tx, ids: &[&str]) -> impl Future<Output = store::Result<Vec<Self>>> + Send;
    fn save(tx: &mut Tx, all: &[&Self]) -> impl Future<Output = store::Result<()>> + Send;
}

impl<N: Noun> Mirrored for N {
    fn read(object: &Value) -> Option<Self> {
        Noun::read(object)
    }

    fn id(&self) -> &str {
        Row::id(self)
    }

    fn stripe_at(&self) -> i64 {
        Row::stripe_at(self)
    }

    fn deleted_at(&self) -> Option<i64> {
        Row::deleted_at(self)
    }

    fn shown(&self) -> Shown<'_> {
        Noun::shown(self)
    }

    fn completed(self, known: &Self) -> Self {
        Noun::completed(self, known)
    }

    fn lacks_something(&self, known: Option<&Self>) -> bool {
        Noun::lacks_something(self, known)
    }

    fn progress(&self) -> u8 {
        Noun::progress(self)
    }

    fn tombstone(id: &str, livemode: i64, at: i64) -> Self {
        Row::tombstone(id, livemode, at)
    }

    fn stamped(self, livemode: i64, at: i64) -> Self {
        Row::stamped(self, livemode, at)
    }

    async fn load(tx: &mut Tx, ids: &[&str]) -> store::Result<Vec<Self>> {
        row::find_all(tx, ids).await
    }

    async fn save(tx: &mut Tx, all: &[&Self]) -> store::Result<()> {
        row::put_all(tx, all).await
    }
}

/// Whole objects inside another: as true as that object, and known without reading them from
/// Stripe. They are kept where nothing is known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sightings {
    pub prices: Vec<Price>,
    pub payment_methods: Vec<PaymentMethod>,
}

impl Sightings {
    /// What an object holds.
    pub fn in_object(object: &Value) -> Sightings {
        let prices = json::elements(object, "items")
            .iter()
            .filter_map(|item| item.get("price").or_else(|| item.get("plan")))
            .chain(object.get("plan"))
            .filter_map(Noun::read);
        let methods = json::elements(object, "sources")
            .iter()
            .chain(object.pointer("/invoice_settings/default_payment_method"))
            .chain(object.get("default_payment_method"))
            .chain(object.get("default_source"))
            .filter_map(Noun::read);
        Sightings {
            prices: prices.collect(),
            payment_methods: methods.collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.prices.is_empty() && self.payment_methods.is_empty()
    }
}

/// The lists that are mirrored.
const CUT: [&str; 2] = ["items", "entitlements"];

/// Whether the object in an event is without some of the elements of a list that is mirrored.
pub fn is_cut(object: &Value) -> bool {
    CUT.iter().any(|key| json::is_cut(object, key))
}

/// Puts the lists of the whole object in the place of those that are cut or missing.
pub fn complete(object: &mut Value, whole: &Value) {
    for key in CUT {
        let is_needed = json::is_cut(object, key) && !json::is_cut(whole, key);
        if let (true, Some(list), Some(place)) = (is_needed, whole.get(key), object.get_mut(key)) {
            *place = list.clone();
        }
    }
    if let (Some(tiers), Some(map)) = (whole.get("tiers"), object.as_object_mut()) {
        map.entry("tiers").or_insert_with(|| tiers.clone());
    }
}

/// Whether the event says that its object is no more. A subscription that has ended is not deleted:
/// it stays, as canceled.
pub fn is_deletion(event: &Event) -> bool {
    let by_type = event.r#type.ends_with(".deleted");
    (by_type && Kind::of_type(&event.r#type) != Some(Kind::Subscription))
        || json::flag(&event.object, "deleted")
}

/// Stripe's `object` field, which says what an object is.
fn is_a(object: &Value, noun: &str) -> bool {
    object.get("object").and_then(Value::as_str) == Some(noun)
}

/// What the object of an event says.
pub fn state<M: Mirrored>(event: &Event) -> Option<M> {
    M::read(&event.object)
}
