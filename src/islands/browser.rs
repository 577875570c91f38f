//! The few things of the browser that islands use. They are called from effects and handlers only,
//! so never on the server. What a browser lacks or refuses is done without.

use js_sys::{Date, Object, Reflect};
use leptos::{ev, prelude::*};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::EventSource;

const RECONNECT_AFTER: std::time::Duration = std::time::Duration::from_secs(10);

/// Calls `changed` for every event of that name, and whenever the connection is made again, since
/// something may have been missed. Lasts as long as the page.
pub fn listen(url: &'static str, event: &'static str, changed: impl Fn() + Copy + 'static) {
    connect(url, event, changed, true);
}

fn connect(
    url: &'static str,
    event: &'static str,
    changed: impl Fn() + Copy + 'static,
    is_first: bool,
) {
    let Ok(source) = EventSource::new(url) else {
        return;
    };
    let on_event = Closure::<dyn Fn()>::new(changed);
    let _ = source.add_event_listener_with_callback(event, on_event.as_ref().unchecked_ref());
    on_event.forget();
    let is_first = std::cell::Cell::new(is_first);
    let on_open = Closure::<dyn Fn()>::new(move || {
        if !is_first.replace(false) {
            changed();
        }
    });
    source.set_onopen(Some(on_open.as_ref().unchecked_ref()));
    on_open.forget();
    // A browser comes back by itself after a broken connection, but not after an answer that is
    // no stream: a proxy's 502 while we restart, or the 401 of a session that has ended.
    let again = source.clone();
    let on_error = Closure::<dyn Fn()>::new(move || {
        if again.ready_state() == EventSource::CLOSED {
            changed();
            set_timeout(move || connect(url, event, changed, false), RECONNECT_AFTER);
        }
    });
    source.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    on_error.forget();
}

/// Tells whether the browser has a network, each time that changes.
pub fn on_connection_change(tell: impl Fn(bool) + Copy + 'static) {
    window_event_listener(ev::offline, move |_| tell(false));
    window_event_listener(ev::online, move |_| tell(true));
}

/// Calls `back` when the page is shown again after a visit elsewhere.
pub fn on_return(back: impl Fn() + 'static) {
    window_event_listener(ev::Custom::<web_sys::Event>::new("pageshow"), move |_| {
        back()
    });
}

pub fn reload() {
    let _ = window().location().reload();
}

pub fn copy(text: &str) {
    let _ = window().navigator().clipboard().write_text(text);
}

/// A day in the visitor's language and time zone, from unix seconds.
pub fn local_day(unix: i64) -> String {
    let date = Date::new(&JsValue::from_f64(unix as f64 * 1000.0));
    let options = Object::new();
    let _ = Reflect::set(&options, &"dateStyle".into(), &"long".into());
    let language = window()
        .navigator()
        .language()
        .unwrap_or_else(|| "en".to_owned());
    date.to_locale_date_string(&language, &options).into()
}
