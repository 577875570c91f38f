//! Paths of the API. Ids of customers, plans, products and coupons may be text chosen by the seller, so an id
//! becomes one percent-encoded path segment (against path traversal). Only this file builds paths with ids.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::client::Error;

/// Everything except the unreserved characters (RFC 3986, 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The path of an object: `v1/prices/Pro%20plan%2Fmonth`. `list` is Stripe's name of the list, for instance
/// `prices`.
pub fn object(list: &str, id: &str) -> Result<String, Error> {
    segment(id)
        .map(|id| format!("v1/{list}/{id}"))
        .ok_or(Error::NoPath)
}

/// `None` for ids that cannot be a URL path segment: the empty text, `.` and `..`, encoded or not
/// (<https://url.spec.whatwg.org/#double-dot-path-segment>).
fn segment(id: &str) -> Option<String> {
    if ["", ".", ".."].contains(&id) {
        return None;
    }
    Some(utf8_percent_encode(id, ENCODED).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    #[test]
    fn an_id_is_one_segment_whatever_it_holds() {
        let base = Url::parse("https://api.stripe.com/").unwrap();
        for (id, path) in [
            ("cus_1", "/v1/prices/cus_1"),
            (
                "Pro plan $699/month",
                "/v1/prices/Pro%20plan%20%24699%2Fmonth",
            ),
            ("gold?x=1", "/v1/prices/gold%3Fx%3D1"),
            ("gold#x", "/v1/prices/gold%23x"),
            ("50%", "/v1/prices/50%25"),
            ("%2e%2e", "/v1/prices/%252e%252e"),
            ("../customers", "/v1/prices/..%2Fcustomers"),
            ("a\\b", "/v1/prices/a%5Cb"),
            ("\tb\n", "/v1/prices/%09b%0A"),
            ("grün", "/v1/prices/gr%C3%BCn"),
            ("info@harbour.example", "/v1/prices/info%40harbour.example"),
        ] {
            let joined = base.join(&object("prices", id).unwrap()).unwrap();
            assert_eq!(joined.path(), path, "{id}");
            assert!(joined.query().is_none() && joined.fragment().is_none());
        }
        for id in ["", ".", ".."] {
            assert!(object("prices", id).is_err(), "{id}");
        }
    }
}
