//! The program: what it says, what it refuses, and how it ends.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::net::TcpListener;

use crate::client::{Receiver, eventually};

const PROGRAM: &str = env!("CARGO_BIN_EXE_billhook-sandbox");

/// Ends with the test, however that goes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().unwrap()
}

#[tokio::test]
async fn it_says_where_it_listens_and_which_keys_work_and_stops_when_asked() {
    let (receiver, hook) = Receiver::spawn().await;
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--webhook",
        &hook,
        "--secret",
        "whsec_mine",
    ];
    let child = Command::new(PROGRAM)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut program = Running(child);
    let mut said = BufReader::new(program.0.stdout.take().unwrap());
    let mut word_after = |before: &str| {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let rest = line
            .strip_prefix(before)
            .unwrap_or_else(|| panic!("{line}"));
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let url = word_after("billhook-sandbox: listening on ");
    let key = word_after("API key ");
    assert_eq!(word_after("Webhook secret "), "whsec_mine");
    assert_eq!(word_after("Webhooks to "), hook);

    // An error means that another test came first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let request = client.post(format!("{url}/v1/customers"));
    let request = request.bearer_auth(key).form(&[("name", "Ada")]);
    let made: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(made["name"], "Ada");
    eventually(|| async { (receiver.count() == 1).then_some(()) }).await;

    let id = program.0.id().to_string();
    assert!(Command::new("kill").arg(&id).status().unwrap().success());
    let ended = eventually(|| {
        let ended = program.0.try_wait().unwrap();
        async move { ended }
    });
    assert!(ended.await.success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "Stop with Ctrl-C.\n");
}

#[tokio::test]
async fn it_refuses_other_machines_encrypted_webhooks_and_a_taken_port() {
    for (args, words) in [
        (["--listen", "0.0.0.0:12111"], "must be a loopback address"),
        (["--listen", "localhost"], "must be a loopback address"),
        (
            ["--webhook", "https://127.0.0.1/hook"],
            "sent over plain HTTP",
        ),
    ] {
        let output = run(&args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains(&format!("cannot listen on {address}")),
        "{said}"
    );
    assert!(said.contains("--listen"), "{said}");
}

#[test]
fn help_names_every_option_with_its_default() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    for word in [
        "--listen",
        "--webhook",
        "--secret",
        "--seed",
        "--state",
        "--delay-ms",
        "127.0.0.1:12111",
        "whsec_sandbox",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
}
