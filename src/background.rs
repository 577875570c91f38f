//! Loops that go on beside the requests for as long as the server runs.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Between a panic and the next try, so that one that comes at once does not fill the log.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs a loop until it ends. One that panics is begun again: what it does is in the database, so nothing is
/// lost by that, and without it mails or events would wait until somebody looks.
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
