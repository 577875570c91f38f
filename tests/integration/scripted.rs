//! A mail server that goes by a script: it answers as usual but where the script says otherwise, and keeps all
//! that it hears.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What it does at a line.
pub enum Answer {
    Usual,
    /// This, and a line end.
    Say(&'static str),
    /// It says nothing, and goes on listening.
    Nothing,
    Close,
}

type Script = Box<dyn Fn(usize, &str) -> Answer + Send + Sync>;

#[derive(Clone)]
pub struct Scripted {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    script: Mutex<Script>,
    heard: Mutex<Vec<(usize, String)>>,
    mails: Mutex<Vec<(String, String)>>,
    /// It was silent once more.
    silent: Notify,
}

impl Scripted {
    /// The script is asked with the number of the connection and the line: nothing for the greeting, `.` for the
    /// end of a mail.
    pub async fn start(script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Scripted {
        Scripted::start_at("127.0.0.1:0", script).await
    }

    pub async fn start_at(
        address: &str,
        script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> Scripted {
        let listener = TcpListener::bind(address).await.unwrap();
        let server = Scripted {
            address: listener.local_addr().unwrap(),
            state: Arc::new(State {
                script: Mutex::new(Box::new(script)),
                heard: Mutex::default(),
                mails: Mutex::default(),
                silent: Notify::new(),
            }),
        };
        let state = server.state.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let state = state.clone();
                tokio::spawn(async move { state.converse(number, stream).await });
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Goes on by another script.
    pub fn now(&self, script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) {
        *self.state.script.lock().unwrap() = Box::new(script);
    }

    /// The lines that it heard, with the number of their connection.
    pub fn heard(&self) -> Vec<(usize, String)> {
        self.state.heard.lock().unwrap().clone()
    }

    /// The mails that came to their end, as recipient and text.
    pub fn mails(&self) -> Vec<(String, String)> {
        self.state.mails.lock().unwrap().clone()
    }

    pub async fn silent(&self) {
        self.state.silent.notified().await;
    }
}

impl State {
    fn answer(&self, number: usize, line: &str) -> Answer {
        (self.script.lock().unwrap())(number, line)
    }

    async fn converse(&self, number: usize, stream: TcpStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let (mut line, mut to) = (String::new(), String::new());
        loop {
            let usual = usual(&line);
            let said = match self.answer(number, &line) {
                Answer::Usual => usual,
                Answer::Say(said) => said,
                Answer::Nothing => {
                    self.silent.notify_one();
                    ""
                }
                Answer::Close => return Ok(()),
            };
            if !said.is_empty() {
                writer.write_all(format!("{said}\r\n").as_bytes()).await?;
            }
            if line == "DATA" && said.starts_with("354") {
                let mut text = String::new();
                loop {
                    match lines.next_line().await? {
                        Some(more) if more == "." => break,
                        Some(more) => text = text + &more + "\n",
                        None => return Ok(()),
                    }
                }
                self.mails.lock().unwrap().push((to.clone(), text));
                line = ".".to_owned();
                continue;
            }
            let Some(next) = lines.next_line().await? else {
                return Ok(());
            };
            self.heard.lock().unwrap().push((number, next.clone()));
            if let Some(address) = next.strip_prefix("RCPT TO:<") {
                to = address.trim_end_matches('>').to_owned();
            }
            line = next;
        }
    }
}

fn usual(line: &str) -> &'static str {
    match line.split([' ', ':']).next().unwrap_or_default() {
        "" => "220 mail.example.com ESMTP",
        "EHLO" => "250-mail.example.com\r\n250-auth plain LOGIN\r\n250 8BITMIME",
        "AUTH" => "235 2.7.0 welcome",
        "DATA" => "354 go ahead",
        "." => "250 2.0.0 Ok: queued as 4XkQ1",
        "QUIT" => "221 bye",
        _ => "250 2.1.0 Ok",
    }
}
