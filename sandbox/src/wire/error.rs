//! Refusals in Stripe's words: status, type, code, parameter and message, as the official libraries
//! expect to read them.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// What every API handler gives back.
pub type Answer = Result<Json<Value>, ApiError>;

#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    pub status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
    /// What else the body says, for a payment that failed.
    more: Option<Box<Value>>,
}

impl ApiError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let kind = if status.is_server_error() {
            "api_error"
        } else {
            "invalid_request_error"
        };
        Self {
            status,
            kind,
            code: None,
            param: None,
            message: message.into(),
            more: None,
        }
    }

    /// 402: the bank says no.
    pub fn card(code: &'static str, message: impl Into<String>, more: Value) -> Self {
        Self {
            more: Some(Box::new(more)),
            ..Self::new(StatusCode::PAYMENT_REQUIRED, message)
                .kind("card_error")
                .code(code)
        }
    }

    /// 429, in the words of Stripe's limiter.
    pub fn rate_limited() -> Self {
        let message = "Request rate limit exceeded. You can learn more about rate limits here \
                       https://stripe.com/docs/rate-limits.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, message).code("rate_limit")
    }

    /// 400 about one parameter.
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.to_owned()),
            ..Self::new(StatusCode::BAD_REQUEST, message)
        }
    }

    pub fn missing(param: &str) -> Self {
        Self::invalid(param, format!("Missing required param: {param}.")).code("parameter_missing")
    }

    pub fn unknown(params: &[String]) -> Self {
        let word = if params.len() == 1 {
            "parameter"
        } else {
            "parameters"
        };
        let first = params.first().map_or("", String::as_str);
        Self::invalid(
            first,
            format!("Received unknown {word}: {}", params.join(", ")),
        )
        .code("parameter_unknown")
    }

    /// 404 for an id in the path, where Stripe names the parameter `id`.
    pub fn no_such(noun: &str, id: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::no_such_param("id", noun, id)
        }
    }

    /// 400 for an id among the parameters.
    pub fn no_such_param(param: &str, noun: &str, id: &str) -> Self {
        Self::invalid(param, format!("No such {noun}: '{id}'")).code("resource_missing")
    }

    pub fn unrecognized_url(status: StatusCode, method: &str, path: &str) -> Self {
        Self::new(
            status,
            format!(
                "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs \
                 or we can help at https://support.stripe.com/."
            ),
        )
    }

    pub fn code(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    pub fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error = json!({ "message": self.message, "type": self.kind });
        if let Some(code) = self.code {
            error["code"] = json!(code);
            error["doc_url"] = json!(format!(
                "https://stripe.com/docs/error-codes/{}",
                code.replace('_', "-")
            ));
        }
        if let Some(param) = self.param {
            error["param"] = json!(param);
        }
        if let (Some(Value::Object(more)), Some(error)) =
            (self.more.map(|more| *more), error.as_object_mut())
        {
            error.extend(more);
        }
        let answer = (self.status, Json(json!({ "error": error })));
        if self.code == Some("rate_limit") {
            // Which limit it was, but not when to come back.
            return ([("stripe-rate-limited-reason", "global-rate")], answer).into_response();
        }
        answer.into_response()
    }
}
