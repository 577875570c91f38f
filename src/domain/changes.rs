//! Tells open pages that the customers of their address have changed. It carries no data: what a page
//! is shown is read again, with its own rights.

use tokio::sync::broadcast;

/// How many changes a slow page may fall behind before it is told "something changed" at large.
const BEHIND: usize = 256;

/// Normalised addresses whose customers changed, as they are committed.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<String>);

impl Default for Changes {
    fn default() -> Changes {
        Changes(broadcast::Sender::new(BEHIND))
    }
}

impl Changes {
    pub fn tell(&self, email: String) {
        // An error says that no page is open.
        let _ = self.0.send(email);
    }

    pub fn tell_all(&self, emails: impl IntoIterator<Item = String>) {
        emails.into_iter().for_each(|email| self.tell(email));
    }

    pub fn listen(&self) -> broadcast::Receiver<String> {
        self.0.subscribe()
    }
}
