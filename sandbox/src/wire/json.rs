//! Small work on JSON objects: joining parts of one, comparing two versions.

use serde_json::Value;

/// One object out of the fields of several.
pub fn joined<const N: usize>(parts: [Value; N]) -> Value {
    let fields = parts.into_iter().flat_map(|part| match part {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    });
    Value::Object(fields.collect())
}

/// As many entries of a list inside an object as Stripe shows of it.
const SHOWN: usize = 10;

/// The object as the API and events show it: the lists inside of it end after ten entries, and
/// their own addresses give the rest.
pub fn cut(mut object: Value) -> Value {
    for name in ["entitlements", "items", "lines"] {
        let Some(list) = object.get_mut(name) else {
            continue;
        };
        if let Some(data) = list["data"].as_array_mut()
            && data.len() > SHOWN
        {
            data.truncate(SHOWN);
            list["has_more"] = Value::Bool(true);
        }
    }
    object
}

/// What changed between two versions of an object, as Stripe's `previous_attributes` tells it: the
/// old values, nested where both are objects.
pub fn previous_attributes(before: &Value, after: &Value) -> Value {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        return before.clone();
    };
    old.keys()
        .chain(new.keys().filter(|key| !old.contains_key(*key)))
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| (key.clone(), previous_attributes(&before[key], &after[key])))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn previous_attributes_hold_old_values_of_what_changed() {
        let before =
            json!({ "a": 1, "same": 2, "metadata": { "x": "1", "y": "2" }, "address": null });
        let after = json!({ "a": 3, "same": 2, "metadata": { "x": "1", "y": "3", "z": "4" },
            "address": { "city": "Bath" } });
        let previous = json!({ "a": 1, "metadata": { "y": "2", "z": null }, "address": null });
        assert_eq!(previous_attributes(&before, &after), previous);
    }

    #[test]
    fn an_inner_list_ends_after_ten() {
        let object = |count: usize, more: bool| {
            let data: Vec<usize> = (0..count).collect();
            json!({ "id": "x", "items": { "data": data, "has_more": more } })
        };
        assert_eq!(cut(object(10, false)), object(10, false));
        assert_eq!(cut(object(11, false)), object(10, true));
        assert_eq!(cut(json!({ "id": "x" })), json!({ "id": "x" }));
    }
}
