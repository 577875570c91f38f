//! Where our own redirects may lead. It prevents open redirects.

use std::sync::Arc;

/// The allowlist of redirect targets, which prevents open redirects: the pages in the table of routes. A sign-in always redirects
/// to the list; no request parameter can choose another target.
#[derive(Clone, Debug)]
pub struct Places(Arc<[&'static str]>);

impl Places {
    pub fn new(pages: Vec<&'static str>) -> Places {
        Places(pages.into())
    }

    /// Returns the location if it is on the allowlist, with or without a query, else `/`. No input can redirect off our site.
    pub fn local<'a>(&self, location: &'a str) -> &'a str {
        let path = location.split('?').next().unwrap_or_default();
        // Browsers strip some characters of a URL and normalize others (`\` becomes `/`).
        let is_plain = location
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#'));
        if is_plain && self.0.contains(&path) {
            location
        } else {
            "/"
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use url::Url;

    use super::*;
    use crate::http::routes;

    /// The pages of the real table.
    static PAGES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let all: Vec<_> = routes::all().iter().cloned().map(Arc::new).collect();
        routes::pages(&all)
    });

    fn local(location: &str) -> String {
        static PLACES: LazyLock<Places> = LazyLock::new(|| Places::new(PAGES.clone()));
        PLACES.local(location).to_owned()
    }

    /// Open redirects that other projects had: each makes some browser leave the site, or names a page that is not on the list.
    const ELSEWHERE: &[&str] = &[
        "",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https://evil.example/billing",
        "HTTPS://evil.example",
        "http:/evil.example",
        "%2f%2fevil.example",
        "/%2fevil.example",
        "/%09/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " /billing",
        "/billing ",
        "/billing\r\nSet-Cookie: a=b",
        "/billing?a\r\nSet-Cookie: a=b",
        "/billing\0",
        "javascript:alert(1)",
        "data:text/html,x",
        "/a/../..//evil.example",
        "/billing/../..//evil.example",
        "/billing/",
        "/billing#x",
        "/billing;x",
        "/billing@evil.example",
        "/BILLING",
        "billing",
        "./billing",
        "/billing/live",
        "/api/sign_out",
        "/sign-in/link?token=x",
        "2130706433",
        "//2130706433",
        "http://2130706433/",
        "/\u{ff0f}evil.example",
        "/billing?\u{202e}",
    ];

    #[test]
    fn checklist_11_a_sign_in_leads_to_our_pages_alone() {
        for text in ELSEWHERE {
            assert_eq!(local(text), "/", "{text:?}");
        }
        assert_eq!(local(&format!("/{}", "x".repeat(4096))), "/");
        assert!(PAGES.len() >= 5 && PAGES.contains(&"/devices"), "{PAGES:?}");
        for place in PAGES.iter().copied() {
            let with_query = format!("{place}?problem=code&next=//evil.example");
            assert_eq!(local(place), place);
            assert_eq!(local(&with_query), with_query, "a query leads nowhere");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..Default::default() })]

        #[test]
        fn checklist_11_no_text_leads_away(text in location()) {
            let ours = Url::parse("https://billing.example.com/api/enter_code").unwrap();
            let led = ours.join(&local(&text)).unwrap();
            prop_assert_eq!(led.origin(), ours.origin(), "{:?}", text);
            prop_assert!(PAGES.contains(&led.path()), "{:?} leads to {}", text, led);
            prop_assert!(led.fragment().is_none() && led.username().is_empty());
        }
    }

    /// Arbitrary texts, combinations of parts that lead off the site, and allowed pages with something before or after them.
    fn location() -> impl Strategy<Value = String> {
        let pieces = [
            "/",
            "//",
            "\\",
            "?",
            "#",
            "@",
            ":",
            ".",
            "..",
            "%2f",
            "%5c",
            "%09",
            "\t",
            "\n",
            "\r",
            " ",
            "\0",
            "https:",
            "javascript:",
            "evil.example",
            "2130706433",
            "billing",
            "sign-in",
            "check",
            "devices",
            "\u{ff0f}",
            "\u{3002}",
            "\u{202e}",
        ];
        let mixed = prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..8);
        let mixed = mixed.prop_map(|pieces| pieces.concat()).boxed();
        let places = prop::sample::select(PAGES.clone());
        let around = (mixed.clone(), places, mixed.clone())
            .prop_map(|(before, place, after)| format!("{before}{place}{after}"));
        prop_oneof![".{0,40}", mixed, around]
    }
}
