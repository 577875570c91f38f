//! Pages without a route, which layers respond with: a refused form, an internal error.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use leptos::prelude::*;

use super::{
    frame::{Foot, Head},
    not_found::NothingHere,
};
use crate::{answer::RETRY_AFTER, assets, config::Config, model::escape};

/// The content of such a page.
#[derive(Clone, Debug)]
pub enum Message {
    NotFound,
    /// The form could not be parsed, is too large, or came from another site (CSRF).
    BadForm,
    /// The request's host is not `FRONTEND_URL`'s.
    WrongHost,
    /// The database or Stripe did not respond.
    Fault,
    /// An internal error; its id is in the log too.
    Broken(String),
    /// The client exceeded a rate limit.
    TooMany,
}

/// The whole document. `address` is the signed-in address, if any.
pub fn document(config: &Config, message: Message, address: Option<String>) -> String {
    let frontend_url = config.url("/");
    let (app_name, dev) = (config.app_name.clone(), config.dev);
    let title = format!("{} · {}", message.title(), escape(&app_name));
    let body = move || {
        view! {
            <Head app_name dev address/>
            <main>
                {match message {
                    Message::NotFound => view! { <NothingHere/> }.into_any(),
                    Message::BadForm => view! { <BadForm/> }.into_any(),
                    Message::WrongHost => view! { <WrongHost frontend_url/> }.into_any(),
                    Message::Fault => view! { <FaultOfOurs retry="/billing"/> }.into_any(),
                    Message::Broken(id) => view! { <Broken id/> }.into_any(),
                    Message::TooMany => view! { <TooMany/> }.into_any(),
                }}
            </main>
            <Foot/>
        }
        .to_html()
    };
    page(&title, &Owner::new().with(body))
}

/// A document without a program, around `body`. `title` and `body` are HTML.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\
         <link rel=\"icon\" href=\"/favicon.svg\" type=\"image/svg+xml\">\
         <link rel=\"stylesheet\" href=\"{style}\"></head><body>{body}</body></html>",
        style = assets::url("/pkg/billhook.css")
    )
}

impl Message {
    pub fn status(&self) -> StatusCode {
        match self {
            Message::NotFound => StatusCode::NOT_FOUND,
            Message::BadForm => StatusCode::BAD_REQUEST,
            Message::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Message::Fault => StatusCode::SERVICE_UNAVAILABLE,
            Message::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Message::TooMany => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Message::NotFound => "No such page",
            Message::BadForm => "Form not accepted",
            Message::WrongHost => "Another address",
            Message::Fault | Message::Broken(_) => "That did not work",
            Message::TooMany => "A short pause, please",
        }
    }
}

#[component]
pub fn FaultOfOurs(retry: &'static str) -> impl IntoView {
    view! {
        <h1>"That did not work"</h1>
        <p class="lede">"The fault is on our side. Nothing was changed. Try again in a moment."</p>
        <a class="button primary" href=retry>"Try again"</a>
    }
}

#[component]
fn Broken(id: String) -> impl IntoView {
    view! {
        <h1>"That did not work"</h1>
        <p class="lede">
            "Something broke on our side, and it has been written down. If you ask us about it, name "
            <code>{id}</code> "."
        </p>
        <a class="button primary" href="/billing">"Try again"</a>
    }
}

#[component]
fn TooMany() -> impl IntoView {
    view! {
        <h1>"A short pause, please"</h1>
        <p class="lede">
            "That was asked for many times within a minute. Nothing was changed. Wait a moment, and try again."
        </p>
        <a class="button primary" href="/billing">"Try again"</a>
    }
}

#[component]
fn WrongHost(frontend_url: String) -> impl IntoView {
    view! {
        <h1>"This page has another address"</h1>
        <p class="lede">"Nothing is shown under the one that you came by."</p>
        <a class="button primary" href=frontend_url.clone()>
            {format!("Go to {}", frontend_url.trim_end_matches('/'))}
        </a>
    }
}

#[component]
fn BadForm() -> impl IntoView {
    view! {
        <h1>"That did not work"</h1>
        <p class="lede">
            "What your browser sent could not be accepted. Nothing was changed. Go back to the start and try again from there."
        </p>
        <a class="button primary" href="/">"Go to the start"</a>
    }
}

/// The document as a response, with its status.
pub fn response(config: &Config, message: Message) -> Response {
    response_for(config, message, None)
}

/// The same, with the signed-in address in the header.
pub fn response_for(config: &Config, message: Message, address: Option<String>) -> Response {
    let status = message.status();
    let mut response = (status, Html(document(config, message, address))).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = HeaderValue::from(RETRY_AFTER);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}
