//! Objects of one kind, in the order of their creation, with Stripe's way of listing them: newest
//! first, by cursors.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::wire::{error::ApiError, listing::Page};

/// Time of creation, then arrival: two objects of one second keep their order.
pub type Place = (i64, u64);

/// How a table keeps an object.
pub trait Row: Serialize {
    fn of(object: Value) -> Self;
    fn open(&self) -> Cow<'_, Value>;
}

impl Row for Value {
    fn of(object: Value) -> Self {
        object
    }

    fn open(&self) -> Cow<'_, Value> {
        Cow::Borrowed(self)
    }
}

/// An object as text: a tenth of the memory, for a kind of which there may be 100,000.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Packed(Box<RawValue>);

impl Row for Packed {
    fn of(object: Value) -> Self {
        // A tree of JSON can always be written and read again.
        Self(to_raw_value(&object).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    fn open(&self) -> Cow<'_, Value> {
        Cow::Owned(serde_json::from_str(self.0.get()).unwrap_or_default())
    }
}

#[derive(Debug)]
pub struct Table<R = Value> {
    rows: BTreeMap<Place, R>,
    places: HashMap<String, Place>,
    arrivals: u64,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            places: HashMap::new(),
            arrivals: 0,
        }
    }
}

impl Table<Value> {
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.rows.get(self.places.get(id)?)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Value> {
        self.rows.get_mut(self.places.get(id)?)
    }

    /// The object whose id stands in the path of a request.
    pub fn find(&self, noun: &str, id: &str) -> Result<&Value, ApiError> {
        self.get(id).ok_or_else(|| ApiError::no_such(noun, id))
    }

    /// The object that a parameter names.
    pub fn named(&self, param: &str, noun: &str, id: &str) -> Result<&Value, ApiError> {
        self.get(id)
            .ok_or_else(|| ApiError::no_such_param(param, noun, id))
    }

    /// Newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.rows.values().rev()
    }
}

impl Table<Packed> {
    pub fn get(&self, id: &str) -> Option<Value> {
        self.read(id)
    }
}

impl<R: Row> Table<R> {
    /// A copy of the object.
    pub fn read(&self, id: &str) -> Option<Value> {
        let row = self.rows.get(self.places.get(id)?)?;
        Some(row.open().into_owned())
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
        self.rows.insert(place, R::of(object));
    }

    pub fn remove(&mut self, id: &str) -> Option<Value> {
        let row = self.rows.remove(&self.places.remove(id)?)?;
        Some(row.open().into_owned())
    }

    pub fn remove_oldest(&mut self) {
        if let Some((_, row)) = self.rows.pop_first() {
            self.places
                .remove(row.open()["id"].as_str().unwrap_or_default());
        }
    }

    /// Newest first.
    pub fn each(&self) -> impl Iterator<Item = Cow<'_, Value>> {
        self.rows.values().rev().map(Row::open)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
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
        let rows: Box<dyn Iterator<Item = (&Place, &R)>> = match (&page.after, &page.before) {
            (_, Some(before)) => {
                let newer = (
                    Bound::Excluded(place("ending_before", before)?),
                    Bound::Unbounded,
                );
                Box::new(self.rows.range(newer))
            }
            (Some(after), None) => {
                Box::new(self.rows.range(..place("starting_after", after)?).rev())
            }
            (None, None) => Box::new(self.rows.iter().rev()),
        };
        let mut found: Vec<Value> = rows
            .filter(|((created, _), _)| page.created.holds(*created))
            .map(|(_, row)| row.open())
            .filter(|row| wanted(row))
            .take(page.limit + 1)
            .map(Cow::into_owned)
            .collect();
        let more = found.len() > page.limit;
        found.truncate(page.limit);
        if page.before.is_some() {
            found.reverse();
        }
        Ok((found, more))
    }
}

impl<R: Row> Serialize for Table<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.values())
    }
}

impl<'de, R: Row> Deserialize<'de> for Table<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Table::default();
        Vec::<Value>::deserialize(deserializer)?
            .into_iter()
            .for_each(|object| table.put(object));
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::wire::listing::Created;

    use super::*;

    fn table() -> Table {
        let mut table: Table = Table::default();
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
            created: Created::default(),
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
            ..Page::default()
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

    #[test]
    fn rows_of_text_are_listed_and_stored_as_others() {
        let mut table: Table<Packed> = Table::default();
        table.put(json!({ "id": "a", "created": 1, "name": "old" }));
        table.put(json!({ "id": "b", "created": 2 }));
        table.put(json!({ "id": "a", "created": 1, "name": "new" }));
        let stored = serde_json::to_string(&table).unwrap();
        let copy: Table<Packed> = serde_json::from_str(&stored).unwrap();
        assert_eq!(copy.get("a").unwrap()["name"], "new");
        let (rows, more) = copy
            .page(
                &Page {
                    limit: 1,
                    ..Page::default()
                },
                "thing",
                |_| true,
            )
            .unwrap();
        assert_eq!((rows[0]["id"].as_str(), more), (Some("b"), true));
    }
}
