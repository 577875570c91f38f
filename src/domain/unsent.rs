//! Records why mails were not sent, for `/dev/mail` of `billhook dev`. The response to a visitor is always the same, which would
//! puzzle a developer who tries the program. In production nothing is recorded, because it would reveal who is a customer.

use std::sync::{Arc, Mutex, PoisonError};

use crate::mask::shows;

/// The most notes kept. Older ones are dropped.
const MOST_KEPT: usize = 50;

/// Why a request for a sign-in gets no mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No customer has the address.
    Unknown,
    /// The same browser asked for the same address a moment ago.
    Pause,
    /// The browser has too many open sign-ins.
    Browser,
    /// The address has too many open sign-ins.
    Address,
    /// The rate limit of the address, or of the known device, is used up.
    Allowance,
    /// The rate limit `MAILS_PER_HOUR` is used up: the link would expire before the mail's turn.
    TooMany,
}

impl Why {
    /// What happened, and what to do.
    pub fn words(self) -> &'static str {
        match self {
            Why::Unknown => {
                "No billing record has this address, so no mail is sent. The visitor sees the same page as a customer."
            }
            Why::Pause => {
                "This browser asked for this address less than a minute ago, and that mail still works. Use it, or wait a minute."
            }
            Why::Browser => {
                "This browser has as many links open as it may. Use one of them, or wait until they expire, ten minutes after they were asked for."
            }
            Why::Address => {
                "This address has as many links open as it may. Use one of them, or wait until they expire, ten minutes after they were asked for."
            }
            Why::Allowance => {
                "This address was asked for too often. There is another mail for it in a while."
            }
            Why::TooMany => {
                "More mails are waiting than MAILS_PER_HOUR lets out: this link would have expired before its turn."
            }
        }
    }
}

#[derive(Clone)]
pub struct Note {
    pub to: String,
    pub why: Why,
    /// Unix seconds.
    pub at: i64,
}

shows!(Note: why, at);

/// The notes, or nothing outside of `billhook dev`. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Unsent(Option<Arc<Mutex<Vec<Note>>>>);

impl Unsent {
    pub fn new(is_dev: bool) -> Unsent {
        Unsent(is_dev.then(Arc::default))
    }

    pub fn note(&self, to: &str, why: Why, at: i64) {
        let Some(notes) = &self.0 else {
            return;
        };
        let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(Note {
            to: to.to_owned(),
            why,
            at,
        });
        let surplus = notes.len().saturating_sub(MOST_KEPT);
        notes.drain(..surplus);
    }

    /// Oldest first.
    pub fn notes(&self) -> Vec<Note> {
        self.0.as_ref().map_or_else(Vec::new, |notes| {
            notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }
}
