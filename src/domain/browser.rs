//! Describes a browser from its `User-Agent` header, for mails and the list of signed-in devices. The result is one of a few fixed
//! texts. No part of the header is copied into it, so that a visitor cannot inject text into a mail or a page.

use axum::http::{HeaderMap, header};

/// The visitor who requests a sign-in, as mails, the list of devices and the audit log show them.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// The description that [`words`] returns.
    pub browser: String,
    /// An IP address or a network; empty if it is not known.
    pub client: String,
    /// The session that this browser already has. A sign-in ends it.
    pub session: Option<String>,
}

/// For instance `Firefox on Linux`; empty if the browser is not known.
pub fn words(headers: &HeaderMap) -> String {
    headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .and_then(describe)
        .unwrap_or_default()
}

/// The order of the lists matters: the `User-Agent` of most browsers also names other browsers.
fn describe(agent: &str) -> Option<String> {
    let named = |list: &[(&str, &'static str)]| {
        list.iter()
            .find(|(sign, _)| agent.contains(sign))
            .map(|(_, name)| *name)
    };
    let browser = named(&[
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ])?;
    let system = named(&[
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "a Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    Some(system.map_or_else(
        || browser.to_owned(),
        |system| format!("{browser} on {system}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::describe;

    #[test]
    fn known_browsers_are_named_and_others_are_not_repeated() {
        let edge =
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/150.0 Safari/537.36 Edg/150.0";
        assert_eq!(describe(edge).as_deref(), Some("Edge on Windows"));
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(describe(firefox).as_deref(), Some("Firefox on Linux"));
        assert_eq!(describe("curl/8 <script>"), None);
    }
}
