//! The mirrored objects of Stripe. Each noun has one file, which says where its fields are in the current API version and where
//! older versions had them.
//!
//! To mirror another noun: add its table to both migrations, its row to `store::mirror`, and here a file with its [`Noun`] and a
//! line in [`nouns!`]. Test it with a payload in `tests/payloads`. Code that handles all nouns, such as the import and the
//! doctor, reads their properties from [`About`].

mod about;
mod checkout_session;
mod coupon;
mod credit_note;
mod customer;
mod discount;
mod embedded;
mod entitlements;
mod invoice;
mod payment;
mod payment_method;
mod price;
mod product;
mod refund;
mod subscription;

use serde_json::Value;

use super::email;
use crate::{
    store::row::Row,
    stripe::{Event, json},
};

pub use about::{About, EVENTS, OWNER_FIELDS, Owner, Source};
pub use embedded::EmbeddedObjects;
pub(crate) use embedded::in_embedded;

/// Defines [`Kind`], and `with_noun!`, which runs code with a type name bound to the type of a kind. `$d` passes a literal `$`
/// to the generated macro.
macro_rules! nouns {
    ($d:tt $($kind:ident: $type:ty,)+) => {
        /// The mirrored nouns.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($kind,)+
        }

        impl Kind {
            pub const ALL: [Kind; [$(stringify!($kind)),+].len()] = [$(Kind::$kind),+];
        }

        macro_rules! with_noun {
            ($d of:expr, $d noun:ident => $d code:expr) => {
                match $d of {
                    $($crate::domain::mirror::Kind::$kind => {
                        type $d noun = $type;
                        $d code
                    })+
                }
            };
        }
    };
}

nouns! { $
    Customer: crate::store::customer::Customer,
    Subscription: crate::store::mirror::SubscriptionState,
    Product: crate::store::mirror::Product,
    Price: crate::store::mirror::Price,
    Invoice: crate::store::mirror::Invoice,
    PaymentIntent: crate::store::mirror::PaymentIntent,
    InvoicePayment: crate::store::mirror::InvoicePayment,
    PaymentMethod: crate::store::mirror::PaymentMethod,
    CheckoutSession: crate::store::mirror::CheckoutSession,
    EntitlementSummary: crate::store::mirror::EntitlementSummary,
    Coupon: crate::store::mirror::Coupon,
    Discount: crate::store::mirror::Discount,
    Refund: crate::store::mirror::Refund,
    CreditNote: crate::store::mirror::CreditNote,
}
pub(super) use with_noun;

/// An operation that runs for each noun, by its type (visitor pattern).
pub trait Visit {
    fn visit<N: Noun>(&mut self, kind: Kind) -> impl Future<Output = ()> + Send;
}

/// Runs `visit` for every noun, one after the other.
pub async fn visit_all(visit: &mut (impl Visit + Send)) {
    for kind in Kind::ALL {
        with_noun!(kind, N => visit.visit::<N>(kind).await);
    }
}

/// Who sees an object on their page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// The customer with this id.
    ToCustomer(&'a str),
    /// The customer of the payment with this payment intent id.
    ToPayer(&'a str),
    /// The customers with this normalised address.
    ToAddress(&'a str),
    /// Many customers.
    ToAnybody,
    ToNobody,
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shown::ToCustomer(id) => write!(f, "ToCustomer({id})"),
            Shown::ToPayer(id) => write!(f, "ToPayer({id})"),
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

/// A mirrored noun: how to read its objects, and how its rows behave.
pub trait Noun: Row {
    /// The event types that the mirror requires: without one of them a change at Stripe would be missed. All events whose types
    /// differ from one of these only in the last word are about this noun.
    const EVENTS: &'static [&'static str];

    /// Stripe's name of the list endpoint: the path after `/v1/`, or just a name where there is no endpoint.
    const LIST: &'static str;

    const SOURCE: Source;

    /// Query parameters that make the list complete.
    const LISTED_WITH: &'static [(&'static str, &'static str)] = &[];

    /// Fields to expand when one object is read. Stripe otherwise returns only their ids, or leaves them out.
    const EXPAND: &'static [&'static str] = &[];

    /// The same for the list endpoint.
    const EXPAND_LISTED: &'static [&'static str] = &[];

    const OWNER: Owner = Owner::Fields(&["customer"]);

    /// Whether a tombstone keeps the last known fields, because an object deleted at Stripe can still be in use: the subscribers of
    /// a deleted price go on paying it.
    const KEEPS: bool = false;

    /// A further SQL condition, empty or beginning with `AND`, that a row must meet for embedded objects to add nothing to it.
    const SETTLED: &str = "";

    /// Reads a Stripe object. `None` for anything but such an object with an id.
    fn read(object: &Value) -> Option<Self>;

    /// Who sees it on their page.
    fn shown(&self) -> Shown<'_>;

    /// Fills fields that Stripe does not always send from the known row.
    fn completed(self, _known: &Self) -> Self {
        self
    }

    /// Whether a field that Stripe does not always send is missing here and not known yet.
    fn lacks_something(&self, _known: Option<&Self>) -> bool {
        false
    }

    /// The progress in the object's life cycle, where Stripe lets it move in one direction only.
    fn progress(&self) -> u8 {
        0
    }

    /// The Stripe second of the object that this one was embedded in, where an embedding is the only source. Its own events, and
    /// reads of it, always take precedence.
    fn seen_at(&self) -> Option<i64> {
        None
    }

    /// Returns the row with this `seen_at`.
    fn seen(self, _at: Option<i64>) -> Self {
        self
    }

    /// The tombstone of a deleted object. For a noun that keeps its fields it has none yet, so any source of them takes precedence.
    fn gone(id: &str, livemode: i64, at: i64) -> Self {
        Self::tombstone(id, livemode, at).seen(Self::KEEPS.then_some(0))
    }
}

/// Implements `seen_at` and `seen` for a noun whose table has that column.
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

/// The mirrored lists that Stripe may send truncated.
const CUT: [&str; 2] = ["items", "entitlements"];

/// Whether a mirrored list in the object of an event is truncated.
pub fn is_cut(object: &Value) -> bool {
    CUT.iter().any(|key| json::is_cut(object, key))
}

/// Replaces truncated or missing lists with the lists of the whole object.
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

/// Whether the event says that its object was deleted. A subscription that has ended is not deleted: it stays, as canceled.
pub fn is_deletion(event: &Event) -> bool {
    let by_type = event.r#type.ends_with(".deleted");
    (by_type && Kind::of_type(&event.r#type) != Some(Kind::Subscription))
        || json::flag(&event.object, "deleted")
}

/// Whether an object says only that it was deleted: `{"id": …, "object": …, "deleted": true}`. Most deletion events hold the
/// whole object as it was.
pub fn is_bare(object: &Value) -> bool {
    json::flag(object, "deleted") && object.get("created").is_none()
}

/// Compares Stripe's `object` field, which holds the type of an object.
fn is_a(object: &Value, noun: &str) -> bool {
    object.get("object").and_then(Value::as_str) == Some(noun)
}

/// Reads the object of an event.
pub fn state<M: Noun>(event: &Event) -> Option<M> {
    // Some versions leave the customer in the detached object.
    if event.r#type == "payment_method.detached" {
        let mut object = event.object.clone();
        object
            .as_object_mut()
            .and_then(|map| map.remove("customer"));
        return M::read(&object);
    }
    M::read(&event.object)
}
