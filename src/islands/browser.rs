//! The few things of the browser that islands use. They are called from effects and handlers only,
//! so never on the server. What a browser lacks or refuses is done without.

use js_sys::{Date, Function, Reflect};
use leptos::{ev, prelude::*, serde_json};
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{FocusOptions, HtmlElement};

/// Gives the data of every event of the list, which is JSON, to `told`, for as long as the page lasts. How it
/// comes is in `public/live.js`, which is told whether it could be read. `whose` list it is tells
/// tabs apart that share a stream.
pub fn listen<T: DeserializeOwned + 'static>(url: &str, whose: &str, told: impl Fn(T) + 'static) {
    let Some(listen) = function(&window(), "billhookListen") else {
        return;
    };
    let told = Closure::<dyn Fn(String) -> bool>::new(move |data: String| {
        serde_json::from_str(&data).map(&told).is_ok()
    });
    let _ = listen.call3(
        &JsValue::UNDEFINED,
        &url.into(),
        &whose.into(),
        told.as_ref(),
    );
    told.forget();
}

fn function(of: &JsValue, name: &str) -> Option<Function> {
    Reflect::get(of, &name.into()).ok()?.dyn_into().ok()
}

/// Makes a change after which the elements of the page may be others; that of the focused one's id is
/// focused then, and nothing is scrolled.
pub fn keep_focus(change: impl FnOnce()) {
    let focused = document().active_element().map(|element| element.id());
    change();
    let Some(id) = focused.filter(|id| !id.is_empty()) else {
        return;
    };
    // By the next frame the page has changed.
    request_animation_frame(move || {
        let element = document().get_element_by_id(&id);
        if let Some(element) = element {
            let options = FocusOptions::new();
            options.set_prevent_scroll(true);
            let _ = element
                .unchecked_into::<HtmlElement>()
                .focus_with_options(&options);
        }
    });
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

/// False where there is no clipboard: over plain http on a network.
pub fn copy(text: &str) -> bool {
    let navigator = window().navigator();
    let is_there =
        Reflect::get(&navigator, &"clipboard".into()).is_ok_and(|clipboard| clipboard.is_object());
    if is_there {
        let _ = navigator.clipboard().write_text(text);
    }
    is_there
}

/// In small letters. Rust's own tables for that would add 5 kB to the download.
pub fn lower_case(text: &str) -> String {
    js_sys::JsString::from(text).to_lower_case().into()
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A day in the visitor's time zone, from unix seconds, in words as the server's; nothing for a number that is
/// no time. Without Intl, which takes a slow browser about a tenth of a second to begin with.
pub fn local_day(unix: i64) -> Option<String> {
    let at = Date::new(&JsValue::from_f64(unix as f64 * 1000.0));
    let month = MONTHS.get(part(&at, "getMonth")?)?;
    let (day, year) = (part(&at, "getDate")?, part(&at, "getFullYear")?);
    Some(format!("{day} {month} {year}"))
}

/// Asked for in a way that may fail: what a browser throws would else end the program, and the list with it.
fn part(of: &Date, method: &str) -> Option<usize> {
    let number = function(of, method)?.call0(of).ok()?.as_f64()?;
    (number >= 0.0).then_some(number as usize)
}
