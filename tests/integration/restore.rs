//! A copy of the database from before an erasure: whoever was erased since stays erased.

use std::{fs, path::PathBuf};

use billhook::{
    clock,
    config::Config,
    domain::{erase, erase_again},
    operator,
    store::{Store, lock},
};
use serde_json::{Value, json};

use crate::{
    contract::dump,
    engines::{Engine, database_url, on_both_engines},
    helpers::{SECRET, TestApp, customer_object, event, eventually, spawn_app, spawn_app_with},
    operator::{billhook, environment, run_with, said},
    worker::row as customer,
};

on_both_engines!(
    checklist_68_an_older_copy_does_not_undo_an_erasure,
    checklist_68_an_erasure_is_done_again_in_every_spelling,
);

const ADA: &str = "ada@example.com";

fn file_of(url: &str) -> PathBuf {
    url.strip_prefix("sqlite://").unwrap().into()
}

pub async fn everything(store: &Store) -> String {
    let mut all = String::new();
    for table in [
        "customer", "event", "invoice", "sign_in", "session", "outbox",
    ] {
        all.push_str(&dump(store, table).await);
    }
    all.to_lowercase()
}

/// Ada with an invoice, a guest's checkout that names her, and Bob.
pub async fn people(app: &TestApp) -> Vec<Value> {
    let mut ada = customer_object("cus_ada", ADA, "Ada Lovelace");
    ada["metadata"] = json!({ "note": "canary" });
    let invoice = json!({
        "id": "in_ada", "object": "invoice", "customer": "cus_ada", "status": "paid",
        "hosted_invoice_url": "https://invoice.stripe.com/i/canary",
    });
    let checkout = json!({
        "id": "cs_guest", "object": "checkout.session", "customer": null, "status": "complete",
        "customer_details": { "email": "Ada@Example.com", "name": "canary" },
    });
    let events = vec![
        event("customer.created", 1_700_000_000, ada, Value::Null),
        event("invoice.paid", 1_700_000_001, invoice, Value::Null),
        event(
            "checkout.session.completed",
            1_700_000_002,
            checkout,
            Value::Null,
        ),
        event(
            "customer.created",
            1_700_000_003,
            customer_object("cus_bob", "bob@example.com", "Bob"),
            Value::Null,
        ),
    ];
    for event in &events {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    events
}

/// One that the copy has never heard of.
fn late() -> Value {
    let mut late = customer_object("cus_late", ADA, "Ada Lovelace");
    late["metadata"] = json!({ "note": "canary" });
    event("customer.created", 1_700_000_010, late, Value::Null)
}

pub async fn assert_gone(app: &TestApp) {
    let all = everything(&app.app.store).await;
    for text in [ADA, "lovelace", "canary"] {
        assert!(!all.contains(text), "{text}: {all}");
    }
    assert!(all.contains("bob@example.com"), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_68_a_restored_backup_loses_who_was_erased_since() {
    let app = spawn_app(Engine::Sqlite).await;
    people(&app).await;
    let url = app.app.config.database_url.expose().to_owned();
    let file = file_of(&url);
    let copy = file.with_extension("copy");
    said(&app, &["backup", copy.to_str().unwrap()]).await;
    // The copy has an older address of hers, and nothing of a customer that came later.
    let moved = customer_object("cus_ada", "countess@example.com", "Ada Lovelace");
    let moved = event("customer.updated", 1_700_000_009, moved, Value::Null);
    assert_eq!(app.deliver(&moved).await.status(), 200);
    let mut late = late();
    late["data"]["object"]["email"] = json!("countess@example.com");
    assert_eq!(app.deliver(&late).await.status(), 200);
    for address in ["countess@example.com", ADA] {
        said(&app, &["account", "erase", address, "--yes"]).await;
    }

    // Hashes, its owner's alone, and longer with each.
    let list = PathBuf::from(format!("{}-erased", file.display()));
    let kept = fs::read_to_string(&list).unwrap();
    assert_eq!(kept.lines().count(), 2);
    for text in ["@", "countess", "cus_", "in_"] {
        assert!(!kept.contains(text), "{text}: {kept}");
    }
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        fs::metadata(&list).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // Not below a server that runs.
    let settings = environment(&app);
    {
        let _lock = lock::take(&file).await.unwrap();
        let refused = billhook(&app, &["restore", copy.to_str().unwrap()]).await;
        let errors = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success() && errors.contains("another server"),
            "{errors}"
        );
    }
    app.app.store.close().await;
    drop(app);
    // Secrets change when a machine is lost; that undoes nothing.
    let mut other = settings.clone();
    other.insert(
        "SESSION_SECRET".to_owned(),
        "another secret of more than 32 bytes".to_owned(),
    );
    let output = run_with(&other, &["restore", copy.to_str().unwrap(), "--json"]).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&done["erasures"], &done["erased_again"]),
        (&json!(2), &json!(2)),
        "{done}"
    );
    assert!(PathBuf::from(done["before"].as_str().unwrap()).exists());

    let again = spawn_app_with(&url, |_| {}).await;
    assert_gone(&again).await;
    // What came after the copy does not come back either.
    assert_eq!(again.deliver(&late).await.status(), 200);
    assert_eq!(again.deliver(&moved).await.status(), 200);
    assert_gone(&again).await;
    assert!(customer(&again, "cus_late").await.is_none());
    // A customer of today is one like any other.
    again.customer(ADA, "Ada of today").await;
    let second = erase_again::run(&again.app).await.unwrap();
    assert_eq!((second.all, second.again), (2, 0));
    assert!(everything(&again.app.store).await.contains("ada of today"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_68_what_is_no_backup_is_not_restored() {
    let app = spawn_app(Engine::Sqlite).await;
    people(&app).await;
    let file = file_of(app.app.config.database_url.expose());
    let folder = file.parent().unwrap();
    let noise = folder.join("noise");
    fs::write(&noise, "this is no database".repeat(300)).unwrap();
    let empty = folder.join("empty");
    fs::write(&empty, "").unwrap();
    let before = everything(&app.app.store).await;
    let none = folder.join("none");
    for from in [&noise, &empty, &none, &file] {
        let refused = billhook(&app, &["restore", from.to_str().unwrap()]).await;
        let errors = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success() && !errors.is_empty(),
            "{}",
            from.display()
        );
    }
    assert_eq!(everything(&app.app.store).await, before);
    let left: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    let is_left = |name: &std::ffi::OsString| name.to_string_lossy().contains("restoring");
    assert!(!left.iter().any(is_left), "{left:?}");
}

/// The command, as its line says.
#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    restore: operator::Restore,
}

fn left_of_a_restore(folder: &std::path::Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains("-restoring")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_stopped_leaves_nothing() {
    let app = spawn_app(Engine::Sqlite).await;
    people(&app).await;
    let file = file_of(app.app.config.database_url.expose());
    let copy = file.with_extension("copy");
    said(&app, &["backup", copy.to_str().unwrap()]).await;
    let before = everything(&app.app.store).await;
    let line = <Line as clap::Parser>::parse_from(["restore", copy.to_str().unwrap()]);
    let config = (*app.app.config).clone();
    let fresh = PathBuf::from(format!("{}-restoring", file.display()));
    tokio::select! {
        biased;
        _ = line.restore.run(config) => panic!("it was not stopped"),
        () = eventually(|| async { fresh.exists().then_some(()) }) => {}
    }
    let folder = file.parent().unwrap();
    eventually(|| async { left_of_a_restore(folder).is_empty().then_some(()) }).await;
    assert_eq!(everything(&app.app.store).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_restore_left_is_replaced_and_told() {
    let app = spawn_app(Engine::Sqlite).await;
    people(&app).await;
    let file = file_of(app.app.config.database_url.expose());
    let copy = file.with_extension("copy");
    said(&app, &["backup", copy.to_str().unwrap()]).await;
    let settings = environment(&app);
    app.app.store.close().await;
    drop(app);
    for end in ["", "-wal", "-shm"] {
        fs::write(format!("{}-restoring{end}", file.display()), "half").unwrap();
    }
    for (json, is_told) in [(true, true), (false, false)] {
        let mut arguments = vec!["restore", copy.to_str().unwrap()];
        arguments.extend(json.then_some("--json"));
        let output = run_with(&settings, &arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let name = format!("{}-restoring", file.display());
        assert_eq!(errors.contains(&name), is_told, "{errors}");
        assert_eq!(left_of_a_restore(file.parent().unwrap()), [""; 0]);
        // Two of one second would be in each other's way.
        for beside in fs::read_dir(file.parent().unwrap()).unwrap() {
            let beside = beside.unwrap().path();
            if beside.to_string_lossy().contains("-before-") {
                fs::remove_file(beside).unwrap();
            }
        }
    }
}

/// Notes of sellers about another customer, with the address in each spelling.
fn mentions() -> Vec<Value> {
    [
        "{\"mail\":\"ada\\u0040m\\u00fcller.example\"}",
        "mailto:ada@xn--mller-kva.example?subject=x",
        "of \u{201c}Ada@M\u{dc}LLER.example\u{201d}",
        "ada@mu\u{308}ller.example/x",
        "a\u{200b}da@m\u{fc}l\u{ad}ler.example's",
        "email=ada@m\u{fc}ller.example&x=1",
        "'ada@m\u{fc}ller.example'|canary",
    ]
    .into_iter()
    .enumerate()
    .map(|(number, note)| {
        let mut bob = customer_object("cus_bob", "bob@example.com", "Bob");
        bob["metadata"] = json!({ "note": format!("{note} canary") });
        if note.starts_with('{') {
            bob["metadata"] = json!({ "note": note, "other": "canary" });
        }
        let at = 1_700_000_100 + i64::try_from(number).unwrap();
        event("customer.created", at, bob, Value::Null)
    })
    .collect()
}

async fn checklist_68_an_erasure_is_done_again_in_every_spelling(engine: Engine) {
    let folder = std::env::temp_dir().join("billhook-tests");
    fs::create_dir_all(&folder).unwrap();
    let list = folder.join(clock::new_id("erased"));
    let keep = |app: &mut billhook::domain::App| {
        let config = Config {
            erasures_file: Some(list.clone()),
            ..(*app.config).clone()
        };
        app.config = std::sync::Arc::new(config);
    };
    let app = spawn_app_with(&database_url(engine).await, keep).await;
    erase::erase(&app.app, "ada@xn--mller-kva.example")
        .await
        .unwrap();
    // Each alone, so that none of them finds the others.
    for mention in mentions() {
        let copy = spawn_app_with(&database_url(engine).await, keep).await;
        assert_eq!(copy.deliver(&mention).await.status(), 200);
        eventually(|| async { customer(&copy, "cus_bob").await.map(drop) }).await;
        let done = erase_again::run(&copy.app).await.unwrap();
        let events = dump(&copy.app.store, "event").await;
        assert!(!events.contains("canary"), "{mention}: {done:?} {events}");
    }
}

/// A database that is not in use, and a copy of it.
async fn database_and_copy() -> (std::collections::HashMap<String, String>, PathBuf, PathBuf) {
    let app = spawn_app(Engine::Sqlite).await;
    people(&app).await;
    let file = file_of(app.app.config.database_url.expose());
    let copy = file.with_extension("copy");
    said(&app, &["backup", copy.to_str().unwrap()]).await;
    app.customer("late@example.com", "Late").await;
    let settings = environment(&app);
    app.app.store.close().await;
    (settings, file, copy)
}

fn with_ending(file: &std::path::Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", file.display()))
}

async fn has_late(settings: &std::collections::HashMap<String, String>) -> bool {
    let store = Store::open(&settings["DATABASE_URL"]).await.unwrap();
    let all = everything(&store).await;
    store.close().await;
    assert!(all.contains("bob@example.com"), "{all}");
    all.contains("late@example.com")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_68_a_restored_database_is_the_servers_to_open() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let (settings, file, copy) = database_and_copy().await;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
    // Only an administrator can give files away, and only then it is needed.
    let _ = chown(&file, Some(65_534), Some(65_534));
    let before = fs::metadata(&file).unwrap();
    // What SQLite had not moved into the old database yet.
    let log = with_ending(&file, "-wal");
    fs::write(&log, "the old one's log").unwrap();
    let arguments = ["restore", copy.to_str().unwrap(), "--json"];
    let output = run_with(&settings, &arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let after = fs::metadata(&file).unwrap();
    assert_eq!(after.permissions().mode() & 0o777, 0o600);
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    let old = PathBuf::from(done["before"].as_str().unwrap());
    assert_eq!(fs::metadata(&old).unwrap().ino(), before.ino());
    let old_log = fs::read_to_string(with_ending(&old, "-wal")).unwrap();
    assert_eq!(old_log, "the old one's log");
    assert!(!log.exists(), "SQLite would take it for the new one's");
    let left = fs::read_dir(file.parent().unwrap()).unwrap();
    let left: Vec<_> = left.map(|file| file.unwrap().file_name()).collect();
    let is_left = |name: &std::ffi::OsString| name.to_string_lossy().contains("restoring");
    assert!(!left.iter().any(is_left), "{left:?}");
    assert!(!has_late(&settings).await, "it is the copy");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_68_where_a_restore_fails_the_database_keeps_its_log() {
    let (settings, file, copy) = database_and_copy().await;
    let (log, shared) = (with_ending(&file, "-wal"), with_ending(&file, "-shm"));
    fs::write(&log, "").unwrap();
    // What cannot be removed comes after the log was moved.
    let _ = fs::remove_file(&shared);
    fs::create_dir(&shared).unwrap();
    let refused = run_with(&settings, &["restore", copy.to_str().unwrap()]).await;
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && !errors.is_empty(), "{errors}");
    assert!(log.exists(), "the log is back");
    fs::remove_dir(&shared).unwrap();
    assert!(has_late(&settings).await, "it is as it was");
    let restoring = with_ending(&file, "-restoring");
    assert!(!restoring.exists());
}

/// By a tool that copies files: what was written last may be in the log alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_68_a_copy_with_its_log_is_restored_whole() {
    let (settings, file, _) = database_and_copy().await;
    let store = Store::open(&settings["DATABASE_URL"]).await.unwrap();
    let row = crate::contract::full_customer("cus_in_log", "inlog@example.com");
    let written = store.write(move |tx| {
        futures::FutureExt::boxed(async move { billhook::store::row::put_all(tx, &[&row]).await })
    });
    written.await.unwrap();
    let copy = file.with_extension("files");
    for ending in ["", "-wal"] {
        fs::copy(with_ending(&file, ending), with_ending(&copy, ending)).unwrap();
    }
    store.close().await;
    let output = run_with(&settings, &["restore", copy.to_str().unwrap()]).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let store = Store::open(&settings["DATABASE_URL"]).await.unwrap();
    assert!(everything(&store).await.contains("inlog@example.com"));
    store.close().await;
}

/// By hand, or by pg_restore: a start is enough.
async fn checklist_68_an_older_copy_does_not_undo_an_erasure(engine: Engine) {
    let folder = std::env::temp_dir().join("billhook-tests");
    fs::create_dir_all(&folder).unwrap();
    let list = folder.join(clock::new_id("erased"));
    let keep = |app: &mut billhook::domain::App| {
        let config = Config {
            erasures_file: Some(list.clone()),
            ..(*app.config).clone()
        };
        app.config = std::sync::Arc::new(config);
    };
    let app = spawn_app_with(&database_url(engine).await, keep).await;
    let events = people(&app).await;
    erase::erase(&app.app, ADA).await.unwrap();
    // Stands for a copy from before: another database with the same events.
    let copy = spawn_app_with(&database_url(engine).await, keep).await;
    for event in &events {
        assert_eq!(copy.deliver(event).await.status(), 200);
    }
    copy.signed_in(ADA).await;
    let mut settings = environment(&copy);
    settings.insert("ERASURES_FILE".to_owned(), list.display().to_string());
    settings.insert("STRIPE_WEBHOOK_SECRET".to_owned(), SECRET.to_owned());
    // Of the other mode is another list.
    let line = fs::read_to_string(&list).unwrap();
    fs::write(
        &list,
        line.replace("\"livemode\":false", "\"livemode\":true"),
    )
    .unwrap();
    assert!(
        run_with(&settings, &["events", "list"])
            .await
            .status
            .success()
    );
    assert!(everything(&copy.app.store).await.contains(ADA));
    // And half a line harms none.
    fs::write(&list, format!("{{\"id\":\n{line}")).unwrap();
    let output = run_with(&settings, &["events", "list"]).await;
    assert!(output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("done again"), "{errors}");
    eventually(|| async {
        let all = everything(&copy.app.store).await;
        (!all.contains(ADA) && !all.contains("canary")).then_some(())
    })
    .await;
    assert_gone(&copy).await;
    assert!(customer(&copy, "cus_bob").await.is_some());
}
