//! `/dev/mail`: the mail of `billhook dev`, as a list and one by one, and why a mail was not sent.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Extension,
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, get},
};
use leptos::prelude::*;
use time::{OffsetDateTime, macros::format_description};

use crate::{
    domain::unsent::Note,
    http::{
        Site,
        headers::Framing,
        routes::{self, Access, Route},
    },
    mail::KeptMail,
    pages::{
        frame::{Foot, Head},
        message::{self, Message},
    },
};

type Mails = Arc<Mutex<Vec<KeptMail>>>;

/// The rows for the table of routes.
pub fn routes(mails: &Mails) -> Vec<Route> {
    let route = |path, handler: MethodRouter<Site>| {
        routes::browser(
            path,
            Access::Public,
            handler.layer(Extension(mails.clone())),
        )
    };
    vec![
        route("/dev/mail", get(list)),
        route("/dev/mail/{number}", get(show)),
        route("/dev/mail/{number}/html", get(html)),
    ]
}

async fn list(State(site): State<Site>, Extension(mails): Extension<Mails>) -> Html<String> {
    let mails = mails.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let sent = mails.into_iter().enumerate().map(|(index, mail)| {
        let at = mail.at;
        let row = view! {
            <li>
                <a href=format!("/dev/mail/{}", index + 1)>{mail.subject}</a>
                <p class="hint">{format!("To {}, ", mail.to)} <Sent at/></p>
            </li>
        };
        (at, row.into_any())
    });
    let unsent = site.app.unsent.notes().into_iter().map(|note| {
        let Note { to, why, at } = note;
        let row = view! {
            <li>
                <p class="unsent">
                    <strong>"Not sent"</strong>
                    {format!(": {}", why.words())}
                </p>
                <p class="hint">{format!("To {to}, ")} <Sent at/></p>
            </li>
        };
        (at, row.into_any())
    });
    let mut rows: Vec<_> = sent.chain(unsent).collect();
    rows.sort_by_key(|(at, _)| *at);
    let is_empty = rows.is_empty();
    let rows: Vec<_> = rows.into_iter().rev().map(|(_, row)| row).collect();
    let empty = is_empty.then(|| {
        view! {
            <p>"There is none yet. Ask for a sign-in link, and it is here a second later."</p>
            <a class="button primary" href="/">"Ask for a link"</a>
        }
    });
    page(&site, "Test mail", move || {
        view! {
            <h1>"Test mail"</h1>
            <p class="lede">"Test mail: nothing leaves this machine."</p>
            {empty}
            <ul class="rows">{rows}</ul>
        }
    })
}

async fn show(
    State(site): State<Site>,
    Extension(mails): Extension<Mails>,
    Path(number): Path<String>,
) -> Response {
    let Some(mail) = find(&mails, &number) else {
        return message::response(&site.app.config, Message::NotFound);
    };
    let from = site.app.config.mail_from.to_string();
    let frame = format!("/dev/mail/{number}/html");
    let page = page(&site, "Test mail", move || {
        view! {
            <h1>{mail.subject}</h1>
            <p class="lede">"Test mail: nothing leaves this machine."</p>
            <dl class="letter">
                <dt>"From"</dt>
                <dd>{from}</dd>
                <dt>"To"</dt>
                <dd>{mail.to}</dd>
                <dt>"Sent"</dt>
                <dd>
                    <Sent at=mail.at/>
                </dd>
            </dl>
            <section class="part" aria-labelledby="as-html">
                <h2 id="as-html">"As HTML"</h2>
                <iframe
                    class="mail"
                    title="The mail as HTML"
                    src=frame
                    sandbox="allow-top-navigation-by-user-activation"
                    referrerpolicy="no-referrer"
                ></iframe>
            </section>
            <section class="part" aria-labelledby="as-text">
                <h2 id="as-text">"As text"</h2>
                <div class="card">
                    <pre class="plain">{with_links(mail.text.expose())}</pre>
                </div>
            </section>
            <a class="button quiet" href="/dev/mail">"All test mail"</a>
        }
    });
    (Extension(Framing::Shows), page).into_response()
}

/// The mail as sent, except that its links open outside the frame, since our pages refuse to be framed.
async fn html(
    State(site): State<Site>,
    Extension(mails): Extension<Mails>,
    Path(number): Path<String>,
) -> Response {
    let Some(mail) = find(&mails, &number) else {
        return message::response(&site.app.config, Message::NotFound);
    };
    let html = mail.html.expose();
    let html = html.replacen("<head>", "<head>\n<base target=\"_top\">", 1);
    (Extension(Framing::Mail), Html(html)).into_response()
}

fn find(mails: &Mails, number: &str) -> Option<KeptMail> {
    let index = number.parse::<usize>().ok()?.checked_sub(1)?;
    let mails = mails.lock().unwrap_or_else(PoisonError::into_inner);
    mails.get(index).cloned()
}

#[component]
fn Sent(at: i64) -> impl IntoView {
    let time = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let machine = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let words =
        format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    view! {
        <time datetime=time.format(machine).unwrap_or_default()>
            {time.format(words).unwrap_or_default()}
        </time>
    }
}

/// Plain text with its URLs as links.
fn with_links(text: &str) -> Vec<AnyView> {
    text.split_inclusive(char::is_whitespace)
        .map(|word| {
            let address = word.trim_end().to_owned();
            if address.starts_with("http://") || address.starts_with("https://") {
                let rest = word[address.len()..].to_owned();
                let href = address.clone();
                view! { <a href=href>{address}</a> {rest} }.into_any()
            } else {
                word.to_owned().into_any()
            }
        })
        .collect()
}

fn page<V: IntoView + 'static>(site: &Site, title: &str, body: impl FnOnce() -> V) -> Html<String> {
    let app_name = site.app.config.app_name.clone();
    let html = Owner::new().with(move || {
        view! {
            <Head app_name dev=true address=None/>
            <main>{body()}</main>
            <Foot/>
        }
        .to_html()
    });
    Html(message::page(title, &html))
}
