//! How long a click on a button may take, from the outside in: each part ends before what it is a part of, so that
//! the visitor is answered by the innermost that knows why. All are counted from when the request came, but for those of a
//! single wait.

use std::time::Duration;

/// The whole request, its body included, which a slow client sends: ended by the deadline of its route. After 8 seconds
/// a person takes the page for broken, and clicks again.
pub const REQUEST: Duration = Duration::from_millis(7_500);

/// The click, from when the request came: whatever Stripe and the database do, it is answered in its own words. It ends before the
/// request, whose end is a page of errors.
pub const CLICK: Duration = Duration::from_millis(7_000);

/// Until all answers of Stripe have to be there. What is left of the click writes down what they say.
pub const STRIPE: Duration = Duration::from_millis(6_750);

/// One wait for a connection of the database. With it alone a database that is away is answered within 5 seconds, and a
/// click still has time for Stripe.
pub const DATABASE: Duration = Duration::from_secs(3);

/// With less time than this before [`STRIPE`] it is not asked at all: not to be answered would be our own fault.
pub const WORTH_ASKING: Duration = Duration::from_secs(1);

/// One wait for a turn, when much is asked at once.
pub const QUEUE: Duration = Duration::from_secs(2);

/// One try of a call. It leaves time for another.
pub const TRY: Duration = Duration::from_secs(3);

/// Until a connection to Stripe is there.
pub const CONNECT: Duration = Duration::from_secs(3);

/// With less time than this before [`STRIPE`] there is no second try: most calls that succeed are quicker.
pub const WORTH_A_TRY: Duration = Duration::from_secs(2);

/// A call to Stripe that nobody waits for.
pub const BACKGROUND_CALL: Duration = Duration::from_secs(7);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stripe::click::BETWEEN_TRIES;

    /// A click is answered before this, whatever the database and Stripe do.
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
        // The queue and a whole try fit.
        assert!(QUEUE + TRY < STRIPE);
        // After a try that took all its time another fits.
        assert!(TRY + BETWEEN_TRIES.longest_pause() + WORTH_A_TRY <= STRIPE);
        // After a wait for the database Stripe can be asked.
        assert!(DATABASE + QUEUE + WORTH_ASKING <= STRIPE);
        assert!(CONNECT <= TRY);
    }
}
