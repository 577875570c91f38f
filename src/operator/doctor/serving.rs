//! Checks what `billhook serve` needs at startup and no other check covers: the site's files exist, and the listen
//! address is free.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::Finding;
use crate::{
    assets,
    config::{self, Around},
};

const CHECK: &str = "server";
const NEEDED: &str = "BIND";
const PATIENCE: Duration = Duration::from_secs(2);

pub async fn examine(around: &Around) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(missing) = assets::missing() {
        findings.push(Finding::failure(
            CHECK,
            format!("The files of the pages are not there: {} is missing.", missing.display()),
            "Copy the folder `site` of the build beside the program, or set LEPTOS_SITE_ROOT to where it is.",
        ));
    }
    match around.with(&[NEEDED]) {
        None => findings.push(Finding::skipped(
            CHECK,
            format!("not looked at: that needs {NEEDED}"),
        )),
        Some(config) => findings.extend(listen(config.bind).await),
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            CHECK,
            format!(
                "it has its files in {}, and can listen",
                config::site_root()
            ),
        ));
    }
    findings
}

async fn listen(bind: SocketAddr) -> Option<Finding> {
    let error = TcpListener::bind(bind).await.err()?;
    if error.kind() == ErrorKind::AddrInUse && is_ours(bind).await {
        return Some(Finding::ok(CHECK, format!("a server answers at {bind}")));
    }
    let advice = match error.kind() {
        ErrorKind::AddrInUse => {
            "Stop the other program, or set BIND to another port, and tell the reverse proxy."
        }
        ErrorKind::PermissionDenied => {
            "Set BIND to a port above 1023, and let the reverse proxy have the others."
        }
        _ => "Set BIND to an address of this machine, such as 127.0.0.1:3000.",
    };
    Some(Finding::failure(
        CHECK,
        format!("It cannot listen on BIND, {bind}: {error}."),
        advice,
    ))
}

/// Whether a Billhook already listens there.
async fn is_ours(bind: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(bind).await?;
        let request = b"GET /up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.ends_with(b"\r\n\r\nup")))
}
