//! Says in time that the disk of SQLite's file is nearly full. Once it is, Stripe's events are refused
//! until there is room, and Stripe gives up after three days.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::App;
use crate::store::file;

/// Megabytes below which the operator is told.
pub const LITTLE: u64 = 500;
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Seconds between two lines about the same shortage.
const SAY_EVERY: i64 = 60 * 60;

/// Looks every minute, until `stop`. Postgres looks after its own disk.
pub async fn run(app: App, stop: CancellationToken) {
    let file = file::of_url(app.config.database_url.expose());
    let Some(folder) = file.as_deref().and_then(file::nearest) else {
        return;
    };
    let mut alarm = Alarm::default();
    loop {
        let left = file::room(folder);
        if let Some(megabytes) = left.filter(|left| alarm.is_due(*left, app.clock.now())) {
            tracing::error!(
                alarm = "disk",
                megabytes,
                "the disk is nearly full: make room; when it is full, Stripe's events are refused"
            );
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// When it was last said.
#[derive(Debug, Default)]
struct Alarm(Option<i64>);

impl Alarm {
    /// Whether to say now that so many megabytes are left.
    fn is_due(&mut self, left: u64, now: i64) -> bool {
        if left >= LITTLE {
            self.0 = None;
            return false;
        }
        let is_due = self.0.is_none_or(|said| now - said >= SAY_EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checklist_60_a_disk_that_is_nearly_full_is_told_once_an_hour() {
        let mut alarm = Alarm::default();
        assert!(!alarm.is_due(500, 0));
        assert!(alarm.is_due(499, 60));
        assert!(!alarm.is_due(498, 120));
        assert!(alarm.is_due(497, 60 + SAY_EVERY));
        // Room was made, and is gone again.
        assert!(!alarm.is_due(600, 4_000));
        assert!(alarm.is_due(100, 4_060));
    }
}
