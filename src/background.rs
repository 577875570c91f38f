//! Background tasks that run for as long as the server does.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Delay before a task restarts after a panic, so that one that panics at once does not fill the log.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs a task until it ends, and restarts it after a panic. A restart loses nothing, since the state is in the database. Without
/// it, mails or events would wait until an operator notices.
pub fn supervise<S, F>(
    name: &'static str,
    state: &S,
    stop: &CancellationToken,
    run: impl Fn(S, CancellationToken) -> F + Send + 'static,
) -> JoinHandle<()>
where
    S: Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (state, stop) = (state.clone(), stop.clone());
    tokio::spawn(async move {
        while tokio::spawn(run(state.clone(), stop.clone()))
            .await
            .is_err()
        {
            tracing::error!(name, "a loop of the server broke; it is begun again");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn a_loop_that_panics_is_begun_again_until_the_end() {
        let tries = Arc::new(AtomicU32::new(0));
        let stop = CancellationToken::new();
        let kept = supervise("test", &tries, &stop, |tries, stop| async move {
            assert!(
                tries.fetch_add(1, Ordering::Relaxed) > 0,
                "the first breaks"
            );
            stop.cancelled().await;
        });
        while tries.load(Ordering::Relaxed) < 2 {
            assert!(!kept.is_finished(), "it is not begun again");
            tokio::task::yield_now().await;
        }
        stop.cancel();
        kept.await.unwrap();
        let broken = supervise("test", &tries, &stop, |_, _| async { panic!("every time") });
        broken.await.unwrap();
    }
}
