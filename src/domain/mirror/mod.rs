//! What of Stripe is mirrored: one file for each noun, saying where its fields are in today's API
//! and where older versions had them.
//!
//! To mirror another noun: its table in both migrations, its row in `store::mirror`, and here a file with
//! its [`Noun`] and a line in [`nouns!`]. A payload of `tests/payloads` proves it. What goes through the nouns,
//! the import and the doctor for instance, reads what they say of themselves: see [`About`].

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

/// Makes [`Kind`], and `with_noun!`, which runs code with a name as the type of a kind. The `$` is for the
/// macro that is made.
macro_rules! nouns {
    ($d:tt $($kind:ident: $type:ty,)+) => {
        /// The nouns that are mirrored.
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

/// Something that is done for each noun, by its type.
pub trait Visit {
    fn visit<N: Noun>(&mut self, kind: Kind) -> impl Future<Output = ()> + Send;
}

/// Does it, one noun after the other.
pub async fn visit_all(visit: &mut (impl Visit + Send)) {
    for kind in Kind::ALL {
        with_noun!(kind, N => visit.visit::<N>(kind).await);
    }
}

/// Whose page something is on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// A customer's, by its id.
    ToCustomer(&'a str),
    /// That of whoever made a payment, by the id of its payment intent.
    ToPayer(&'a str),
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

/// A mirrored noun: what its objects say, and what becomes of its rows.
pub trait Noun: Row {
    /// The types of its events without which something would change at Stripe and not here. All events whose
    /// types differ from one of them in their last word are about it.
    const EVENTS: &'static [&'static str];

    /// Stripe's name for the list of them: the path behind `/v1/`, or a name where there is none.
    const LIST: &'static str;

    const SOURCE: Source;

    /// With what the list has to be asked for to hold all of them.
    const LISTED_WITH: &'static [(&'static str, &'static str)] = &[];

    /// What of one of them is read as a whole object, or is left out otherwise.
    const EXPAND: &'static [&'static str] = &[];

    /// The same of a list.
    const EXPAND_LISTED: &'static [&'static str] = &[];

    const OWNER: Owner = Owner::Fields(&["customer"]);

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
