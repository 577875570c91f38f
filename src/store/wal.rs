//! SQLite's write-ahead log, moved into the database's file beside the writer, which would otherwise
//! stop for it: a checkpoint, <https://sqlite.org/wal.html#ckpt>.

use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::mpsc;

/// How long the log grows before it is moved: under load in pieces that the disk takes quickly.
const PAUSE: Duration = Duration::from_millis(100);

/// Is told when the log has grown. Its task ends with the last clone.
#[derive(Clone, Debug)]
pub struct Wal(mpsc::Sender<()>);

impl Wal {
    pub fn start(connections: SqlitePool) -> Wal {
        let (sender, mut grown) = mpsc::channel(1);
        tokio::spawn(async move {
            while grown.recv().await.is_some() {
                tokio::time::sleep(PAUSE).await;
                // PASSIVE waits for nobody, and nobody for it.
                let moved = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
                    .execute(&connections)
                    .await;
                // Closed is what it is at the end, when SQLite moves the rest by itself.
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
        // An error says that it has been told already.
        let _ = self.0.try_send(());
    }
}
