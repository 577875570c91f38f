//! Stripe's way of listing, as far as a request decides it: how many, from where, and which.

use serde_json::{Value, json};

use crate::wire::{error::ApiError, params::Params};

/// `limit`, `starting_after`, `ending_before` and `created` of a request.
#[derive(Debug, Default)]
pub struct Page {
    pub limit: usize,
    pub after: Option<String>,
    pub before: Option<String>,
    pub created: Created,
}

impl Page {
    /// For lists that know no filter by time.
    pub fn from(params: &mut Params) -> Result<Self, ApiError> {
        let limit = params.integer("limit")?.unwrap_or(10);
        let limit = usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=100).contains(limit))
            .ok_or_else(|| {
                let bound = if limit < 1 {
                    "greater than or equal to 1"
                } else {
                    "less than or equal to 100"
                };
                ApiError::invalid("limit", format!("This value must be {bound}."))
                    .code("parameter_invalid_integer")
            })?;
        let page = Self {
            limit,
            after: params.text("starting_after")?,
            before: params.text("ending_before")?,
            created: Created::default(),
        };
        if page.after.is_some() && page.before.is_some() {
            return Err(ApiError::invalid(
                "starting_after",
                "You may only specify one of these parameters: ending_before, starting_after.",
            ));
        }
        Ok(page)
    }

    pub fn dated(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            created: Created::from(params)?,
            ..Self::from(params)?
        })
    }
}

/// The `created` filter: a second, or bounds.
#[derive(Debug, Default)]
pub struct Created {
    from: Option<i64>,
    to: Option<i64>,
}

impl Created {
    fn from(params: &mut Params) -> Result<Self, ApiError> {
        let mut exact = params.clone();
        if let Ok(Some(at)) = exact.integer("created") {
            *params = exact;
            return Ok(Self {
                from: Some(at),
                to: Some(at),
            });
        }
        let Some(mut bounds) = params.group("created")? else {
            return Ok(Self::default());
        };
        let from = bounds
            .integer("gte")?
            .max(bounds.integer("gt")?.map(|at| at.saturating_add(1)));
        let to = [
            bounds.integer("lte")?,
            bounds.integer("lt")?.map(|at| at.saturating_sub(1)),
        ]
        .into_iter()
        .flatten()
        .min();
        bounds.finish()?;
        Ok(Self { from, to })
    }

    pub fn holds(&self, at: i64) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at <= to)
    }
}

/// Filters that compare one field of an object with a parameter.
#[derive(Debug)]
pub struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// Takes the parameters, each with its field as a JSON pointer.
    pub fn from(params: &mut Params, names: &[(&str, &'static str)]) -> Result<Self, ApiError> {
        let mut wanted = Vec::new();
        for (name, pointer) in names {
            wanted.extend(params.text(name)?.map(|text| (*pointer, text)));
        }
        Ok(Self(wanted))
    }

    pub fn hold(&self, object: &Value) -> bool {
        self.0.iter().all(|(pointer, wanted)| {
            object
                .pointer(pointer)
                .is_some_and(|field| field == wanted.as_str())
        })
    }
}

/// Stripe's envelope of a list.
pub fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({ "object": "list", "data": data, "has_more": has_more, "url": url })
}

/// One page of a list that is part of an object.
pub fn part(rows: &[Value], page: &Page, noun: &str) -> Result<(Vec<Value>, bool), ApiError> {
    let place = |param: &str, id: &str| {
        rows.iter()
            .position(|row| row["id"] == *id)
            .ok_or_else(|| ApiError::no_such_param(param, noun, id))
    };
    let (from, to) = match (&page.after, &page.before) {
        (_, Some(before)) => {
            let end = place("ending_before", before)?;
            (end.saturating_sub(page.limit), end)
        }
        (Some(after), None) => (place("starting_after", after)? + 1, rows.len()),
        (None, None) => (0, rows.len()),
    };
    let data: Vec<Value> = rows
        .iter()
        .take(to)
        .skip(from)
        .take(page.limit)
        .cloned()
        .collect();
    let more = if page.before.is_some() {
        from > 0
    } else {
        from + data.len() < to
    };
    Ok((data, more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_in_pages_both_ways() {
        let rows: Vec<Value> = (0..5).map(|n| json!({ "id": format!("r{n}") })).collect();
        let read = |limit, after: Option<&str>, before: Option<&str>| {
            let page = Page {
                limit,
                after: after.map(str::to_owned),
                before: before.map(str::to_owned),
                ..Page::default()
            };
            let (rows, more) = part(&rows, &page, "row").unwrap();
            let ids: Vec<String> = rows
                .iter()
                .filter_map(|row| row["id"].as_str().map(str::to_owned))
                .collect();
            (ids.concat(), more)
        };
        assert_eq!(read(2, None, None), ("r0r1".to_owned(), true));
        assert_eq!(read(9, Some("r2"), None), ("r3r4".to_owned(), false));
        assert_eq!(read(2, None, Some("r3")), ("r1r2".to_owned(), true));
        assert_eq!(read(9, None, Some("r1")), ("r0".to_owned(), false));
    }

    #[test]
    fn fields_are_compared_wherever_they_stand() {
        let pairs = [("subscription".to_owned(), "sub_1".to_owned())];
        let mut params = Params::parse(&pairs).unwrap();
        let fields = Fields::from(
            &mut params,
            &[
                ("customer", "/customer"),
                ("subscription", "/parent/subscription"),
            ],
        )
        .unwrap();
        assert!(fields.hold(&json!({ "parent": { "subscription": "sub_1" } })));
        assert!(!fields.hold(&json!({ "parent": { "subscription": null } })));
    }
}
