//! Settings as people write them down, by the program itself: in `.env` and in the environment.

use std::{collections::HashMap, path::PathBuf, process::Command};

use billhook::clock;
use serde_json::Value;

/// A folder of its own with this `.env`.
fn folder_with(env: &[u8]) -> PathBuf {
    let folder = std::env::temp_dir()
        .join("billhook-tests")
        .join(clock::new_id("env"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(".env"), env).unwrap();
    folder
}

/// Standard output and error of a command there, and whether it went well.
fn run(folder: &PathBuf, settings: &[(&str, &str)], arguments: &[&str]) -> (String, String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_billhook"));
    command.args(arguments).env_clear().current_dir(folder);
    command.envs(settings.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.success(),
    )
}

/// What `billhook config` says of each setting: its value, and where that is from.
fn config(folder: &PathBuf, settings: &[(&str, &str)]) -> HashMap<String, (Value, String)> {
    let (said, errors, is_good) = run(folder, settings, &["config", "--json"]);
    assert!(is_good, "{said}{errors}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let rows = said["settings"].as_array().unwrap().iter();
    rows.map(|row| {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        (text("name"), (row["value"].clone(), text("from")))
    })
    .collect()
}

#[test]
fn checklist_70_what_stands_in_the_file_is_taken_literally() {
    for (line, wanted) in [
        ("APP_NAME=pa$word9", "pa$word9"),
        ("APP_NAME=\"${HOME} $APP_NAME\"", "${HOME} $APP_NAME"),
        ("export APP_NAME='it # is'\r", "it # is"),
        ("APP_NAME=North wind # the shop", "North wind"),
    ] {
        let folder = folder_with(format!("\u{feff}# mine\n{line}\n").as_bytes());
        let found = config(&folder, &[]);
        assert_eq!(found["APP_NAME"], (wanted.into(), ".env line 2".to_owned()));
    }
    // Whole secrets pass, where their first half would not: the file's word is what is checked.
    let secret = "SESSION_SECRET=abc$defghijklmnopqrstuvwxyz01234567\n";
    let folder = folder_with(secret.as_bytes());
    assert_eq!(config(&folder, &[])["SESSION_SECRET"].0, "…");
}

#[test]
fn checklist_70_what_cannot_be_read_is_refused_with_its_line() {
    for line in [
        "canary",
        "APP_NAME=\"canary",
        "APP_NAME=canary\\$x",
        "A B=canary",
    ] {
        let folder = folder_with(format!("BIND=127.0.0.1:0\n\n{line}\n").as_bytes());
        for arguments in [
            &["serve"] as &[&str],
            &["config"],
            &["doctor"],
            &["purge"],
            &["dev"],
        ] {
            let (said, errors, is_good) = run(&folder, &[], arguments);
            assert!(!is_good, "{line} {arguments:?}");
            let all = said + &errors;
            assert!(all.contains(".env line 3"), "{line} {arguments:?}: {all}");
            assert!(!all.contains("canary"), "{all}");
        }
    }
}

#[test]
fn checklist_70_only_the_folders_own_file_is_read() {
    let folder = folder_with(b"APP_NAME=parent\nthis is no line\n");
    let inner = folder.join("inner");
    std::fs::create_dir(&inner).unwrap();
    let found = config(&inner, &[]);
    assert_eq!(found["APP_NAME"], ("Billing".into(), "default".to_owned()));
}

#[test]
fn checklist_70_names_that_are_nearly_settings_are_told() {
    let folder = folder_with(b"SMPT_URL=smtp://canary\nTRUSTED_PROXY=none\nSTRANGER=1\n");
    let near = [
        ("FRONTEND_URl", "https://canary.example.com"),
        ("PAHT", "x"),
    ];
    for arguments in [&["serve"] as &[&str], &["config"], &["doctor"]] {
        let (said, errors, _) = run(&folder, &near, arguments);
        let all = (said + &errors)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        for told in [
            "SMPT_URL in .env, line 1",
            "Do you mean SMTP_URL?",
            "TRUSTED_PROXY in .env, line 2",
            "FRONTEND_URl in the environment",
        ] {
            assert!(all.contains(told), "{arguments:?}: {told}: {all}");
        }
        for untold in ["canary", "STRANGER", "PAHT"] {
            assert!(!all.contains(untold), "{arguments:?}: {untold}: {all}");
        }
    }
}

#[test]
fn checklist_66_the_settings_in_force_are_printed_without_secrets() {
    let file = "SMTP_URL=smtps://user:canary@mail.example.com
DATABASE_URL=postgres://ada:canary@db/x
STRIPE_WEBHOOK_SECRET=whsec_canary
SESSION_SECRET=canary0123456789canary0123456789
STRIPE_API_KEY=canary-in-a-wrong-form
PORTAL_HOSTS=canary
MAIL_FROM=billing@example.com
";
    let folder = folder_with(file.as_bytes());
    let set = [
        ("MAIL_FROM", "other@example.com"),
        ("STRIPE_WEBHOOK_SECRET", ""),
    ];
    let found = config(&folder, &set);
    let of = |name: &str| {
        (
            found[name].0.as_str().unwrap_or("-"),
            found[name].1.as_str(),
        )
    };
    assert_eq!(
        of("SMTP_URL"),
        ("smtps://user:…@mail.example.com", ".env line 1")
    );
    assert_eq!(of("DATABASE_URL"), ("postgres://ada:…@db/x", ".env line 2"));
    assert_eq!(of("SESSION_SECRET"), ("…", ".env line 4"));
    assert_eq!(of("STRIPE_API_KEY"), ("-", ".env line 5"));
    assert_eq!(of("MAIL_FROM"), ("other@example.com", "environment"));
    // Empty is as good as not set.
    assert_eq!(of("STRIPE_WEBHOOK_SECRET"), ("whsec_…", ".env line 3"));
    assert_eq!(of("BIND"), ("127.0.0.1:3000", "default"));
    assert_eq!(found.len(), billhook::config::SETTINGS.len());
    let (said, errors, _) = run(&folder, &set, &["config"]);
    assert!(
        !(said.clone() + &errors).contains("canary"),
        "{said}{errors}"
    );
    assert!(said.contains("STRIPE_API_KEY cannot be used"), "{said}");
}

#[test]
fn checklist_70_lines_of_other_programs_do_not_matter() {
    let file = b"POSTGRES_PASSWORD=pa\\$x\\ y
TLS_KEY=\"-----BEGIN PRIVATE KEY-----
MIIB+/x=
canary canary \\\"so\\\" # 'it
-----END PRIVATE KEY-----\"  # until here
RULES='{
  \"a\": 1
}'
GREETING='it'\\''s'
COLOR=#fff
QUOTES=\xe2\x80\x9cso\xe2\x80\x9d
CITY=Z\xfcrich
export PATH
export PATH HOME
APP_NAME='North wind'
OPEN='tis
MAIL_FROM=a@example.com
";
    let folder = folder_with(file);
    let found = config(&folder, &[]);
    let from = |line: usize| format!(".env line {line}");
    assert_eq!(found["APP_NAME"], ("North wind".into(), from(15)));
    assert_eq!(found["MAIL_FROM"], ("a@example.com".into(), from(17)));
    // Near misses are told, whatever their values are.
    let folder = folder_with(b"SMPT_URL=\"a\nb\"\nSTRIPE_KEY=a\\$b\n");
    let (said, errors, _) = run(&folder, &[], &["config"]);
    let all = (said + &errors)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for told in ["SMPT_URL in .env, line 1", "STRIPE_KEY in .env, line 3"] {
        assert!(all.contains(told), "{told}: {all}");
    }
}

#[test]
fn checklist_70_what_is_unreadable_names_file_and_line() {
    for (file, wanted) in [
        // Whether the second line is a setting, nobody can tell.
        (
            "KEY=\"canary\nAPP_NAME=\"North\n",
            &["line 1", "line 2", "APP_NAME"] as &[&str],
        ),
        (
            "KEY='canary\nexport APP_NAME=canary\nX='\n",
            &["line 1", "line 2", "APP_NAME"],
        ),
        ("APP_NAME=\"canary\ncanary\"\n", &["line 1"]),
        ("X=1\ncanary canary\n", &["line 2", "#"]),
        ("X=\"canary\ncanary\n", &["line 1", "line 2"]),
    ] {
        let folder = folder_with(file.as_bytes());
        let (said, errors, is_good) = run(&folder, &[], &["serve"]);
        let all = said + &errors;
        assert!(!is_good && !all.contains("canary"), "{file}: {all}");
        let path = folder.join(".env").display().to_string();
        assert!(all.contains(&path), "{file}: {all}");
        for words in wanted {
            assert!(all.contains(words), "{file}: {words}: {all}");
        }
    }
    // One that is no file.
    let folder = folder_with(b"");
    let file = folder.join(".env");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let (said, errors, is_good) = run(&folder, &[], &["serve"]);
    let all = said + &errors;
    assert!(
        !is_good && all.contains(&file.display().to_string()),
        "{all}"
    );
}

#[test]
fn checklist_70_a_name_that_stands_twice_is_told() {
    let folder = folder_with(b"APP_NAME=North\nMAIL_FROM=a@example.com\nAPP_NAME=Wind\n");
    assert_eq!(config(&folder, &[])["APP_NAME"].0, "Wind");
    let (said, errors, _) = run(&folder, &[], &["config"]);
    let all = format!("{said}{errors}");
    assert!(
        all.contains("APP_NAME stands twice in .env, in lines 1 and 3"),
        "{all}"
    );
}
