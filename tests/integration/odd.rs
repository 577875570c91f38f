//! Requests that nobody sane would send, made by chance, and the same again for the same seed.

use serde_json::{Value, json};

use crate::{
    helpers::{SECRET, TestApp, new_client, sign},
    matrix::{MATRIX, signed_in},
};

/// SplitMix64.
pub struct Chance(pub u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn is(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What stands in everything that is sent, and must stand in nothing that comes back.
pub const CANARY: &str = "canary7f3a";

/// Texts as they are found in lists for such tests, with the canary in them.
fn text(chance: &mut Chance) -> String {
    let shape = chance.one(&[
        "{}",
        "",
        "{}@example.com",
        "<script>{}</script>",
        "\"><img src=x onerror={}>",
        "' OR '{}'='{}",
        "../../{}",
        "//{}.example",
        "https://{}.example/",
        "{}\0",
        "{}\r\nSet-Cookie: {}=1",
        "%{}%s%n",
        "${jndi:ldap://{}}",
        "{{7*7}}{}",
        "\u{202e}{}\u{0}\u{feff}",
        "{}\u{1f600}",
        "cus_{}",
        "sub_{}",
        "{\"{}\":[]}",
        "-1",
        "99999999999999999999999",
        "NaN{}",
    ]);
    let text = shape.replace("{}", CANARY);
    match chance.below(20) {
        0 => text.repeat(1 + chance.below(900)),
        _ => text,
    }
}

fn encoded(chance: &mut Chance, text: &str) -> String {
    match chance.below(4) {
        0 => text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        // Broken escapes, and bytes that are no UTF-8.
        1 => format!(
            "%{}%C3%28%FF{CANARY}",
            text.replace(['\r', '\n', '\0', ' '], "")
        ),
        _ => form_urlencoded::byte_serialize(text.as_bytes()).collect(),
    }
}

const FIELDS: &[&str] = &[
    "email",
    "code",
    "handle",
    "customer",
    "flow",
    "subscription",
    "token",
    "problem",
    "next",
    "__path",
    "__err",
    CANARY,
];
const FLOWS: &[&str] = &[
    "home",
    "invoices",
    "payment_method",
    "change_plan",
    "cancel",
];

fn pairs(chance: &mut Chance, is_query_of_start: bool) -> String {
    let mut pairs = Vec::new();
    for _ in 0..chance.below(5) {
        let name = chance.one(FIELDS);
        // The start's own form begins with what its address says.
        if is_query_of_start && name == "email" {
            continue;
        }
        let value = if name == "flow" && chance.is(80) {
            chance.one(FLOWS).to_owned()
        } else {
            let text = text(chance);
            encoded(chance, &text)
        };
        pairs.push(format!("{name}={value}"));
    }
    pairs.join(chance.one(&["&", "&", "&", "&&", ";"]))
}

fn target(chance: &mut Chance) -> String {
    let (_, route, _, _) = MATRIX[chance.below(MATRIX.len())];
    let mut path = match chance.below(12) {
        0 => format!("{route}/{CANARY}"),
        1 => format!("/{}", {
            let text = text(chance);
            encoded(chance, &text)
        }),
        2 => format!("/api/{CANARY}"),
        3 => format!("//{CANARY}.example{route}"),
        4 => format!("/pkg/..%2f..%2f{CANARY}"),
        5 => route.to_uppercase(),
        6 => format!("{route}%00{CANARY}"),
        _ => route.to_owned(),
    };
    if chance.is(5) {
        path = format!("http://{CANARY}.example{path}");
    }
    if chance.is(60) {
        let query = pairs(chance, path == "/");
        path = format!("{path}?{query}");
    }
    path
}

/// A body, with the header lines that go with it.
fn body(chance: &mut Chance, now: i64) -> (String, Vec<u8>) {
    let plain = "Content-Type: application/x-www-form-urlencoded\r\n";
    match chance.below(10) {
        0 => (String::new(), Vec::new()),
        1 => {
            let kind = chance.one(&[
                "application/json",
                "multipart/form-data; boundary=x",
                "text/plain",
                "application/cbor",
                "application/x-www-form-urlencoded; charset=utf-7",
                CANARY,
            ]);
            (
                format!("Content-Type: {kind}\r\n"),
                pairs(chance, false).into_bytes(),
            )
        }
        2 => {
            let bytes = (0..chance.below(300)).map(|_| chance.next().to_le_bytes()[0]);
            (plain.to_owned(), bytes.collect())
        }
        3 => (
            plain.to_owned(),
            format!("{CANARY}=").repeat(3_000).into_bytes(),
        ),
        4 | 5 => {
            let event = event(chance).into_bytes();
            let signature = match chance.below(4) {
                0 => text(chance).replace(['\r', '\n', '\0'], ""),
                1 => format!("t={now},v1={CANARY}"),
                _ => sign(SECRET, now, &event),
            };
            (format!("Stripe-Signature: {signature}\r\n"), event)
        }
        _ => (plain.to_owned(), pairs(chance, false).into_bytes()),
    }
}

/// What Stripe would never sign.
fn event(chance: &mut Chance) -> String {
    let odd = |chance: &mut Chance| match chance.below(8) {
        0 => Value::Null,
        1 => json!(CANARY),
        2 => json!(-1),
        3 => json!(i64::MAX),
        4 => json!([CANARY, { "a": CANARY }]),
        5 => json!({ "id": CANARY, "object": "customer", "data": [] }),
        6 => json!(text(chance)),
        _ => json!(1.5e300),
    };
    if chance.is(10) {
        return text(chance);
    }
    let kinds = [
        "customer.created",
        "customer.deleted",
        "customer.subscription.updated",
        "invoice.paid",
        CANARY,
    ];
    let mut event = json!({
        "id": format!("evt_{CANARY}{}", chance.next()), "object": "event",
        "type": chance.one(&kinds), "created": 1_700_000_000, "livemode": false,
        "data": { "object": { "id": format!("cus_{CANARY}"), "object": "customer" } },
    });
    for _ in 0..chance.below(3) {
        let at = chance.one(&[
            "/id",
            "/type",
            "/created",
            "/livemode",
            "/data",
            "/data/object",
            "/data/object/id",
            "/object",
        ]);
        let value = odd(chance);
        if let Some(place) = event.pointer_mut(at) {
            *place = value;
        }
    }
    event.to_string()
}

/// Header lines that mean something to us, with values that do not.
fn odd_headers(chance: &mut Chance) -> Vec<u8> {
    let mut lines = Vec::new();
    for _ in 0..chance.below(5) {
        let name = chance.one(&[
            "Accept",
            "Accept-Encoding",
            "Accept-Language",
            "Content-Encoding",
            "Cookie",
            "Forwarded",
            "If-Modified-Since",
            "Islands-Router",
            "Last-Event-ID",
            "Origin",
            "Range",
            "Referer",
            "Sec-Fetch-Site",
            "User-Agent",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-HTTP-Method-Override",
            "X-Original-URL",
            CANARY,
        ]);
        lines.extend_from_slice(name.as_bytes());
        lines.extend_from_slice(b": ");
        let value = text(chance).replace(['\r', '\n', '\0'], "");
        let cookie = chance.one(&["access", "refresh", "browser", "link", "device", "typed"]);
        match (name, chance.below(6)) {
            ("Cookie", 0..=3) => {
                lines.extend_from_slice(format!("billhook_{cookie}={value}").as_bytes())
            }
            (_, 0) => lines.extend_from_slice(b"\xff\xfe\x80"),
            _ => lines.extend_from_slice(value.as_bytes()),
        }
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// A request as it goes over the wire, whole.
pub async fn request(app: &TestApp, chance: &mut Chance) -> Vec<u8> {
    let method = chance.one(&[
        "GET", "GET", "GET", "POST", "POST", "POST", "POST", "HEAD", "OPTIONS", "PUT", "DELETE",
        "TRACE", "CANARY",
    ]);
    let target = target(chance);
    let own = app.url.trim_start_matches("http://");
    let mut head = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n").into_bytes();
    let host = match chance.below(30) {
        0 => format!("Host: {CANARY}.example\r\n"),
        1 => String::new(),
        2 => format!("Host: {own}\r\nHost: {CANARY}\r\n"),
        _ => format!("Host: {own}\r\n"),
    };
    head.extend_from_slice(host.as_bytes());
    if chance.is(80) {
        let line = chance.one(&[
            "Sec-Fetch-Site: same-origin\r\n",
            "Sec-Fetch-Site: none\r\n",
        ]);
        head.extend_from_slice(line.as_bytes());
    }
    if chance.is(70) {
        let line = format!("X-Forwarded-For: {}\r\n", new_client());
        head.extend_from_slice(line.as_bytes());
    }
    let accept = chance.one(&["text/html", "application/json", "*/*", "text/event-stream"]);
    head.extend_from_slice(format!("Accept: {accept}\r\n").as_bytes());
    if chance.is(40) {
        let browser = signed_in(app, "ada@example.com").await;
        for (name, value) in browser.cookies {
            head.extend_from_slice(format!("Cookie: {name}={value}\r\n").as_bytes());
        }
    }
    head.extend(odd_headers(chance));
    let (lines, body) = if matches!(method, "GET" | "HEAD") && chance.is(90) {
        (String::new(), Vec::new())
    } else {
        body(chance, app.clock.now())
    };
    head.extend_from_slice(lines.as_bytes());
    if chance.is(80) {
        head.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        head.extend(body);
    } else {
        head.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        if !body.is_empty() {
            head.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
            head.extend(body);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"0\r\n\r\n");
    }
    head
}
