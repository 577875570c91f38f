//! Every function of the store, on both engines: each writes, and reads back all that it wrote. A
//! parameter that is not bound is NULL on SQLite without a word, so nothing less will do.

use std::collections::BTreeSet;

use billhook::{
    domain::mirror::{self as nouns, Noun, Visit, visit_all},
    store::{
        self, Store, Tx, audit,
        bulk::{self, Cell},
        card_rows, customer,
        customer::Customer,
        device,
        diagnostics::{self, Health},
        erased, event,
        event::{Event, State},
        file, lock,
        mirror::{
            self, Discount, Invoice, InvoicePayment, PaymentIntent, PaymentMethod, Price,
            Subscription, SubscriptionItem,
        },
        missing_objects, outbox,
        outbox::{Kind, Mail},
        progress, rate_limit,
        rate_limit::Rate,
        row::{self, PlainRow},
        session,
        session::{Session, Why},
        sign_in,
        sign_in::{End, SignIn},
    },
};
use futures::{FutureExt, future::BoxFuture};

use crate::engines::{Engine, database_url, on_both_engines};

on_both_engines!(
    customers_are_read_as_they_were_written,
    every_column_of_the_mirror_is_written_and_read,
    items_are_replaced_with_their_subscription,
    what_belongs_to_a_customer_is_found_and_hidden_from_others,
    due_events_are_claimed_by_one_and_settled,
    progress_is_kept_by_name,
    a_name_is_one_holders_until_it_is_given_back_or_lost,
    a_database_is_looked_at_without_a_change,
    events_are_listed_requeued_and_purged,
    a_principal_sees_its_own_live_customers_of_its_mode,
    row_level_security_hides_others_whatever_the_query,
    events_are_stored_once,
    customers_are_gone_through_in_order,
    many_rows_are_written_and_read_at_once,
    statements_about_many_ids_miss_none,
    plans_made_while_a_table_is_empty_use_its_index,
    sign_ins_are_read_counted_and_used_once,
    the_oldest_sign_in_of_strangers_is_ended,
    allowances_come_back_evenly,
    the_databases_clock_goes_on,
    sessions_rotate_and_end,
    the_audit_log_is_written_and_listed,
    what_has_had_its_time_is_purged,
    sessions_beyond_their_limits_end,
    a_principal_sees_and_ends_its_own_sessions,
    sessions_without_a_customer_are_ended,
    why_a_session_ended_is_kept,
    ends_of_devices_are_kept_and_purged,
    a_browser_keeps_a_few_sign_ins_and_what_they_gave,
    mails_are_claimed_by_one_and_retried,
    what_is_erased_is_found_blanked_and_known,
    what_is_an_addresss_own_is_counted_and_deleted,
    a_database_in_use_is_copied,
    a_transaction_that_fails_leaves_nothing,
    reopening_keeps_everything,
    rows_that_are_missing_are_told,
    unknown_objects_are_asked_for_by_one,
    addresses_with_odd_letters_are_found_and_set,
);

async fn open(engine: Engine) -> Store {
    Store::connect(&database_url(engine).await).await.unwrap()
}

/// Runs one piece of work in a transaction of its own.
async fn run<T: Send + 'static>(
    store: &Store,
    work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, store::Result<T>> + Send + 'static,
) -> T {
    store.write(work).await.unwrap()
}

macro_rules! run {
    ($store:expr, $tx:ident => $work:expr) => {
        run($store, move |$tx| async move { $work.await }.boxed()).await
    };
}

pub fn full_customer(id: &str, email: &str) -> Customer {
    Customer {
        id: id.to_owned(),
        email: Some(email.to_owned()),
        email_normalised: Some(email.trim().to_ascii_lowercase()),
        name: Some("Ada".to_owned()),
        description: Some("of the engines".to_owned()),
        phone: Some("+44 20".to_owned()),
        currency: Some("gbp".to_owned()),
        metadata: Some("{}".to_owned()),
        default_payment_method: Some("pm_1".to_owned()),
        default_source: Some("card_1".to_owned()),
        discounts: Some(r#"["di_1"]"#.to_owned()),
        delinquent: 1,
        livemode: 0,
        created: 1_700_000_000,
        stripe_at: 1_700_000_001,
        deleted_at: None,
    }
}

fn limits(began_after: i64, active_after: i64) -> session::Limits {
    session::Limits {
        began_after,
        active_after,
    }
}

pub async fn principal(store: &Store, email: &str) -> store::Principal {
    let row = Session {
        id: billhook::clock::new_id("ses"),
        email: email.to_owned(),
        generation: 1,
        parent_generation: 0,
        seen_generation: 0,
        rotated_at: 100,
        active_at: 100,
        created_at: 100,
        ended_at: None,
        browser: String::new(),
    };
    let id = row.id.clone();
    run!(store, tx => session::insert(tx, &row));
    run!(store, tx => session::principal(tx, &id, limits(0, 0), false))
        .unwrap()
        .0
}

async fn customers_are_read_as_they_were_written(engine: Engine) {
    let store = open(engine).await;
    let first = full_customer("cus_1", "Ada@Example.com");
    let second = Customer {
        stripe_at: 7,
        deleted_at: Some(8),
        email: None,
        email_normalised: None,
        name: None,
        description: None,
        phone: None,
        currency: None,
        metadata: None,
        default_payment_method: None,
        delinquent: 0,
        livemode: 1,
        created: 2,
        ..first.clone()
    };
    for written in [first, second] {
        let row = written.clone();
        run!(&store, tx => row::put_all(tx, &[&row]));
        assert_eq!(
            run!(&store, tx => row::find::<Customer>(tx, "cus_1")),
            Some(written)
        );
    }
    assert_eq!(run!(&store, tx => row::find::<Customer>(tx, "cus_2")), None);
}

/// A value of its own in each column, then nothing wherever that may be.
async fn every_column_of_the_mirror_is_written_and_read(engine: Engine) {
    async fn check<R: PlainRow>(store: &Store) {
        let texts: Vec<_> = (0..R::COLUMNS.len())
            .map(|place| match place {
                0 => "id_1".to_owned(),
                _ => format!("text {place}"),
            })
            .collect();
        let empty = R::default();
        let filled: Vec<_> = empty
            .cells()
            .into_iter()
            .zip(&texts)
            .zip(0_i64..)
            .map(|((cell, text), place)| match cell {
                Cell::Text(_) => Cell::Text(Some(text)),
                Cell::Number(_) => Cell::Number(Some(place)),
            })
            .collect();
        let names = (1..=filled.len()).map(|number| format!("${number}"));
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            R::TABLE,
            R::COLUMNS.join(", "),
            names.collect::<Vec<_>>().join(", ")
        );
        macro_rules! insert_on {
            ($pool:expr) => {{
                let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
                for cell in &filled {
                    query = match *cell {
                        Cell::Text(text) => query.bind(text),
                        Cell::Number(number) => query.bind(number),
                    };
                }
                query.execute($pool).await.unwrap();
            }};
        }
        match store {
            Store::Sqlite { writer, .. } => insert_on!(writer),
            Store::Postgres(pool) => insert_on!(pool),
        }
        let read: R = run!(store, tx => row::find(tx, "id_1")).unwrap();
        assert_eq!(read.cells(), filled, "{}", R::TABLE);
        // As it is read it can be written, over another and anew.
        let empty = R::tombstone("id_1", 1, 7);
        let row = empty.clone();
        run!(store, tx => row::put_all(tx, &[&row]));
        assert_eq!(run!(store, tx => row::find(tx, "id_1")), Some(empty));
        let row = read.clone();
        run!(store, tx => row::put_all(tx, &[&row]));
        assert_eq!(run!(store, tx => row::find(tx, "id_1")), Some(read.clone()));
        run!(store, tx => async {
            sqlx_delete(tx, R::TABLE).await;
            row::put_all(tx, &[&read]).await
        });
        let all: Vec<R> = run!(store, tx => row::find_all(tx, &["id_1", "id_2"]));
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].cells(), filled, "{}", R::TABLE);
    }
    struct Check(Store);
    impl Visit for Check {
        async fn visit<N: Noun>(&mut self, _kind: nouns::Kind) {
            check::<N::Plain>(&self.0).await;
        }
    }
    visit_all(&mut Check(open(engine).await)).await;
}

async fn sqlx_delete(tx: &mut Tx, table: &str) {
    let sql = sqlx::AssertSqlSafe(format!("DELETE FROM {table}"));
    match tx {
        Tx::Sqlite(tx) => drop(sqlx::query(sql).execute(&mut **tx).await.unwrap()),
        Tx::Postgres(tx) => drop(sqlx::query(sql).execute(&mut **tx).await.unwrap()),
    }
}

async fn items_are_replaced_with_their_subscription(engine: Engine) {
    let store = open(engine).await;
    let item = |subscription: &str, position| SubscriptionItem {
        subscription_id: subscription.to_owned(),
        position,
        id: Some(format!("si_{position}")),
        price_id: Some("price_1".to_owned()),
        product_id: Some("prod_1".to_owned()),
        quantity: Some(3),
        discounts: Some(r#"["di_1"]"#.to_owned()),
        price_created: Some(1),
        current_period_start: Some(4),
        current_period_end: Some(5),
    };
    let empty = SubscriptionItem {
        subscription_id: "sub_2".to_owned(),
        ..SubscriptionItem::default()
    };
    let written = [item("sub_1", 1), item("sub_1", 0), empty.clone()];
    run!(&store, tx => async {
        mirror::replace_items(tx, &["sub_1", "sub_2"], &written.iter().collect::<Vec<_>>()).await
    });
    assert_eq!(
        run!(&store, tx => mirror::items_of(tx, &["sub_1", "sub_3"])),
        [item("sub_1", 0), item("sub_1", 1)]
    );
    let one = item("sub_1", 0);
    run!(&store, tx => async { mirror::replace_items(tx, &["sub_1"], &[&one]).await });
    let left = run!(&store, tx => mirror::items_of(tx, &["sub_1", "sub_2"]));
    assert_eq!(left, [item("sub_1", 0), empty]);
}

async fn what_belongs_to_a_customer_is_found_and_hidden_from_others(engine: Engine) {
    let store = open(engine).await;
    for (customer, email) in [("cus_1", "ada@example.com"), ("cus_2", "bob@example.com")] {
        let row = full_customer(customer, email);
        run!(&store, tx => row::put_all(tx, &[&row]));
        for (number, deleted_at) in [(1, None), (2, None), (3, Some(9))] {
            let subscription = Subscription {
                id: format!("sub_{customer}_{number}"),
                customer_id: Some(customer.to_owned()),
                created: number,
                deleted_at,
                ..Subscription::default()
            };
            let item = SubscriptionItem {
                subscription_id: subscription.id.clone(),
                ..SubscriptionItem::default()
            };
            run!(&store, tx => async {
                row::put_all(tx, &[&subscription]).await?;
                mirror::replace_items(tx, &[&subscription.id], &[&item]).await
            });
        }
    }
    let ada = principal(&store, "ada@example.com").await;
    let found = store.read_as(&ada, |tx| {
        mirror::items_of(tx, &["sub_cus_1_1", "sub_cus_2_1"]).boxed()
    });
    let of_items = match engine {
        // There the Principal of the query for the customers is the guard.
        Engine::Sqlite => 2,
        // There the database itself hides Bob's.
        Engine::Postgres => 1,
    };
    assert_eq!(found.await.unwrap().len(), of_items);
    let shelf = |only: Option<&'static str>| {
        let (whose, ada, store) = (ada.clone(), ada.clone(), store.clone());
        async move {
            let read = store.read_as(&ada, move |tx| {
                async move { card_rows::read(tx, &whose, only).await }.boxed()
            });
            read.await.unwrap()
        }
    };
    let rows = shelf(None).await;
    let ids: Vec<_> = rows
        .subscriptions
        .iter()
        .map(|row| row.id.as_str())
        .collect();
    assert_eq!(
        ids,
        ["sub_cus_1_2", "sub_cus_1_1"],
        "newest first, no tombstone"
    );
    assert_eq!((rows.customers.len(), rows.items.len()), (1, 2));
    assert_eq!(rows.customers[0], full_customer("cus_1", "ada@example.com"));
    assert!(shelf(Some("cus_2")).await.customers.is_empty());
    for (id, created, status) in [
        ("in_1", 1, "paid"),
        ("in_2", 2, "paid"),
        ("in_3", 3, "draft"),
        // Of one second with the last: what is still to be paid is what is told.
        ("in_0", 2, "open"),
        ("in_4", 0, "open"),
        ("in_5", 0, "uncollectible"),
    ] {
        let invoice = Invoice {
            id: id.to_owned(),
            customer_id: Some("cus_1".to_owned()),
            status: Some(status.to_owned()),
            created,
            ..Invoice::default()
        };
        run!(&store, tx => row::put_all(tx, &[&invoice]));
    }
    let rows = shelf(Some("cus_1")).await;
    assert_eq!(
        rows.invoices
            .iter()
            .map(|row| row.id.as_str())
            .collect::<Vec<_>>(),
        ["in_2", "in_0", "in_4"]
    );
    let discount = Discount {
        id: "di_1".to_owned(),
        deleted_at: Some(9),
        ..Discount::default()
    };
    let of_nobody = Discount {
        id: "di_2".to_owned(),
        ..Discount::default()
    };
    let processing = PaymentIntent {
        id: "pi_1".to_owned(),
        customer_id: Some("cus_1".to_owned()),
        status: Some("processing".to_owned()),
        ..PaymentIntent::default()
    };
    let paid = Invoice {
        id: "in_paid".to_owned(),
        customer_id: Some("cus_1".to_owned()),
        status: Some("paid".to_owned()),
        amount_paid: Some(5),
        stripe_at: 70,
        ..Invoice::default()
    };
    let detached = PaymentMethod {
        id: "pm_1".to_owned(),
        ..PaymentMethod::default()
    };
    run!(&store, tx => async {
        let own = Discount {
            id: "di_3".to_owned(),
            customer_id: Some("cus_1".to_owned()),
            ..Discount::default()
        };
        let seen = Discount {
            id: "di_4".to_owned(),
            seen_at: Some(1),
            ..own.clone()
        };
        row::put_all(tx, &[&discount, &of_nobody, &own, &seen]).await?;
        row::put_all(tx, &[&processing]).await?;
        row::put_all(tx, &[&paid]).await?;
        row::put_all(tx, &[&detached]).await
    });
    let rows = shelf(None).await;
    assert_eq!(
        rows.discounts
            .iter()
            .map(|row| row.id.as_str())
            .collect::<Vec<_>>(),
        ["di_3"]
    );
    assert_eq!(rows.in_process.len(), 1);
    assert_eq!(rows.in_process[0].customer_id, "cus_1");
    for (second, has_paid) in [(69, true), (70, false)] {
        assert_eq!(
            run!(&store, tx => mirror::has_paid_since(tx, "cus_1", second)),
            has_paid
        );
    }
    let known = store.read_as(&ada, |tx| {
        mirror::known_of(tx, &["di_1", "di_2", "pm_1", "pm_2"]).boxed()
    });
    let mut known = known.await.unwrap();
    known.sort();
    assert_eq!(known, ["di_1", "pm_1"]);
    for (id, customer) in [("pi_1", Some("cus_1")), ("pi_2", None)] {
        let payment = PaymentIntent {
            id: id.to_owned(),
            customer_id: customer.map(str::to_owned),
            ..PaymentIntent::default()
        };
        run!(&store, tx => row::put_all(tx, &[&payment]));
    }
    let payers = run!(&store, tx => mirror::payers(tx, &["pi_1", "pi_2", "pi_3"]));
    assert_eq!(payers, ["cus_1"]);
    let looked = store.look(|tx| mirror::newest(tx, "cus_1").boxed()).await;
    assert_eq!(looked.unwrap(), 1_700_000_001);
    for (customer, newest) in [("cus_1", 1_700_000_001), ("cus_3", 0)] {
        assert_eq!(run!(&store, tx => mirror::newest(tx, customer)), newest);
    }
    let addresses = run!(&store, tx => customer::addresses(tx, &["cus_1", "cus_3"]));
    assert_eq!(addresses, ["ada@example.com"]);
}

async fn events_are_listed_requeued_and_purged(engine: Engine) {
    let store = open(engine).await;
    let row = |id: &str, r#type: &str, state: &str, received_at| Event {
        id: id.to_owned(),
        r#type: r#type.to_owned(),
        object_id: None,
        customer_id: Some(format!("cus of {id}")),
        created: 10,
        livemode: 0,
        api_version: None,
        state: State::parse(state).unwrap(),
        attempts: 12,
        error: Some("why".to_owned()),
        received_at,
        processed_at: None,
        due_at: None,
        tried_since: None,
        payload: "{}".to_owned(),
    };
    let rows = [
        row("evt_1", "customer.created", "applied", 1),
        row("evt_2", "customer.subscription.updated", "dead", 2),
        row("evt_3", "invoice.paid", "failed", 3),
        row("evt_4", "customer.updated", "applied", 4),
    ];
    run!(&store, tx => async { event::insert_all(tx, &rows).await });
    let list = |filter: event::Filter, most| {
        let store = store.clone();
        async move {
            let rows = run!(&store, tx => async { event::list(tx, &filter, most).await });
            assert!(
                rows.iter()
                    .all(|row| row.payload.is_empty() && row.created == 10)
            );
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        }
    };
    let all = event::Filter::default();
    assert_eq!(list(all.clone(), 3).await, ["evt_4", "evt_3", "evt_2"]);
    let of = |text: &str| Some(text.to_owned());
    for (filter, ids) in [
        (
            event::Filter {
                state: Some(State::Dead),
                ..all.clone()
            },
            vec!["evt_2"],
        ),
        (
            event::Filter {
                r#type: of("customer.updated"),
                ..all.clone()
            },
            vec!["evt_4"],
        ),
        (
            event::Filter {
                r#type: of("customer.*"),
                ..all.clone()
            },
            vec!["evt_4", "evt_2", "evt_1"],
        ),
        (
            event::Filter {
                r#type: of("customer%"),
                ..all.clone()
            },
            vec![],
        ),
        (
            event::Filter {
                customer: of("cus of evt_3"),
                ..all.clone()
            },
            vec!["evt_3"],
        ),
        (
            event::Filter {
                since: Some(3),
                ..all.clone()
            },
            vec!["evt_4", "evt_3"],
        ),
    ] {
        assert_eq!(list(filter.clone(), 9).await, ids, "{filter:?}");
    }
    assert_eq!(
        run!(&store, tx => event::counts(tx)),
        [(State::Applied, 2), (State::Dead, 1), (State::Failed, 1)]
    );
    assert_eq!(run!(&store, tx => event::purgeable(tx, 1)), 0);
    assert_eq!(run!(&store, tx => event::purgeable(tx, 4)), 2);
    assert_eq!(
        run!(&store, tx => event::purge(tx, 4, 9)),
        2,
        "dead ones keep theirs"
    );
    assert_eq!(
        run!(&store, tx => event::requeue(tx, &["evt_1", "evt_2", "evt_9"], 70)),
        1
    );
    let again = run!(&store, tx => event::find(tx, "evt_2")).unwrap();
    assert_eq!(
        (
            again.state.as_str(),
            again.attempts,
            again.error,
            again.due_at,
            again.tried_since,
        ),
        ("pending", 0, None, Some(70), Some(70))
    );
}

async fn progress_is_kept_by_name(engine: Engine) {
    let store = open(engine).await;
    run!(&store, tx => progress::set(tx, "sweep", "1", 10));
    run!(&store, tx => progress::set(tx, "import", "a", 11));
    run!(&store, tx => progress::set(tx, "sweep", "2", 12));
    assert_eq!(
        run!(&store, tx => progress::get(tx, "sweep")).as_deref(),
        Some("2")
    );
    assert!(dump(&store, "progress").await.contains("12"));
    run!(&store, tx => progress::set(tx, "mails:a", "x", 10));
    run!(&store, tx => progress::set(tx, "mails:b", "x", 10));
    run!(&store, tx => progress::set(tx, "mails:c", "x", 11));
    assert_eq!(run!(&store, tx => progress::purge_mails(tx, 10, 9)), 0);
    assert_eq!(run!(&store, tx => progress::purge_mails(tx, 11, 1)), 1);
    assert_eq!(run!(&store, tx => progress::purge_mails(tx, 11, 9)), 1);
    assert!(dump(&store, "progress").await.contains("mails:c"));
    let since = |second| {
        let store = store.clone();
        async move { run!(&store, tx => progress::get_since(tx, "sweep", second)) }
    };
    assert_eq!(since(12).await.as_deref(), Some("2"));
    assert_eq!(since(13).await, None);
    run!(&store, tx => progress::forget(tx, "sweep"));
    assert_eq!(run!(&store, tx => progress::get(tx, "sweep")), None);
    assert_eq!(
        run!(&store, tx => progress::get(tx, "import")).as_deref(),
        Some("a")
    );
}

async fn a_name_is_one_holders_until_it_is_given_back_or_lost(engine: Engine) {
    let store = open(engine).await;
    let claim = |holder: &'static str| {
        let store = store.clone();
        async move { run!(&store, tx => progress::claim(tx, "import", holder, 60)) }
    };
    // As if the last sign were so much older.
    let age = async |seconds: i64| {
        let sql = format!("UPDATE progress SET changed_at = changed_at - {seconds}");
        crate::imports::execute(&store, sql).await;
    };
    assert!(claim("a").await);
    assert!(!claim("a").await, "once is enough");
    assert!(!claim("b").await);
    age(30).await;
    assert!(run!(&store, tx => progress::sign(tx, "import", "a")));
    assert!(!run!(&store, tx => progress::sign(tx, "import", "b")));
    // Seconds are whole, and go on meanwhile.
    age(50).await;
    assert!(!claim("b").await, "a has signed since");
    age(10).await;
    assert!(claim("b").await, "a is lost");
    assert!(!claim("a").await);
    assert_eq!(
        run!(&store, tx => progress::get(tx, "import")).as_deref(),
        Some("b")
    );
    assert!(!run!(&store, tx => progress::release(tx, "import", "a")));
    assert!(run!(&store, tx => progress::release(tx, "import", "b")));
    assert!(
        !run!(&store, tx => progress::sign(tx, "import", "b")),
        "given back"
    );
    assert!(claim("a").await);
}

async fn a_database_is_looked_at_without_a_change(engine: Engine) {
    let url = database_url(engine).await;
    if matches!(engine, Engine::Sqlite) {
        assert!(Store::open(&url).await.is_err(), "no file is made");
        let file = url.strip_prefix("sqlite://").unwrap();
        std::fs::write(file, "").unwrap();
    }
    let store = Store::open(&url).await.unwrap();
    let new = diagnostics::tables(&store).await.unwrap();
    assert!(new.missing > 2 && new.unknown == 0, "{new:?}");
    assert!(diagnostics::may_make_role(&store).await.unwrap());
    assert!(
        diagnostics::rehearse(&store, 1).await.is_err(),
        "no table yet"
    );
    store.close().await;

    Store::connect(&url).await.unwrap().close().await;
    let store = Store::open(&url).await.unwrap();
    let made = diagnostics::tables(&store).await.unwrap();
    assert_eq!((made.missing, made.unknown), (0, 0));
    diagnostics::rehearse(&store, 1).await.unwrap();
    assert_eq!(dump(&store, "progress").await, "");
    diagnostics::write(&store, 7).await.unwrap();
    let written = dump(&store, "progress").await;
    assert!(
        written.contains("ready") && !written.contains("room"),
        "{written}"
    );
    if let Some(file) = file::of_url(&url) {
        let server = lock::take(&file).await.unwrap();
        assert_eq!(lock::holder(&file), Some(Some(std::process::id())));
        drop(server);
        assert_eq!(lock::holder(&file), None);
    }
    let patience = |seconds| std::time::Duration::from_secs(seconds);
    let health = diagnostics::health(&store, patience(20)).await.unwrap();
    assert_eq!(health, Health::Whole);
    if matches!(engine, Engine::Sqlite) {
        // Of several megabytes.
        let filler = "CREATE TABLE filler AS WITH RECURSIVE n(i) AS
            (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
            SELECT i, HEX(RANDOMBLOB(100)) AS noise FROM n";
        crate::imports::execute(&store, filler.to_owned()).await;
        let health = diagnostics::health(&store, patience(0)).await.unwrap();
        assert_eq!(health, Health::WholeSoFar);
        let health = diagnostics::health(&store, patience(20)).await.unwrap();
        assert_eq!(health, Health::Whole, "the same connection reads on");
    }
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'newer', true, '', 0)";
    match &store {
        Store::Sqlite { writer, .. } => sqlx::query(newer).execute(writer).await.map(drop),
        Store::Postgres(pool) => sqlx::query(newer).execute(pool).await.map(drop),
    }
    .unwrap();
    assert_eq!(diagnostics::tables(&store).await.unwrap().unknown, 1);
}

async fn due_events_are_claimed_by_one_and_settled(engine: Engine) {
    let store = open(engine).await;
    let row = |id: &str, state: &str, due_at| Event {
        id: id.to_owned(),
        r#type: "customer.updated".to_owned(),
        object_id: Some("cus_1".to_owned()),
        customer_id: None,
        created: 10,
        livemode: 0,
        api_version: None,
        state: State::parse(state).unwrap(),
        attempts: 1,
        error: None,
        received_at: 11,
        processed_at: None,
        due_at,
        tried_since: None,
        payload: "{}".to_owned(),
    };
    let rows = [
        row("evt_1", "pending", Some(20)),
        row("evt_2", "failed", Some(30)),
        row("evt_3", "pending", Some(40)),
        row("evt_4", "applied", None),
    ];
    run!(&store, tx => async { event::insert_all(tx, &rows).await });
    let claim = |now, most| {
        let store = store.clone();
        async move {
            let mut ids: Vec<_> = run!(&store, tx => event::claim(tx, now, now + 60, most))
                .into_iter()
                .map(|row| (row.id, row.attempts, row.due_at))
                .collect();
            ids.sort();
            ids
        }
    };
    let taken = |id: &str, attempts, due_at| (id.to_owned(), attempts, Some(due_at));
    assert_eq!(
        claim(30, 1).await,
        [taken("evt_1", 2, 90)],
        "the oldest first"
    );
    assert_eq!(claim(30, 9).await, [taken("evt_2", 2, 90)]);
    assert_eq!(claim(30, 9).await, []);
    run!(&store, tx => event::hold(tx, &["evt_1"], 90, 92));
    run!(&store, tx => event::hold(tx, &["evt_1"], 90, 20));
    run!(&store, tx => event::postpone(tx, &["evt_1"], 90, 31));
    assert_eq!(claim(31, 9).await, [], "another has it by now");
    run!(&store, tx => event::postpone(tx, &["evt_1"], 92, 31));
    assert_eq!(claim(31, 9).await, [taken("evt_1", 2, 91)], "not counted");
    run!(&store, tx => event::hurry(tx, &["cus_2"], 25));
    assert_eq!(claim(25, 9).await, []);
    run!(&store, tx => event::hurry(tx, &["cus_1"], 25));
    let hurried = claim(25, 9).await;
    assert_eq!(
        hurried.len(),
        3,
        "whatever waits of the object: {hurried:?}"
    );
    // Whoever had it before the lease that ends at 85 has no say any more.
    run!(&store, tx => event::fail(tx, "evt_1", Some(90), "too late", None));
    run!(&store, tx => event::fail(tx, "evt_1", Some(85), "no answer", Some(32)));
    let failed = |id: &str| (id.to_owned(), true);
    assert_eq!(
        run!(&store, tx => event::failed_after(tx, "", 1)),
        [failed("evt_1")]
    );
    let state = |id: &'static str| {
        let store = store.clone();
        async move {
            let row = run!(&store, tx => event::find(tx, id)).unwrap();
            (
                row.state.as_str().to_owned(),
                row.error,
                row.due_at,
                row.processed_at,
            )
        }
    };
    let said = |state: &str, error: Option<&str>, due_at, processed_at| {
        (
            state.to_owned(),
            error.map(str::to_owned),
            due_at,
            processed_at,
        )
    };
    assert_eq!(
        state("evt_1").await,
        said("failed", Some("no answer"), Some(32), None)
    );
    run!(&store, tx => event::fail(tx, "evt_1", Some(32), "no answer", None));
    assert_eq!(
        run!(&store, tx => event::failed_after(tx, "", 9)),
        [failed("evt_1"), failed("evt_2")]
    );
    assert_eq!(
        run!(&store, tx => event::failed_after(tx, "evt_1", 9)),
        [failed("evt_2")]
    );
    assert_eq!(
        state("evt_1").await,
        said("dead", Some("no answer"), None, None)
    );
    let unsettled = run!(&store, tx => event::unsettled_before(tx, "cus_1", 10));
    assert_eq!(unsettled, [], "it is as new");
    let unsettled = run!(&store, tx => event::unsettled_before(tx, "cus_1", 11));
    let mut unsettled: Vec<_> = unsettled.into_iter().map(|(id, _)| id).collect();
    unsettled.sort();
    assert_eq!(unsettled, ["evt_2", "evt_3"]);
    run!(&store, tx => event::finish(tx, &["evt_2", "evt_3"], State::Applied, 50));
    assert_eq!(state("evt_2").await, said("applied", None, None, Some(50)));
    assert_eq!(state("evt_1").await.0, "dead");
    run!(&store, tx => event::finish(tx, &["evt_1", "evt_4"], State::Stale, 60));
    assert_eq!(state("evt_1").await, said("stale", None, None, Some(60)));
    assert_eq!(claim(1000, 9).await, []);
}

async fn a_principal_sees_its_own_live_customers_of_its_mode(engine: Engine) {
    let store = open(engine).await;
    let ada = full_customer("cus_1", "ada@example.com");
    assert!(!run!(&store, tx => customer::exists(tx, "ada@example.com", false)));
    assert_eq!(run!(&store, tx => customer::livemode(tx)), None);
    let rows = [
        ada.clone(),
        Customer {
            id: "cus_2".to_owned(),
            created: ada.created + 1,
            ..ada.clone()
        },
        Customer {
            id: "cus_3".to_owned(),
            deleted_at: Some(1),
            ..ada.clone()
        },
        Customer {
            id: "cus_4".to_owned(),
            livemode: 1,
            ..ada.clone()
        },
        full_customer("cus_5", "bob@example.com"),
        Customer {
            id: "cus_6".to_owned(),
            email: None,
            email_normalised: None,
            ..ada.clone()
        },
    ];
    for row in rows {
        run!(&store, tx => row::put_all(tx, &[&row]));
    }
    for (email, livemode, expected) in [
        ("ada@example.com", false, true),
        ("ada@example.com", true, true),
        ("bob@example.com", false, true),
        ("bob@example.com", true, false),
        ("eve@example.com", false, false),
    ] {
        assert!(run!(&store, tx => customer::livemode(tx)).is_some());
        let found = run!(&store, tx => customer::exists(tx, email, livemode));
        assert_eq!(found, expected, "{email} {livemode}");
    }
    let gone = Customer {
        deleted_at: Some(1),
        ..full_customer("cus_5", "bob@example.com")
    };
    run!(&store, tx => row::put_all(tx, &[&gone]));
    assert!(!run!(&store, tx => customer::exists(tx, "bob@example.com", false)));
    let principal = principal(&store, "ada@example.com").await;
    let me = principal.clone();
    let list = store.read_as(&principal, move |tx| {
        async move { Ok(card_rows::read(tx, &me, None).await?.customers) }.boxed()
    });
    let ids: Vec<_> = list.await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(ids, ["cus_2", "cus_1"], "newest first");
    for (id, is_mine) in [
        ("cus_1", true),
        ("cus_3", false),
        ("cus_4", false),
        ("cus_5", false),
    ] {
        let me = principal.clone();
        let owned = store.read_as(&principal, move |tx| {
            async move { customer::owned(tx, &me, id).await }.boxed()
        });
        assert_eq!(owned.await.unwrap().is_some(), is_mine, "{id}");
    }
}

/// On Postgres the database refuses by itself. `find` asks for a row whoever owns it.
async fn row_level_security_hides_others_whatever_the_query(engine: Engine) {
    let store = open(engine).await;
    let Store::Postgres(pool) = &store else {
        // SQLite has no roles: there the Principal in every customer-facing query is the guard,
        // which the test above proves.
        return;
    };
    for (id, email) in [("cus_1", "ada@example.com"), ("cus_2", "bob@example.com")] {
        let row = full_customer(id, email);
        run!(&store, tx => row::put_all(tx, &[&row]));
    }
    let ada = principal(&store, "ada@example.com").await;
    for (id, is_visible) in [("cus_1", true), ("cus_2", false)] {
        let found = store.read_as(&ada, move |tx| {
            async move { row::find::<Customer>(tx, id).await }.boxed()
        });
        assert_eq!(found.await.unwrap().is_some(), is_visible, "{id}");
    }
    for claim in [None, Some(""), Some("%"), Some("ADA@example.com")] {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query("SET LOCAL ROLE billhook_customer")
            .execute(&mut *tx)
            .await
            .unwrap();
        if let Some(claim) = claim {
            let set = "SELECT set_config('billhook.email', $1, true)";
            sqlx::query(set)
                .bind(claim)
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM customer")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(count, 0, "with the claim {claim:?}");
        let forbidden = sqlx::query("UPDATE customer SET name = 'x'")
            .execute(&mut *tx)
            .await;
        assert!(forbidden.is_err(), "customers write nothing");
        tx.rollback().await.unwrap();
    }
    for table in ["event", "sign_in", "session", "outbox"] {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query("SET LOCAL ROLE billhook_customer")
            .execute(&mut *tx)
            .await
            .unwrap();
        let read = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT * FROM {table}")));
        assert!(
            read.execute(&mut *tx).await.is_err(),
            "{table} is not for customers"
        );
    }
    let (role,): (String,) = sqlx::query_as("SELECT CAST(current_user AS TEXT)")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_ne!(
        role, "billhook_customer",
        "the role ended with its transaction"
    );
    let forced: (bool, bool) = sqlx::query_as(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'customer'::regclass",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!(forced, (true, true));
}

async fn events_are_stored_once(engine: Engine) {
    let store = open(engine).await;
    let written = Event {
        id: "evt_1".to_owned(),
        r#type: "customer.updated".to_owned(),
        object_id: Some("cus_1".to_owned()),
        customer_id: Some("cus_2".to_owned()),
        created: 10,
        livemode: 1,
        api_version: Some("2026-10-28.endive".to_owned()),
        state: State::Applied,
        attempts: 1,
        error: Some("none".to_owned()),
        received_at: 11,
        processed_at: Some(12),
        due_at: Some(13),
        tried_since: None,
        payload: "{}".to_owned(),
    };
    let row = written.clone();
    assert_eq!(run!(&store, tx => event::insert_all(tx, &[row])), ["evt_1"]);
    let again = Event {
        payload: "other".to_owned(),
        ..written.clone()
    };
    assert!(run!(&store, tx => event::insert_all(tx, &[again])).is_empty());
    assert_eq!(
        run!(&store, tx => event::find(tx, "evt_1")),
        Some(written.clone())
    );
    run!(&store, tx => event::set_state(tx, &["evt_1"], State::Stale, None));
    assert_eq!(
        run!(&store, tx => event::find(tx, "evt_1")).unwrap().state,
        State::Stale
    );
    let other = Event {
        id: "evt_2".to_owned(),
        state: State::Ignored,
        api_version: None,
        error: None,
        processed_at: None,
        ..written.clone()
    };
    let row = other.clone();
    assert_eq!(
        run!(&store, tx => event::insert_all(tx, &[row.clone(), row])),
        ["evt_2"]
    );
    assert_eq!(run!(&store, tx => event::find(tx, "evt_2")), Some(other));
    assert_eq!(
        run!(&store, tx => event::of_second_before(tx, "cus_1", 12)),
        ["{}"]
    );
    assert!(run!(&store, tx => event::of_second_before(tx, "cus_1", 10)).is_empty());
    assert_eq!(run!(&store, tx => event::count(tx)), 2);
}

/// More than any one statement takes, and of no round number.
async fn many_rows_are_written_and_read_at_once(engine: Engine) {
    let store = open(engine).await;
    let template = full_customer("", "ada@example.com");
    let rows: Vec<_> = (0..147)
        .map(|number| Customer {
            id: format!("cus_{number:03}"),
            name: Some(format!("Name {number}")),
            created: number,
            ..template.clone()
        })
        .collect();
    let written = rows.clone();
    run!(&store, tx => async { row::put_all(tx, &written.iter().collect::<Vec<_>>()).await });
    let mut read = run!(&store, tx => async {
        let ids: Vec<_> = (0..150).map(|number| format!("cus_{number:03}")).collect();
        row::find_all::<Customer>(tx, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await
    });
    read.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(read, rows);
    let events: Vec<_> = (0..147)
        .map(|number| Event {
            id: format!("evt_{number:03}"),
            r#type: "customer.updated".to_owned(),
            object_id: None,
            customer_id: None,
            created: number,
            livemode: 0,
            api_version: None,
            state: State::Applied,
            attempts: 1,
            error: None,
            received_at: 1,
            processed_at: None,
            due_at: None,
            tried_since: None,
            payload: format!("{{\"number\": {number}}}"),
        })
        .collect();
    let written = events.clone();
    assert_eq!(
        run!(&store, tx => event::insert_all(tx, &written)).len(),
        147
    );
    run!(&store, tx => async {
        let ids: Vec<_> = (0..73).map(|number| format!("evt_{number:03}")).collect();
        event::set_state(tx, &ids.iter().map(String::as_str).collect::<Vec<_>>(), State::Stale, None).await
    });
    for (number, event) in events.into_iter().enumerate() {
        let id = event.id.clone();
        let state = if number < 73 { "stale" } else { "applied" };
        let expected = Event {
            state: State::parse(state).unwrap(),
            ..event
        };
        assert_eq!(run!(&store, tx => event::find(tx, &id)), Some(expected));
    }
}

async fn sign_ins_are_read_counted_and_used_once(engine: Engine) {
    let store = open(engine).await;
    let row = |id: &str, created_at| SignIn {
        id: id.to_owned(),
        email: "ada@example.com".to_owned(),
        token_hash: format!("token of {id}"),
        code_hash: "code".to_owned(),
        browser_hash: "browser".to_owned(),
        attempts: 0,
        created_at,
        expires_at: 100,
        used_at: None,
        ended_at: None,
        ended_for: None,
        device: Some("device".to_owned()),
    };
    let (first, second) = (row("sgn_1", 1), row("sgn_2", 2));
    for row in [
        first.clone(),
        second.clone(),
        SignIn {
            used_at: Some(3),
            ..row("sgn_3", 0)
        },
    ] {
        run!(&store, tx => sign_in::insert(tx, &row));
    }
    assert_eq!(
        run!(&store, tx => sign_in::by_id(tx, "sgn_1")),
        Some(first.clone())
    );
    assert_eq!(
        run!(&store, tx => sign_in::by_token(tx, "token of sgn_2")),
        Some(second.clone())
    );
    assert_eq!(
        run!(&store, tx => sign_in::by_id(tx, "sgn_3"))
            .unwrap()
            .used_at,
        Some(3)
    );
    for (email, now, live, asked) in [
        ("ada@example.com", 99, vec![100, 100], (3, Some(2))),
        ("ada@example.com", 100, vec![], (3, Some(2))),
        ("bob@example.com", 99, vec![], (0, None)),
    ] {
        let ends = run!(&store, tx => sign_in::live_of_address(tx, email, now));
        assert_eq!(ends, live, "{email} {now}");
        assert_eq!(
            run!(&store, tx => sign_in::asked_of_address(tx, email)),
            asked
        );
    }
    for (email, browser, now, most_tries, just_now, live) in [
        ("ada@example.com", "browser", 99, 5, 0, (2, 2, 2)),
        ("ada@example.com", "browser", 99, 5, 1, (2, 2, 1)),
        ("ada@example.com", "another", 99, 5, 0, (2, 0, 0)),
        ("bob@example.com", "browser", 99, 5, 0, (0, 2, 0)),
        ("ada@example.com", "browser", 100, 5, 0, (0, 0, 0)),
        ("ada@example.com", "browser", 99, 0, 0, (0, 0, 0)),
    ] {
        let count =
            run!(&store, tx => sign_in::count_live(tx, email, browser, now, most_tries, just_now));
        let count = (count.of_address, count.of_browser, count.asked_just_now);
        assert_eq!(
            count, live,
            "{email} {browser} {now} {most_tries} {just_now}"
        );
    }
    for (browser, now, expected) in [
        ("browser", 99, ["ada@example.com"].as_slice()),
        ("browser", 100, &[]),
        ("another", 99, &[]),
    ] {
        let addresses = run!(&store, tx => sign_in::addresses(tx, browser, now));
        assert_eq!(addresses, expected, "{browser} {now}");
    }
    run!(&store, tx => sign_in::rebind(tx, "browser", "renamed", 100));
    let renamed = run!(&store, tx => sign_in::of_browser(tx, "renamed", 50));
    assert_eq!(renamed, [], "all have expired by then");
    run!(&store, tx => sign_in::rebind(tx, "browser", "renamed", 50));
    let renamed = run!(&store, tx => sign_in::of_browser(tx, "renamed", 50));
    assert_eq!(renamed.last().unwrap().id, "sgn_2");
    run!(&store, tx => sign_in::rebind(tx, "renamed", "browser", 50));
    let back = run!(&store, tx => sign_in::of_browser(tx, "browser", 50));
    assert_eq!(back.last(), Some(&second));

    let all = run!(&store, tx => sign_in::of_browser(tx, "browser", 99));
    let ids: Vec<_> = all.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["sgn_3", "sgn_1", "sgn_2"]);
    for (browser, now) in [("another", 99), ("browser", 100)] {
        assert_eq!(
            run!(&store, tx => sign_in::of_browser(tx, browser, now)),
            []
        );
    }
    assert!(!run!(&store, tx => sign_in::is_handed_over(tx, "sgn_1")));
    run!(&store, tx => sign_in::hand_over(tx, "sgn_1", 4711));
    assert!(run!(&store, tx => sign_in::is_handed_over(tx, "sgn_1")));
    assert!(!run!(&store, tx => sign_in::is_handed_over(tx, "sgn_2")));
    assert!(dump(&store, "sign_in").await.contains("4711"));

    for tried in 1..=2 {
        let rows = run!(&store, tx => sign_in::count_try(tx, "browser", 50, 2));
        assert_eq!(
            rows.iter().map(|row| row.attempts).collect::<Vec<_>>(),
            [tried, tried]
        );
    }
    assert!(run!(&store, tx => sign_in::count_try(tx, "browser", 50, 2)).is_empty());
    let stranger = SignIn {
        device: None,
        ..row("sgn_4", 4)
    };
    run!(&store, tx => sign_in::insert(tx, &stranger));
    for tried in [vec![(3, "sgn_1"), (3, "sgn_2")], vec![]] {
        let rows = run!(&store, tx => sign_in::count_try_of_devices(tx, "browser", 50, 3));
        let mut rows: Vec<_> = rows
            .iter()
            .map(|row| (row.attempts, row.id.as_str()))
            .collect();
        rows.sort_unstable();
        assert_eq!(rows, tried);
    }
    run!(&store, tx => sign_in::was_right(tx, "sgn_4", 40));
    for (browser, after, now, found) in [
        ("browser", 39, 50, 1),
        ("browser", 40, 50, 0),
        ("browser", 39, 100, 0),
        ("another", 39, 50, 0),
    ] {
        let rows = run!(&store, tx => sign_in::right_lately(tx, browser, after, now));
        assert_eq!(rows.len(), found, "{browser} {after} {now}");
    }

    let consume = |id: &'static str, browser: &'static str, now| {
        let store = store.clone();
        async move { run!(&store, tx => sign_in::consume(tx, id, browser, now)) }
    };
    assert_eq!(consume("sgn_1", "another", 50).await, None);
    assert_eq!(consume("sgn_1", "browser", 100).await, None, "expired");
    assert_eq!(
        consume("sgn_1", "browser", 50).await.as_deref(),
        Some("ada@example.com")
    );
    assert_eq!(consume("sgn_1", "browser", 50).await, None, "used");
    run!(&store, tx => sign_in::end_all(tx, "ada@example.com", 60));
    assert_eq!(
        consume("sgn_2", "browser", 61).await,
        None,
        "ended with the others"
    );
    let ended = run!(&store, tx => sign_in::by_id(tx, "sgn_2")).unwrap();
    assert_eq!(
        (ended.used_at, ended.ended_at, ended.ended_for),
        (None, Some(60), Some(End::Superseded))
    );
    assert_eq!(
        run!(&store, tx => sign_in::by_id(tx, "sgn_1"))
            .unwrap()
            .used_at,
        Some(50)
    );
}

async fn sessions_rotate_and_end(engine: Engine) {
    let store = open(engine).await;
    let written = Session {
        id: "ses_1".to_owned(),
        email: "ada@example.com".to_owned(),
        generation: 4,
        parent_generation: 2,
        seen_generation: 3,
        rotated_at: 20,
        active_at: 15,
        created_at: 10,
        ended_at: None,
        browser: "Firefox on Linux".to_owned(),
    };
    let row = written.clone();
    run!(&store, tx => session::insert(tx, &row));
    assert_eq!(
        run!(&store, tx => session::find(tx, "ses_1")),
        Some(written.clone())
    );
    assert!(
        !run!(&store, tx => session::rotate(tx, "ses_1", 3, 2, 30)),
        "not the present one"
    );
    assert!(run!(&store, tx => session::rotate(tx, "ses_1", 4, 3, 30)));
    run!(&store, tx => session::seen(tx, "ses_1", 5, 31));
    run!(&store, tx => session::seen(tx, "ses_1", 4, 30));
    let rotated = Session {
        generation: 5,
        parent_generation: 3,
        seen_generation: 5,
        rotated_at: 30,
        active_at: 31,
        ..written
    };
    assert_eq!(
        run!(&store, tx => session::find(tx, "ses_1")),
        Some(rotated)
    );
    let found = run!(&store, tx => session::principal(tx, "ses_1", limits(9, 30), true));
    let (principal, _) = found.unwrap();
    assert_eq!(
        (principal.email(), principal.session(), principal.livemode()),
        ("ada@example.com", "ses_1", 1)
    );
    for passed in [limits(10, 30), limits(9, 31)] {
        let found = run!(&store, tx => session::principal(tx, "ses_1", passed, true));
        assert!(found.is_none(), "{passed:?}");
    }
    run!(&store, tx => session::end(tx, "ses_1", 40));
    run!(&store, tx => session::end(tx, "ses_1", 50));
    assert_eq!(
        run!(&store, tx => session::find(tx, "ses_1"))
            .unwrap()
            .ended_at,
        Some(40)
    );
    let found = run!(&store, tx => session::principal(tx, "ses_1", limits(0, 0), true));
    assert!(found.is_none());
    assert!(
        !run!(&store, tx => session::rotate(tx, "ses_1", 5, 5, 60)),
        "ended"
    );
}

async fn the_oldest_sign_in_of_strangers_is_ended(engine: Engine) {
    let store = open(engine).await;
    for (id, created_at, device) in [
        ("sgn_1", 1, Some("device".to_owned())),
        ("sgn_2", 3, None),
        ("sgn_3", 2, None),
    ] {
        let row = SignIn {
            id: id.to_owned(),
            email: "ada@example.com".to_owned(),
            token_hash: id.to_owned(),
            code_hash: "code".to_owned(),
            browser_hash: "browser".to_owned(),
            attempts: 0,
            created_at,
            expires_at: 100,
            used_at: None,
            ended_at: None,
            ended_for: None,
            device,
        };
        run!(&store, tx => sign_in::insert(tx, &row));
    }
    let end = |email: &'static str, now| {
        let store = store.clone();
        async move { run!(&store, tx => sign_in::end_oldest_of_strangers(tx, email, now)) }
    };
    assert!(!end("bob@example.com", 50).await);
    assert!(!end("ada@example.com", 100).await, "expired");
    for (id, ended_at) in [("sgn_3", 50), ("sgn_2", 51)] {
        assert!(end("ada@example.com", ended_at).await);
        let row = run!(&store, tx => sign_in::by_id(tx, id)).unwrap();
        assert_eq!(
            (row.used_at, row.ended_at, row.ended_for),
            (None, Some(ended_at), Some(End::Displaced))
        );
    }
    assert!(
        !end("ada@example.com", 52).await,
        "the device's is not ended"
    );
}

async fn the_databases_clock_goes_on(engine: Engine) {
    let store = open(engine).await;
    let here = billhook::clock::Clock::default().now();
    // In one transaction, while it goes on too.
    let twice = store.write(|tx| {
        async move {
            let first = tx.clock().await?;
            let mut later = first;
            while later == first {
                later = tx.clock().await?;
            }
            Ok((first, later))
        }
        .boxed()
    });
    let twice = tokio::time::timeout(std::time::Duration::from_secs(10), twice).await;
    let (first, later) = twice.expect("it goes on").unwrap();
    assert!((first - here).abs() <= 1, "{first} {here}");
    assert_eq!(later, first + 1);
}

async fn allowances_come_back_evenly(engine: Engine) {
    let store = open(engine).await;
    let rate = Rate {
        burst: 3,
        pause: 100,
    };
    let take = |name: &'static str, now, rate| {
        let store = store.clone();
        async move { run!(&store, tx => rate_limit::take(tx, name, now, rate)) }
    };
    let begin = 1_700_000_000_000;
    for (after, expected) in [
        // Three at once, and then one after each pause.
        (0, true),
        (0, true),
        (0, true),
        (0, false),
        (99, false),
        (100, true),
        (100, false),
        (199, false),
        (250, true),
        (299, false),
        (300, true),
        // Never more than three, however long nobody asks.
        (5000, true),
        (5000, true),
        (5000, true),
        (5000, false),
        // The clock was wrong, and is set back: what it took then counts for nothing.
        (0, true),
    ] {
        assert_eq!(take("ada", begin + after, rate).await, expected, "{after}");
    }
    let free_at = |name: &'static str| {
        let store = store.clone();
        async move { run!(&store, tx => rate_limit::free_at(tx, name, rate)) }
    };
    assert_eq!(free_at("bob").await, None);
    assert!(take("bob", begin, rate).await, "each has its own");
    while take("bob", begin, rate).await {}
    assert_eq!(free_at("bob").await, Some(begin + 100));
    assert!(!take("bob", begin + 99, rate).await && take("bob", begin + 100, rate).await);
    assert!(take("sue", begin, rate).await);
    let taken = free_at("sue").await;
    assert!(take("sue", begin, rate).await);
    run!(&store, tx => rate_limit::give_back(tx, "sue", rate));
    assert_eq!(free_at("sue").await, taken);
    let rename = |old: &'static str, new: &'static str| {
        let store = store.clone();
        async move { run!(&store, tx => rate_limit::rename(tx, old, new)) }
    };
    rename("bob", "rob").await;
    assert_eq!(
        (free_at("bob").await, free_at("rob").await),
        (None, Some(begin + 200))
    );
    assert!(take("bob", begin, rate).await);
    rename("rob", "bob").await;
    assert_eq!(
        free_at("rob").await,
        Some(begin + 200),
        "there is one of that name"
    );
    let nothing = Rate { burst: 1, pause: 0 };
    assert!(take("eve", begin, nothing).await && take("eve", begin, nothing).await);
    let parallel = (0..10).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { run!(&store, tx => rate_limit::take(tx, "many", begin, rate)) })
    });
    let mut taken = 0;
    for one in parallel.collect::<Vec<_>>() {
        taken += usize::from(one.await.unwrap());
    }
    assert_eq!(taken, 3);
    assert_eq!(run!(&store, tx => rate_limit::purge(tx, begin + 100, 1)), 1);
    while run!(&store, tx => rate_limit::purge(tx, begin + 100, 1)) > 0 {}
    let rest = dump(&store, "allowance").await;
    assert!(rest.contains("many"), "{rest}");
    assert!(rest.contains("rob"), "{rest}");
    for whole in ["ada", "bob", "eve"] {
        assert!(!rest.contains(whole), "{whole}: {rest}");
    }
}

async fn what_has_had_its_time_is_purged(engine: Engine) {
    let store = open(engine).await;
    for (id, expires_at, ended_at) in [("1", 99, Some(99)), ("2", 100, Some(100)), ("3", 98, None)]
    {
        let of_sign_in = SignIn {
            id: format!("sgn_{id}"),
            email: "ada@example.com".to_owned(),
            token_hash: id.to_owned(),
            code_hash: "c".to_owned(),
            browser_hash: "b".to_owned(),
            attempts: 0,
            created_at: 1,
            expires_at,
            used_at: None,
            ended_at: None,
            ended_for: None,
            device: None,
        };
        let mail = Mail {
            id: format!("mail_{id}"),
            kind: Kind::SignIn,
            sign_in_id: Some(of_sign_in.id.clone()),
            session_id: None,
            asked_from: String::new(),
            attempts: 0,
            due_at: 10,
            sent_at: None,
            withheld_at: None,
        };
        let of_session = Session {
            ended_at,
            ..dated(&format!("ses_{id}"), "ada@example.com", 1, 1)
        };
        run!(&store, tx => async {
            sign_in::insert(tx, &of_sign_in).await?;
            outbox::insert(tx, &mail).await?;
            session::insert(tx, &of_session).await
        });
    }
    assert_eq!(
        run!(&store, tx => sign_in::purge(tx, 100, 9)),
        0,
        "not before their mails"
    );
    assert_eq!(run!(&store, tx => outbox::purge(tx, 100, 1)), 1);
    assert_eq!(run!(&store, tx => outbox::purge(tx, 100, 9)), 1);
    assert_eq!(run!(&store, tx => sign_in::purge(tx, 100, 1)), 1);
    assert_eq!(run!(&store, tx => sign_in::purge(tx, 100, 9)), 1);
    assert!(run!(&store, tx => sign_in::by_id(tx, "sgn_2")).is_some());
    run!(&store, tx => outbox::withhold(tx, "mail_2", 50));
    assert_eq!(run!(&store, tx => outbox::purge(tx, 50, 9)), 0);
    assert_eq!(
        run!(&store, tx => outbox::purge(tx, 51, 9)),
        1,
        "sent long ago"
    );
    // The third began at 1 and may last for 99 seconds.
    assert_eq!(run!(&store, tx => session::purge(tx, 100, 99, 9)), 1);
    assert_eq!(run!(&store, tx => session::purge(tx, 101, 99, 1)), 1);
    assert_eq!(run!(&store, tx => session::purge(tx, 101, 99, 9)), 1);
    assert_eq!(dump(&store, "session").await, "");
}

async fn the_audit_log_is_written_and_listed(engine: Engine) {
    let store = open(engine).await;
    let text = |text: &str| Some(text.to_owned());
    let full = audit::Entry {
        at: 10,
        what: "asked".to_owned(),
        who: text("hash"),
        shown: text("a…a@example.com"),
        client: text("192.0.2.1"),
        session: text("ses_1"),
        detail: text("sgn_1"),
        once: text("asked sgn_1"),
    };
    let empty = audit::Entry {
        at: 10,
        what: "operator".to_owned(),
        ..audit::Entry::default()
    };
    for entry in [full.clone(), full.clone(), empty.clone(), empty.clone()] {
        run!(&store, tx => audit::insert(tx, &entry));
    }
    let list = |filter: audit::Filter, most| {
        let store = store.clone();
        async move { run!(&store, tx => audit::list(tx, &filter, most)) }
    };
    let all = audit::Filter::default();
    assert_eq!(
        list(all.clone(), 9).await,
        [empty.clone(), empty.clone(), full.clone()],
        "newest first, and once is once"
    );
    assert_eq!(list(all.clone(), 1).await, std::slice::from_ref(&empty));
    for (filter, found) in [
        (
            audit::Filter {
                what: text("asked"),
                ..all.clone()
            },
            1,
        ),
        (
            audit::Filter {
                who: text("hash"),
                ..all.clone()
            },
            1,
        ),
        (
            audit::Filter {
                who: text("other"),
                ..all.clone()
            },
            0,
        ),
        (
            audit::Filter {
                since: Some(10),
                ..all.clone()
            },
            3,
        ),
        (
            audit::Filter {
                since: Some(11),
                ..all.clone()
            },
            0,
        ),
    ] {
        assert_eq!(list(filter.clone(), 9).await.len(), found, "{filter:?}");
    }
}

/// A session that began and was last used at these times.
fn dated(id: &str, email: &str, created_at: i64, active_at: i64) -> Session {
    Session {
        id: id.to_owned(),
        email: email.to_owned(),
        generation: 1,
        parent_generation: 0,
        seen_generation: 1,
        rotated_at: created_at,
        active_at,
        created_at,
        ended_at: None,
        browser: String::new(),
    }
}

async fn sessions_beyond_their_limits_end(engine: Engine) {
    let store = open(engine).await;
    for row in [
        dated("ses_old", "old@example.com", 10, 99),
        dated("ses_idle", "idle@example.com", 50, 20),
        // Beyond both when somebody looks, and idle first.
        dated("ses_both", "both@example.com", 5, 5),
        dated("ses_live", "live@example.com", 11, 21),
        Session {
            ended_at: Some(5),
            ..dated("ses_ended", "ended@example.com", 1, 1)
        },
    ] {
        run!(&store, tx => session::insert(tx, &row));
    }
    let mut ended = run!(&store, tx => session::expire(tx, limits(10, 20), 100));
    ended.sort();
    assert_eq!(
        ended,
        ["both@example.com", "idle@example.com", "old@example.com"]
    );
    for (id, why) in [
        ("ses_old", session::Why::Age),
        ("ses_idle", session::Why::Idle),
        ("ses_both", session::Why::Idle),
    ] {
        let ended = run!(&store, tx => session::ended(tx, id)).unwrap();
        assert_eq!((ended.why, ended.at), (Some(why), 100), "{id}");
    }
    let ends = ["ses_old", "ses_idle", "ses_live", "ses_ended"].map(|id| {
        let store = store.clone();
        async move { run!(&store, tx => session::find(tx, id)).unwrap().ended_at }
    });
    assert_eq!(
        futures::future::join_all(ends).await,
        [Some(100), Some(100), None, Some(5)]
    );
}

async fn a_principal_sees_and_ends_its_own_sessions(engine: Engine) {
    let store = open(engine).await;
    let ada = principal(&store, "ada@example.com").await;
    for row in [
        dated("ses_1", "ada@example.com", 11, 21),
        dated("ses_2", "ada@example.com", 11, 22),
        dated("ses_old", "ada@example.com", 10, 22),
        dated("ses_idle", "ada@example.com", 11, 20),
        Session {
            ended_at: Some(30),
            ..dated("ses_ended", "ada@example.com", 11, 21)
        },
        dated("ses_of_bob", "bob@example.com", 11, 21),
    ] {
        run!(&store, tx => session::insert(tx, &row));
    }
    let list = || {
        let (store, ada) = (store.clone(), ada.clone());
        async move {
            let rows = run!(&store, tx => session::of(tx, &ada, limits(10, 20)));
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(list().await, [ada.session(), "ses_2", "ses_1"]);
    for (id, ends) in [("ses_2", true), ("ses_2", false), ("ses_of_bob", false)] {
        let ada = ada.clone();
        let ended = run!(&store, tx => session::end_of(tx, &ada, id, 40));
        assert_eq!(ended, ends, "{id}");
    }
    let ended = run!(&store, tx => session::find(tx, "ses_2")).unwrap();
    assert_eq!(ended.ended_at, Some(40));
    assert_eq!(list().await, [ada.session(), "ses_1"]);
    let all = ada.clone();
    assert_eq!(run!(&store, tx => session::end_all(tx, &all, 50)), 4);
    assert_eq!(list().await, Vec::<String>::new());
    let kept = run!(&store, tx => session::find(tx, "ses_ended")).unwrap();
    assert_eq!(kept.ended_at, Some(30));
    let bob = "bob@example.com";
    assert_eq!(run!(&store, tx => session::end_of_address(tx, bob, 60)), 1);
    assert_eq!(run!(&store, tx => session::end_of_address(tx, bob, 61)), 0);
    let of_bob = run!(&store, tx => session::find(tx, "ses_of_bob")).unwrap();
    assert_eq!(of_bob.ended_at, Some(60));
}

async fn sessions_without_a_customer_are_ended(engine: Engine) {
    let store = open(engine).await;
    let customers = [
        full_customer("cus_kept", "kept@example.com"),
        Customer {
            deleted_at: Some(1),
            ..full_customer("cus_gone", "gone@example.com")
        },
        Customer {
            livemode: 1,
            ..full_customer("cus_live", "live@example.com")
        },
    ];
    run!(&store, tx => row::put_all(tx, &customers.iter().collect::<Vec<_>>()));
    let names = ["kept", "gone", "live", "other"];
    for name in names {
        let row = dated(&format!("ses_{name}"), &format!("{name}@example.com"), 1, 1);
        run!(&store, tx => session::insert(tx, &row));
    }
    let left = ["kept@example.com", "gone@example.com", "live@example.com"];
    run!(&store, tx => session::end_orphans(tx, &left, false, 40));
    run!(&store, tx => session::end_orphans(tx, &[], false, 50));
    let mut ends = Vec::new();
    for name in names {
        let id = format!("ses_{name}");
        let row = run!(&store, tx => session::find(tx, &id));
        ends.push(row.unwrap().ended_at);
    }
    assert_eq!(ends, [None, Some(40), Some(40), None]);
}

async fn mails_are_claimed_by_one_and_retried(engine: Engine) {
    let store = open(engine).await;
    let sign_in_row = SignIn {
        id: "sgn_1".to_owned(),
        email: "ada@example.com".to_owned(),
        token_hash: "t".to_owned(),
        code_hash: "c".to_owned(),
        browser_hash: "b".to_owned(),
        attempts: 0,
        created_at: 1,
        expires_at: 100,
        used_at: None,
        ended_at: None,
        ended_for: None,
        device: None,
    };
    run!(&store, tx => sign_in::insert(tx, &sign_in_row));
    let written = Mail {
        id: "mail_1".to_owned(),
        kind: Kind::SignIn,
        sign_in_id: Some("sgn_1".to_owned()),
        session_id: None,
        asked_from: "Firefox".to_owned(),
        attempts: 0,
        due_at: 10,
        sent_at: None,
        withheld_at: None,
    };
    let row = written.clone();
    run!(&store, tx => outbox::insert(tx, &row));
    assert_eq!(
        run!(&store, tx => outbox::find(tx, "mail_1")),
        Some(written.clone())
    );
    assert_eq!(run!(&store, tx => outbox::find(tx, "mail_2")), None);
    assert_eq!(
        run!(&store, tx => outbox::claim(tx, 9, 60)),
        None,
        "not due"
    );
    let claim = || {
        let store = store.clone();
        tokio::spawn(async move { run!(&store, tx => outbox::claim(tx, 10, 60)) })
    };
    let (one, two) = (claim(), claim());
    let mut claimed: Vec<_> = [one.await.unwrap(), two.await.unwrap()]
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(
        claimed.pop(),
        Some(Mail {
            attempts: 1,
            due_at: 60,
            ..written.clone()
        })
    );
    assert!(claimed.is_empty(), "one of two gets it");
    run!(&store, tx => outbox::retry_at(tx, "mail_1", 30));
    let again = run!(&store, tx => outbox::claim(tx, 30, 90)).unwrap();
    assert_eq!((again.attempts, again.due_at), (2, 90));
    run!(&store, tx => outbox::put_off(tx, "mail_1", 95));
    let later = run!(&store, tx => outbox::claim(tx, 95, 120)).unwrap();
    assert_eq!((later.attempts, later.due_at), (2, 120), "that was no try");
    run!(&store, tx => outbox::sent(tx, "mail_1", 31));
    assert_eq!(
        run!(&store, tx => outbox::claim(tx, 1000, 2000)),
        None,
        "sent"
    );
    assert!(dump(&store, "outbox").await.contains("31"));
    run!(&store, tx => outbox::drop_mail(tx, "mail_1"));
    assert_eq!(dump(&store, "outbox").await, "");
    let session_row = dated("ses_1", "ada@example.com", 1, 1);
    run!(&store, tx => session::insert(tx, &session_row));
    let about_session = Mail {
        kind: Kind::Reuse,
        sign_in_id: None,
        session_id: Some("ses_1".to_owned()),
        ..written.clone()
    };
    let row = about_session.clone();
    run!(&store, tx => outbox::insert(tx, &row));
    for row in [written.clone(), about_session.clone()] {
        let address = run!(&store, tx => outbox::address(tx, &row));
        assert_eq!(address.as_deref(), Some("ada@example.com"));
    }
    let of_nobody = Mail {
        sign_in_id: Some("sgn_2".to_owned()),
        ..written.clone()
    };
    assert_eq!(run!(&store, tx => outbox::address(tx, &of_nobody)), None);
    let other = Mail {
        id: "mail_2".to_owned(),
        due_at: 70,
        ..written
    };
    let row = other.clone();
    run!(&store, tx => outbox::insert(tx, &row));
    let all = run!(&store, tx => outbox::of_address(tx, "ada@example.com", 9));
    assert_eq!(all, [other.clone(), about_session.clone()]);
    let newest = run!(&store, tx => outbox::of_address(tx, "ada@example.com", 1));
    assert_eq!(newest, [other]);
    let none = run!(&store, tx => outbox::of_address(tx, "bob@example.com", 9));
    assert!(none.is_empty());
    assert_eq!(
        run!(&store, tx => outbox::claim(tx, 10, 60)),
        Some(Mail {
            attempts: 1,
            due_at: 60,
            ..about_session
        })
    );
}

async fn customers_are_gone_through_in_order(engine: Engine) {
    let store = open(engine).await;
    let mut rows: Vec<_> = ["cus_1", "cus_2", "cus_3", "cus_4", "cus_5"]
        .map(|id| full_customer(id, "ada@example.com"))
        .into();
    rows[1].deleted_at = Some(1);
    rows[3].livemode = 1;
    run!(&store, tx => row::put_all(tx, &rows.iter().collect::<Vec<_>>()));
    let ids = |after: &'static str, most| {
        let store = store.clone();
        async move { run!(&store, tx => customer::ids_after(tx, after, false, most)) }
    };
    assert_eq!(ids("", 2).await, ["cus_1", "cus_3"]);
    assert_eq!(ids("cus_3", 9).await, ["cus_5"]);
    assert_eq!(ids("cus_5", 9).await, Vec::<String>::new());
    let unwritten = |second, after: &'static str| {
        let store = store.clone();
        async move { run!(&store, tx => customer::ids_unwritten_since(tx, second, after, false, 9)) }
    };
    let at = full_customer("", "").stripe_at;
    assert_eq!(unwritten(at, "").await, Vec::<String>::new());
    assert_eq!(unwritten(at + 1, "").await, ["cus_1", "cus_3", "cus_5"]);
    assert_eq!(unwritten(at + 1, "cus_3").await, ["cus_5"]);
    for (livemode, most, count) in [(false, 9, 3), (false, 2, 2), (true, 9, 1)] {
        assert_eq!(
            run!(&store, tx => customer::count(tx, livemode, most)),
            count
        );
    }
    let around = run!(&store, tx => customer::counts_around(tx, "cus_3", false));
    assert_eq!(around, (2, 1));
}

async fn statements_about_many_ids_miss_none(engine: Engine) {
    let store = open(engine).await;
    // 64, then 8, then 1 in a statement.
    let rows: Vec<_> = (0..73)
        .map(|number| full_customer(&format!("cus_{number}"), "ada@example.com"))
        .collect();
    let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    let changed = run(&store, move |tx| {
        async move {
            row::put_all(tx, &rows.iter().collect::<Vec<_>>()).await?;
            let ids: Vec<_> = ids.iter().skip(1).map(String::as_str).collect();
            let values = [Cell::from("Grace"), Cell::from(7)];
            bulk::change(tx, &ids, values, |among, [name, at]| {
                format!("UPDATE customer SET name = {name}, stripe_at = {at} WHERE id {among}")
            })
            .await
        }
        .boxed()
    });
    assert_eq!(changed.await, 72);
    let found = run(&store, |tx| {
        async move {
            let ids: Vec<_> = (0..80).map(|number| format!("cus_{number}")).collect();
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            bulk::select::<Customer>(tx, &ids, |among| {
                format!("SELECT * FROM customer WHERE id {among}")
            })
            .await
        }
        .boxed()
    })
    .await;
    assert_eq!(found.len(), 73);
    let names = run(&store, |tx| {
        async move {
            let table = bulk::Table {
                name: "progress",
                columns: &["name", "value", "changed_at"],
            };
            let names: Vec<_> = (0..300).map(|number| (number % 299).to_string()).collect();
            let rows: Vec<_> = names
                .iter()
                .map(|name| vec![name.into(), "x".into(), 1.into()])
                .collect();
            let clash = "ON CONFLICT (name) DO NOTHING RETURNING name";
            bulk::insert(tx, table, &rows, clash).await
        }
        .boxed()
    });
    assert_eq!(
        names.await.len(),
        299,
        "of two with one name one is written"
    );
    for row in found {
        let expected = match row.id.as_str() {
            "cus_0" => ("Ada", 1_700_000_001),
            _ => ("Grace", 7),
        };
        assert_eq!((row.name.as_deref().unwrap(), row.stripe_at), expected);
    }
}

/// Such a plan is kept for as long as the connection, while the table grows.
async fn plans_made_while_a_table_is_empty_use_its_index(engine: Engine) {
    const PREPARE: &str = "SET LOCAL plan_cache_mode = force_generic_plan;
        PREPARE find (TEXT[]) AS SELECT id FROM customer WHERE id = ANY($1)";
    let store = open(engine).await;
    let plan = run!(&store, tx => async {
        match tx {
            Tx::Sqlite(tx) => {
                let sql = "EXPLAIN QUERY PLAN SELECT id FROM customer WHERE id IN (?, ?)";
                let steps = sqlx::query(sql).fetch_all(&mut **tx).await?;
                let details = steps.iter().map(|step| sqlx::Row::get(step, "detail"));
                Ok(details.collect::<Vec<String>>())
            }
            Tx::Postgres(tx) => {
                sqlx::raw_sql(PREPARE).execute(&mut **tx).await?;
                let sql = "EXPLAIN EXECUTE find('{cus_1}')";
                let lines = sqlx::raw_sql(sql).fetch_all(&mut **tx).await?;
                Ok(lines.iter().map(|line| sqlx::Row::get(line, 0)).collect())
            }
        }
    });
    let plan = plan.join("\n");
    assert!(plan.contains("ndex") || plan.contains("INDEX"), "{plan}");
    assert!(!plan.contains("Seq Scan"), "{plan}");
}

async fn what_is_erased_is_found_blanked_and_known(engine: Engine) {
    let store = open(engine).await;
    let row = |id: &str, state: &str, due_at: Option<i64>| Event {
        id: id.to_owned(),
        r#type: "customer.updated".to_owned(),
        object_id: Some(format!("of_{id}")),
        customer_id: Some("cus_1".to_owned()).filter(|_| id != "evt_4"),
        created: 10,
        livemode: 0,
        api_version: None,
        state: State::parse(state).unwrap(),
        attempts: 1,
        error: Some("an error".to_owned()),
        received_at: 11,
        processed_at: due_at.xor(Some(12)),
        due_at,
        tried_since: None,
        payload: format!("{{\"email\": \"Ada@Example.com\", \"id\": \"{id}\"}}"),
    };
    let rows = [
        row("evt_1", "applied", None),
        row("evt_2", "failed", Some(20)),
        row("evt_3", "dead", None),
        row("evt_4", "ignored", None),
    ];
    run!(&store, tx => async { event::insert_all(tx, &rows).await });
    let mentions = |text: &'static str, after: &'static str, most| {
        run(&store, move |tx| {
            async move { erased::mentions(tx, text, after, most).await }.boxed()
        })
    };
    let found = |ids: &[&str], is_in: i64| -> Vec<_> {
        ids.iter().map(|id| (String::from(*id), is_in)).collect()
    };
    let (first, rest) = (["evt_1", "evt_2"], ["evt_3", "evt_4"]);
    assert_eq!(mentions("ada@example.com", "", 2).await, found(&first, 1));
    assert_eq!(
        mentions("ada@example.com", "evt_2", 9).await,
        found(&rest, 1)
    );
    assert_eq!(
        mentions("bob@example.com", "evt_2", 9).await,
        found(&rest, 0)
    );

    // One about the customer itself, and one about nothing that can be told from others.
    let own = Event {
        object_id: Some("cus_2".to_owned()),
        customer_id: Some("cus_2".to_owned()),
        payload: String::new(),
        ..row("evt_5", "applied", None)
    };
    let upcoming = Event {
        object_id: None,
        id: "evt_6".to_owned(),
        ..own.clone()
    };
    run!(&store, tx => async { event::insert_all(tx, &[own, upcoming]).await });
    let all = run!(&store, tx => erased::events_of_customers(tx, &["cus_1", "cus_2"]));
    let mut all: Vec<_> = all
        .into_iter()
        .map(|one| (one.id, one.payload, one.waits))
        .collect();
    all.sort();
    let said = |id: &str, waits| (id.to_owned(), 1, waits);
    let of_first = [said("evt_1", 0), said("evt_2", 1), said("evt_3", 1)];
    assert_eq!(all[..3], of_first);
    let of_second = ["evt_5", "evt_6"].map(|id| (id.to_owned(), 0, 0));
    assert_eq!(all[3..], of_second);
    let one = run!(&store, tx => erased::events_of_objects(tx, &["of_evt_4"]));
    assert_eq!(
        one,
        run!(&store, tx => erased::events(tx, &["evt_4", "evt_7"]))
    );
    assert_eq!(
        (one.len(), one[0].object_id.as_deref()),
        (1, Some("of_evt_4"))
    );
    assert_eq!(one[0].customer_id, None);

    run!(&store, tx => event::claim(tx, 20, 80, 9));
    let blanked = run!(&store, tx => async {
        erased::begin(tx).await?;
        erased::blank(tx, &["evt_1", "evt_2", "evt_3"], 40).await
    });
    assert_eq!(blanked, 3);
    // Whoever has it in hand still does not bring it back.
    run!(&store, tx => event::fail(tx, "evt_2", Some(80), "no answer", Some(90)));
    run!(&store, tx => event::postpone(tx, &["evt_2"], 80, 90));
    for (id, state, at) in [
        ("evt_1", "applied", 12),
        ("evt_2", "stale", 40),
        ("evt_3", "stale", 12),
    ] {
        let row = run!(&store, tx => event::find(tx, id)).unwrap();
        assert_eq!(
            (row.state.as_str(), row.processed_at),
            (state, Some(at)),
            "{id}"
        );
        assert_eq!(
            (row.payload, row.error, row.due_at),
            (String::new(), None, None)
        );
    }
    assert_eq!(
        mentions("ada@example.com", "", 9).await,
        found(&["evt_4"], 1)
    );

    let ids = || ["cus_1", "cus_2", "in_1"].map(str::to_owned);
    assert!(run!(&store, tx => erased::among(tx, ids())).is_empty());
    assert!(!run!(&store, tx => erased::lock(tx, &["cus_1"])));
    run!(&store, tx => erased::add(tx, &["in_1", "cus_1"], 40));
    assert!(run!(&store, tx => erased::lock(tx, &["cus_2"])));
    run!(&store, tx => erased::add(tx, &["in_1"], 50));
    let known = run!(&store, tx => erased::among(tx, ids()));
    assert_eq!(known.into_iter().collect::<Vec<_>>(), ["cus_1", "in_1"]);
    assert!(dump(&store, "erased").await.matches("40").count() == 2);

    let invoice = Invoice {
        id: "in_1".to_owned(),
        customer_id: Some("cus_1".to_owned()),
        ..Invoice::default()
    };
    let payment = InvoicePayment {
        id: "inpay_1".to_owned(),
        invoice_id: Some("in_1".to_owned()),
        ..InvoicePayment::default()
    };
    let customers = [
        full_customer("cus_1", "Ada@example.com"),
        full_customer("cus_2", "b@example.com"),
    ];
    run!(&store, tx => row::put_all(tx, &[&invoice]));
    run!(&store, tx => row::put_all(tx, &[&payment]));
    run!(&store, tx => row::put_all(tx, &customers.iter().collect::<Vec<_>>()));
    assert_eq!(
        run!(&store, tx => erased::rows_by(tx, "invoice", "customer_id", &["cus_1"])),
        ["in_1"]
    );
    assert!(
        run!(&store, tx => erased::rows_by(tx, "invoice", "customer_id", &["cus_2"])).is_empty()
    );
    assert_eq!(
        run!(&store, tx => erased::rows_by(tx, "invoice_payment", "invoice_id", &["in_1"])),
        ["inpay_1"]
    );
    let ids = run!(&store, tx => customer::ids_of_address(tx, "ada@example.com"));
    assert_eq!(ids, ["cus_1"]);
    let all = run!(&store, tx => customer::of_address(tx, "ada@example.com"));
    let ids: Vec<_> = all.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["cus_1"]);
    assert!(all.iter().all(|(_, mode)| matches!(mode, 0 | 1)));
    erased::forget_log(&store).await.unwrap();

    // What a copy of the database may not know.
    let erasure = |name: &str| name.to_owned();
    run!(&store, tx => erased::note(tx, "erasure_1", 60));
    let both = [erasure("erasure_1"), erasure("erasure_2")];
    let had = run!(&store, tx => erased::known(tx, &both));
    assert_eq!(had.into_iter().collect::<Vec<_>>(), ["erasure_1"]);
    let hashes = [store::erasures::hash_of_id("cus_2")].into();
    run!(&store, tx => erased::add_hashes(tx, &hashes, 60));
    let known =
        run!(&store, tx => erased::among(tx, ["cus_1", "cus_2", "in_1"].map(str::to_owned)));
    let known: Vec<_> = known.into_iter().collect();
    assert_eq!(known, ["cus_1", "cus_2", "in_1"], "by its hash too");
    let all = run!(&store, tx => erased::all_ids(tx, &["invoice", "invoice_payment"]));
    assert!(all.customers.contains("cus_1") && all.customers.contains("cus_2"));
    assert!(all.objects.contains("in_1") && all.objects.contains("inpay_1"));
    assert!(all.customers.is_disjoint(&all.objects));
    let addresses = run!(&store, tx => erased::addresses(tx));
    assert!(
        addresses.contains(&"ada@example.com".to_owned()),
        "{addresses:?}"
    );
    let first = run!(&store, tx => erased::payloads(tx, "", 1));
    assert!(first.len() == 1 && !first[0].1.is_empty(), "{first:?}");
    let id = first[0].0.clone();
    let after = id.clone();
    let rest = run!(&store, tx => erased::payloads(tx, &after, 100));
    assert!(rest.iter().all(|(later, _)| *later > id), "{rest:?}");
}

async fn what_is_an_addresss_own_is_counted_and_deleted(engine: Engine) {
    let store = open(engine).await;
    for name in ["ada", "bob"] {
        let (email, of) = (format!("{name}@example.com"), |what: &str| {
            format!("{what}_{name}")
        });
        let session = dated(&of("ses"), &email, 1, 1);
        let sign_in = SignIn {
            id: of("sgn"),
            email,
            token_hash: of("token"),
            code_hash: of("code"),
            browser_hash: of("browser"),
            attempts: 0,
            created_at: 1,
            expires_at: 2,
            used_at: None,
            ended_at: None,
            ended_for: None,
            device: Some(of("known")),
        };
        let mail = |kind: Kind, sign_in_id, session_id| Mail {
            id: of(kind.as_str()),
            kind,
            sign_in_id,
            session_id,
            asked_from: String::new(),
            attempts: 0,
            due_at: 1,
            sent_at: None,
            withheld_at: None,
        };
        let mails = [
            mail(Kind::SignIn, Some(of("sgn")), None),
            mail(Kind::Reuse, None, Some(of("ses"))),
        ];
        let names = [of("address"), format!("device:{}", of("known"))];
        run!(&store, tx => async {
            session::insert(tx, &session).await?;
            sign_in::insert(tx, &sign_in).await?;
            for mail in &mails {
                outbox::insert(tx, mail).await?;
            }
            for name in &names {
                rate_limit::take(tx, name, 1, Rate { burst: 1, pause: 9 }).await?;
            }
            Ok(())
        });
    }
    let own = |sign_ins, mails, sessions| erased::Own {
        sign_ins,
        mails,
        sessions,
    };
    assert_eq!(
        run!(&store, tx => erased::own(tx, "ada@example.com")),
        own(1, 2, 1)
    );
    run!(&store, tx => erased::delete_own(tx, "ada@example.com", &["address_ada", "address_old"]));
    assert_eq!(
        run!(&store, tx => erased::own(tx, "ada@example.com")),
        own(0, 0, 0)
    );
    assert_eq!(
        run!(&store, tx => erased::own(tx, "bob@example.com")),
        own(1, 2, 1)
    );
    for table in ["session", "sign_in", "outbox", "allowance"] {
        let rows = dump(&store, table).await;
        assert!(
            rows.contains("bob") && !rows.contains("ada"),
            "{table}: {rows}"
        );
    }
}

async fn a_database_in_use_is_copied(engine: Engine) {
    let url = database_url(engine).await;
    let store = Store::connect(&url).await.unwrap();
    run!(&store, tx => progress::set(tx, "sweep", "12", 1));
    let to = std::env::temp_dir().join(billhook::clock::new_id("copy"));
    let copied = file::back_up(&store, &to).await;
    let Engine::Sqlite = engine else {
        assert!(copied.is_err() && !to.exists());
        return;
    };
    copied.unwrap();
    let copy = Store::open(&format!("sqlite://{}", to.display())).await;
    let copy = copy.unwrap();
    let found = run!(&copy, tx => progress::get(tx, "sweep"));
    assert_eq!(found.as_deref(), Some("12"));
    copy.close().await;
    std::fs::remove_file(to).unwrap();
}

async fn a_transaction_that_fails_leaves_nothing(engine: Engine) {
    let store = open(engine).await;
    let row = full_customer("cus_1", "ada@example.com");
    let failed: store::Result<()> = store
        .write(move |tx| {
            async move {
                row::put_all(tx, &[&row]).await?;
                Err(store::Error::RowNotFound)
            }
            .boxed()
        })
        .await;
    assert!(failed.is_err());
    let ids = ["cus_2", "cus_1", "cus_2"];
    let held = |as_erased: bool| {
        store.write(move |tx| {
            async move {
                match as_erased {
                    true => assert!(!erased::lock(tx, &ids).await?),
                    false => tx.lock(&ids).await?,
                }
                let Tx::Postgres(tx) = tx else { return Ok(2) };
                const SQL: &str = "SELECT COUNT(*) FROM pg_locks
                    WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
                sqlx::query_scalar(SQL).fetch_one(&mut **tx).await
            }
            .boxed()
        })
    };
    let held: [i64; 2] = [held(false).await.unwrap(), held(true).await.unwrap()];
    assert_eq!(held, [2, 2]);
    assert_eq!(run!(&store, tx => row::find::<Customer>(tx, "cus_1")), None);
}

async fn rows_that_are_missing_are_told(engine: Engine) {
    let store = open(engine).await;
    let row = full_customer("cus_1", "ada@example.com");
    run!(&store, tx => row::put_all(tx, &[&row]));
    let ids =
        |ids: &[&str]| -> BTreeSet<String> { ids.iter().map(|id| String::from(*id)).collect() };
    for (asked, expected) in [
        (ids(&[]), ids(&[])),
        (ids(&["cus_1"]), ids(&[])),
        (ids(&["cus_0", "cus_1", "cus_2"]), ids(&["cus_0", "cus_2"])),
    ] {
        let missing = run!(&store, tx => row::missing::<Customer>(tx, asked));
        assert_eq!(missing, expected);
    }
    for (id, seen_at) in [("price_1", None), ("price_2", Some(7))] {
        let price = Price {
            id: id.to_owned(),
            seen_at,
            ..Price::default()
        };
        run!(&store, tx => row::put_all(tx, &[&price]));
    }
    let asked = ids(&["price_1", "price_2", "price_3"]);
    let unsettled = run!(&store, tx => row::unsettled::<Price>(tx, asked, ""));
    assert_eq!(unsettled, ids(&["price_2", "price_3"]));
    let asked = ids(&["price_1"]);
    let with_tiers = "AND tiers IS NOT NULL";
    let unsettled = run!(&store, tx => row::unsettled::<Price>(tx, asked, with_tiers));
    assert_eq!(unsettled, ids(&["price_1"]));
}

async fn unknown_objects_are_asked_for_by_one(engine: Engine) {
    let store = open(engine).await;
    run!(&store, tx => missing_objects::note(tx, "customers", &["cus_1", "cus_2", "cus_3"], 10));
    run!(&store, tx => missing_objects::note(tx, "customers", &["cus_1"], 99));
    run!(&store, tx => missing_objects::note(tx, "coupons", &["cus_1"], 10));
    let claim = |now, most| {
        let store = store.clone();
        async move {
            let lists = ["customers", "products"];
            let mut claimed =
                run!(&store, tx => missing_objects::claim(tx, &lists, now, now + 60, most));
            claimed.sort();
            claimed
        }
    };
    let tried = |id: &str, attempts| missing_objects::Unknown {
        list: "customers".to_owned(),
        id: id.to_owned(),
        attempts,
    };
    assert_eq!(claim(9, 9).await, []);
    assert_eq!(claim(10, 2).await.len(), 2);
    assert_eq!(claim(10, 9).await.len(), 1, "the others are taken");
    run!(&store, tx => missing_objects::postpone(tx, "customers", "cus_1", Some(20)));
    run!(&store, tx => missing_objects::postpone(tx, "customers", "cus_2", None));
    run!(&store, tx => missing_objects::forget(tx, "customers", &["cus_3"]));
    assert_eq!(claim(1_000, 9).await, [tried("cus_1", 2)]);
    let lists = ["coupons"];
    let coupon = run!(&store, tx => missing_objects::claim(tx, &lists, 1_000, 1_060, 9));
    assert_eq!(
        coupon.len(),
        1,
        "of another list the same id is another object"
    );
}

async fn addresses_with_odd_letters_are_found_and_set(engine: Engine) {
    let store = open(engine).await;
    for (id, email) in [
        ("cus_1", "ada@example.com"),
        ("cus_2", "jule@b\u{fc}cher.example"),
        ("cus_3", "\u{200b}bob@example.com"),
    ] {
        let row = full_customer(id, email);
        run!(&store, tx => row::put_all(tx, &[&row]));
    }
    let ids = |rows: Vec<(String, String)>| rows.into_iter().map(|row| row.0).collect::<Vec<_>>();
    let odd = run!(&store, tx => customer::odd_addresses(tx, "", 9));
    assert_eq!(ids(odd), ["cus_2", "cus_3"]);
    let odd = run!(&store, tx => customer::odd_addresses(tx, "cus_2", 9));
    assert_eq!(ids(odd), ["cus_3"]);
    for (address, normalised) in [
        ("\u{200b}bob@example.com", "bob@example.com"),
        ("another@example.com", "another@example.com"),
    ] {
        run!(&store, tx => customer::set_normalised(tx, "cus_3", address, normalised));
    }
    let row: Customer = run!(&store, tx => row::find(tx, "cus_3")).unwrap();
    assert_eq!(row.email_normalised.as_deref(), Some("bob@example.com"));
}

async fn reopening_keeps_everything(engine: Engine) {
    let url = database_url(engine).await;
    let store = Store::connect(&url).await.unwrap();
    let row = full_customer("cus_1", "ada@example.com");
    run!(&store, tx => row::put_all(tx, &[&row]));
    store.close().await;
    let store = Store::connect(&url).await.unwrap();
    let found = store.read(|tx| async move { row::find::<Customer>(tx, "cus_1").await }.boxed());
    assert!(found.await.unwrap().is_some());
    store.answers().await.unwrap();
    store.close().await;
    assert!(store.answers().await.is_err());
}

/// All rows of a table as text.
pub async fn dump(store: &Store, table: &str) -> String {
    let rows: Vec<String> = match store {
        Store::Sqlite { readers, .. } => {
            let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1)")
                .bind(table)
                .fetch_all(readers)
                .await
                .unwrap();
            let joined = columns
                .iter()
                .map(|name| format!("COALESCE(CAST({name} AS TEXT), '')"))
                .collect::<Vec<_>>()
                .join(" || ' ' || ");
            let sql = sqlx::AssertSqlSafe(format!("SELECT {joined} FROM {table}"));
            sqlx::query_scalar(sql).fetch_all(readers).await.unwrap()
        }
        Store::Postgres(pool) => {
            let sql = sqlx::AssertSqlSafe(format!("SELECT CAST(t AS TEXT) FROM {table} AS t"));
            sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
        }
    };
    rows.join("\n")
}

async fn why_a_session_ended_is_kept(engine: Engine) {
    let store = open(engine).await;
    let why = || {
        let store = store.clone();
        async move { run!(&store, tx => session::ended(tx, "ses_1")).map(|ended| ended.why) }
    };
    for (number, expected) in [
        Why::Here,
        Why::Elsewhere,
        Why::Operator,
        Why::Idle,
        Why::Age,
        Why::Copied,
        Why::NoCustomer,
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("ses_{}", number + 10);
        let row = dated(&id, "ada@example.com", 1, 1);
        run!(&store, tx => session::insert(tx, &row));
        let of = id.clone();
        assert_eq!(run!(&store, tx => session::ended(tx, &of)), None);
        let of = id.clone();
        run!(&store, tx => session::end_for(tx, &of, expected, 40));
        let of = id.clone();
        run!(&store, tx => session::end_for(tx, &of, Why::Idle, 41));
        let ended = run!(&store, tx => session::ended(tx, &id)).unwrap();
        assert_eq!(
            (ended.email.as_str(), ended.why),
            ("ada@example.com", Some(expected))
        );
    }
    assert_eq!(why().await, None, "there is none");
}

async fn ends_of_devices_are_kept_and_purged(engine: Engine) {
    let store = open(engine).await;
    let mark = |names: &'static [&'static str]| {
        let store = store.clone();
        async move { run!(&store, tx => device::mark(tx, names)) }
    };
    assert_eq!(mark(&["ada"]).await, None);
    assert_eq!(mark(&[]).await, None);
    for (name, mark, at) in [
        ("ada", "end_1", 10),
        ("bob", "end_2", 11),
        ("ada", "end_3", 12),
        ("ada by a secret before", "end_0", 9),
    ] {
        run!(&store, tx => device::end(tx, name, mark, at));
    }
    let names = &["ada by a secret before", "ada", "nobody"];
    assert_eq!(mark(names).await.as_deref(), Some("end_3"), "the last");
    assert_eq!(mark(&["bob"]).await.as_deref(), Some("end_2"));
    assert_eq!(run!(&store, tx => device::purge(tx, 9, 10)), 0);
    assert_eq!(run!(&store, tx => device::purge(tx, 12, 1)), 1);
    assert_eq!(run!(&store, tx => device::purge(tx, 12, 10)), 1);
    assert_eq!(mark(names).await.as_deref(), Some("end_3"));
    assert_eq!(run!(&store, tx => device::purge(tx, 13, 10)), 1);
    assert_eq!(mark(names).await, None);
}

async fn a_browser_keeps_a_few_sign_ins_and_what_they_gave(engine: Engine) {
    let store = open(engine).await;
    for number in 1..=8 {
        // Every other one is spent.
        let row = SignIn {
            id: format!("sgn_{number}"),
            email: "ada@example.com".to_owned(),
            token_hash: format!("token {number}"),
            code_hash: "code".to_owned(),
            browser_hash: "browser".to_owned(),
            attempts: if number == 2 { 5 } else { 0 },
            created_at: number,
            expires_at: 100,
            used_at: (number % 4 == 0).then_some(20),
            ended_at: (number == 6).then_some(20),
            ended_for: (number == 6).then_some(End::Superseded),
            device: None,
        };
        run!(&store, tx => sign_in::insert(tx, &row));
    }
    run!(&store, tx => sign_in::let_go(tx, "browser", 100, 5, 0, 0));
    run!(&store, tx => sign_in::let_go(tx, "another", 50, 5, 0, 0));
    run!(&store, tx => sign_in::let_go(tx, "browser", 50, 5, 2, 3));
    let mut kept = Vec::new();
    for number in 1..=8 {
        let id = format!("sgn_{number}");
        let row = run!(&store, tx => sign_in::by_id(tx, &id)).unwrap();
        if row.browser_hash == "browser" {
            kept.push(number);
        } else {
            assert_eq!(row.browser_hash, "");
        }
    }
    assert_eq!(kept, [4, 5, 6, 7, 8]);

    run!(&store, tx => sign_in::gave(tx, "sgn_8", "ses_1"));
    for (id, browser, after, is_found) in [
        ("sgn_8", "browser", 19, true),
        ("sgn_8", "browser", 20, false),
        ("sgn_8", "another", 19, false),
        ("sgn_6", "browser", 19, false),
    ] {
        let used = run!(&store, tx => sign_in::used(tx, id, browser, after));
        let used = used.map(|used| (used.email, used.session_id, used.used_at));
        let expected = ("ada@example.com".to_owned(), "ses_1".to_owned(), 20);
        assert_eq!(used, is_found.then_some(expected), "{id} {browser} {after}");
    }
    let all = |browser: &'static str, after, most| {
        let store = store.clone();
        async move {
            let rows = run!(&store, tx => sign_in::all_used(tx, browser, after, most));
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(all("browser", 19, 1).await, ["sgn_8"]);
    assert!(all("browser", 20, 1).await.is_empty());
    assert!(all("another", 19, 1).await.is_empty());
    run!(&store, tx => sign_in::count_try_again(tx, "browser", 20));
    run!(&store, tx => sign_in::count_try_again(tx, "another", 19));
    assert_eq!(all("browser", 19, 1).await, ["sgn_8"]);
    run!(&store, tx => sign_in::count_try_again(tx, "browser", 19));
    assert!(all("browser", 19, 1).await.is_empty());
    assert_eq!(all("browser", 19, 2).await, ["sgn_8"]);
}

/// A store function without a contract test is one that works on one engine by luck.
#[test]
fn every_store_function_has_a_contract_test() {
    let tests = include_str!("contract.rs");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store");
    let files = |folder: &std::path::Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for path in files(root.as_ref()) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // What a folder has inside it is called by the folder's name.
        if path.is_dir() {
            all.extend(files(&path).into_iter().map(|file| (name.clone(), file)));
        } else {
            all.push((name, path));
        }
    }
    for (noun, path) in all {
        let source = std::fs::read_to_string(&path).unwrap();
        for line in source
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub async fn "))
        {
            let name = line.split(['(', '<']).next().unwrap();
            let calls = match noun.as_str() {
                "mod" => [format!(".{name}("), format!("Store::{name}(")].to_vec(),
                noun => [format!("{noun}::{name}("), format!("{noun}::{name}::<")].to_vec(),
            };
            assert!(
                calls.iter().any(|call| tests.contains(call)),
                "{noun}::{name} is not tested"
            );
        }
    }
}

#[test]
fn both_engines_have_the_same_migrations() {
    let names = |engine: &str| {
        let folder = format!("{}/migrations/{engine}", env!("CARGO_MANIFEST_DIR"));
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}
