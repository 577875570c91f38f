//! What each noun says of itself, read by all that goes through the nouns: events, imports, the doctor, erasing.

use std::{collections::BTreeMap, sync::LazyLock};

use super::{Kind, Noun, with_noun};

/// How Stripe is asked for objects of a noun. The texts are what its dashboard calls the permission of a
/// restricted key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// There is a list of all of them, which an import goes through.
    List(&'static str),
    /// There is a list for each customer, which an import goes through.
    OfCustomer(&'static str),
    /// They are read by their ids. An import gets them inside other objects.
    ById(&'static str),
    /// They are read inside other objects alone.
    Inside,
    /// They are never read: a key that may read them could do or see too much. Their events tell.
    Closed(&'static str),
}

/// By what is known whose an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It is for sale, and nobody's.
    Nobody,
    /// Its row has the id of a customer.
    Itself,
    /// These fields name a customer or something of a customer's. Each has a column of its name and `_id`.
    Fields(&'static [&'static str]),
}

/// What a noun says of itself. See the constants of [`Noun`].
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

    /// What an event of that type is about, if it is mirrored.
    pub fn of_type(r#type: &str) -> Option<Kind> {
        let (noun, _) = r#type.rsplit_once('.')?;
        BY_EVENT.get(noun).copied()
    }
}

/// The kinds by the beginning of the types of their events.
static BY_EVENT: LazyLock<BTreeMap<&str, Kind>> = LazyLock::new(|| {
    let beginnings = Kind::ALL.into_iter().flat_map(|kind| {
        let events = kind.about().events.iter();
        events.filter_map(move |r#type| Some((r#type.rsplit_once('.')?.0, kind)))
    });
    beginnings.collect()
});

/// The types of events that the webhook endpoint must be sent for the mirror to stay true, in their order.
/// Without one of them something changes at Stripe and not here. Events of other types are kept and ignored,
/// or say what these say too.
pub static EVENTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let all = Kind::ALL.into_iter().flat_map(|kind| kind.about().events);
    let mut all: Vec<_> = all.copied().collect();
    all.sort_unstable();
    all
});

/// The fields by which objects name what they belong to.
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
    /// The permission to read them, where that is one.
    pub const fn permission(self) -> Option<&'static str> {
        match self {
            Source::List(title) | Source::OfCustomer(title) | Source::ById(title) => Some(title),
            Source::Inside | Source::Closed(_) => None,
        }
    }

    /// Whether an import goes through a list of them.
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
            // The command prints them: see `operator::doctor::needs`.
            assert!(step.contains("`./billhook doctor --needs`"), "{step}");
        }
    }
}
