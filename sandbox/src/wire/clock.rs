//! Time as Stripe tells it: unix seconds, UTC. Holds the little calendar arithmetic that billing
//! periods and the portal page need, and the only reading of the system clock.

use std::time::{SystemTime, UNIX_EPOCH};

pub const DAY: i64 = 86_400;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the stand-in that does"
)]
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |passed| {
            i64::try_from(passed.as_secs()).unwrap_or(i64::MAX)
        })
}

/// The same moment `months` later; the 31st becomes the last day of a shorter month.
pub fn add_months(at: i64, months: i64) -> i64 {
    let (year, month, day) = date(at.div_euclid(DAY));
    let count = year * 12 + (month - 1) + months;
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) + 1);
    let day = day.min(month_length(year, month));
    day_number(year, month, day) * DAY + at.rem_euclid(DAY)
}

/// For people: `3 March 2027`.
pub fn in_words(at: i64) -> String {
    let (year, month, day) = date(at.div_euclid(DAY));
    let name = usize::try_from(month - 1)
        .ok()
        .and_then(|index| MONTHS.get(index))
        .unwrap_or(&"");
    format!("{day} {name} {year}")
}

fn month_length(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    day_number(next_year, next_month, 1) - day_number(year, month, 1)
}

/// Days from 1 January 1970. Years are counted from March, so that the leap day comes last and
/// every month before it has a fixed offset.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let before_month = (153 * months_since_march + 2) / 5;
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + before_month
        + day
        - 1
        - 719_468
}

/// Year, month and day of a day number: the year is estimated from its mean length, then corrected.
fn date(days: i64) -> (i64, i64, i64) {
    let mut year = 1970 + days.div_euclid(366);
    while day_number(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && day_number(year, month + 1, 1) <= days {
        month += 1;
    }
    (year, month, days - day_number(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(in_words(0), "1 January 1970");
        assert_eq!(in_words(951_782_400), "29 February 2000");
        assert_eq!(in_words(1_804_032_000), "3 March 2027");
        assert_eq!(in_words(-1), "31 December 1969");
    }

    #[test]
    fn every_day_of_a_century_survives_the_round_trip() {
        for days in 0..36_525 {
            let (year, month, day) = date(days);
            assert_eq!(day_number(year, month, day), days);
        }
    }

    #[test]
    fn a_month_after_the_31st_is_the_last_day() {
        let january_31 = day_number(2027, 1, 31) * DAY + 5;
        assert_eq!(add_months(january_31, 1), day_number(2027, 2, 28) * DAY + 5);
        assert_eq!(
            add_months(january_31, -2),
            day_number(2026, 11, 30) * DAY + 5
        );
        assert_eq!(
            add_months(january_31, 12),
            day_number(2028, 1, 31) * DAY + 5
        );
    }
}
