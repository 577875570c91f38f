//! Alerts the operator when the disk of SQLite's file is nearly full. On a full disk Billhook refuses Stripe's events until there is
//! space again, and Stripe stops retrying after three days.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::App;
use crate::store::file;

/// Free megabytes below which the operator is alerted.
pub const LITTLE: u64 = 500;
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Seconds between two log lines about the same shortage.
const SAY_EVERY: i64 = 60 * 60;

/// Checks the free space every minute, until `stop`. Does nothing on Postgres, whose disk is not Billhook's concern.
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

/// When the alert was last logged.
#[derive(Debug, Default)]
struct Alarm(Option<i64>);

impl Alarm {
    /// Whether to log an alert now, with `left` megabytes free.
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
        // Space was freed, and is used up again: a new shortage.
        assert!(!alarm.is_due(600, 4_000));
        assert!(alarm.is_due(100, 4_060));
    }
}
