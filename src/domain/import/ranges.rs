//! Splits the time span in which objects were created into ranges that are read concurrently, and keeps track of the ranges that are left.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::stripe::json;

/// 2010-01-01, before Stripe's oldest object.
pub const BEGINNING: i64 = 1_262_304_000;
/// Seconds below which a range is not split.
const SMALLEST: i64 = 60;

/// A range of creation times, in unix seconds, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    pub from: i64,
    pub to: i64,
    /// The pagination cursor: the id of the last object that was read in the range.
    pub after: Option<String>,
}

/// The checkpoint of a noun's import. It is stored with every page, so that the next run can resume from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    pub ranges: Vec<Range>,
    /// The Stripe second of the first page.
    #[serde(default)]
    pub as_of: Option<i64>,
    /// Objects read so far.
    pub read: u64,
    /// The whole time span of the import, in unix seconds.
    from: i64,
    to: i64,
}

impl Range {
    /// Returns what is left of the range after a page. If `split`, halves it so that an idle reader gets work.
    pub fn rest(self, objects: &[Value], has_more: bool, split: bool) -> Vec<Range> {
        let Some(last) = objects.last().filter(|_| has_more) else {
            return Vec::new();
        };
        let Some(id) = json::text(last, "id") else {
            return Vec::new();
        };
        let oldest = json::number(last, "created").clamp(self.from, self.to);
        let newer = Range {
            to: oldest,
            after: Some(id),
            ..self
        };
        if !split || oldest - newer.from < SMALLEST {
            return vec![newer];
        }
        let middle = newer.from + (oldest - newer.from) / 2;
        let older = Range {
            from: newer.from,
            to: middle,
            after: None,
        };
        let newer = Range {
            from: middle + 1,
            ..newer
        };
        vec![newer, older]
    }
}

impl Left {
    pub fn whole(from: i64, to: i64) -> Left {
        let range = Range {
            from,
            to,
            after: None,
        };
        Left {
            ranges: vec![range],
            as_of: None,
            read: 0,
            from,
            to,
        }
    }

    /// The fraction of the time span that is read, from 0 to 1.
    pub fn part(&self) -> f64 {
        let span = |from: i64, to: i64| (to - from).max(0) as f64;
        let still: f64 = self
            .ranges
            .iter()
            .map(|range| span(range.from, range.to))
            .sum();
        (1.0 - still / span(self.from, self.to).max(1.0)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn range(from: i64, to: i64) -> Range {
        Range {
            from,
            to,
            after: None,
        }
    }

    #[test]
    fn what_is_left_of_a_range_has_no_hole_and_no_overlap() {
        let objects = [
            json!({ "id": "b", "created": 900 }),
            json!({ "id": "a", "created": 800 }),
        ];
        assert_eq!(range(0, 1000).rest(&objects, false, true), []);
        let whole = Range {
            from: 0,
            to: 800,
            after: Some("a".to_owned()),
        };
        let unsplit = range(0, 1000).rest(&objects, true, false);
        assert_eq!(unsplit, std::slice::from_ref(&whole));
        let parts = range(0, 1000).rest(&objects, true, true);
        assert_eq!(
            parts,
            [
                Range {
                    from: 401,
                    ..whole.clone()
                },
                range(0, 400)
            ]
        );
        assert_eq!(
            range(790, 1000).rest(&objects, true, true),
            [Range { from: 790, ..whole }]
        );
    }
}
