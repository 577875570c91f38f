//! The other end of the sockets: a cheap HTTP client for load, and a browser's forms.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use billhook::mail::KeptMail;
use reqwest::header;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::events;

/// What a run of posts took.
pub struct Load {
    elapsed: Duration,
    /// Of each request, sorted.
    latencies: Vec<Duration>,
}

impl Load {
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub fn count(&self) -> usize {
        self.latencies.len()
    }

    /// In milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let index = (self.latencies.len() as f64 * share) as usize;
        self.latencies
            .get(index)
            .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// Posts all requests over so many connections, each kept open and never idle. Anything but
/// "200 … applied" stops the bench: a figure of refusals would be none.
pub async fn post_all(address: SocketAddr, connections: usize, requests: Vec<Vec<u8>>) -> Load {
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(post_some(address, Arc::clone(&requests), Arc::clone(&next))))
        .collect();
    let mut latencies = Vec::with_capacity(requests.len());
    for task in tasks {
        latencies.extend(task.await.expect("a connection ran to its end"));
    }
    let elapsed = began.elapsed();
    latencies.sort_unstable();
    Load { elapsed, latencies }
}

async fn post_some(
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicUsize>,
) -> Vec<Duration> {
    let mut connection = Connection::new(address).await;
    let mut latencies = Vec::new();
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        latencies.push(connection.post(request).await);
    }
    latencies
}

/// Posts so many new events a second, each about a customer of its own, until `end` is there.
/// Returns what that gave, and what the posts took.
pub async fn post_until<T>(
    address: SocketAddr,
    per_second: usize,
    secret: &str,
    end: impl Future<Output = T>,
) -> (T, Load) {
    let began = Instant::now();
    let mut latencies = Vec::new();
    let posting = async {
        let mut connection = Connection::new(address).await;
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second as u32);
        // What waited for the one before is sent at once, so that slowness is not spared.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        for number in 900_000.. {
            let due = ticks.tick().await;
            let request = events::request(number, &events::customer(number), secret);
            connection.post(&request).await;
            latencies.push(due.elapsed());
        }
    };
    let value = tokio::select! {
        value = end => value,
        () = posting => unreachable!("there is always another number"),
    };
    latencies.sort_unstable();
    let elapsed = began.elapsed();
    (value, Load { elapsed, latencies })
}

/// Gets a page so many times over so many connections, signed in by these cookies.
pub async fn get_all(
    address: SocketAddr,
    connections: usize,
    count: usize,
    path: &str,
    cookies: &str,
) -> Load {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\nCookie: {cookies}\r\n\r\n"
    );
    let request: Arc<[u8]> = request.into_bytes().into();
    let left = Arc::new(AtomicUsize::new(count));
    let began = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let (request, left) = (Arc::clone(&request), Arc::clone(&left));
            tokio::spawn(async move {
                let mut connection = Connection::new(address).await;
                let mut latencies = Vec::new();
                let take = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    latencies.push(connection.get(&request).await);
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(count);
    for task in tasks {
        latencies.extend(task.await.expect("a connection ran to its end"));
    }
    let elapsed = began.elapsed();
    latencies.sort_unstable();
    Load { elapsed, latencies }
}

struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn new(address: SocketAddr) -> Connection {
        let socket = TcpStream::connect(address).await.expect("connected");
        socket.set_nodelay(true).expect("no delay");
        Connection {
            socket,
            buffer: vec![0; 4096],
        }
    }

    /// Gets a whole page of status 200, and returns how long that took.
    async fn get(&mut self, request: &[u8]) -> Duration {
        let began = Instant::now();
        self.socket.write_all(request).await.expect("sent");
        let mut answer = Vec::with_capacity(16 * 1024);
        while !is_whole(&answer) {
            let read = self.socket.read(&mut self.buffer).await.expect("read");
            assert!(read > 0, "the connection was closed");
            answer.extend_from_slice(&self.buffer[..read]);
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        began.elapsed()
    }

    /// Sends a request, and returns how long its answer took.
    async fn post(&mut self, request: &[u8]) -> Duration {
        let began = Instant::now();
        self.socket.write_all(request).await.expect("sent");
        let mut length = 0;
        // All servers answer this short word, so its arrival is the end of the answer.
        while !self.buffer[..length].ends_with(b"applied\n") {
            let read = self.socket.read(&mut self.buffer[length..]).await;
            let read = read.expect("read");
            length += read;
            let so_far = String::from_utf8_lossy(&self.buffer[..length]);
            assert!(read > 0 && so_far.starts_with("HTTP/1.1 200"), "{so_far}");
        }
        began.elapsed()
    }
}

/// Whether an answer has come to its end, by its length or by its last chunk (RFC 9112, 7.1).
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    match length {
        Some(length) => answer.len() >= end + 4 + length,
        None => answer.ends_with(b"0\r\n\r\n"),
    }
}

/// Cookies, forms, and redirects that are not followed.
pub struct Browser {
    http: reqwest::Client,
    url: String,
    cookies: BTreeMap<String, String>,
    /// What a proxy in front would say: sign-ins are limited by client.
    client: String,
}

impl Browser {
    pub fn new(address: SocketAddr) -> Browser {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Browser {
            http: http.build().expect("a client"),
            url: format!("http://{address}"),
            cookies: BTreeMap::new(),
            client: "10.0.0.1".to_owned(),
        }
    }

    pub async fn sign_in(&mut self, email: &str, mails: &Mutex<Vec<KeptMail>>) {
        self.send("/api/ask_link", Some(&[("email", email)])).await;
        let deadline = Instant::now() + Duration::from_secs(10);
        let text = loop {
            let kept = mails.lock().expect("mails").last().cloned();
            if let Some(mail) = kept {
                break mail.text.expose().to_owned();
            }
            assert!(Instant::now() < deadline, "no mail came");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let token = text.split("token=").nth(1).expect("a link");
        self.send(&format!("/sign-in/link?token={}", &token[..43]), None)
            .await;
        let answer = self.send("/api/confirm_link", Some(&[])).await;
        assert_eq!(answer.headers()[header::LOCATION], "/billing");
    }

    /// The cookies, as a request sends them.
    pub fn cookies(&self) -> String {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    pub async fn open_portal(&mut self, customer: &str) {
        let form = [("customer", customer), ("flow", "home")];
        let answer = self.send("/api/open_portal", Some(&form)).await;
        let location = answer.headers()[header::LOCATION].to_str().expect("text");
        assert!(location.contains("/p/session/"), "{location}");
    }

    /// Gets a page, and returns its bytes over the wire.
    pub async fn get(&mut self, path: &str) -> usize {
        self.bytes(path, true).await
    }

    /// The bytes of a body as brotli sends it, with the session or without.
    pub async fn bytes(&mut self, path: &str, signed_in: bool) -> usize {
        let kept = if signed_in {
            None
        } else {
            Some(std::mem::take(&mut self.cookies))
        };
        let answer = self.send(path, None).await;
        assert_eq!(answer.status(), 200, "{path}");
        let length = answer.bytes().await.expect("a body").len();
        if let Some(kept) = kept {
            self.cookies = kept;
        }
        length
    }

    /// The same of a file by its name in the source.
    pub async fn asset(&mut self, name: &str, signed_in: bool) -> usize {
        let list = self.send("/assets.json", None).await;
        let names: BTreeMap<String, String> = list.json().await.unwrap_or_default();
        let path = names.get(name).cloned().unwrap_or_else(|| name.to_owned());
        self.bytes(&path, signed_in).await
    }

    async fn send(&mut self, path: &str, form: Option<&[(&str, &str)]>) -> reqwest::Response {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let method = if form.is_some() {
            reqwest::Method::POST
        } else {
            reqwest::Method::GET
        };
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .header(header::ACCEPT, "text/html")
            .header(header::ACCEPT_ENCODING, "br")
            .header("sec-fetch-site", "same-origin")
            .header("x-forwarded-for", &self.client)
            .header(header::COOKIE, cookies.collect::<Vec<_>>().join("; "));
        if let Some(form) = form {
            request = request.form(form);
        }
        let answer = request.send().await.expect("an answer");
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().expect("text");
            if let Some((name, rest)) = line.split_once('=') {
                let value = rest.split(';').next().unwrap_or_default();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}
