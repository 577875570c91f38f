//! Access tokens that are not ours, or not ours any more, signed with the right key where a forger
//! would need it most. None of them reaches the database.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use billhook::domain::{
    App,
    keys::{Purpose, hmac_sha256},
    session::{self, Identity},
};
use hmac::Mac;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::{
    engines::Engine,
    helpers::{TestApp, spawn_app},
};

/// A token of exactly these two texts, with a good signature.
fn signed(app: &App, header: &str, claims: &str) -> String {
    let message = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let mut mac = hmac_sha256(&app.keys.key(Purpose::Access));
    mac.update(message.as_bytes());
    let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{message}.{tag}")
}

fn part(token: &str, index: usize) -> String {
    let part = token.split('.').nth(index).unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Header and claims of a token that is good, with a field changed, added, or (null) left out.
fn changed(text: &str, name: &str, value: Value) -> String {
    let mut object: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
    if value.is_null() {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
    // In the order that the server writes them, so that nothing but the field differs.
    let known = [
        "typ",
        "alg",
        "kid",
        "iss",
        "aud",
        "sub",
        "generation",
        "iat",
        "exp",
    ];
    let rank = |name: &str| known.iter().position(|other| *other == name);
    let mut fields: Vec<_> = object.into_iter().collect();
    fields.sort_by_key(|(name, _)| rank(name).unwrap_or(known.len()));
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{}:{value}", json!(name)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

struct Good {
    app: TestApp,
    access: String,
    refresh: String,
}

async fn good() -> Good {
    let app = spawn_app(Engine::Sqlite).await;
    let browser = app.signed_in("ada@example.com").await;
    let [access, refresh] =
        ["access", "refresh"].map(|name| browser.cookies[&format!("billhook_{name}")].clone());
    Good {
        app,
        access,
        refresh,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_17_tokens_that_are_not_ours_are_nobody_before_the_database_is_asked() {
    let Good {
        app,
        access,
        refresh,
    } = good().await;
    let (header, claims) = (part(&access, 0), part(&access, 1));
    let now = app.clock.now();
    let with_claim =
        |name: &str, value: Value| signed(&app.app, &header, &changed(&claims, name, value));
    let with_header =
        |name: &str, value: Value| signed(&app.app, &changed(&header, name, value), &claims);
    let identify = async |token: &str| session::identify(&app.app, Some(token), None, "").await;

    // The table's own tools make good tokens, and the leeway is five seconds.
    for token in [
        signed(&app.app, &header, &claims),
        with_claim("exp", json!(now - 2)),
        with_claim("iat", json!(now + 3)),
        with_claim("exp", json!(i64::MAX)),
        with_claim("iat", json!(i64::MIN)),
    ] {
        assert!(
            matches!(identify(&token).await, Ok(Identity::Known(_))),
            "{token}"
        );
    }

    let mut parts = access.splitn(3, '.');
    let (head, body, tag) = (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    );
    let none = URL_SAFE_NO_PAD.encode(changed(&header, "alg", json!("none")));
    let mut forged = vec![
        format!("{none}.{body}."),
        format!("{none}.{body}.{tag}"),
        format!("{head}.{body}."),
        format!("{head}.{body}"),
        format!("{head}.{body}.{tag}."),
        format!("{head}.{body}.{tag}="),
        format!(" {access}"),
        format!("{access}\n"),
        refresh.clone(),
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "x".repeat(1_000_000),
        format!("{head}.{}.{tag}", "A".repeat(1_000_000)),
        with_claim("padding", json!("x".repeat(1_000_000))),
    ];
    for (name, value) in [
        ("aud", json!("another")),
        ("aud", json!(["billhook"])),
        ("aud", json!(["billhook", "another"])),
        ("aud", Value::Null),
        ("iss", json!("https://evil.example/")),
        ("iss", Value::Null),
        ("sub", Value::Null),
        ("sub", json!(7)),
        ("generation", Value::Null),
        ("generation", json!("1")),
        ("exp", Value::Null),
        ("exp", json!(now - 6)),
        ("exp", json!(now.to_string())),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        // The ends of what a number can be: nothing is added to them.
        ("exp", json!(i64::MIN)),
        ("exp", json!(u64::MAX)),
        ("iat", json!(i64::MAX)),
        ("iat", json!(u64::MAX)),
        ("iat", Value::Null),
        // A second or two may pass until the row is tried.
        ("iat", json!(now + 120)),
        ("nbf", json!(now + 120)),
        ("nbf", json!(now - 120)),
        ("role", json!("operator")),
    ] {
        forged.push(with_claim(name, value));
    }
    for (name, value) in [
        ("alg", json!("HS384")),
        ("alg", json!("HS512")),
        ("alg", json!("RS256")),
        ("alg", json!("ES256")),
        ("alg", json!("hs256")),
        ("alg", Value::Null),
        ("typ", json!("JWT")),
        ("typ", json!("rt+jwt")),
        ("typ", Value::Null),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' OR '1'='1")),
        ("kid", json!("00000000")),
        ("kid", Value::Null),
        ("jwk", json!({ "kty": "oct", "k": "AAAA" })),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/chain")),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["exp"])),
        ("cty", json!("JWT")),
        ("zip", json!("DEF")),
        ("b64", json!(false)),
    ] {
        forged.push(with_header(name, value));
    }
    // Of two claims of one name, or two headers, neither is believed.
    let twice = |text: &str, more: &str| format!("{},{more}}}", text.trim_end_matches('}'));
    forged.push(signed(
        &app.app,
        &header,
        &twice(&claims, "\"sub\":\"ses_x\""),
    ));
    forged.push(signed(
        &app.app,
        &header,
        &twice(&claims, "\"exp\":9999999999"),
    ));
    forged.push(signed(
        &app.app,
        &twice(&header, "\"alg\":\"none\""),
        &claims,
    ));

    // From here on whoever asks the database gets an error.
    app.app.store.close().await;
    assert!(
        identify(&access).await.is_err(),
        "a good token is looked up"
    );
    for token in forged {
        let shown: String = token.chars().take(200).collect();
        assert!(
            matches!(identify(&token).await, Ok(Identity::Nobody)),
            "{shown}"
        );
        let as_refresh = session::identify(&app.app, None, Some(&token), "").await;
        assert!(
            token == refresh || matches!(as_refresh, Ok(Identity::Nobody)),
            "{shown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_17_no_text_and_no_changed_token_is_taken_for_one() {
    let Good {
        app,
        access,
        refresh,
    } = good().await;
    app.app.store.close().await;
    let runtime = tokio::runtime::Handle::current();
    let change = (
        0..2_usize,
        any::<prop::sample::Index>(),
        any::<u8>(),
        0..3_u8,
    );
    let changed = change.prop_map(move |(which, place, byte, how)| {
        let good = [&access, &refresh][which];
        let mut bytes = good.clone().into_bytes();
        let index = place.index(bytes.len());
        match how {
            0 => bytes[index] = byte,
            1 => bytes.insert(index, byte),
            _ => drop(bytes.remove(index)),
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let is_good = text == *good;
        (which, if is_good { String::new() } else { text })
    });
    // Shaped like a token, like a refresh token, and like nothing.
    let shaped = "[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}";
    let refreshing = "ses_[0-9a-f]{32}\\.-?[0-9]{1,20}\\.[A-Za-z0-9_-]{43}";
    let text = prop_oneof![shaped, refreshing, ".{0,80}"];
    let strategy = prop_oneof![3 => changed, 1 => (0..2_usize, text)];
    let test = move || {
        let config = proptest::test_runner::Config {
            cases: 100_000,
            failure_persistence: None,
            ..Default::default()
        };
        TestRunner::new(config)
            .run(&strategy, |(which, text)| {
                let [access, refresh] = [0, 1].map(|role| (which == role).then_some(text.as_str()));
                let identify = session::identify(&app.app, access, refresh, "");
                let identity = runtime.block_on(identify);
                prop_assert!(matches!(identity, Ok(Identity::Nobody)), "{identity:?}");
                Ok(())
            })
            .unwrap();
    };
    tokio::task::spawn_blocking(test).await.unwrap();
}
