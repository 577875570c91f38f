//! Lenient reading of Stripe's objects: unknown fields are ignored, and missing or malformed ones count as
//! absent, never as an error, so that no API version of Stripe stops the webhook.

use serde_json::Value;

/// A text that is present, not empty and without NUL, which Postgres cannot store.
pub fn text(json: &Value, key: &str) -> Option<String> {
    plain(json.get(key)?)
}

/// The text at a path such as `/card/brand`.
pub fn text_at(json: &Value, path: &str) -> Option<String> {
    plain(json.pointer(path)?)
}

fn plain(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let text = if text.contains('\0') {
        text.replace('\0', "")
    } else {
        text.to_owned()
    };
    (!text.is_empty()).then_some(text)
}

/// An integer; 0 if it is missing.
pub fn number(json: &Value, key: &str) -> i64 {
    maybe(json, key).unwrap_or_default()
}

pub fn maybe(json: &Value, key: &str) -> Option<i64> {
    json.get(key).and_then(Value::as_i64)
}

pub fn maybe_at(json: &Value, path: &str) -> Option<i64> {
    json.pointer(path).and_then(Value::as_i64)
}

pub fn flag(json: &Value, key: &str) -> bool {
    json.get(key).and_then(Value::as_bool).unwrap_or_default()
}

/// A flag that older API versions do not have, because it was always true.
pub fn flag_or_true(json: &Value, key: &str) -> bool {
    json.get(key).and_then(Value::as_bool).unwrap_or(true)
}

/// The id of another object: Stripe sends the id alone, or the whole object if it was expanded.
pub fn id(json: &Value, key: &str) -> Option<String> {
    id_of(json.get(key)?)
}

/// Like [`id`], at a path.
pub fn id_at(json: &Value, path: &str) -> Option<String> {
    id_of(json.pointer(path)?)
}

fn id_of(value: &Value) -> Option<String> {
    plain(value).or_else(|| text(value, "id"))
}

/// A map or list that is stored unchanged as JSON; `None` if it is empty.
pub fn kept(json: &Value, key: &str) -> Option<String> {
    let value = json.get(key)?;
    let is_empty = match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => true,
    };
    // JSON escapes NUL, so Postgres accepts it.
    (!is_empty).then(|| value.to_string())
}

/// The elements of a Stripe list, which may be truncated: see [`is_cut`].
pub fn elements<'v>(json: &'v Value, key: &str) -> &'v [Value] {
    let list = json.get(key).and_then(|list| list.get("data"));
    list.and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Whether a list inside an object is truncated: Stripe embeds only the first elements.
pub fn is_cut(json: &Value, key: &str) -> bool {
    json.get(key).is_some_and(|list| flag(list, "has_more"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_odd_is_nothing() {
        let odd = json!({
            "empty": "", "nul": "a\u{0}b", "number": "7", "large": 9_007_199_254_740_993_i64,
            "huge": 1e300, "map": {}, "object": { "id": "in_1" }, "list": { "data": 7 },
        });
        assert_eq!(text(&odd, "empty"), None);
        assert_eq!(text(&odd, "nul").as_deref(), Some("ab"));
        assert_eq!((number(&odd, "number"), maybe(&odd, "huge")), (0, None));
        assert_eq!(maybe(&odd, "large"), Some(9_007_199_254_740_993));
        assert_eq!((kept(&odd, "map"), kept(&odd, "nul")), (None, None));
        assert_eq!(id(&odd, "object").as_deref(), Some("in_1"));
        assert_eq!(id_at(&odd, "/object/id").as_deref(), Some("in_1"));
        assert!(elements(&odd, "list").is_empty() && !is_cut(&odd, "list"));
    }
}
