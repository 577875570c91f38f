//! The crash run: the real program is killed with SIGKILL again and again while events come in, and
//! a client writes down an id only after it has read the 200. Afterwards every written id is in the
//! table once, and the mirror is what the history says, whatever was doubled, shuffled, forged or
//! poisoned.
//!
//!     cargo test --test crash                 5,000 events and 5 kills on each engine
//!     cargo test --test crash -- --full       100,000 events at 500 a second and 50 kills
//!     … -- --seed 7 --engine sqlite           the same again, on one engine
//!     … -- --engine sqlite-power-cut          with each kill the power goes, too

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a run that meets what it does not expect fails, and says so"
)]

mod check;
mod client;
mod place;
mod plan;
mod program;

use std::{process::ExitCode, sync::Arc, time::Instant};

use clap::{Parser, ValueEnum};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use client::Client;
use place::{Engine, Place};
use plan::{MailFate, Plan};
use program::Program;

#[derive(Parser)]
struct Options {
    /// 100,000 events at 500 a second, and 50 kills
    #[arg(long)]
    full: bool,
    /// Printed by every run; the same one makes the same events
    #[arg(long)]
    seed: Option<u64>,
    /// Without it all
    #[arg(long)]
    engine: Option<Engine>,
    /// What the test harness passes on
    #[arg(trailing_var_arg = true, hide = true)]
    rest: Vec<String>,
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub events: usize,
    pub kills: usize,
    /// Deliveries a second; none for as fast as it goes.
    pub rate: Option<u32>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let size = if options.full {
        Size {
            events: 100_000,
            kills: 50,
            rate: Some(500),
        }
    } else {
        Size {
            events: 5_000,
            kills: 5,
            rate: None,
        }
    };
    let seed = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let engines = match &options.engine {
        Some(engine) => std::slice::from_ref(engine),
        None => Engine::value_variants(),
    };
    // An error means that it was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut failures = 0;
    for engine in engines {
        let name = name(*engine);
        for fault in runtime.block_on(run(*engine, size, seed)) {
            println!("crash {name}: {fault}");
            failures += 1;
        }
    }
    if failures == 0 {
        println!("test result: ok. 1 passed; 0 failed");
        ExitCode::SUCCESS
    } else {
        println!("test result: FAILED. 0 passed; 1 failed (seed {seed})");
        ExitCode::FAILURE
    }
}

/// One run on one engine, and everything that was wrong.
async fn run(engine: Engine, size: Size, seed: u64) -> Vec<String> {
    let name = name(engine);
    let mut chance = StdRng::seed_from_u64(seed);
    let plan = Plan::new(size.events, &mut chance);
    println!(
        "crash {name}: seed {seed}, {} events about {} customers in {} deliveries, {} kills; {:.1} % ties, \
         {:.1} % unknown, {:.1} % poison",
        plan.events.len(),
        plan.customers.len(),
        plan.deliveries.len(),
        size.kills,
        plan.ties as f64 * 100.0 / plan.events.len() as f64,
        plan.percent(MailFate::Ignored),
        plan.percent(MailFate::Poison),
    );
    let place = Place::new(engine).await;
    let database = &place.database_url;
    let began = Instant::now();
    let mut program = Program::start(&place).await;
    let client = Arc::new(Client::new(&plan, size.rate));
    let sending = tokio::spawn(client.clone().send_all(program.url()));
    let mut slowest = std::time::Duration::ZERO;
    for kill in 1..=size.kills {
        // Spread over the run: each when its part of the deliveries is through.
        let due = plan.deliveries.len() * kill / (size.kills + 1);
        client.until_acknowledged(due).await;
        tokio::time::sleep(std::time::Duration::from_millis(chance.random_range(0..20))).await;
        program.kill();
        if let Some(disk) = &place.disk {
            disk.lose_power();
        }
        let dead_since = Instant::now();
        program = Program::start(&place).await;
        client.move_to(program.url());
        slowest = slowest.max(dead_since.elapsed());
    }
    sending.await.expect("the client finishes");
    let mut faults = client.faults();
    if slowest.as_secs() >= 10 {
        faults.push(format!("it took {slowest:?} to serve again after a kill"));
    }
    check::until_settled(database, &plan).await;
    program.kill();
    faults.extend(check::faults(database, &plan, &client.acknowledged()).await);
    println!(
        "crash {name}: {} deliveries answered 200 in {:.1?}, serving again after at most {slowest:.1?}, {} faults",
        client.acknowledged().len(),
        began.elapsed(),
        faults.len()
    );
    faults
}

fn name(engine: Engine) -> String {
    let value = engine.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}
