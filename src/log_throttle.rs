//! Rate limit for log lines that any client can trigger, so that no client can fill the disk.

use std::sync::{Mutex, PoisonError};

/// A log line that is written at most `most` times per window.
#[derive(Debug)]
pub struct LogThrottle {
    /// Lines per window.
    most: u64,
    /// Length of a window in seconds.
    pause: i64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Start of the window.
    began: Option<i64>,
    written: u64,
    unwritten: u64,
}

impl LogThrottle {
    /// One line every `pause` seconds.
    pub const fn new(pause: i64) -> LogThrottle {
        LogThrottle::few(1, pause)
    }

    /// Up to `most` lines every `pause` seconds.
    pub const fn few(most: u64, pause: i64) -> LogThrottle {
        LogThrottle {
            most,
            pause,
            state: Mutex::new(State {
                began: None,
                written: 0,
                unwritten: 0,
            }),
        }
    }

    /// Counts one occurrence. If a line is due, returns the number of occurrences since the last line, this one included.
    pub fn count(&self, now: i64) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // If the clock was set back, a new window starts, so that no line is suppressed.
        let goes_on = state
            .began
            .is_some_and(|began| (began..began.saturating_add(self.pause)).contains(&now));
        if !goes_on {
            state.began = Some(now);
            state.written = 0;
        }
        state.unwritten += 1;
        if state.written >= self.most {
            return None;
        }
        state.written += 1;
        Some(std::mem::take(&mut state.unwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_for_all_since_the_last() {
        let seldom = LogThrottle::new(600);
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

    #[test]
    fn a_few_lines_are_written_and_the_rest_counted() {
        let seldom = LogThrottle::few(2, 60);
        let counted = [
            (5, 1),
            (5, 1),
            (6, 0),
            (64, 0),
            (65, 3),
            (66, 1),
            (67, 0),
            (1, 2),
        ];
        for (now, expected) in counted {
            assert_eq!(seldom.count(now).unwrap_or(0), expected, "{now}");
        }
    }
}
