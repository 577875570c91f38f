//! What `billhook serve` needs to start, and what it says when that is not there. The doctor says the same before.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use billhook::{
    clock::Clock,
    config,
    operator::doctor,
    serve,
    store::{Store, progress},
};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::{
    crash,
    doctor::{is_well, settings, troubles},
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, eventually, spawn_app},
    operator::said,
};

on_both_engines!(
    checklist_60_a_server_needs_a_database_that_it_can_write,
    checklist_61_ready_means_that_a_write_would_work,
);

fn file_of(url: &str) -> PathBuf {
    url.strip_prefix("sqlite://").unwrap().into()
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

/// What a server says that does not start.
fn refused(mut command: Command) -> String {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it runs");
        }
        std::thread::yield_now();
    }
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_60_the_files_of_the_database_are_their_owners_alone() {
    let url = database_url(Engine::Sqlite).await;
    let file = file_of(&url);
    let all = ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", file.display())));
    // Made so, and mended where they were not, also behind a link.
    let (running, _) = crash::start(&url);
    for file in &all {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    drop(running);
    for file in &all {
        assert!(file.exists(), "kill -9 leaves {}", file.display());
        fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    }
    let link = file.with_extension("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let (_running, _) = crash::start(&format!("sqlite://{}", link.display()));
    for file in &all {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_60_the_doctor_says_who_else_may_open_the_database() {
    let app = spawn_app(Engine::Sqlite).await;
    let examine = async || doctor::examine(&settings(&app), &Clock::default()).await;
    is_well(&examine().await, "database");
    let file = file_of(app.app.config.database_url.expose());
    for end in ["", "-wal"] {
        let file = PathBuf::from(format!("{}{end}", file.display()));
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let said = troubles(&examine().await, "database").join("\n");
        let name = file.display().to_string();
        assert!(
            said.starts_with("Warning") && said.contains(&name),
            "{said}"
        );
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_60_one_server_at_a_time_has_a_file() {
    let url = database_url(Engine::Sqlite).await;
    let file = file_of(&url);
    let link = file.with_extension("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let (first, _) = crash::start(&url);
    let folder = file
        .parent()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap();
    let around = file
        .parent()
        .unwrap()
        .join(format!("../{folder}/billhook.db"));
    for other in [file.clone(), link, around] {
        let says = refused(crash::serve(&format!("sqlite://{}", other.display())));
        assert!(
            says.contains("another server") && says.contains(&other.display().to_string()),
            "{says}"
        );
        assert!(says.contains(&first.0.id().to_string()), "{says}");
    }
    // Killed, it holds nothing any more.
    drop(first);
    let (_second, _) = crash::start(&url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_60_commands_work_beside_a_server() {
    let app = spawn_app(Engine::Sqlite).await;
    let _lock = serve::lock(&app.app.config).await.unwrap().unwrap();
    for command in [
        &["sweep"] as &[&str],
        &["import"],
        &["purge", "--yes"],
        &["events", "list"],
    ] {
        said(&app, command).await;
    }
    let copy = file_of(app.app.config.database_url.expose()).with_extension("copy");
    said(&app, &["backup", copy.to_str().unwrap()]).await;
    let findings = doctor::examine(&settings(&app), &Clock::default()).await;
    is_well(&findings, "database");
    let of_database = findings.iter().find(|finding| finding.check == "database");
    let number = std::process::id().to_string();
    assert!(
        of_database.unwrap().says.ends_with(&number),
        "{of_database:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_70_the_doctor_tries_to_listen() {
    let app = spawn_app(Engine::Sqlite).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut with = settings(&app);
    for (bind, is_taken) in [
        (taken.local_addr().unwrap().to_string(), true),
        ("127.0.0.1:0".to_owned(), false),
    ] {
        with.insert("BIND".to_owned(), bind.clone());
        let findings = doctor::examine(&with, &Clock::default()).await;
        let said = troubles(&findings, "server").join("\n");
        let words = format!("cannot listen on BIND, {bind}");
        assert_eq!(said.contains(&words), is_taken, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_60_a_server_needs_its_site() {
    let url = database_url(Engine::Sqlite).await;
    let nowhere = file_of(&url).with_extension("site");
    fs::create_dir(&nowhere).unwrap();
    let mut command = crash::serve(&url);
    command.env("LEPTOS_SITE_ROOT", &nowhere);
    let says = refused(command);
    assert!(says.contains(&nowhere.display().to_string()), "{says}");
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_billhook"));
    doctor
        .arg("doctor")
        .env_clear()
        .env("LEPTOS_SITE_ROOT", &nowhere);
    let output = doctor
        .current_dir(nowhere.parent().unwrap())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("The files of the pages are not there"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_60_what_is_said_of_a_file_names_its_path() {
    let url = database_url(Engine::Sqlite).await;
    let file = file_of(&url);
    let folder = file.parent().unwrap();
    drop(crash::start(&url));
    let beside = |name: &str| folder.join(name);
    fs::write(beside("noise"), "this is no database".repeat(300)).unwrap();
    fs::write(beside("plain"), "").unwrap();
    fs::create_dir(beside("folder")).unwrap();
    let says = |database: &str, more: &[(&str, &str)]| {
        let mut command = crash::serve(database);
        // Where a service starts is often another place than people think.
        command.current_dir(folder).envs(more.iter().copied());
        refused(command)
    };
    let noise = says("sqlite://noise", &[]);
    let in_plain = says("sqlite://plain/billhook.db", &[]);
    let is_folder = says("sqlite://folder", &[]);
    let of_mode = says(
        "sqlite://billhook.db",
        &[
            ("STRIPE_API_KEY", "rk_live_billhook"),
            ("FRONTEND_URL", "https://billing.example.com"),
            ("SMTP_URL", "smtps://u:p@mail.example.com"),
            (
                "STRIPE_WEBHOOK_SECRET",
                "whsec_9f8a7c6b5d4e3f2a1b0c4d5e6f7a8b9c",
            ),
            ("SESSION_SECRET", "9e2b7c51d80f4a36b1c4e7f02d5a8893"),
        ],
    );
    let list = beside("folder").display().to_string();
    let no_list = says("sqlite://billhook.db", &[("ERASURES_FILE", &list)]);
    let no_site = says("sqlite://billhook.db", &[("LEPTOS_SITE_ROOT", "plain")]);
    for (says, path) in [
        (noise, "noise"),
        (in_plain, "plain"),
        (is_folder, "folder"),
        (of_mode, "billhook.db"),
        (no_list, "folder"),
        (no_site, "plain"),
    ] {
        let path = beside(path).display().to_string();
        assert!(says.contains(&path), "{path}: {says}");
    }
}

/// The same database, where nothing can be written.
fn read_only(url: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    let how = match url.starts_with("sqlite") {
        true => "mode=ro",
        false => "options[default_transaction_read_only]=on",
    };
    format!("{url}{joint}{how}")
}

async fn checklist_60_a_server_needs_a_database_that_it_can_write(engine: Engine) {
    let app = spawn_app(engine).await;
    let url = app.app.config.database_url.expose();
    let place = match engine {
        Engine::Sqlite => file_of(url).display().to_string(),
        Engine::Postgres => " at ".to_owned(),
    };
    let mut settings = settings(&app);
    settings.insert("DATABASE_URL".to_owned(), read_only(url));
    settings.insert("BIND".to_owned(), "127.0.0.1:0".to_owned());
    settings.insert("STRIPE_API_KEY".to_owned(), "sk_test_x".to_owned());
    let start = serve::serve(config::read(&settings).unwrap(), CancellationToken::new());
    let says = tokio::time::timeout(Duration::from_secs(20), start).await;
    let says = says.expect("it does not serve").unwrap_err().to_string();
    assert!(
        says.contains(&place)
            && ["written", "read-only", "readonly"]
                .iter()
                .any(|word| says.contains(word)),
        "{says}"
    );
}

/// A database that takes no more writes, and then does again.
async fn refuse_writes(app: &TestApp, refuse: bool) {
    match &app.app.store {
        Store::Sqlite { writer, .. } => {
            let sql = match refuse {
                true => "PRAGMA query_only = ON",
                false => "PRAGMA query_only = OFF",
            };
            sqlx::query(sql).execute(writer).await.unwrap();
        }
        Store::Postgres(pool) => {
            // It is the connections' own setting, and there are many.
            let options = pool.connect_options().as_ref().clone();
            let word = if refuse { "on" } else { "off" };
            let options = options.options([("default_transaction_read_only", word)]);
            pool.set_connect_options(options);
            let held = futures::future::join_all((0..16).map(|_| pool.acquire())).await;
            for connection in held {
                connection.unwrap().close().await.unwrap();
            }
        }
    }
}

async fn checklist_61_ready_means_that_a_write_would_work(engine: Engine) {
    let app = spawn_app(engine).await;
    let ask = || async {
        let url = format!("{}/ready", app.url);
        app.http.get(url).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask().await, 200);
    refuse_writes(&app, true).await;
    eventually(|| async { (ask().await == 503).then_some(()) }).await;
    refuse_writes(&app, false).await;
    eventually(|| async { (ask().await == 200).then_some(()) }).await;
    // It leaves nothing but that it was there.
    let found = app.app.store.read(|tx| progress::get(tx, "room").boxed());
    assert_eq!(found.await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_61_a_full_disk_is_not_ready() {
    let app = spawn_app(Engine::Sqlite).await;
    let Store::Sqlite { writer, .. } = &app.app.store else {
        unreachable!("of SQLite alone");
    };
    let used: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(writer)
        .await
        .unwrap();
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {used}"));
    sqlx::query(sql).execute(writer).await.unwrap();
    eventually(|| async {
        let url = format!("{}/ready", app.url);
        let status = app.http.get(url).send().await.unwrap().status();
        (status == 503).then_some(())
    })
    .await;
}
