//! Two transactions at once, as two writers or two processes make them: neither waits for the other for
//! ever, and together they leave what one after the other would.

use std::{sync::Arc, time::Duration};

use billhook::{
    domain::{
        changes::Change,
        sync::{self, Outcome},
    },
    store::{self, Store},
    stripe::Event,
};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    contract,
    engines::{Engine, database_url, on_both_engines},
    helpers::{customer_object, event, spawn_app},
};

on_both_engines!(
    events_about_things_inside_each_other_need_one_try,
    checklist_22_the_last_customers_of_an_address_may_go_at_once,
    an_open_page_hears_of_what_was_committed_beside_its_customer,
);

const AT: i64 = 1_700_000_000;

fn parsed(r#type: &str, object: Value) -> Event {
    let event = event(r#type, AT, object, Value::Null);
    Event::parse(event.to_string().as_bytes()).unwrap()
}

fn price(id: &str) -> Value {
    json!({ "id": id, "object": "price", "active": true, "created": AT, "currency": "eur" })
}

/// A subscription with an item of that price.
fn subscription(id: &str, price: &Value) -> Value {
    json!({
        "id": id, "object": "subscription", "customer": "cus_1", "status": "active", "created": AT,
        "items": { "object": "list", "has_more": false, "data": [
            { "id": format!("si_{id}"), "object": "subscription_item", "quantity": 1, "price": price },
        ] },
    })
}

async fn received(store: &Store, events: Vec<Event>) -> store::Result<Vec<Outcome>> {
    let written = store.write(move |tx| {
        async move {
            Ok(sync::receive(tx, &events, &sync::Ours::default(), AT)
                .await?
                .outcomes)
        }
        .boxed()
    });
    written.await
}

/// Each brings a new price, and a subscription with the price that the other brings.
async fn events_about_things_inside_each_other_need_one_try(engine: Engine) {
    let store = Store::connect(&database_url(engine).await).await.unwrap();
    for round in 0..40 {
        let (mine, yours) = (format!("price_a{round}"), format!("price_b{round}"));
        let both = [(&mine, &yours), (&yours, &mine)].map(|(own, other)| {
            let inside = subscription(&format!("sub_{own}"), &price(other));
            let events = vec![
                parsed("price.created", price(own)),
                parsed("customer.subscription.created", inside),
            ];
            let store = store.clone();
            tokio::spawn(async move { received(&store, events).await })
        });
        for one in both {
            let outcomes = one.await.unwrap().unwrap();
            assert_eq!(outcomes, [Outcome::Applied, Outcome::Applied]);
        }
    }
    let rows = contract::dump(&store, "price").await;
    assert_eq!(rows.lines().count(), 80, "{rows}");
}

async fn checklist_22_the_last_customers_of_an_address_may_go_at_once(engine: Engine) {
    let app = spawn_app(engine).await;
    for id in ["cus_1", "cus_2"] {
        let object = customer_object(id, "ada@example.com", "Ada");
        app.deliver(&event("customer.created", AT - 1, object, Value::Null))
            .await;
    }
    let mut ada = app.signed_in("ada@example.com").await;
    assert_eq!(ada.get("/billing").await.status(), 200);
    let gone = |id: &str| {
        let object = customer_object(id, "ada@example.com", "Ada");
        [parsed("customer.deleted", object)]
    };
    let (began, other_is_done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (first, second) = (gone("cus_1"), gone("cus_2"));
    let one = {
        let (began, other_is_done) = (began.clone(), other_is_done.clone());
        app.app.store.write(move |tx| {
            async move {
                sync::receive(tx, &first, &sync::Ours::default(), AT).await?;
                began.notify_one();
                // The other cannot end before this one has, if all is well.
                let wait = other_is_done.notified();
                let _ = tokio::time::timeout(Duration::from_millis(500), wait).await;
                Ok(())
            }
            .boxed()
        })
    };
    let other = async {
        began.notified().await;
        let written = received(&app.app.store, second.into()).await;
        other_is_done.notify_one();
        written
    };
    let (one, other) = tokio::join!(one, other);
    one.unwrap();
    assert_eq!(other.unwrap(), [Outcome::Applied]);
    assert_eq!(ada.get("/billing").await.status(), 303);
}

/// The customer is committed, and its page told, while the transaction that brings its subscription has
/// still to end.
async fn an_open_page_hears_of_what_was_committed_beside_its_customer(engine: Engine) {
    let app = spawn_app(engine).await;
    let (store, changes) = (&app.app.store, &app.app.changes);
    let inside = subscription("sub_1", &price("price_1"));
    let events = [parsed("customer.subscription.created", inside)];
    let (began, other_is_done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let late = {
        let (began, other_is_done) = (began.clone(), other_is_done.clone());
        store.write(move |tx| {
            async move {
                let received = sync::receive(tx, &events, &sync::Ours::default(), AT).await?;
                began.notify_one();
                // On SQLite the other waits for this one, which has to go on.
                let wait = other_is_done.notified();
                let _ = tokio::time::timeout(Duration::from_millis(500), wait).await;
                Ok(received)
            }
            .boxed()
        })
    };
    let customer = async {
        began.notified().await;
        let object = customer_object("cus_1", "ada@example.com", "Ada");
        let written = received(store, vec![parsed("customer.created", object)]).await;
        other_is_done.notify_one();
        written
    };
    let (late, customer) = tokio::join!(late, customer);
    assert_eq!(customer.unwrap(), [Outcome::Applied]);
    let mut heard = changes.listen();
    changes.tell_committed(store, late.unwrap().changed);
    let change = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await;
    assert_eq!(
        change.unwrap().unwrap(),
        Change::Of("ada@example.com".to_owned())
    );
}
