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
}
