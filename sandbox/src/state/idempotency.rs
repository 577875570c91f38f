//! The `Idempotency-Key`: the same key with the same parameters gets the same answer, with others
//! it is an error.

use std::collections::{HashMap, VecDeque};

use axum::{body::Bytes, http::StatusCode};

use crate::wire::error::ApiError;

/// Stripe forgets by age, after a day or more; by number is enough here.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Clone)]
pub struct FirstAnswer {
    pub status: StatusCode,
    pub body: Bytes,
    /// The request that was really carried out.
    pub request: String,
}

#[derive(Debug, Default)]
pub struct Kept {
    keys: HashMap<String, (String, Option<FirstAnswer>)>,
    order: VecDeque<String>,
}

impl Kept {
    /// The answer to give again, or nothing when this is the first request with the key, which
    /// `finish` must then follow.
    pub fn begin(&mut self, key: &str, request: &str) -> Result<Option<FirstAnswer>, ApiError> {
        match self.keys.get(key) {
            Some((first, _)) if first != request => Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                format!(
                    "Keys for idempotent requests can only be used with the same parameters they \
                     were first used with. Try using a key other than '{key}' if you meant to \
                     execute a different request."
                ),
            )
            .kind("idempotency_error")),
            Some((_, Some(answer))) => Ok(Some(answer.clone())),
            Some((_, None)) => Err(ApiError::new(
                StatusCode::CONFLICT,
                "There is currently another in-progress request using this Idempotent Key. \
                 Please try again later.",
            )
            .kind("idempotency_error")
            .code("idempotency_key_in_use")),
            None => {
                self.keys.insert(key.to_owned(), (request.to_owned(), None));
                self.order.push_back(key.to_owned());
                if self.order.len() > REMEMBERED
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.keys.remove(&oldest);
                }
                Ok(None)
            }
        }
    }

    /// A request that was refused before anything was done leaves its key free.
    pub fn finish(&mut self, key: &str, answer: FirstAnswer) {
        if answer.status.is_client_error() {
            self.keys.remove(key);
            self.order.retain(|other| other != key);
        } else if let Some((_, first)) = self.keys.get_mut(key) {
            *first = Some(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: StatusCode) -> FirstAnswer {
        FirstAnswer {
            status,
            body: Bytes::from_static(b"{}"),
            request: "req_1".to_owned(),
        }
    }

    #[test]
    fn a_key_repeats_its_answer_and_refuses_other_parameters() {
        let mut kept = Kept::default();
        assert!(kept.begin("k", "a").unwrap().is_none());
        assert_eq!(
            kept.begin("k", "a").unwrap_err().status,
            StatusCode::CONFLICT
        );
        kept.finish("k", answer(StatusCode::OK));
        assert_eq!(kept.begin("k", "a").unwrap().unwrap().request, "req_1");
        assert_eq!(
            kept.begin("k", "b").unwrap_err().status,
            StatusCode::BAD_REQUEST
        );
    }

    #[test]
    fn a_refused_request_frees_its_key() {
        let mut kept = Kept::default();
        kept.begin("k", "a").unwrap();
        kept.finish("k", answer(StatusCode::BAD_REQUEST));
        assert!(kept.begin("k", "b").unwrap().is_none());
    }
}
