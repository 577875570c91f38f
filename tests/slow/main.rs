//! A crowd that says nothing: 2,000 connections with half a head and 1,000 with half a body, which come,
//! are cut off and come again, while an ordinary visitor must not notice, and the program must still end
//! in time. The real program; alone on the machine, as it measures. `cargo test --test slow`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a run that meets what it does not expect fails, and says so"
)]

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, ErrorKind},
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use futures::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const HALF_HEADS: usize = 2_000;
const HALF_BODIES: usize = 1_000;
/// Of the visitor while nobody else is there.
const VISITS: usize = 3_000;
/// One more of the crowd comes after this, so that all of them are there when the first is cut off.
const NEXT_COMES: Duration = Duration::from_micros(3_333);
/// They come, and each place is taken once more.
const CROWDED: Duration = Duration::from_secs(20);
/// The program lets a silent connection live for 10 seconds.
const ALL_CLOSED: Duration = Duration::from_secs(12);
const ENDED: Duration = Duration::from_secs(15);
/// A machine that does something else for a moment is no fault of ours.
const ROUNDS: usize = 3;
const NOT_NOTICED: &str = "checklist_61_a_crowd_that_says_nothing_is_not_noticed";
const ENDS_IN_TIME: &str = "checklist_61_the_program_ends_in_time_in_a_crowd";
const SECRET: &str = "whsec_test_billhook";

fn main() -> ExitCode {
    let files = Rlimit {
        current: getrlimit(Resource::Nofile).maximum,
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, files).expect("as many files as the system allows");
    let filters: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let names = [NOT_NOTICED, ENDS_IN_TIME];
    if !filters.is_empty()
        && !filters
            .iter()
            .any(|filter| names.iter().any(|name| name.contains(filter.as_str())))
    {
        return ExitCode::SUCCESS;
    }
    // An error means that it was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let results = [
        (NOT_NOTICED, runtime.block_on(not_noticed())),
        (ENDS_IN_TIME, runtime.block_on(ends_in_time())),
    ];
    let mut failed = 0;
    for (name, result) in &results {
        match result {
            Ok(words) => println!("test {name} ... ok ({words})"),
            Err(words) => {
                failed += 1;
                println!("test {name} ... FAILED ({words})");
            }
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {} passed; {failed} failed;",
        results.len() - failed
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn not_noticed() -> Result<String, String> {
    let program = Program::start();
    let mut words = String::new();
    for _ in 0..ROUNDS {
        visits(&program.address, VISITS / 10, || false).await?;
        let quiet = visits(&program.address, VISITS, || false).await?;
        let crowd = tokio::spawn(Crowd::come_and_go(program.address.clone()));
        let busy = visits(&program.address, usize::MAX, || crowd.is_finished()).await?;
        let crowd = crowd.await.map_err(|error| error.to_string())??;
        let (came, closed) = (crowd.came, crowd.wait_until_closed().await?);
        words = format!(
            "p99 {quiet:.1?} alone, {busy:.1?} while {came} came and were cut off, the last after {closed:.1?}"
        );
        if busy < quiet * 2 {
            return Ok(words);
        }
    }
    Err(words)
}

async fn ends_in_time() -> Result<String, String> {
    let mut program = Program::start();
    let _crowd = Crowd::gather(&program.address).await;
    let body = format!(
        r#"{{"id":"evt_1","object":"event","type":"ping","livemode":false,"created":1,"data":{{"object":{{}}}},"padding":"{}"}}"#,
        "x".repeat(2_000)
    );
    let (first, rest) = body.split_at(1_000);
    let mut webhook = TcpStream::connect(&program.address).await.unwrap();
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nStripe-Signature: {}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{first}",
        sign(&body),
        body.len()
    );
    webhook.write_all(head.as_bytes()).await.unwrap();
    // It is being read: whoever came after it has been answered.
    visits(&program.address, 10, || false).await?;
    program.terminate();
    let told = Instant::now();
    webhook.write_all(rest.as_bytes()).await.unwrap();
    let answer = read(webhook).await;
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(format!("the webhook in flight was answered {answer:?}"));
    }
    program.wait(told + ENDED)?;
    Ok(format!(
        "ended after {:.1?}, the webhook in flight was answered 200",
        told.elapsed()
    ))
}

/// The 99th percentile of so many pages, one after the other on one connection, or of those before the
/// end.
async fn visits(
    address: &str,
    count: usize,
    is_over: impl Fn() -> bool,
) -> Result<Duration, String> {
    let http = reqwest::Client::builder()
        .pool_max_idle_per_host(1)
        .build()
        .unwrap();
    let mut times = Vec::new();
    while times.len() < count && !is_over() {
        let began = Instant::now();
        let request = http
            .get(format!("http://{address}/"))
            .header("host", "127.0.0.1:3000");
        let answer = request.send().await.map_err(|error| error.to_string())?;
        if answer.status() != 200 {
            return Err(format!("a visitor was answered {}", answer.status()));
        }
        answer.bytes().await.map_err(|error| error.to_string())?;
        times.push(began.elapsed());
    }
    times.sort();
    Ok(times[times.len() * 99 / 100])
}

/// Connections that have said half of what they want.
struct Crowd {
    began: Instant,
    /// How many there have been.
    came: usize,
    /// The oldest first, with when it came.
    streams: VecDeque<(Instant, TcpStream)>,
}

impl Crowd {
    fn new() -> Crowd {
        Crowd {
            began: Instant::now(),
            came: 0,
            streams: VecDeque::new(),
        }
    }

    async fn add(&mut self, address: &str) {
        let came = Instant::now();
        let mut stream = TcpStream::connect(address)
            .await
            .expect("room for one more");
        // Two of three.
        let half = if self.came % 3 < 2 {
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nX-Slow: ".to_owned()
        } else {
            // Of good form: any other is refused before its body is read.
            format!(
                "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nStripe-Signature: {}\r\n\
                 Content-Length: 1000\r\n\r\nslow",
                sign("another body")
            )
        };
        stream.write_all(half.as_bytes()).await.unwrap();
        self.came += 1;
        self.streams.push_back((came, stream));
    }

    /// All at once.
    async fn gather(address: &str) -> Crowd {
        let mut crowd = Crowd::new();
        for _ in 0..HALF_HEADS + HALF_BODIES {
            crowd.add(address).await;
        }
        crowd
    }

    /// One after the other; for each that was cut off another comes.
    async fn come_and_go(address: String) -> Result<Crowd, String> {
        let mut crowd = Crowd::new();
        let mut ticks = tokio::time::interval(NEXT_COMES);
        while crowd.began.elapsed() < CROWDED {
            ticks.tick().await;
            crowd.add(&address).await;
            while let Some((came, oldest)) = crowd.streams.front() {
                let is_there = oldest
                    .try_read(&mut [0; 1024])
                    .is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
                if is_there && came.elapsed() > ALL_CLOSED {
                    return Err("one of the crowd was not cut off".to_owned());
                }
                if is_there {
                    break;
                }
                crowd.streams.pop_front();
            }
        }
        // Some places at least were taken once more.
        if crowd.came < crowd.streams.len() + HALF_BODIES {
            return Err(format!("only {} of the crowd came", crowd.came));
        }
        Ok(crowd)
    }

    async fn wait_until_closed(self) -> Result<Duration, String> {
        let last = Instant::now();
        let all = join_all(self.streams.into_iter().map(|(_, stream)| read(stream)));
        tokio::time::timeout(ALL_CLOSED, all)
            .await
            .map_err(|_| "some of the crowd were still there".to_owned())?;
        Ok(last.elapsed())
    }
}

async fn read(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn sign(body: &str) -> String {
    let now = billhook::clock::Clock::default().now();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{now}.{body}").as_bytes());
    format!("t={now},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// The program in a folder of its own. Killed when this goes.
struct Program {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Program {
    fn start() -> Program {
        let folder = std::env::temp_dir().join(format!("billhook-slow-{}", rand::random::<u64>()));
        std::fs::create_dir(&folder).unwrap();
        let database = format!("sqlite://{}", folder.join("billhook.db").display());
        let mut child = Command::new(env!("CARGO_BIN_EXE_billhook"))
            .arg("serve")
            .env_clear()
            .env("BIND", "127.0.0.1:0")
            .env("FRONTEND_URL", "http://127.0.0.1:3000")
            .env("DATABASE_URL", database)
            .env("STRIPE_API_KEY", "rk_test_billhook")
            // Nobody is there.
            .env("STRIPE_API_BASE", "http://127.0.0.1:9")
            .env("STRIPE_WEBHOOK_SECRET", SECRET)
            .env("SESSION_SECRET", "a test secret of more than 32 bytes")
            .env("SMTP_URL", "smtp://127.0.0.1:9")
            .env("MAIL_FROM", "billing@example.com")
            .env(
                "LEPTOS_SITE_ROOT",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/site"),
            )
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = lines
            .next()
            .expect("it says that it listens")
            .expect("text");
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(',').next());
        Program {
            address: address.expect("an address").to_owned(),
            child,
            folder,
        }
    }

    fn terminate(&self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("it runs"), Signal::TERM).expect("it can be told");
    }

    fn wait(&mut self, deadline: Instant) -> Result<(), String> {
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                return Err("the program was still there".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
