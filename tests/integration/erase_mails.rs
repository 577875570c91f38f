//! A mail that is under way while its address is erased.

use std::time::Duration;

use billhook::{
    domain::{App, browser::Visitor, delivery, email::Email, outbox, sign_in},
    store::{self, Store, Tx},
};
use futures::FutureExt;

use crate::{
    contract::dump,
    engines::{Engine, database_url},
    helpers::{eventually, spawn_app},
    slow_office::SlowOffice,
};

const HELD: &str = "held@example.com";

async fn ask(app: &App) {
    let address = Email::parse(HELD).unwrap();
    let asking = sign_in::Asking::default();
    sign_in::ask(app, &address, asking, &Visitor::default())
        .await
        .unwrap();
}

/// Waits until somebody waits for a lock of this transaction.
async fn until_awaited(tx: &mut Tx) -> store::Result<()> {
    const SQL: &str = "SELECT COUNT(*) FROM pg_locks
        WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))";
    let Tx::Postgres(tx) = tx else { return Ok(()) };
    let wait = async {
        loop {
            let waiting: i64 = sqlx::query_scalar(SQL).fetch_one(&mut **tx).await?;
            if waiting > 0 {
                return Ok(());
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(3), wait).await;
    waited.expect("it waits for the erasure")
}

/// On SQLite there is one writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_68_a_mail_under_way_and_an_erasure_do_not_wait_for_each_other() {
    let running = spawn_app(Engine::Postgres).await;
    let (first, second) = (SlowOffice::default(), SlowOffice::default());
    let mut app = running.app.clone();
    app.mailer = first.mailer(&running.app).await;
    let url = database_url(Engine::Postgres).await;
    app.store = Store::connect(&url).await.unwrap();
    crate::mails::make_known(&app, HELD).await;
    // What is kept of an earlier mail is what both write.
    first.released.cancel();
    ask(&app).await;
    assert!(outbox::step(&app).await.unwrap());
    app.clock.advance(61);
    app.mailer = second.mailer(&running.app).await;
    ask(&app).await;

    let sending = outbox::step(&app);
    let erasing = async {
        eventually(|| async { (second.begun.lock().unwrap().len() == 1).then_some(()) }).await;
        // An erasure, in its order, while the mail server answers.
        let (names, released) = (delivery::names(&app.keys, HELD), second.released.clone());
        let erasing = app.store.write(move |tx| {
            async move {
                store::erased::begin(tx).await?;
                tx.lock(&[HELD]).await?;
                store::erased::delete_own(tx, HELD, &[]).await?;
                released.cancel();
                until_awaited(tx).await?;
                for name in &names {
                    store::progress::forget(tx, name).await?;
                }
                Ok(())
            }
            .boxed()
        });
        erasing.await
    };
    let (sent, erased) = tokio::join!(sending, erasing);
    assert!(erased.is_ok(), "{erased:?}");
    assert!(matches!(sent, Ok(true)), "{sent:?}");
    assert!(second.has_taken(HELD));
    let kept = dump(&app.store, "progress").await;
    assert!(!kept.contains("mails:"), "{kept}");
    app.store.close().await;
}
