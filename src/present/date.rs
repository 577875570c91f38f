//! Days as people read them.

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::model::Day;

/// A day in UTC; empty texts if the number is out of range.
pub fn day(at: i64) -> Day {
    let text = |format: &[BorrowedFormatItem<'_>]| {
        OffsetDateTime::from_unix_timestamp(at)
            .ok()
            .and_then(|time| time.format(format).ok())
            .unwrap_or_default()
    };
    Day(
        at,
        text(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
        )),
        text(format_description!(
            "[day padding:none] [month repr:long] [year]"
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_in_utc_and_nonsense_is_nothing() {
        assert_eq!(day(1_804_032_000).2, "3 March 2027");
        assert_eq!(day(1_804_032_000).1, "2027-03-03T00:00:00Z");
        assert_eq!(day(i64::MAX).2, "");
    }
}
