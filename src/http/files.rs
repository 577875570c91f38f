//! Static files: style, scripts, WebAssembly, icon. If there is neither a route nor a file, responds with the page for 404. The
//! Leptos router is not used: it accepts `/billing/` for `/billing`, but the guard protects only routes of the table.

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

/// Maximum length of a path in bytes; ours are far shorter. A path too long for the file system would log an error.
const LONGEST_PATH: usize = 100;

/// Marks a response with a file whose name contains a content hash.
#[derive(Clone, Copy, Debug)]
pub struct NeverChanges;

pub async fn serve(State(site): State<Site>, request: Request) -> Response {
    let headers = request.headers().clone();
    // A cache that decides by file extension may store such a page and serve it to other visitors (web cache deception).
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
    // Only complete files: partial (`Range`) and conditional responses would need headers of their own.
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
