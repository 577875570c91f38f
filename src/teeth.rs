//! Faults on order, to show that the runs that should find them do. `scripts/teeth.sh` builds with
//! the feature `teeth` and asks for one by BILLHOOK_TOOTH; no other build has them.

/// A promise that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tooth {
    /// A 200 is sent before the event is on disk.
    AnswerBeforeCommit,
    /// The second of two events of one second is dropped, as with a plain `<`.
    NoTieRule,
    /// A deleted object is forgotten, so that a late event brings it back.
    NoTombstone,
    /// Which events have come is remembered in memory alone.
    DedupeInMemory,
    /// SQLite does not flush, so that a power cut takes what was answered.
    SynchronousOff,
}

/// Whether this promise is to be broken.
#[cfg(feature = "teeth")]
#[expect(clippy::disallowed_methods, reason = "only builds for tests have this")]
pub fn bites(tooth: Tooth) -> bool {
    std::env::var("BILLHOOK_TOOTH").is_ok_and(|wanted| wanted == format!("{tooth:?}"))
}

/// Whether this promise is to be broken: never.
#[cfg(not(feature = "teeth"))]
pub const fn bites(_: Tooth) -> bool {
    false
}

/// Whether this process has seen the id before.
#[cfg(feature = "teeth")]
pub fn remembers(id: &str) -> bool {
    static SEEN: std::sync::Mutex<std::collections::BTreeSet<String>> =
        std::sync::Mutex::new(std::collections::BTreeSet::new());
    let mut seen = SEEN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    !seen.insert(id.to_owned())
}

/// Whether this process has seen the id before: nobody asks.
#[cfg(not(feature = "teeth"))]
pub const fn remembers(_: &str) -> bool {
    false
}
