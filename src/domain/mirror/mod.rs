//! What of Stripe is mirrored: one file for each noun, saying where its fields are in today's API
//! and where older versions had them.
//!
//! To mirror another noun: its table in both migrations, its row in `store::mirror`, a file here
//! with its [`Noun`], and its line in [`Kind`].

mod checkout_session;
mod coupon;
mod customer;
mod discount;
mod entitlements;
mod events;
mod invoice;
mod payment;
mod payment_method;
mod price;
mod product;
mod sightings;
mod subscription;

use serde_json::Value;

use super::email;
use crate::{
    store::row::Row,
    stripe::{Event, json},
};

pub use events::EVENTS;
pub use sightings::Sightings;
pub(crate) use sightings::in_sightings;

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
    Coupon,
    Discount,
}

impl Kind {
    /// What an event of that type is about, if it is mirrored.
    pub fn of_type(r#type: &str) -> Option<Kind> {
        let (noun, _) = r#type.rsplit_once('.')?;
        Some(match noun {
            "customer" => Kind::Customer,
            "customer.subscription" => Kind::Subscription,
            "customer.discount" => Kind::Discount,
            "customer.source" | "payment_method" => Kind::PaymentMethod,
            "coupon" => Kind::Coupon,
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
            domain::mirror::Kind,
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
            Kind::Subscription => run!(rows::SubscriptionState),
            Kind::Product => run!(rows::Product),
            Kind::Price => run!(rows::Price),
            Kind::Invoice => run!(rows::Invoice),
            Kind::PaymentIntent => run!(rows::PaymentIntent),
            Kind::InvoicePayment => run!(rows::InvoicePayment),
            Kind::PaymentMethod => run!(rows::PaymentMethod),
            Kind::CheckoutSession => run!(rows::CheckoutSession),
            Kind::EntitlementSummary => run!(rows::EntitlementSummary),
            Kind::Coupon => run!(rows::Coupon),
            Kind::Discount => run!(rows::Discount),
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

/// A mirrored noun: what its objects say, and what becomes of its rows.
pub trait Noun: Row {
    /// Whether a tombstone keeps the last known fields, since what was deleted at Stripe may still be in
    /// use: the subscribers of a deleted price go on paying it.
    const KEEPS: bool = false;

    /// What else must be true of a row, as SQL, for nothing inside other objects to add to it.
    const SETTLED: &str = "";

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

    /// The Stripe second of the object that this one was seen inside, where nothing else is known of it
    /// than that. Its own events, and what is read of it, always count more.
    fn seen_at(&self) -> Option<i64> {
        None
    }

    /// The same with that `seen_at`.
    fn seen(self, _at: Option<i64>) -> Self {
        self
    }

    /// The tombstone of one that is deleted. Of a noun that keeps its fields none are known: whatever tells
    /// them counts more.
    fn gone(id: &str, livemode: i64, at: i64) -> Self {
        Self::tombstone(id, livemode, at).seen(Self::KEEPS.then_some(0))
    }
}

/// What a noun says of itself that has a column `seen_at`.
macro_rules! has_seen_at {
    () => {
        fn seen_at(&self) -> Option<i64> {
            self.seen_at
        }

        fn seen(self, seen_at: Option<i64>) -> Self {
            Self { seen_at, ..self }
        }
    };
}
use has_seen_at;

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

/// Whether an object says no more than that it was deleted: `{"id": …, "object": …, "deleted": true}`.
/// Most events of a deletion hold the whole object as it was.
pub fn is_bare(object: &Value) -> bool {
    json::flag(object, "deleted") && object.get("created").is_none()
}

/// Stripe's `object` field, which says what an object is.
fn is_a(object: &Value, noun: &str) -> bool {
    object.get("object").and_then(Value::as_str) == Some(noun)
}

/// What the object of an event says.
pub fn state<M: Noun>(event: &Event) -> Option<M> {
    // Not all versions take the customer out of the object.
    if event.r#type == "payment_method.detached" {
        let mut object = event.object.clone();
        object
            .as_object_mut()
            .and_then(|map| map.remove("customer"));
        return M::read(&object);
    }
    M::read(&event.object)
}
