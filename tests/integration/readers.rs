//! Those who read their answers slowly, or never, or open more streams than anybody needs.

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    middleware::map_response,
    response::{
        Response,
        sse::{Event, Sse},
    },
    routing::get,
};
use billhook::{
    clock,
    http::{
        self, Site, accept,
        routes::{Access, Route, browser},
    },
};
use futures::StreamExt;
use leptos::prelude::LeptosOptions;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    engines::Engine,
    helpers::{Browser, TestApp, eventually, spawn_app},
};

/// The same program behind another door of its own, for as long as the guard lives: with these files and
/// routes, and with little patience.
pub struct Beside {
    pub url: String,
    pub site: Site,
    /// Answers whose bodies are being sent.
    open: Arc<AtomicUsize>,
    _stop: DropGuard,
}

const PATIENCE: Duration = Duration::from_secs(1);

pub async fn beside(app: &TestApp, files: &str, extra: Vec<Route>) -> Beside {
    let limits = accept::Limits {
        patience: PATIENCE,
        ..accept::Limits::default()
    };
    beside_with(app, files, extra, limits).await
}

pub async fn beside_with(
    app: &TestApp,
    files: &str,
    extra: Vec<Route>,
    limits: accept::Limits,
) -> Beside {
    let stop = CancellationToken::new();
    let options = LeptosOptions::builder()
        .output_name("billhook")
        .site_root(files)
        .build();
    let site = Site::new(app.app.clone(), options, stop.clone(), extra);
    let open = Arc::new(AtomicUsize::new(0));
    let counter = open.clone();
    let router = http::router(site.clone()).layer(map_response(move |answer: Response| {
        let counted = Counted::new(&counter);
        async move {
            answer.map(|body| {
                let pieces = body.into_data_stream();
                Body::from_stream(pieces.inspect(move |_| counted.is_there()))
            })
        }
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let grace = Duration::from_secs(1);
    tokio::spawn(accept::serve(listener, router, stop.clone(), grace, limits));
    Beside {
        url,
        site,
        open,
        _stop: stop.drop_guard(),
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(counter: &Arc<AtomicUsize>) -> Counted {
        counter.fetch_add(1, Ordering::SeqCst);
        Counted(counter.clone())
    }

    fn is_there(&self) {
        assert!(self.0.load(Ordering::SeqCst) > 0);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Beside {
    async fn wait_until_open(&self, wanted: usize) {
        eventually(|| async { (self.open.load(Ordering::SeqCst) == wanted).then_some(()) }).await;
    }
}

const LARGE: u64 = 32 * 1024 * 1024;

/// A folder with one large file.
fn large_files() -> PathBuf {
    let folder = std::env::temp_dir()
        .join("billhook-tests")
        .join(clock::new_id("site"));
    std::fs::create_dir_all(&folder).unwrap();
    let file = std::fs::File::create(folder.join("large.bin")).unwrap();
    file.set_len(LARGE).unwrap();
    folder
}

fn endless() -> Vec<Route> {
    vec![browser(
        "/dev/mail",
        Access::Public,
        get(|| async {
            let event = || Event::default().data("x".repeat(100_000));
            let events = futures::stream::repeat_with(move || Ok::<_, Infallible>(event()));
            Sse::new(events)
        }),
    )]
}

/// Asks for the path, perhaps with little room for the answer.
async fn ask(app: &TestApp, beside: &Beside, path: &str, room: Option<u32>) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(bytes) = room {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    let address = beside.url.trim_start_matches("http://").parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let host = app.app.config.frontend_url.authority();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_61_who_never_reads_an_answer_is_cut_off() {
    let app = spawn_app(Engine::Sqlite).await;
    let files = large_files();
    let beside = beside(&app, files.to_str().unwrap(), endless()).await;
    for path in ["/large.bin", "/dev/mail"] {
        let began = Instant::now();
        let mut stream = ask(&app, &beside, path, Some(4096)).await;
        beside.wait_until_open(1).await;
        beside.wait_until_open(0).await;
        assert!(began.elapsed() >= PATIENCE, "{path}: it is given time");
        let mut got = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut got).await;
        assert!(got.starts_with(b"HTTP/1.1 200"), "{path}");
        assert!((got.len() as u64) < LARGE, "{path}: {} bytes", got.len());
    }
    // Who reads slowly, but reads, gets the whole.
    let mut stream = ask(&app, &beside, "/large.bin", None).await;
    let mut ticks = tokio::time::interval(PATIENCE / 20);
    let (mut some, mut got) = (vec![0; 512 * 1024], 0);
    loop {
        ticks.tick().await;
        match stream.read(&mut some).await.unwrap() {
            0 => break,
            more => got += more as u64,
        }
    }
    assert!(got > LARGE, "{got}");
    std::fs::remove_dir_all(files).unwrap();
}

/// An open page of this browser.
struct Listening(reqwest::Response);

impl Listening {
    async fn begin(app: &TestApp, beside: &Beside, browser: &Browser<'_>) -> Listening {
        let cookies: Vec<_> = browser
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = app
            .http
            .get(format!("{}/billing/live", beside.url))
            .header("host", app.app.config.frontend_url.authority())
            .header("accept", "text/event-stream")
            .header("cookie", cookies.join("; "));
        let mut listening = Listening(request.send().await.unwrap());
        assert!(listening.hears("event: customers").await);
        listening
    }

    /// Whether this comes, in however many pieces; if not, the stream has ended.
    async fn hears(&mut self, wanted: &str) -> bool {
        let mut heard = String::new();
        while let Some(piece) = self.0.chunk().await.unwrap() {
            heard.push_str(&String::from_utf8_lossy(&piece));
            if heard.contains(wanted) && heard.ends_with("\n\n") {
                return true;
            }
        }
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_61_a_session_has_eight_streams_and_the_oldest_gives_way() {
    let app = spawn_app(Engine::Sqlite).await;
    let beside = beside(&app, "target/no-site", Vec::new()).await;
    let ada = app.signed_in("ada@example.com").await;
    let elsewhere = app.signed_in("ada@example.com").await;
    let mut others = vec![Listening::begin(&app, &beside, &elsewhere).await];
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(Listening::begin(&app, &beside, &ada).await);
    }
    for mut oldest in streams.drain(..2) {
        assert!(
            oldest.hears("retry: 30000").await,
            "it is not to come back at once"
        );
        assert!(!oldest.hears("event").await, "it has ended");
    }
    app.customer("ada@example.com", "News").await;
    for stream in streams.iter_mut().chain(&mut others) {
        assert!(stream.hears("News").await, "the others go on");
    }
    drop((streams, others));
    eventually(|| async {
        let open = format!("{:?}", beside.site.streams);
        (!open.contains("ses_")).then_some(())
    })
    .await;
}
