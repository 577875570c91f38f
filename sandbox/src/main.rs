//! `billhook-sandbox`: the stand-in for Stripe alone, for everybody who tests against Stripe.

use std::{
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use billhook_sandbox::{Options, serve};
use clap::Parser;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

/// Any test key would do.
const KEY: &str = "sk_test_sandbox";

/// A stand-in for Stripe's API on this machine, for development and tests
///
/// Speaks enough of Stripe's API for its official libraries and command line, shows hosted pages for checkout, invoices
/// and the customer portal, and delivers signed webhooks. It needs no account and no network. Other machines cannot
/// reach it, and it refuses live keys.
#[derive(Parser)]
#[command(name = "billhook-sandbox", version)]
struct Args {
    /// Address and port to listen on: an address of this machine alone, port 0 for any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:12111", value_parser = loopback)]
    listen: SocketAddr,
    /// Send every event to this URL; may be given more than once
    #[arg(long, value_name = "URL", value_parser = plain_http)]
    webhook: Vec<String>,
    /// Sign webhooks with this secret
    #[arg(long, value_name = "WHSEC", default_value = "whsec_sandbox")]
    secret: String,
    /// Begin with example customers, unless the state file exists already
    #[arg(long)]
    seed: bool,
    /// Keep the data in this file, so that it survives a restart
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Delay every answer of the API by this long
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    delay_ms: u64,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .ok()
        .filter(|address: &SocketAddr| address.ip().is_loopback())
        .ok_or_else(|| {
            "it must be a loopback address with a port, such as 127.0.0.1:12111".to_owned()
        })
}

fn plain_http(text: &str) -> Result<String, String> {
    if text.starts_with("http://") {
        return Ok(text.to_owned());
    }
    Err("webhooks are sent over plain HTTP; give a URL that begins with http://".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed terminal leaves nobody to tell.
            let _ = writeln!(io::stderr(), "billhook-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> io::Result<()> {
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        let text = format!(
            "cannot listen on {}: {error}. Choose another with --listen",
            args.listen
        );
        io::Error::new(error.kind(), text)
    })?;
    // A closed pipe is no reason to stop.
    let _ = write!(io::stdout(), "{}", greeting(listener.local_addr()?, &args));
    let secret = args.secret;
    let options = Options {
        seed: args.seed,
        state_file: args.state,
        webhooks: args
            .webhook
            .into_iter()
            .map(|url| (url, secret.clone()))
            .collect(),
        delay: Duration::from_millis(args.delay_ms),
        ..Options::default()
    };
    serve(listener, options, stopped()).await
}

fn greeting(address: SocketAddr, args: &Args) -> String {
    let mut text = format!(
        "billhook-sandbox: listening on http://{address}\n\
         API key         {KEY} (any other works too that begins with sk_test_ or rk_test_)\n\
         Webhook secret  {}\n",
        args.secret
    );
    for url in &args.webhook {
        text.push_str(&format!("Webhooks to     {url}\n"));
    }
    text.push_str("Stop with Ctrl-C.\n");
    text
}

/// Resolves on Ctrl-C, and when a supervisor asks.
async fn stopped() {
    let mut terminate = signal(SignalKind::terminate()).ok();
    let terminated = async {
        match &mut terminate {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
