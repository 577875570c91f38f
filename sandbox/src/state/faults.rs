//! Faults on order, for tests: an error, an answer that never comes, breaks off, is lost or drips, or
//! a portal link that leads to the wrong host.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use crate::wire::error::ApiError;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// The route and all below it; without one every route.
    path: Option<String>,
    /// Only requests whose path, query or form holds this text.
    #[serde(rename = "match")]
    matching: Option<String>,
    status: Option<u16>,
    body: Option<String>,
    /// Seconds, in the header `Retry-After`: Stripe sends none, a proxy may.
    retry_after: Option<u32>,
    hang: bool,
    /// The answer breaks off in the middle.
    truncate: bool,
    /// The request is carried out and the connection dropped before any answer.
    reset: bool,
    /// The answer comes byte by byte, with so many milliseconds between two.
    drip_ms: Option<u64>,
    portal_url: Option<String>,
    /// How often; without it until the faults are cleared.
    times: Option<u32>,
}

/// What the gate does with a request that a fault applies to.
#[derive(Debug)]
pub enum Effect {
    Hang,
    Answer(Response),
    /// Carry on, then send the answer in a bad manner.
    Send(Manner),
    /// Carry on, but put this address into the portal session.
    PortalUrl(String),
}

/// How a real answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Half of it.
    Truncated,
    /// Nothing.
    Lost,
    /// Byte by byte, with this between two.
    Dripping(Duration),
}

impl Fault {
    pub fn check(&self) -> Result<(), String> {
        match self.status {
            Some(_) if self.manner().is_some() => {
                Err("what is sent so is the real answer, which has its own status".to_owned())
            }
            Some(status) if StatusCode::from_u16(status).is_err() || status < 200 => {
                Err(format!("{status} is no status of an answer"))
            }
            _ => Ok(()),
        }
    }

    fn applies(&self, path: &str, content: &str) -> bool {
        let route = self
            .path
            .as_deref()
            .map(|route| route.trim_end_matches('/'));
        let on_route = route.is_none_or(|route| {
            path.strip_prefix(route)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        on_route
            && self
                .matching
                .as_deref()
                .is_none_or(|text| path.contains(text) || content.contains(text))
    }

    fn manner(&self) -> Option<Manner> {
        if self.truncate {
            return Some(Manner::Truncated);
        }
        if self.reset {
            return Some(Manner::Lost);
        }
        self.drip_ms
            .map(Duration::from_millis)
            .map(Manner::Dripping)
    }

    fn effect(self) -> Effect {
        if self.hang {
            return Effect::Hang;
        }
        if let Some(manner) = self.manner() {
            return Effect::Send(manner);
        }
        if let (Some(url), None) = (self.portal_url, self.status) {
            return Effect::PortalUrl(url);
        }
        let status = self
            .status
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = match self.body {
            None => usual(status).into_response(),
            Some(body) => {
                let json = body.trim_start().starts_with('{');
                let kind = if json {
                    "application/json"
                } else {
                    "text/html; charset=utf-8"
                };
                (status, [("content-type", kind)], body).into_response()
            }
        };
        if let Some(seconds) = self.retry_after {
            answer
                .headers_mut()
                .insert("retry-after", HeaderValue::from(seconds));
        }
        Effect::Answer(answer)
    }
}

/// What Stripe says with such a status.
fn usual(status: StatusCode) -> ApiError {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return ApiError::rate_limited();
    }
    if status == StatusCode::FORBIDDEN {
        return ApiError::new(
            status,
            "The provided key does not have the required permissions for this endpoint: asked for at /_sandbox/faults.",
        );
    }
    ApiError::new(
        status,
        "An error on order: this answer was asked for at /_sandbox/faults.",
    )
}

/// The first fault that applies, used up by one.
pub fn first(faults: &mut [Fault], path: &str, content: &str) -> Option<Effect> {
    let fault = faults
        .iter_mut()
        .find(|fault| fault.times != Some(0) && fault.applies(path, content))?;
    if let Some(times) = &mut fault.times {
        *times -= 1;
    }
    Some(fault.clone().effect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(fault: serde_json::Value) -> [Fault; 1] {
        [serde_json::from_value(fault).unwrap()]
    }

    #[test]
    fn a_fault_is_bound_to_route_text_and_number() {
        let mut faults = faults(json!({ "path": "/v1/customers", "match": "cus_x", "times": 2 }));
        assert!(first(&mut faults, "/v1/customers_more", "cus_x").is_none());
        assert!(first(&mut faults, "/v1/customers", "email=a").is_none());
        assert!(first(&mut faults, "/v1/customers/cus_x", "").is_some());
        assert!(first(&mut faults, "/v1/customers", "id=cus_x").is_some());
        assert!(first(&mut faults, "/v1/customers", "id=cus_x").is_none());
    }

    #[test]
    fn a_portal_url_lets_the_request_through() {
        let mut faults = faults(json!({ "portal_url": "http://evil.example/" }));
        assert!(matches!(
            first(&mut faults, "/v1/billing_portal/sessions", ""),
            Some(Effect::PortalUrl(_))
        ));
    }

    #[test]
    fn an_unknown_status_is_refused() {
        assert!(
            Fault {
                status: Some(42),
                ..Fault::default()
            }
            .check()
            .is_err()
        );
        assert!(
            Fault {
                status: Some(503),
                ..Fault::default()
            }
            .check()
            .is_ok()
        );
    }
}
