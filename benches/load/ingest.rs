//! Webhook ingest: distinct signed `customer.updated` events, each answered 200 when it is durable,
//! logged, deduplicated and applied; beside it the bare limit and another mirror.

use std::process::Command;

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use billhook::{clock::Clock, say, stripe::signature};
use tokio::net::TcpListener;

use crate::{
    SECRET,
    children::Program,
    clients::{self, Load},
    databases::{Database, Engine},
    events, setting,
};

/// The argument with which the bench is the server of the bare limit.
pub const SIGNATURE_ONLY: &str = "signature-only";

/// Connections, and as many events as keep each run going for some seconds.
const RUNS: [(usize, usize); 2] = [(16, 20_000), (256, 60_000)];

pub async fn measure() {
    say("Webhook ingest: distinct signed customer.updated events, answered when durable");
    say(
        "  connections   what                             events/s   p50 ms   p99 ms   of signature only   of the peer",
    );
    let mut memory = 0;
    for (connections, count) in RUNS {
        let bare = signature_only(connections, count).await;
        let peer = peer(connections, count).await;
        let table = Table {
            connections,
            bare: &bare,
            peer: peer.as_ref(),
        };
        table.line("signature only", &bare);
        if let Some(peer) = &peer {
            table.line("stripe-sync-engine, Postgres", peer);
        }
        for (engine, what) in [
            (Engine::Postgres, "Billhook, Postgres"),
            (Engine::Sqlite, "Billhook, SQLite, FULL"),
        ] {
            let Some(database) = Database::new(engine).await else {
                continue;
            };
            let program = Program::billhook(&database.url, "http://127.0.0.1:1").await;
            let load = clients::post_all(program.address, connections, requests(count)).await;
            table.line(what, &load);
            memory = memory.max(program.memory().1);
        }
    }
    say(
        "  goals: of the peer at 16 and 256 connections, Postgres 2.5 and 10, SQLite 1.8 and 7; p99 below the peer's; \
         of signature only at 256, 0.4",
    );
    say(&format!(
        "  memory of `billhook serve` in any of these: at most {memory} MB (goal 64)"
    ));
}

struct Table<'a> {
    connections: usize,
    bare: &'a Load,
    peer: Option<&'a Load>,
}

impl Table<'_> {
    fn line(&self, what: &str, load: &Load) {
        let of_peer = self.peer.map_or("-".to_owned(), |peer| {
            format!("{:.2}", load.per_second() / peer.per_second())
        });
        say(&format!(
            "  {:>11}   {what:<30}   {:>8.0}   {:>6.2}   {:>6.2}   {:>17.3}   {of_peer:>11}",
            self.connections,
            load.per_second(),
            load.percentile(0.50),
            load.percentile(0.99),
            load.per_second() / self.bare.per_second(),
        ));
    }
}

fn requests(count: usize) -> Vec<Vec<u8>> {
    events::requests(count, SECRET)
}

/// The bare limit: the same server and client, and nothing done but reading and verifying.
async fn signature_only(connections: usize, count: usize) -> Load {
    let own = std::env::current_exe().expect("its own path");
    let mut command = Command::new(own);
    command.arg(SIGNATURE_ONLY);
    let server = Program::printing(command, |line| line.parse().ok());
    clients::post_all(server.address, connections, requests(count)).await
}

pub async fn serve_signature_only() {
    async fn verify(State(clock): State<Clock>, headers: HeaderMap, body: Bytes) -> &'static str {
        let header = headers
            .get("stripe-signature")
            .and_then(|value| value.to_str().ok());
        match signature::verify(header.unwrap_or_default(), &body, &[SECRET], clock.now()) {
            Ok(()) => "applied\n",
            Err(_) => "refused\n",
        }
    }
    let router = Router::new()
        .route("/webhooks/stripe", post(verify))
        .with_state(Clock::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    say(&listener.local_addr().expect("an address").to_string());
    axum::serve(listener, router).await.expect("it serves");
}

/// Another mirror on the same Postgres. It keeps no log and does not deduplicate.
async fn peer(connections: usize, count: usize) -> Option<Load> {
    let script = setting("BENCH_PEER")?;
    let database = Database::new(Engine::Postgres).await?;
    let mut command = Command::new("node");
    command
        .arg(script)
        .env("DATABASE_URL", &database.url)
        .env("STRIPE_WEBHOOK_SECRET", SECRET);
    let host = |line: &str| format!("127.0.0.1:{line}").parse().ok();
    let server = Program::printing(command, host);
    Some(clients::post_all(server.address, connections, requests(count)).await)
}
