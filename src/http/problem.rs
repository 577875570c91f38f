//! Error responses for each audience: a page for browsers, `application/problem+json` (RFC 9457) for machines and programs.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::routes::Audience;
use crate::{
    answer::RETRY_AFTER,
    config::Config,
    pages::message::{self, Message},
};

/// An error for a machine or a program.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    /// One sentence, for people who read logs.
    detail: String,
    /// `Retry-After` in seconds.
    retry_after: Option<u64>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// 503, with a retry after [`RETRY_AFTER`] seconds.
    pub fn unavailable(detail: impl Into<String>) -> Problem {
        Problem {
            retry_after: Some(RETRY_AFTER),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        let body = json!({
            // RFC 9457, 4.2.1: the error has no meaning beyond its status.
            "type": "about:blank",
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The error as a page or as a problem.
pub fn answer(config: &Config, audience: Audience, message: Message) -> Response {
    if audience == Audience::Browser {
        return message::response(config, message);
    }
    let detail = match &message {
        Message::NotFound => "there is no such path".to_owned(),
        Message::BadForm => "the request could not be read".to_owned(),
        Message::WrongHost => "this is another host than FRONTEND_URL's".to_owned(),
        Message::Fault => "the server cannot answer at the moment, send it again".to_owned(),
        Message::Broken(id) => format!("something broke on the server; its log has the id {id}"),
        Message::TooMany => "too many requests, wait a moment".to_owned(),
    };
    match message.status() {
        StatusCode::SERVICE_UNAVAILABLE => Problem::unavailable(detail),
        status => Problem::new(status, detail),
    }
    .into_response()
}

/// 413, for a body of more than `limit` bytes.
pub fn too_large(config: &Config, audience: Audience, limit: usize) -> Response {
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    if audience == Audience::Browser {
        let mut page = message::response(config, Message::BadForm);
        *page.status_mut() = status;
        return page;
    }
    Problem::new(status, format!("the body is over {limit} bytes")).into_response()
}

pub async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such path")
}

pub async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path takes another method; the Allow header has it",
    )
}
