//! A mail server that takes its time: it says nothing more to mails for `held…` until it is told to, and takes
//! each of the others after a while.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use billhook::{domain::App, mail::Mailer};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

#[derive(Clone, Default)]
pub struct SlowOffice {
    /// How long each mail takes.
    pub pause: Duration,
    /// To whom mails were begun, and to whom they were taken.
    pub begun: Arc<Mutex<Vec<String>>>,
    pub taken: Arc<Mutex<Vec<String>>>,
    pub released: CancellationToken,
}

impl SlowOffice {
    pub fn with_pause(pause: Duration) -> SlowOffice {
        SlowOffice {
            pause,
            ..SlowOffice::default()
        }
    }

    /// What sends to it. It ends with the test.
    pub async fn mailer(&self, app: &App) -> Mailer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, office): (SocketAddr, _) = (listener.local_addr().unwrap(), self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(office.clone().converse(stream));
            }
        });
        let from = app.config.mail_from.clone();
        Mailer::smtp(&format!("smtp://{address}"), from, "Northwind").unwrap()
    }

    pub fn has_taken(&self, address: &str) -> bool {
        self.taken.lock().unwrap().iter().any(|to| to == address)
    }

    async fn converse(self, stream: TcpStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let mut to = String::new();
        writer.write_all(b"220 mail.example.com\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => "250-mail.example.com\r\n250 8BITMIME",
                "RCPT" => {
                    to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    self.begun.lock().unwrap().push(to.clone());
                    if to.starts_with("held") {
                        self.released.cancelled().await;
                    }
                    tokio::time::sleep(self.pause).await;
                    "250 ok"
                }
                "DATA" => {
                    writer.write_all(b"354 go ahead\r\n").await?;
                    while lines.next_line().await?.is_some_and(|line| line != ".") {}
                    self.taken.lock().unwrap().push(to.clone());
                    "250 taken"
                }
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }
}
