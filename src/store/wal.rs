//! Checkpoints SQLite's write-ahead log in the background, so that the writer does not have to stop for it
//! (<https://sqlite.org/wal.html#ckpt>).

use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::mpsc;

/// Pause before a checkpoint. Under load this makes checkpoints small enough for the disk to write quickly.
const PAUSE: Duration = Duration::from_millis(100);

/// Is notified when the log has grown. Its task ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Wal(mpsc::Sender<()>);

impl Wal {
    pub fn start(connections: SqlitePool) -> Wal {
        let (sender, mut grown) = mpsc::channel(1);
        tokio::spawn(async move {
            while grown.recv().await.is_some() {
                tokio::time::sleep(PAUSE).await;
                // A PASSIVE checkpoint does not wait for other connections, and does not block them.
                let moved = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
                    .execute(&connections)
                    .await;
                // The pool is closed at shutdown; SQLite then checkpoints the rest by itself.
                if let Err(error) = moved
                    && !connections.is_closed()
                {
                    tracing::warn!(%error, "the write-ahead log could not be moved; it grows until it can");
                }
            }
        });
        Wal(sender)
    }

    pub fn has_grown(&self) {
        // An error means that a notification is already queued.
        let _ = self.0.try_send(());
    }
}
