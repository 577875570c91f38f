//! Log lines that anybody can bring about: now and then one, so that nobody fills the disk with them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A line that is written at most once in a while.
#[derive(Debug)]
pub struct Seldom {
    /// Seconds between two lines.
    pause: i64,
    next_line: AtomicI64,
    count: AtomicU64,
}

impl Seldom {
    pub const fn new(pause: i64) -> Seldom {
        Seldom {
            pause,
            next_line: AtomicI64::new(0),
            count: AtomicU64::new(0),
        }
    }

    /// Counts one more. How many a line now stands for, if one is due.
    pub fn count(&self, now: i64) -> Option<u64> {
        self.count.fetch_add(1, Ordering::Relaxed);
        let due = self.next_line.load(Ordering::Relaxed);
        let is_ours = now >= due
            && self
                .next_line
                .compare_exchange(due, now + self.pause, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        is_ours.then(|| self.count.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_for_all_since_the_last() {
        let seldom = Seldom::new(600);
        let counted = [
            (1_000, 1),
            (1_001, 0),
            (1_599, 0),
            (1_600, 3),
            (1_601, 0),
            (9_000, 2),
        ];
        for (now, expected) in counted {
            assert_eq!(seldom.count(now).unwrap_or(0), expected, "{now}");
        }
    }
}
