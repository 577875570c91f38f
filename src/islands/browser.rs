//! Browser APIs that islands use. Called only from effects and handlers, so never on the server. If a browser lacks or refuses an
//! API, the feature is skipped.

use js_sys::{Date, Function, Reflect};
use leptos::{ev, prelude::*, serde_json};
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{FocusOptions, HtmlElement};

/// Calls `told` with the JSON data of every event of the list, for as long as the page lasts. `public/live.js` receives the
/// events, and learns whether the data could be parsed. `whose` is the list's owner: only tabs of the same owner share a stream.
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

/// Makes a change that may replace elements of the page. Then restores the focus to the element with the same id, without
/// scrolling.
pub fn keep_focus(change: impl FnOnce()) {
    let focused = document().active_element().map(|element| element.id());
    change();
    let Some(id) = focused.filter(|id| !id.is_empty()) else {
        return;
    };
    // The page has changed by the next frame.
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

/// Calls `tell` whenever the browser goes online or offline.
pub fn on_connection_change(tell: impl Fn(bool) + Copy + 'static) {
    window_event_listener(ev::offline, move |_| tell(false));
    window_event_listener(ev::online, move |_| tell(true));
}

/// Calls `back` when the page is shown again after a visit to another page.
pub fn on_return(back: impl Fn() + 'static) {
    window_event_listener(ev::Custom::<web_sys::Event>::new("pageshow"), move |_| {
        back()
    });
}

/// Copies to the clipboard. False without a clipboard API: over plain http on a network.
pub fn copy(text: &str) -> bool {
    let navigator = window().navigator();
    let is_there =
        Reflect::get(&navigator, &"clipboard".into()).is_ok_and(|clipboard| clipboard.is_object());
    if is_there {
        let _ = navigator.clipboard().write_text(text);
    }
    is_there
}

/// Converts to lower case. Rust's own tables would add 5 kB to the download.
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

/// Formats a day in the visitor's time zone, from unix seconds, as the server does; `None` if the number is out of range. Does not use
/// `Intl`, which takes a slow browser about a tenth of a second to initialize.
pub fn local_day(unix: i64) -> Option<String> {
    let at = Date::new(&JsValue::from_f64(unix as f64 * 1000.0));
    let month = MONTHS.get(part(&at, "getMonth")?)?;
    let (day, year) = (part(&at, "getDate")?, part(&at, "getFullYear")?);
    Some(format!("{day} {month} {year}"))
}

/// Calls the method in a way that may fail: an exception would otherwise end the program, and the list with it.
fn part(of: &Date, method: &str) -> Option<usize> {
    let number = function(of, method)?.call0(of).ok()?.as_f64()?;
    (number >= 0.0).then_some(number as usize)
}
