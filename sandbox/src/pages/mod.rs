//! What the pages of the stand-in have in common: plain HTML with its style inside, no script.
//! Every text that comes from outside passes `escape`.

pub mod checkout;
pub mod invoice;
pub mod pdf;
pub mod portal;
pub mod start;
pub mod words;

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use crate::shapes::cards::offered;

const STYLE: &str = include_str!("style.css");

pub fn document(title: &str, content: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Stand-in for Stripe</title>
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<aside class="banner" aria-label="About this page">
<strong>Stand-in for Stripe: test only.</strong> No money moves here.
</aside>
<main>{content}</main>
</body>
</html>"#
    )
}

/// Id, title and content are HTML already.
pub fn section(id: &str, title: &str, content: &str) -> String {
    format!(r#"<section aria-labelledby="{id}"><h2 id="{id}">{title}</h2>{content}</section>"#)
}

/// A field of a form that nobody sees. The value is HTML already.
pub fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
}

/// The test cards to choose from.
pub fn card_choices() -> String {
    let cards: String = offered()
        .iter()
        .enumerate()
        .map(|(index, card)| {
            let checked = if index == 0 { " checked" } else { "" };
            format!(
                r#"<label class="choice">
<input type="radio" name="card" value="{token}"{checked}>
<span><strong>{label}</strong><span class="quiet figures">{number}</span></span>
</label>"#,
                token = card.token,
                label = card.label,
                number = card.number,
            )
        })
        .collect();
    format!("<fieldset><legend>Test card</legend>{cards}</fieldset>")
}

/// For an address that leads nowhere.
pub fn nothing_here() -> Response {
    let content = "<header><h1>There is nothing here</h1></header>
<section><p>This address belongs to no page of the stand-in.</p></section>";
    respond(
        StatusCode::NOT_FOUND,
        document("There is nothing here", content),
    )
}

/// The address of a page is the key to it, so it must not travel on to other sites or be kept.
pub fn respond(status: StatusCode, page: String) -> Response {
    let headers = [
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; \
             frame-ancestors 'none'",
        ),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ];
    (status, headers, Html(page)).into_response()
}

pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
