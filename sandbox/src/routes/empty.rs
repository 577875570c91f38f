//! What Billhook's key must not see: refunds, charges and payouts, each an empty list.

use axum::{Json, http::Uri};

use crate::wire::{
    error::Answer,
    listing::{Page, list},
    params::Params,
};

pub async fn none(uri: Uri, mut params: Params) -> Answer {
    Page::dated(&mut params)?;
    params.finish()?;
    Ok(Json(list(uri.path(), Vec::new(), false)))
}
