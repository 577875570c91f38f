//! `billhook dev`: everything on one machine, without any account. Runs the real program, a sandbox that stands in for Stripe, and a
//! mailer that shows mail instead of sending it. None of this is reachable in `billhook serve`.

mod mail_view;

use std::{
    collections::HashMap,
    fmt::Write,
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{response::Redirect, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{self, Clock},
    config::{self, Config, NOBODY},
    http::routes::{self, Access, Route},
    mail::{KeptMail, Mailer},
    say,
    serve::{self, Error},
};

/// The folder for all data of `billhook dev`.
const FOLDER: &str = "data";
/// The program's default port; `BIND` overrides it.
const PORT: u16 = 3000;
/// The sandbox's port; any free port if it is taken.
const SANDBOX_PORT: u16 = 4242;
/// Any test key works.
const KEY: &str = "sk_test_billhook";
/// Addresses to sign in with, and what each shows.
const EXAMPLES: [(&str, &str); 6] = [
    (
        "ada@example.com",
        "three billing records; a payment of one failed",
    ),
    (
        "grace@example.com",
        "two, one of them spelled Grace@Example.com",
    ),
    ("agency@example.com", "six, with a filter"),
    (
        "maud@example.com",
        "six that differ: overdue, in another currency, with a discount",
    ),
    (
        NOBODY,
        "none at all, until you buy something as this address at the stand-in",
    ),
    (
        "charles@example.com",
        "gets no mail: the customer was deleted; /dev/mail says so",
    ),
];

/// The text of `billhook dev --help` below its options.
pub fn help() -> String {
    format!(
        "\
Open:
  http://127.0.0.1:{PORT}            the program. `BIND=127.0.0.1:8080 billhook dev` takes another port
  http://127.0.0.1:{PORT}/dev/mail   the mail as it would be sent, as HTML and as text, and why one was not
  http://127.0.0.1:{SANDBOX_PORT}            the stand-in for Stripe: its customers, and buttons that renew, fail the next
                                   payment, let a month pass and buy. If the port is taken it has another one;
                                   the program says at its start where it is

Type, as the address to sign in with:
{examples}
Keys:
  Ctrl-C                           ends it; `billhook dev` goes on where it was
  {KEY}                 the API key. The stand-in takes any that begins with sk_test_, under /v1 as Stripe
  {FOLDER}/dev-secrets                 the second line is the secret that webhooks are signed with

Data is kept in {FOLDER}/ of the folder that it is started in. Limits by client are off: all visitors are you.",
        examples = examples()
    )
}

fn examples() -> String {
    EXAMPLES
        .iter()
        .fold(String::new(), |mut lines, (address, words)| {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "  {address:<21} {words}");
            lines
        })
}

/// Runs until `stop`. With `reset`, first deletes the data of earlier runs.
pub async fn run(reset: bool, stop: CancellationToken) -> Result<(), Error> {
    let folder = PathBuf::from(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| named(&folder, &error))?;
    let listener = serve::listen(bind()?).await.map_err(|error| {
        io::Error::other(format!(
            "{error}. Take another port: BIND=127.0.0.1:8080 billhook dev"
        ))
    })?;
    let address = listener.local_addr()?;
    let stand_in = free_loopback_port().await?;
    let stand_in_address = stand_in.local_addr()?;
    // Only after the port is bound: another `billhook dev` may be running here.
    if reset {
        forget(&folder)?;
    }
    let secrets = Secrets::load(&folder)?;
    let config = config(address, stand_in_address, &secrets)?;
    let app_name = config.app_name.clone();

    let clock = Clock::default();
    let mails = Arc::new(Mutex::new(Vec::new()));
    let mailer = Mailer::Kept {
        mails: mails.clone(),
        app_name: app_name.clone(),
        clock: clock.clone(),
    };
    let _lock = serve::lock(&config).await?;
    let app = serve::build(config, clock, mailer).await?;
    let options = billhook_sandbox::Options {
        seed: true,
        state_file: Some(folder.join("sandbox.json")),
        webhooks: vec![(format!("http://{address}/webhooks/stripe"), secrets.webhook)],
        business_name: app_name,
        shop_url: Some(format!("http://{address}")),
        ..billhook_sandbox::Options::default()
    };
    let sandbox = tokio::spawn(billhook_sandbox::serve(
        stand_in,
        options,
        stop.clone().cancelled_owned(),
    ));
    welcome(address, stand_in_address);
    serve::run(app, listener, extra_routes(&mails, stand_in_address), stop).await?;
    sandbox
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))?;
    Ok(())
}

/// The routes that `billhook serve` does not have.
fn extra_routes(mails: &Arc<Mutex<Vec<KeptMail>>>, stand_in: SocketAddr) -> Vec<Route> {
    let start_page = format!("http://{stand_in}/");
    let lead = move || async move { Redirect::temporary(&start_page) };
    let lead = routes::browser("/dev/stripe", Access::Public, get(lead));
    [mail_view::routes(mails), vec![lead]].concat()
}

fn welcome(address: SocketAddr, stand_in: SocketAddr) {
    let address = format!("http://{address}");
    say(&format!("billhook: listening on {address}"));
    say(&format!(
        "
Open   {address}
Mail   {address}/dev/mail   nothing is sent, it is shown there, or why it was not
Stripe http://{stand_in}   a stand-in: renew, fail the next payment, let a month pass, buy, and watch the list

Sign in as
{examples}
Data is kept in {FOLDER}/. Start over with `billhook dev --reset`. Stop with Ctrl-C. More: `billhook dev --help`.",
        examples = examples()
    ));
}

/// The address from `BIND`, else port 3000 of this machine. Ignores all other settings.
fn bind() -> io::Result<SocketAddr> {
    let found = config::environment().map_err(|faults| io::Error::other(faults.join(" ")))?;
    let Some(wanted) = found.settings.get("BIND") else {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT));
    };
    let address = wanted
        .parse()
        .ok()
        .filter(|address: &SocketAddr| address.ip().is_loopback());
    address.ok_or_else(|| {
        io::Error::other(
            "BIND must be an address of this machine alone, such as 127.0.0.1:3000: \
             `billhook dev` shows everybody's mail. Use an ssh tunnel to see it from elsewhere.",
        )
    })
}

async fn free_loopback_port() -> io::Result<TcpListener> {
    let address = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    match TcpListener::bind(address(SANDBOX_PORT)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(address(0)).await,
    }
}

fn config(
    address: SocketAddr,
    stand_in: SocketAddr,
    secrets: &Secrets,
) -> Result<Config, io::Error> {
    let settings = [
        ("BIND", address.to_string()),
        ("FRONTEND_URL", format!("http://{address}")),
        ("DATABASE_URL", format!("sqlite://{FOLDER}/billhook.db")),
        ("STRIPE_API_KEY", KEY.to_owned()),
        ("STRIPE_API_BASE", format!("http://{stand_in}")),
        ("STRIPE_WEBHOOK_SECRET", secrets.webhook.clone()),
        ("SESSION_SECRET", secrets.session.clone()),
        ("SMTP_URL", "smtp://127.0.0.1".to_owned()),
        ("MAIL_FROM", "Northwind <billing@example.com>".to_owned()),
        ("APP_NAME", "Northwind".to_owned()),
        // Above the usual rate limit, since people who try the program ask for many mails.
        ("MAILS_PER_HOUR", "1000".to_owned()),
    ];
    let settings: HashMap<_, _> = settings
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let config = config::read(&settings).map_err(|faults| io::Error::other(faults.join(" ")))?;
    Ok(Config {
        dev: true,
        // The browser is on this machine, without a proxy.
        trusted_proxies: Vec::new(),
        ..config
    })
}

/// Secrets, created at the first start and kept, so that a restart signs nobody out.
struct Secrets {
    session: String,
    webhook: String,
}

impl Secrets {
    fn load(folder: &Path) -> io::Result<Secrets> {
        let path = folder.join("dev-secrets");
        let made = || {
            format!(
                "{}\nwhsec_{}\n",
                clock::random_token(),
                clock::random_token()
            )
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = made();
                fs::write(&path, &text).map_err(|error| named(&path, &error))?;
                text
            }
            Err(error) => return Err(named(&path, &error)),
        };
        let mut lines = text.lines().map(str::to_owned);
        let (session, webhook) = (lines.next(), lines.next());
        session
            .zip(webhook)
            .map(|(session, webhook)| Secrets { session, webhook })
            .ok_or_else(|| io::Error::other(format!("{} is damaged; delete it", path.display())))
    }
}

/// Deletes the files of `billhook dev`, and nothing else in the folder.
fn forget(folder: &Path) -> io::Result<()> {
    for name in [
        "billhook.db",
        "billhook.db-wal",
        "billhook.db-shm",
        "billhook.db-erased",
        "sandbox.json",
        "dev-secrets",
    ] {
        let file = folder.join(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(named(&file, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
