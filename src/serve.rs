//! Builds and runs the server: from a [`Config`] to a listening server with graceful shutdown. Tests do the same with their own
//! listener and clock.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use leptos::prelude::LeptosOptions;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::CancellationToken;

use crate::{
    assets, background,
    clock::Clock,
    config::{self, Config, Secret},
    domain::{
        App, billing,
        changes::Changes,
        disk_space, erase_again, expiry,
        inbox::Inbox,
        keys::Keys,
        limits::Clients,
        mail_limit::MailLimit,
        mode, outbox, purge, renormalise, sweep,
        sync::Ours,
        unsent::Unsent,
        worker::{self, Permissions},
    },
    http::{self, Site, accept::Limits, routes::Route},
    mail::{self, Mailer},
    store::{
        self, Store, diagnostics, file,
        lock::{self, Lock, Refusal},
    },
    stripe,
};

/// Graceful shutdown: requests in flight have this long to finish once no more connections are accepted. Together with the notice
/// before it ([`http::ready`]), the server ends within 15 seconds.
const GRACE: Duration = Duration::from_secs(8);
/// Then background tasks have this long, mainly for mails: a mail server may be slow.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Then the database has this long to close; it may not respond any more.
const LAST_COMMIT: Duration = Duration::from_secs(2);

/// Why the server did not start, or ended. The message is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error("the database {0} cannot be used: {1}")]
    Database(String, store::Error),
    #[error(
        "the database {0} can be read and not written: {1}. Give the user that this runs as the right to write \
         the file and its folder, or, with Postgres, connect to the primary as the tables' owner"
    )]
    NotWritten(String, store::Error),
    #[error(
        "another server{} runs on the database {}. SQLite takes one at a time: stop that one, or use Postgres",
        .1.map(|number| format!(" (process {number})")).unwrap_or_default(), .0.display()
    )]
    InUse(PathBuf, Option<u32>),
    #[error("{} cannot be written: {}. Give the user that this runs as the right to write that folder", .0.display(), .1)]
    Lock(PathBuf, io::Error),
    #[error(
        "the files of the pages are not there: {} is missing. Copy the folder `site` of the build beside the \
         program, or set LEPTOS_SITE_ROOT to where it is", .0.display()
    )]
    Site(PathBuf),
    #[error(
        "the database {place} holds data of {database} mode, and STRIPE_API_KEY is of {key} mode. \
         Use a key of {database} mode, or another database: the two are never mixed"
    )]
    Mode {
        place: String,
        key: &'static str,
        database: &'static str,
    },
    #[error(
        "the file {} of DATABASE_URL is on a network file system, where SQLite loses data. Use a disk of \
         this machine, or Postgres", .0.display()
    )]
    Remote(PathBuf),
    #[error(
        "what was erased could not be compared with the database {0}: {1}. A copy from before an erasure must not be \
         used as it is"
    )]
    Erasures(String, store::Error),
    #[error("the folder {} of DATABASE_URL cannot be made: {}", .0.display(), .1)]
    Folder(PathBuf, io::Error),
    #[error("{0}")]
    Mail(#[from] mail::Error),
    #[error("{0}")]
    Stripe(#[from] stripe::client::Error),
    #[error("the server broke off: {0}")]
    Io(#[from] io::Error),
}

/// Builds the app, starts its background writer, and erases again all erased persons: the database may be a backup from before an
/// erasure.
pub async fn build(config: Config, clock: Clock, mailer: Mailer) -> Result<App, Error> {
    let app = assemble(config, clock, mailer).await?;
    let place = || file::place(app.config.database_url.expose());
    let done = erase_again::run(&app)
        .await
        .map_err(|error| Error::Erasures(place(), error))?;
    if done.again > 0 {
        let (erasures, customers) = (done.again, done.customers);
        tracing::warn!(
            erasures,
            customers,
            "the database is a copy from before these erasures: they were done again"
        );
    }
    if done.unread > 0 {
        let lines = done.unread;
        tracing::warn!(lines, "lines of the list of erasures cannot be read");
    }
    Ok(app)
}

/// Builds the app on the database as it is.
pub async fn assemble(config: Config, clock: Clock, mailer: Mailer) -> Result<App, Error> {
    // An error means that the provider was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = file::of_url(config.database_url.expose());
    // SQLite creates the file, but not its folder.
    if let Some(file) = &file {
        make_folder(file)?;
    }
    let place = file::place(config.database_url.expose());
    let unusable = |error| Error::Database(place.clone(), error);
    let store = Store::connect(config.database_url.expose())
        .await
        .map_err(unusable)?;
    let database = mode::settle(&store, config.livemode(), clock.now())
        .await
        .map_err(unusable)?;
    if database != config.livemode() {
        store.close().await;
        return Err(Error::Mode {
            place,
            key: mode::word(config.livemode()),
            database: mode::word(database),
        });
    }
    renormalise::run(&store, clock.now())
        .await
        .map_err(unusable)?;
    let stripe = stripe::Client::new(
        config.stripe_api_base.clone(),
        config.stripe_api_key.clone(),
        config.portal_hosts.clone(),
    )?;
    let changes = Changes::default();
    let ours = Ours::of(&config);
    Ok(App {
        keys: Keys::new(
            config.session_secret.expose(),
            config.session_secrets_previous.iter().map(Secret::expose),
        ),
        inbox: Inbox::start(store.clone(), clock.clone(), ours, changes.clone()),
        portal_budget: billing::budget(clock.clone()),
        unsent: Unsent::new(config.dev),
        config: Arc::new(config),
        clients: Clients::new(&clock),
        mail_limit: MailLimit::default(),
        clock,
        store,
        stripe,
        mailer,
        changes,
        permissions: Permissions::default(),
        outbox_due: Arc::new(Notify::new()),
    })
}

/// Serves until `stop`, then shuts down gracefully. `extra` routes are those of `billhook dev`.
pub async fn run(
    app: App,
    listener: TcpListener,
    extra: Vec<Route>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let cut = CancellationToken::new();
    let mails = (app.clone(), cut.clone());
    let outbox = background::supervise("outbox", &mails, &stop, |(app, cut), stop| {
        outbox::run(app, stop, cut)
    });
    let worker = background::supervise("worker", &app, &stop, worker::run);
    let sweep = background::supervise("sweep", &app, &stop, sweep::run);
    let purge = background::supervise("purge", &app, &stop, purge::run);
    let expiry = background::supervise("expiry", &app, &stop, expiry::run);
    let room = background::supervise("room", &app, &stop, disk_space::run);
    let store = app.store.clone();
    // Open streams end when no more connections are accepted, not before.
    let closing = CancellationToken::new();
    let site = Site::new(app, leptos_options(), closing.clone(), extra);
    let router = http::router(site.clone());
    let limits = Limits {
        trusted: site.app.config.trusted_proxies.clone(),
        ..Limits::default()
    };
    let server = http::accept::serve(listener, router, closing.clone(), GRACE, limits);
    let announce = async {
        stop.cancelled().await;
        site.readiness.end().await;
        closing.cancel();
    };
    let (is_done, ()) = tokio::join!(server, announce);
    if !is_done {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    // The background tasks end by the same token.
    let mut loops = std::pin::pin!(async {
        let _ = tokio::join!(outbox, worker, sweep, purge, expiry, room);
    });
    let is_over = tokio::time::timeout(LAST_WORDS, &mut loops).await.is_ok();
    cut.cancel();
    let end = async {
        if !is_over {
            loops.await;
        }
        store.close().await;
    };
    if tokio::time::timeout(LAST_COMMIT, end).await.is_err() {
        tracing::warn!("the database did not let go in time");
    }
    Ok(())
}

/// Binds the configured address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Error::Listen(address, error))
}

/// Takes the lock file of the database. Only SQLite needs it. Creates its folder.
pub async fn lock(config: &Config) -> Result<Option<Lock>, Error> {
    let Some(file) = file::of_url(config.database_url.expose()) else {
        return Ok(None);
    };
    make_folder(&file)?;
    match lock::take(&file).await {
        Ok(lock) => Ok(Some(lock)),
        Err(Refusal::Held(number)) => Err(Error::InUse(file, number)),
        Err(Refusal::Io(path, error)) => Err(Error::Lock(path, error)),
    }
}

/// Checks that the server can work: the database is writable, and the site's files exist.
async fn is_fit(app: &App) -> Result<(), Error> {
    if let Err(error) = diagnostics::write(&app.store, app.clock.now()).await {
        let place = file::place(app.config.database_url.expose());
        return Err(Error::NotWritten(place, error));
    }
    assets::missing().map_or(Ok(()), |missing| Err(Error::Site(missing)))
}

fn make_folder(file: &Path) -> Result<(), Error> {
    // On a network file system, locks of other machines may have no effect.
    if file::nearest(file).is_some_and(file::is_remote) {
        return Err(Error::Remote(file.to_owned()));
    }
    match file.parent() {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| Error::Folder(folder.to_owned(), error))
        }
        None => Ok(()),
    }
}

/// Runs `billhook serve`: with real mail.
pub async fn serve(config: Config, stop: CancellationToken) -> Result<(), Error> {
    let _lock = lock(&config).await?;
    let mailer = Mailer::of(&config)?;
    let listener = listen(config.bind).await?;
    let address = listener.local_addr()?;
    let frontend_url = config.frontend_url.clone();
    let app = build(config, Clock::default(), mailer).await?;
    if let Err(error) = is_fit(&app).await {
        app.store.close().await;
        return Err(error);
    }
    crate::say(&format!(
        "billhook: listening on http://{address}, public at {frontend_url}"
    ));
    run(app, listener, Vec::new(), stop).await
}

/// A token that Ctrl-C and SIGTERM cancel.
pub fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
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
        token.cancel();
    });
    stop
}

/// The location of the site's files. `cargo leptos watch` sets it in the environment.
fn leptos_options() -> LeptosOptions {
    config::leptos_from_environment().unwrap_or_else(|| {
        LeptosOptions::builder()
            .output_name("billhook")
            .site_root(config::site_root())
            .site_pkg_dir("pkg")
            .env(leptos::config::Env::PROD)
            .build()
    })
}
