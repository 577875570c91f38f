//! A database whose machine is gone: its connections stay open, and nothing comes back over them.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    engines::{Engine, database_url},
    helpers::{customer_object, event, eventually, spawn_app_with},
};

/// A way to the database that can be cut.
struct Wire {
    url: String,
    cut: Arc<Mutex<CancellationToken>>,
}

impl Wire {
    async fn to(database: &str) -> Wire {
        let mut url = Url::parse(database).unwrap();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let cut = Arc::new(Mutex::new(CancellationToken::new()));
        let current = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = TcpStream::connect(&target).await.unwrap();
                let cut = current.lock().unwrap().clone();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        // Held open for ever, with nothing passing.
                        () = cut.cancelled() => std::future::pending().await,
                    }
                });
            }
        });
        Wire {
            url: url.to_string(),
            cut,
        }
    }

    /// What is connected hears nothing more; new connections work.
    fn cut(&self) {
        std::mem::take(&mut *self.cut.lock().unwrap()).cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_44_a_database_that_falls_silent_is_503_and_then_tried_anew() {
    let database = database_url(Engine::Postgres).await;
    let wire = Wire::to(&database).await;
    let app = spawn_app_with(&wire.url, |_| {}).await;
    let created = |id: &str| {
        let object = customer_object(id, "ada@example.com", "Ada");
        event("customer.created", 10, object, Value::Null)
    };
    assert_eq!(app.deliver(&created("cus_1")).await.status(), 200);

    // The writer waits in the middle of its transaction when the wire is cut.
    let mut holder = PgConnection::connect(&database).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE event IN EXCLUSIVE MODE")
        .execute(&mut *held)
        .await
        .unwrap();
    let began = Instant::now();
    let lost = created("cus_2");
    let (answer, ()) = tokio::join!(app.deliver(&lost), async {
        wait_until_somebody_waits(&database).await;
        wire.cut();
        held.rollback().await.unwrap();
    });
    assert_eq!(answer.status(), 503);
    assert!(began.elapsed() < Duration::from_secs(6), "{began:?}");

    let next = created("cus_3");
    while app.deliver(&next).await.status() != 200 {
        assert!(began.elapsed() < Duration::from_secs(60), "never again");
    }
}

async fn wait_until_somebody_waits(database: &str) {
    const SQL: &str = "SELECT COUNT(*) FROM pg_locks
        WHERE NOT granted AND relation = 'event'::regclass";
    eventually(|| async {
        let mut connection = PgConnection::connect(database).await.unwrap();
        let waiting: i64 = sqlx::query_scalar(SQL)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        (waiting > 0).then_some(())
    })
    .await;
}
