//! A mail server that keeps what it is given, and refuses some addresses in its own words. It takes
//! every password.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// One mail as it came: to whom, and its text with the long lines joined again.
#[derive(Clone)]
pub struct Letter {
    pub to: String,
    pub text: String,
}

#[derive(Clone, Default)]
pub struct PostOffice(Arc<Mutex<Vec<Letter>>>);

impl PostOffice {
    /// Where it is. It ends with the test.
    pub async fn open(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, office) = (listener.local_addr().unwrap(), self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(office.clone().converse(stream));
            }
        });
        address
    }

    /// The mails to an address, oldest first.
    pub fn to(&self, address: &str) -> Vec<String> {
        let letters = self.0.lock().unwrap().clone();
        let mine = letters.into_iter().filter(|letter| letter.to == address);
        mine.map(|letter| letter.text).collect()
    }

    async fn converse(self, stream: TcpStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let mut to = String::new();
        writer.write_all(b"220 mail.example.com\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => "250-mail.example.com\r\n250-AUTH PLAIN\r\n250 8BITMIME".to_owned(),
                "AUTH" => "235 welcome".to_owned(),
                "RCPT" => {
                    to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    match to.as_str() {
                        gone if gone.starts_with("gone") => format!("550 5.1.1 <{to}> unknown"),
                        later if later.starts_with("later") => format!("451 4.7.1 {to}: not now"),
                        _ => "250 ok".to_owned(),
                    }
                }
                "DATA" => {
                    writer.write_all(b"354 go ahead\r\n").await?;
                    let mut text = String::new();
                    while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                        text.push_str(&line);
                        text.push('\n');
                    }
                    // Quoted-printable (RFC 2045, 6.7) breaks lines so.
                    let text = text.replace("=\n", "");
                    let to = to.clone();
                    self.0.lock().unwrap().push(Letter { to, text });
                    "250 taken".to_owned()
                }
                "QUIT" => "221 bye".to_owned(),
                _ => "250 ok".to_owned(),
            };
            writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }
}
