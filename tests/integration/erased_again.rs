//! Erasures that are done again from the list beside the database: which of them, and of whom.

use std::{fs, path::PathBuf, sync::Arc};

use billhook::{
    clock,
    domain::{erase, erase_again},
};
use serde_json::{Value, json};

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, customer_object, event, spawn_app_with},
    restore::{assert_gone, everything, people},
};

on_both_engines!(
    checklist_68_an_erasure_that_was_ordered_twice_spares_who_came_later,
    checklist_68_who_is_known_by_an_id_or_a_payload_alone_is_erased_again,
    checklist_68_a_torn_line_takes_no_erasure_with_it,
);

const ADA: &str = "ada@example.com";

fn new_list() -> PathBuf {
    let folder = std::env::temp_dir().join("billhook-tests");
    fs::create_dir_all(&folder).unwrap();
    folder.join(clock::new_id("erased"))
}

async fn with_list(engine: Engine, list: &std::path::Path) -> TestApp {
    spawn_app_with(&database_url(engine).await, |app| {
        Arc::make_mut(&mut app.config).erasures_file = Some(list.to_owned());
    })
    .await
}

/// What is kept beside the database is not always committed in it, and the operator then erases again.
async fn checklist_68_an_erasure_that_was_ordered_twice_spares_who_came_later(engine: Engine) {
    let list = new_list();
    let app = with_list(engine, &list).await;
    people(&app).await;
    erase::erase(&app.app, ADA).await.unwrap();
    let done = fs::read_to_string(&list).unwrap();
    let mut other: Value = serde_json::from_str(&done).unwrap();
    other["id"] = json!("era_not_committed");
    fs::write(&list, format!("{other}\n{done}")).unwrap();
    app.customer(ADA, "Ada of today").await;
    let again = erase_again::run(&app.app).await.unwrap();
    assert_eq!((again.all, again.again), (2, 0));
    assert!(everything(&app.app.store).await.contains("ada of today"));
    // One that is newer than what was committed is done.
    other["id"] = json!("era_newer");
    other["at"] = json!(other["at"].as_i64().unwrap() + 1);
    fs::write(&list, format!("{done}{other}\n")).unwrap();
    let again = erase_again::run(&app.app).await.unwrap();
    assert_eq!((again.all, again.again), (2, 1));
    assert_gone(&app).await;
}

async fn checklist_68_who_is_known_by_an_id_or_a_payload_alone_is_erased_again(engine: Engine) {
    let list = new_list();
    let app = with_list(engine, &list).await;
    // Who moved to another address after the copy, and a guest, who is no customer.
    let ada = |address| customer_object("cus_ada", address, "Ada canary");
    let created = event("customer.created", 1, ada(ADA), Value::Null);
    let moved = event(
        "customer.updated",
        2,
        ada("countess@example.com"),
        Value::Null,
    );
    let checkout = json!({
        "id": "cs_guest", "object": "checkout.session", "customer": null, "status": "complete",
        "customer_details": { "email": "Guest@Example.com", "name": "canary" },
    });
    let mut earlier = checkout.clone();
    earlier["id"] = json!("cs_earlier");
    let bought = event("checkout.session.completed", 3, checkout, Value::Null);
    // Of this the copy alone still has the payload.
    let earlier = event("checkout.session.completed", 2, earlier, Value::Null);
    let bob = customer_object("cus_bob", "bob@example.com", "Bob");
    let other = event("customer.created", 4, bob, Value::Null);
    for event in [&created, &moved, &bought] {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    for address in ["countess@example.com", "guest@example.com"] {
        erase::erase(&app.app, address).await.unwrap();
    }
    let copy = with_list(engine, &list).await;
    for event in [&created, &earlier, &bought, &other] {
        assert_eq!(copy.deliver(event).await.status(), 200);
    }
    let again = erase_again::run(&copy.app).await.unwrap();
    assert_eq!((again.all, again.again), (2, 2));
    assert_gone(&copy).await;
    assert!(!everything(&copy.app.store).await.contains("guest@"));
}

async fn checklist_68_a_torn_line_takes_no_erasure_with_it(engine: Engine) {
    let list = new_list();
    let app = with_list(engine, &list).await;
    people(&app).await;
    fs::write(&list, "{\"id\":\"era_torn\",\"at").unwrap();
    erase::erase(&app.app, ADA).await.unwrap();
    let again = erase_again::run(&app.app).await.unwrap();
    assert_eq!((again.all, again.again, again.unread), (1, 0, 1));
}
