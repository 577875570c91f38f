//! A mail server that greets, names what it offers, and takes `ada` with the password `right`. Asked
//! for TLS it talks nonsense.

use std::net::SocketAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Its address. It ends with the test.
pub async fn start(offers: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, offers));
        }
    });
    address
}

async fn converse(stream: TcpStream, offers: &[&str]) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 mail.example.com\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match line.split(' ').next().unwrap_or_default() {
            "EHLO" => {
                let mut answer = "250-mail.example.com\r\n".to_owned();
                for offer in offers {
                    answer.push_str(&format!("250-{offer}\r\n"));
                }
                answer + "250 8BITMIME"
            }
            "AUTH" => {
                let right = BASE64_STANDARD.encode("\0ada\0right");
                if line.ends_with(&right) {
                    "235 welcome".to_owned()
                } else {
                    "535 5.7.8 <wrong-canary> is not the password".to_owned()
                }
            }
            "STARTTLS" => "220 go ahead\r\n550 this is no TLS".to_owned(),
            "QUIT" => "221 bye".to_owned(),
            _ => "250 ok".to_owned(),
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
