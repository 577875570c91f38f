//! `Debug` of every public type that holds a secret or personal data: it shows neither.

use std::{collections::BTreeSet, fmt::Debug, sync::Arc};

use billhook::{
    clock::Clock,
    config::{self, Secret},
    domain::{
        changes::{Change, Gathered},
        email::Email,
        keys::Keys,
        limits,
        mirror::{Noun, Shown},
        refetch::{Fetched, Written},
        session::{self, Identity},
        sign_in::{Asking, Entry},
        sync::Received,
    },
    mail::{KeptMail, Letter, Mailer, ReuseMail, SignInMail},
    model::{CustomerView, Day, InvoiceView, PdfView, State},
    store::{
        self,
        bulk::Cell,
        mirror::{CheckoutSession, PaymentMethod, Product, Subscription},
    },
    stripe,
};
use futures::FutureExt;
use serde_json::json;

use crate::{
    engines::{Engine, database_url},
    helpers::spawn_app_with,
};

const CANARY: &str = "canary.lovelace@example.com";
/// What shows that something of it was printed. Masked it has neither.
const SIGNS: [&str; 2] = ["anary.lovelac", "canary0"];

struct Printed(usize);

impl Printed {
    fn look(&mut self, value: &dyn Debug) {
        for text in [format!("{value:?}"), format!("{value:#?}")] {
            let sign = SIGNS.iter().find(|sign| text.contains(**sign));
            assert_eq!(sign, None, "{text}");
            assert!(!text.is_empty());
        }
        self.0 += 1;
    }
}

fn canary() -> String {
    CANARY.to_owned()
}

fn maybe() -> Option<String> {
    Some(canary())
}

#[tokio::test]
async fn checklist_66_nothing_secret_can_be_printed() {
    let mut printed = Printed(0);
    what_signs_in(&mut printed);
    rows(&mut printed);
    news(&mut printed);
    views(&mut printed);
    whole_program(&mut printed).await;
    assert!(printed.0 > 40, "{}", printed.0);
}

fn what_signs_in(printed: &mut Printed) {
    let secret = || Secret::new(CANARY);
    printed.look(&secret());
    let tokens = || session::Tokens {
        access: secret(),
        refresh: secret(),
    };
    printed.look(&tokens());
    printed.look(&Entry {
        tokens: tokens(),
        device: secret(),
    });
    printed.look(&Asking {
        browser: Some(CANARY),
        device: Some(CANARY),
        ticket: Some(CANARY),
    });
    let mail = SignInMail {
        id: "mail_1".to_owned(),
        to: canary(),
        link: secret(),
        code: secret(),
        minutes: 10,
        asked_from: canary(),
    };
    printed.look(&mail);
    printed.look(&Letter::SignIn(mail));
    printed.look(&Letter::Reuse(ReuseMail {
        id: "mail_2".to_owned(),
        to: canary(),
        browser: canary(),
        start: canary(),
    }));
    printed.look(&KeptMail {
        to: canary(),
        subject: "Sign in".to_owned(),
        text: secret(),
        html: secret(),
        at: 1,
    });
    let from: lettre::message::Mailbox = CANARY.parse().unwrap();
    let url = "smtp://canary0:canary0@127.0.0.1:1";
    printed.look(&Mailer::smtp(url, from.clone(), "x").unwrap());
    let not_smtp = Mailer::smtp("https://canary0:canary0@example.com", from, "x");
    printed.look(&not_smtp.unwrap_err());
    printed.look(&Email::parse(CANARY).unwrap());
}

fn rows(printed: &mut Printed) {
    printed.look(&store::event::Event {
        id: "evt_1".to_owned(),
        r#type: "customer.created".to_owned(),
        object_id: None,
        customer_id: None,
        created: 1,
        livemode: 0,
        api_version: None,
        state: store::event::State::Failed,
        attempts: 1,
        error: maybe(),
        received_at: 1,
        processed_at: None,
        due_at: None,
        tried_since: None,
        payload: canary(),
    });
    printed.look(&store::sign_in::SignIn {
        id: "sgn_1".to_owned(),
        email: canary(),
        token_hash: canary(),
        code_hash: canary(),
        browser_hash: canary(),
        attempts: 0,
        created_at: 1,
        expires_at: 2,
        used_at: None,
        ended_at: None,
        ended_for: None,
        device: maybe(),
    });
    printed.look(&session::new(canary(), "Firefox on Linux", 1));
    printed.look(&store::audit::Entry {
        who: maybe(),
        shown: maybe(),
        client: maybe(),
        ..store::audit::Entry::default()
    });
    printed.look(&store::audit::Filter {
        who: maybe(),
        ..store::audit::Filter::default()
    });
    printed.look(&store::customer::Customer {
        email: maybe(),
        email_normalised: maybe(),
        name: maybe(),
        description: maybe(),
        phone: maybe(),
        metadata: maybe(),
        ..store::customer::Customer::default()
    });
    printed.look(&PaymentMethod {
        last4: maybe(),
        brand: maybe(),
        ..PaymentMethod::default()
    });
    printed.look(&Subscription {
        description: maybe(),
        metadata: maybe(),
        ..Subscription::default()
    });
    printed.look(&store::mirror::Invoice {
        hosted_invoice_url: maybe(),
        invoice_pdf: maybe(),
        ..store::mirror::Invoice::default()
    });
    printed.look(&CheckoutSession {
        client_reference_id: maybe(),
        metadata: maybe(),
        ..CheckoutSession::default()
    });
    printed.look(&Product {
        metadata: maybe(),
        ..Product::default()
    });
    printed.look(&Cell::Text(Some(CANARY)));
    printed.look(&limits::Allowance {
        name: canary(),
        rate: store::rate_limit::Rate { burst: 1, pause: 1 },
        earlier: vec![canary()],
        device: maybe(),
    });
}

fn news(printed: &mut Printed) {
    let object = json!({
        "id": "cus_1", "object": "customer", "email": CANARY, "name": CANARY,
        "metadata": { "a": CANARY },
    });
    let body = json!({
        "id": "evt_1", "type": "customer.created", "created": 1,
        "data": { "object": object, "previous_attributes": { "email": CANARY } },
    });
    printed.look(&stripe::Event::parse(body.to_string().as_bytes()).unwrap());
    for bad in [CANARY, "\"canary0\"", "{\"canary0\": canary0}"] {
        printed.look(&stripe::Event::parse(bad.as_bytes()).unwrap_err());
    }
    printed.look(&stripe::client::Answer {
        body: object.clone(),
        as_of: 1,
    });
    printed.look(&stripe::read::Page {
        objects: vec![object.clone()],
        has_more: false,
        as_of: 1,
    });
    printed.look(&Fetched {
        kind: billhook::domain::mirror::Kind::Customer,
        object: object.clone(),
        as_of: 1,
    });
    let row = <store::customer::Customer as Noun>::read(&object).unwrap();
    printed.look(&row);
    printed.look(&row.shown());
    printed.look(&Shown::ToAddress(CANARY));
    let change = Change::Of(canary());
    printed.look(&change);
    let mut gathered = Gathered::default();
    gathered.note_change(Some(&row), &Default::default());
    printed.look(&gathered);
    printed.look(&Written {
        changed: gathered.clone(),
        left: BTreeSet::from([canary()]),
        unreadable: Vec::new(),
    });
    printed.look(&Received {
        changed: gathered,
        left: BTreeSet::from([canary()]),
        ..Received::default()
    });
}

fn views(printed: &mut Printed) {
    let invoice = InvoiceView {
        words: "€1".to_owned(),
        day: Day::default(),
        pdf: Some(PdfView {
            url: canary(),
            name: "PDF".to_owned(),
        }),
    };
    printed.look(&invoice);
    printed.look(&CustomerView {
        id: "cus_1".to_owned(),
        title: canary(),
        email: canary(),
        created: Day::default(),
        state: State::default(),
        subscriptions: Vec::new(),
        payment_method: maybe(),
        due: None,
        invoices: vec![invoice],
    });
}

/// All that a request has: settings, keys, database, Stripe, mail.
async fn whole_program(printed: &mut Printed) {
    let settings = [
        ("FRONTEND_URL", "http://127.0.0.1:3000"),
        ("DATABASE_URL", "postgres://canary0:canary0@127.0.0.1:1/x"),
        ("STRIPE_API_KEY", "sk_test_canary0"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_canary0,whsec_canary00"),
        ("SESSION_SECRET", "canary0 secret of more than 32 bytes"),
        (
            "SESSION_SECRET_PREVIOUS",
            "canary0 another of more than 32 bytes",
        ),
        ("SMTP_URL", "smtp://canary0:canary0@127.0.0.1:1"),
        ("MAIL_FROM", "billing@example.com"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = config::read(&settings).unwrap();
    printed.look(&config);
    printed.look(&config::read_around(&settings));
    let failed = store::Store::open("postgres://canary0:canary0@127.0.0.1:1/x").await;
    printed.look(&failed.unwrap_err());
    let key = config.stripe_api_key.clone();
    let client = stripe::Client::new(config.stripe_api_base.clone(), key, Vec::new()).unwrap();
    printed.look(&client);

    let database_url = database_url(Engine::Sqlite).await;
    let app = spawn_app_with(&database_url, |app| {
        let from = config.mail_from.clone();
        app.mailer = Mailer::smtp(config.smtp_url.expose(), from, "x").unwrap();
        app.keys = Keys::new(config.session_secret.expose(), []);
        app.config = Arc::new(config.clone());
        app.stripe = client;
    })
    .await;
    printed.look(&app.app);
    for part in [
        &app.app.config as &dyn Debug,
        &app.app.keys,
        &app.app.store,
        &app.app.stripe,
        &app.app.mailer,
        &app.app.inbox,
        &app.app.changes,
        &app.app.clients,
        &app.app.portal_budget,
        &Clock::default(),
    ] {
        printed.look(part);
    }
    let email = canary();
    let (limits, id) = (session::limits(&app.app, 0), "ses_1");
    let found = app.app.store.write(move |tx| {
        async move {
            let row = store::session::Session {
                id: id.to_owned(),
                ..session::new(email, "", 1_900_000_000)
            };
            store::session::insert(tx, &row).await?;
            store::session::principal(tx, id, limits, false).await
        }
        .boxed()
    });
    let (principal, row) = found.await.unwrap().unwrap();
    printed.look(&row);
    printed.look(&Identity::Known(principal.clone()));
    printed.look(&principal);
}

/// Fields that hold what must not be printed, whichever type they are of.
const UNPRINTED: [&str; 17] = [
    "access",
    "address",
    "browser_hash",
    "code",
    "code_hash",
    "email",
    "email_normalised",
    "html",
    "key",
    "last4",
    "link",
    "payload",
    "phone",
    "refresh",
    "text",
    "token",
    "token_hash",
];

/// A type that is made tomorrow is looked at too.
#[test]
fn checklist_66_no_type_with_such_a_field_derives_debug() {
    let mut structs = 0;
    let mut folders = vec![std::path::PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src"
    ))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap_or_default();
            for derived in source.split("#[derive(").skip(1) {
                let Some((traits, rest)) = derived.split_once(")]") else {
                    continue;
                };
                let body = rest.split('}').next().unwrap_or_default();
                if !traits.contains("Debug") || !body.contains("struct ") {
                    continue;
                }
                structs += 1;
                for field in body.lines().filter_map(|line| line.split_once(": ")) {
                    let name = field.0.trim().trim_start_matches("pub ");
                    let is_open = field.1.contains("String") && UNPRINTED.contains(&name);
                    let is_object = field.1.contains("Value") && !field.0.contains("//");
                    assert!(!is_open && !is_object, "{}: {name}", path.display());
                }
            }
        }
    }
    assert!(structs > 40, "{structs}");
}
