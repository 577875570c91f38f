//! Remembers the API requests that came in, so that a test can say what was asked and how often.

use std::collections::VecDeque;

use axum::http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

const KEPT: usize = 10_000;

#[derive(Debug, Default)]
pub struct RequestLog {
    entries: VecDeque<Value>,
    /// Number of the first entry: a request that is answered after the log was cleared finds
    /// nothing to complete.
    first: usize,
}

impl RequestLog {
    /// Notes a request and gives its number. It has no status until it is answered.
    pub fn open(
        &mut self,
        method: &str,
        path: &str,
        query: &str,
        form: &[(String, String)],
        headers: &HeaderMap,
    ) -> usize {
        let headers: Map<String, Value> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), json!(shown(value))))
            .collect();
        self.entries.push_back(json!({
            "method": method,
            "path": path,
            "query": query,
            "form": pairs(form),
            "headers": headers,
            "status": null,
        }));
        if self.entries.len() > KEPT {
            self.entries.pop_front();
            self.first += 1;
        }
        self.first + self.entries.len() - 1
    }

    pub fn close(&mut self, number: usize, status: u16) {
        if let Some(entry) = number
            .checked_sub(self.first)
            .and_then(|index| self.entries.get_mut(index))
        {
            entry["status"] = json!(status);
        }
    }

    pub fn clear(&mut self) {
        self.first += self.entries.len();
        self.entries.clear();
    }

    pub fn entries(&self) -> Vec<Value> {
        self.entries.iter().cloned().collect()
    }
}

/// A live key that came here by mistake is not kept.
fn shown(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    if text.contains("_live_") {
        "[redacted]".to_owned()
    } else {
        text.into_owned()
    }
}

/// The pairs as an object; a name that comes twice holds a list.
fn pairs(form: &[(String, String)]) -> Value {
    let mut object = Map::new();
    for (key, value) in form {
        match object.get_mut(key) {
            None => drop(object.insert(key.clone(), json!(value))),
            Some(Value::Array(values)) => values.push(json!(value)),
            Some(one) => *one = json!([one.take(), value]),
        }
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_answered_after_clearing_leaves_no_trace() {
        let mut log = RequestLog::default();
        let early = log.open("GET", "/v1/a", "", &[], &HeaderMap::new());
        log.clear();
        let late = log.open("GET", "/v1/b", "", &[], &HeaderMap::new());
        log.close(early, 500);
        log.close(late, 200);
        assert_eq!(log.entries().len(), 1);
        assert_eq!(log.entries()[0]["status"], 200);
    }
}
