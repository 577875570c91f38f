//! Makes ids and secrets that look like Stripe's: a prefix and random base62 characters. The only
//! place of the stand-in that asks for randomness.

use rand::{RngExt, distr::Alphanumeric};

/// `prefix` followed by `length` random characters out of `0-9A-Za-z`.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the stand-in that does"
)]
pub fn random(prefix: &str, length: usize) -> String {
    let tail = rand::rng()
        .sample_iter(Alphanumeric)
        .take(length)
        .map(char::from);
    prefix.chars().chain(tail).collect()
}

/// One of the numbers below `count`.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the stand-in that does"
)]
pub fn below(count: usize) -> usize {
    if count == 0 {
        return 0;
    }
    rand::rng().random_range(..count)
}

/// The long form that Stripe uses for most objects, for example `sub_1PgafmB7WZ01zgkW6dKueIc5`.
pub fn long(prefix: &str) -> String {
    random(&format!("{prefix}1"), 23)
}

/// The short form of customers, products, subscription items and requests.
pub fn short(prefix: &str) -> String {
    random(prefix, 14)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_one_of_those_offered() {
        assert_eq!(below(0), 0);
        assert!((0..100).all(|_| below(3) < 3));
    }

    #[test]
    fn ids_have_the_length_of_stripes() {
        assert_eq!(short("cus_").len(), 18);
        assert_eq!(long("evt_").len(), 28);
        assert!(
            short("cus_")[4..]
                .chars()
                .all(|c| c.is_ascii_alphanumeric())
        );
        assert_ne!(short("cus_"), short("cus_"));
    }
}
