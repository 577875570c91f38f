//! Why mails were not sent, for `/dev/mail` of `billhook dev`. Visitors are all told the same, and so is
//! whoever tries the program; elsewhere nothing of this is kept, as it says who is a customer.

use std::sync::{Arc, Mutex, PoisonError};

use crate::mask::shows;

/// The oldest beyond this are forgotten.
const MOST_KEPT: usize = 50;

/// Why somebody who asked gets no mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No customer has the address.
    Unknown,
    /// The same browser has asked for the same address just now.
    Pause,
    /// The browser has too many sign-ins open.
    Browser,
    /// The address has too many sign-ins open.
    Address,
    /// The allowance of the address, or of the known device, is used up.
    Allowance,
    /// More mails than `MAILS_PER_HOUR`: its link would expire before its turn.
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

/// A mail that was not sent.
#[derive(Clone)]
pub struct Note {
    pub to: String,
    pub why: Why,
    /// In unix seconds.
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
