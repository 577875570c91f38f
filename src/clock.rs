//! Time and randomness. No other module reads them, so tests can freeze or advance the clock, and every secret comes from one
//! generator.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rand::Rng;

/// This machine's clock, in unix seconds. Clones share the time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Seconds by which a test has advanced all clocks.
    moved: Arc<AtomicI64>,
    /// Clock skew of this machine in seconds, set by tests.
    skew: i64,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the system's clock"
    )]
    pub fn now(&self) -> i64 {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
        self.of_database(seconds) + self.skew
    }

    /// The database's time, advanced like every other clock in a test.
    pub fn of_database(&self, seconds: i64) -> i64 {
        seconds + self.moved.load(Ordering::Relaxed)
    }

    /// Monotonic time, independent of changes to the system's clock.
    pub fn steady(&self) -> Duration {
        static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
        let moved = self.moved.load(Ordering::Relaxed).try_into();
        BEGINNING.elapsed() + Duration::from_secs(moved.unwrap_or_default())
    }

    /// The clock of another machine, with this clock skew in seconds. For tests.
    #[must_use]
    pub fn skewed(&self, seconds: i64) -> Clock {
        Clock {
            skew: seconds,
            ..self.clone()
        }
    }

    /// Advances the clock (or sets it back). For tests.
    pub fn advance(&self, seconds: i64) {
        self.moved.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// 256 bits from the operating system's random number generator.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that draws random numbers"
)]
pub fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// 256 random bits as 43 characters that are safe in URLs and cookies.
pub fn random_token() -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(random_bytes())
}

/// A new id: the prefix, then 128 random bits in hex.
pub fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", hex::encode(&random_bytes()[..16]))
}

/// Adds jitter of ±25 % to a delay, so that clients that failed together do not retry together (thundering herd).
pub fn jittered(pause: Duration) -> Duration {
    let chance = f64::from(random_bytes()[0]) / 255.0;
    pause.mul_f64(0.75 + chance / 2.0)
}
