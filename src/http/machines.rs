//! The guard for machines and programs. They have no session, so routes that require one reject them.

use axum::{
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    problem::Problem,
    routes::{self, Access},
};
use crate::domain::caller::Caller;

pub async fn layer(mut request: Request, next: Next) -> Response {
    match routes::of(&request).map(|route| route.access) {
        Some(Access::Public | Access::Signature) => {
            request.extensions_mut().insert(Caller::Machine);
            next.run(request).await
        }
        Some(Access::Session | Access::Watch) | None => {
            let words = "this path takes a session of a browser";
            Problem::new(StatusCode::UNAUTHORIZED, words).into_response()
        }
    }
}
