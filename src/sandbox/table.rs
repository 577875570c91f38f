//! Objects of one kind, in the order of their creation, with Stripe's way of listing them: newest
//! first, by cursors.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::{error::ApiError, params::Params};

/// Time of creation, then arrival: two objects of one second keep their order.
pub type Place = (i64, u64);

#[derive(Debug, Default)]
pub struct Table {
    rows: BTreeMap<Place, Value>,
    places: HashMap<String, Place>,
    arrivals: u64,
}

impl Table {
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.rows.get(self.places.get(id)?)
    }

    /// Where it stands in the order of creation.
    pub fn place(&self, id: &str) -> Option<Place> {
        self.places.get(id).copied()
    }

    /// Adds the object or replaces the one with its id, which keeps its place.
    pub fn put(&mut self, object: Value) {
        let Some(id) = object["id"].as_str().map(str::to_owned) else {
            return;
        };
        let place = *self.places.entry(id).or_insert_with(|| {
            self.arrivals += 1;
            (
                object["created"].as_i64().unwrap_or_default(),
                self.arrivals,
            )
        });
        self.rows.insert(place, object);
    }

    pub fn remove(&mut self, id: &str) -> Option<Value> {
        self.rows.remove(&self.places.remove(id)?)
    }

    pub fn remove_oldest(&mut self) {
        if let Some((_, object)) = self.rows.pop_first() {
            self.places
                .remove(object["id"].as_str().unwrap_or_default());
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.rows.values().rev()
    }

    /// One page of the objects that pass `wanted`, and whether there are more in the direction of
    /// reading.
    pub fn page(
        &self,
        page: &Page,
        noun: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<(Vec<Value>, bool), ApiError> {
        let place = |param: &str, id: &str| {
            self.place(id)
                .ok_or_else(|| ApiError::no_such_param(param, noun, id))
        };
        let mut found: Vec<Value> = match (&page.after, &page.before) {
            (_, Some(before)) => {
                let newer = (
                    Bound::Excluded(place("ending_before", before)?),
                    Bound::Unbounded,
                );
                self.rows
                    .range(newer)
                    .map(|(_, row)| row)
                    .filter(|row| wanted(row))
                    .take(page.limit + 1)
                    .cloned()
                    .collect()
            }
            (Some(after), None) => {
                let older = ..place("starting_after", after)?;
                self.rows
                    .range(older)
                    .rev()
                    .map(|(_, row)| row)
                    .filter(|row| wanted(row))
                    .take(page.limit + 1)
                    .cloned()
                    .collect()
            }
            (None, None) => self
                .iter()
                .filter(|row| wanted(row))
                .take(page.limit + 1)
                .cloned()
                .collect(),
        };
        let more = found.len() > page.limit;
        found.truncate(page.limit);
        if page.before.is_some() {
            found.reverse();
        }
        Ok((found, more))
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.values())
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Table::default();
        Vec::<Value>::deserialize(deserializer)?
            .into_iter()
            .for_each(|object| table.put(object));
        Ok(table)
    }
}

/// `limit`, `starting_after` and `ending_before` of a request.
#[derive(Debug)]
pub struct Page {
    limit: usize,
    after: Option<String>,
    before: Option<String>,
}

impl Page {
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
        };
        if page.after.is_some() && page.before.is_some() {
            return Err(ApiError::invalid(
                "starting_after",
                "You may only specify one of these parameters: ending_before, starting_after.",
            ));
        }
        Ok(page)
    }
}

/// The `created` filter: a second, or bounds.
#[derive(Debug, Default)]
pub struct Created {
    from: Option<i64>,
    to: Option<i64>,
}

impl Created {
    pub fn from(params: &mut Params) -> Result<Self, ApiError> {
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

    pub fn holds(&self, object: &Value) -> bool {
        let at = object["created"].as_i64().unwrap_or_default();
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at <= to)
    }
}

/// Stripe's envelope of a list.
pub fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({ "object": "list", "data": data, "has_more": has_more, "url": url })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::default();
        for (id, created) in [("b", 2), ("a", 1), ("c", 3), ("d", 3)] {
            table.put(json!({ "id": id, "created": created }));
        }
        table
    }

    fn page(limit: usize, after: Option<&str>, before: Option<&str>) -> (String, bool) {
        let page = Page {
            limit,
            after: after.map(str::to_owned),
            before: before.map(str::to_owned),
        };
        let (rows, more) = table().page(&page, "thing", |_| true).unwrap();
        (
            rows.iter().filter_map(|row| row["id"].as_str()).collect(),
            more,
        )
    }

    #[test]
    fn pages_run_from_new_to_old_and_back() {
        assert_eq!(page(2, None, None), ("dc".to_owned(), true));
        assert_eq!(page(2, Some("c"), None), ("ba".to_owned(), false));
        assert_eq!(page(1, None, Some("a")), ("b".to_owned(), true));
        assert_eq!(page(9, None, Some("a")), ("dcb".to_owned(), false));
    }

    #[test]
    fn an_unknown_cursor_is_refused() {
        let page = Page {
            limit: 1,
            after: Some("zz".to_owned()),
            before: None,
        };
        assert_eq!(
            table().page(&page, "thing", |_| true),
            Err(ApiError::no_such_param("starting_after", "thing", "zz"))
        );
    }

    #[test]
    fn a_replaced_object_keeps_its_place_and_storing_keeps_the_order() {
        let mut table = table();
        table.put(json!({ "id": "b", "created": 2, "name": "new" }));
        let copy: Table = serde_json::from_value(serde_json::to_value(&table).unwrap()).unwrap();
        let ids: String = copy.iter().filter_map(|row| row["id"].as_str()).collect();
        assert_eq!(ids, "dcba");
        assert_eq!(copy.get("b").unwrap()["name"], "new");
    }
}
