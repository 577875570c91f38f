//! Timeouts of a click on a button, from outer to inner. Each inner timeout ends before the outer one, so that the part that knows
//! the cause can respond. All count from when the request arrived, except those of a single wait.

use std::time::Duration;

/// The whole request including its body, which a slow client may send. Enforced by the deadline of its route. After 8 seconds a
/// person thinks that the page is broken, and clicks again.
pub const REQUEST: Duration = Duration::from_millis(7_500);

/// The click, from when the request arrived: it has its own response whatever Stripe and the database do. Ends before the
/// request, whose timeout responds with an error page.
pub const CLICK: Duration = Duration::from_millis(7_000);

/// All responses of Stripe must arrive before this. The rest of the click stores their results.
pub const STRIPE: Duration = Duration::from_millis(6_750);

/// One wait for a connection from the database pool. If the database is down, the response comes within 5 seconds. If it
/// is slow, a click still has time for Stripe.
pub const DATABASE: Duration = Duration::from_secs(3);

/// With less time than this before [`STRIPE`], Stripe is not called at all: a timeout would be our own fault.
pub const WORTH_ASKING: Duration = Duration::from_secs(1);

/// One wait in the queue for Stripe calls, when there are many at once.
pub const QUEUE: Duration = Duration::from_secs(2);

/// One attempt of a call. Leaves time for a retry.
pub const TRY: Duration = Duration::from_secs(3);

/// Timeout for connecting to Stripe.
pub const CONNECT: Duration = Duration::from_secs(3);

/// With less time than this before [`STRIPE`], there is no retry: most successful calls take less.
pub const WORTH_A_TRY: Duration = Duration::from_secs(2);

/// A call to Stripe in the background, where no visitor waits.
pub const BACKGROUND_CALL: Duration = Duration::from_secs(7);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stripe::click::BETWEEN_TRIES;

    /// The response to a click comes before this, whatever the database and Stripe do.
    const PROMISED: Duration = Duration::from_secs(8);

    #[test]
    fn each_part_of_a_click_ends_before_the_whole() {
        let chain = [
            PROMISED,
            REQUEST,
            CLICK,
            STRIPE,
            TRY,
            WORTH_A_TRY,
            WORTH_ASKING,
        ];
        assert!(
            chain.is_sorted_by(|outer, inner| outer > inner),
            "{chain:?}"
        );
        // The queue and a whole attempt fit.
        assert!(QUEUE + TRY < STRIPE);
        // After an attempt that timed out, a retry fits.
        assert!(TRY + BETWEEN_TRIES.longest_pause() + WORTH_A_TRY <= STRIPE);
        // After a wait for the database, Stripe can be called.
        assert!(DATABASE + QUEUE + WORTH_ASKING <= STRIPE);
        assert!(CONNECT <= TRY);
    }
}
