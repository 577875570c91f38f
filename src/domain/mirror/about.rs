//! The properties of each noun, used by all code that handles all nouns: events, imports, the doctor, erasure.

use std::{collections::BTreeMap, sync::LazyLock};

use super::{Kind, Noun, with_noun};

/// How objects of a noun are read from Stripe. The texts are the permissions of a restricted key, as Stripe's dashboard names
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// One list has all of them, and an import reads it.
    List(&'static str),
    /// There is one list per customer, and an import reads each.
    OfCustomer(&'static str),
    /// They are read by id. An import gets them embedded in other objects.
    ById(&'static str),
    /// They are read only inside other objects.
    Inside,
    /// Never read: a key with this permission could do or see too much (least privilege). They are known from events only.
    Closed(&'static str),
}

/// How the owner of an object is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It belongs to the catalogue, not to a customer.
    Nobody,
    /// Its row has a customer's id.
    Itself,
    /// These fields name a customer or an object of a customer. Each has a column of the same name with `_id` appended.
    Fields(&'static [&'static str]),
}

/// The properties of a noun. See the constants of [`Noun`].
#[derive(Clone, Copy, Debug)]
pub struct About {
    pub table: &'static str,
    pub events: &'static [&'static str],
    pub list: &'static str,
    pub source: Source,
    pub owner: Owner,
    pub listed_with: &'static [(&'static str, &'static str)],
    pub expand: &'static [&'static str],
    pub expand_listed: &'static [&'static str],
}

impl About {
    const fn of<N: Noun>() -> About {
        About {
            table: N::TABLE,
            events: N::EVENTS,
            list: N::LIST,
            source: N::SOURCE,
            owner: N::OWNER,
            listed_with: N::LISTED_WITH,
            expand: N::EXPAND,
            expand_listed: N::EXPAND_LISTED,
        }
    }
}

impl Kind {
    pub const fn about(self) -> About {
        with_noun!(self, N => About::of::<N>())
    }

    /// The noun of an event type, if it is mirrored.
    pub fn of_type(r#type: &str) -> Option<Kind> {
        let (noun, _) = r#type.rsplit_once('.')?;
        BY_EVENT.get(noun).copied()
    }
}

/// The kinds by the prefix of their event types.
static BY_EVENT: LazyLock<BTreeMap<&str, Kind>> = LazyLock::new(|| {
    let beginnings = Kind::ALL.into_iter().flat_map(|kind| {
        let events = kind.about().events.iter();
        events.filter_map(move |r#type| Some((r#type.rsplit_once('.')?.0, kind)))
    });
    beginnings.collect()
});

/// The event types that the webhook endpoint must subscribe to, sorted. Without one of them the mirror would miss changes. Events
/// of other types are kept and ignored, or repeat what these say.
pub static EVENTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let all = Kind::ALL.into_iter().flat_map(|kind| kind.about().events);
    let mut all: Vec<_> = all.copied().collect();
    all.sort_unstable();
    all
});

/// The fields by which objects refer to their owner.
pub static OWNER_FIELDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let all = Kind::ALL
        .into_iter()
        .flat_map(|kind| kind.about().owner.fields());
    let mut all: Vec<_> = all.copied().collect();
    all.sort_unstable();
    all.dedup();
    all
});

impl Owner {
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            Owner::Fields(fields) => fields,
            Owner::Nobody | Owner::Itself => &[],
        }
    }
}

impl Source {
    /// The restricted-key permission to read them, where there is one.
    pub const fn permission(self) -> Option<&'static str> {
        match self {
            Source::List(title) | Source::OfCustomer(title) | Source::ById(title) => Some(title),
            Source::Inside | Source::Closed(_) => None,
        }
    }

    /// Whether an import reads a list of them.
    pub const fn is_imported(self) -> bool {
        matches!(self, Source::List(_) | Source::OfCustomer(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_event_is_of_one_noun() {
        for kind in Kind::ALL {
            let about = kind.about();
            assert!(!about.events.is_empty(), "{kind:?} is never told");
            for r#type in about.events {
                assert_eq!(Kind::of_type(r#type), Some(kind), "{type}");
            }
        }
        assert_eq!(
            Kind::of_type("customer.source.expiring"),
            Some(Kind::PaymentMethod)
        );
        assert_eq!(Kind::of_type("charge.succeeded"), None);
        assert_eq!(Kind::of_type("ping"), None);
    }

    #[test]
    fn the_readme_asks_for_the_events_that_are_mirrored() {
        let readme = include_str!("../../../README.md");
        let words = readme.split_whitespace().collect::<Vec<_>>().join(" ");
        for step in ["3. **Key:**", "5. **Webhook:**"] {
            let step = words.split(step).nth(1).unwrap();
            let step = step.split(". **").next().unwrap();
            // The command prints the event types: see `operator::doctor::needs`.
            assert!(step.contains("`./billhook doctor --needs`"), "{step}");
        }
    }
}
