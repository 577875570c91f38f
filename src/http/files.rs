//! The site's files: style, scripts, WebAssembly, icon. What is neither a route nor a file is a page that
//! says so. The app is not asked: it takes `/billing/` for `/billing`, and only routes are guarded.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tower::ServiceExt;
use tower_http::services::ServeDir;

use super::{Site, guard};
use crate::{
    assets,
    pages::message::{self, Message},
};

/// No path of ours is near this many bytes; one that no disk could hold would be an error in the log.
const LONGEST_PATH: usize = 100;

/// Marks the answer with a file whose name says what is in it.
#[derive(Clone, Copy, Debug)]
pub struct NeverChanges;

pub async fn serve(State(site): State<Site>, request: Request) -> Response {
    let headers = request.headers().clone();
    // A cache that goes by endings alone may keep what looks like a file, and give it to others.
    let is_like_a_file = request.uri().path().contains('.');
    let missing = async || {
        let address = match is_like_a_file {
            true => None,
            false => guard::glance(&site, &headers).await,
        };
        message::response_for(&site.app.config, Message::NotFound, address)
    };
    if request.uri().path().len() > LONGEST_PATH {
        return missing().await;
    }
    // Whole files alone: the answer to half of one, or to "has it changed", would need headers of its own.
    let mut asked = Request::builder()
        .method(request.method())
        .uri(request.uri());
    if let Some(encodings) = request.headers().get(header::ACCEPT_ENCODING) {
        asked = asked.header(header::ACCEPT_ENCODING, encodings);
    }
    let Ok(asked) = asked.body(Body::empty()) else {
        return missing().await;
    };
    let is_hashed = assets::is_hashed(request.uri().path());
    let files = ServeDir::new(site.leptos.site_root.as_ref())
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip();
    match files.oneshot(asked).await {
        Ok(file) if file.status() == StatusCode::OK => {
            let mut file = file.into_response();
            if is_hashed {
                file.extensions_mut().insert(NeverChanges);
            }
            file
        }
        _ => missing().await,
    }
}
