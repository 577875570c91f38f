//! An SMTP session: commands and replies, one after the other (RFC 5321).

use std::{io, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    Error, Refusal, Step,
    reply::{self, Reply},
    scrub::{Hidden, shown},
    server::Login,
};

/// Timeout for QUIT, which no caller waits for.
const TO_LEAVE: Duration = Duration::from_secs(2);
/// Limits in bytes for a line and for all lines of one reply, against unbounded memory use. RFC 5321 has 512 for a
/// line.
const LONGEST_LINE: usize = 2_000;
const LONGEST_REPLY: usize = 64_000;

pub fn broken(step: Step, reason: &(impl std::fmt::Display + ?Sized)) -> Error {
    Error::Broken {
        step,
        reason: shown(&reason.to_string()),
    }
}

pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<W: AsyncRead + AsyncWrite + Send + Unpin> Wire for W {}

/// An SMTP session with the server.
pub struct Talk {
    pub wire: Box<dyn Wire>,
    /// Bytes received and not parsed yet.
    pub unread: Vec<u8>,
    /// Whether every command has its reply. If not, no further command may be sent.
    pub is_in_step: bool,
    /// The lines of the reply to EHLO.
    pub offers: Vec<String>,
    pub hidden: Hidden,
}

impl Talk {
    pub async fn deliver(&mut self, from: &str, to: &str, mail: &[u8]) -> Result<String, Error> {
        self.envelope(from, to, mail).await?;
        let go_ahead = self.command(Step::Data, "DATA", 3).await?;
        if go_ahead.code != 354 {
            self.is_in_step = false;
            return Err(self.out_of_turn(Step::Data, &go_ahead));
        }
        self.quiet(Step::Data).await?;
        self.is_in_step = false;
        self.write(Step::Data, &stuffed(mail)).await?;
        // A reply that arrives before the end of DATA was sent does not belong to it.
        self.quiet(Step::Data).await?;
        self.write(Step::End, b".\r\n").await?;
        let taken = self.reply(Step::End).await?;
        self.is_in_step = true;
        let taken = self.check(Step::End, taken, 2)?;
        Ok(self.hidden.shown(&taken.text()))
    }

    pub async fn envelope(&mut self, from: &str, to: &str, mail: &[u8]) -> Result<Reply, Error> {
        let mut sender = format!("MAIL FROM:<{from}>");
        if !from.is_ascii() {
            self.needs(Step::From, "SMTPUTF8")?;
            sender.push_str(" SMTPUTF8");
        }
        if !mail.is_ascii() {
            self.needs(Step::From, "8BITMIME")?;
            sender.push_str(" BODY=8BITMIME");
        }
        self.command(Step::From, &sender, 2).await?;
        self.command(Step::To, &format!("RCPT TO:<{to}>"), 2).await
    }

    pub async fn hello(&mut self, name: &str) -> Result<(), Error> {
        let reply = self
            .command(Step::Hello, &format!("EHLO {name}"), 2)
            .await?;
        self.offers = reply.lines.into_iter().skip(1).collect();
        Ok(())
    }

    /// The parameters of an extension (EHLO keyword) that the server offers.
    pub fn offers(&self, keyword: &str) -> Option<&str> {
        self.offers.iter().find_map(|line| {
            // Old servers write `AUTH=PLAIN`.
            let (name, rest) = line.split_once([' ', '=']).unwrap_or((line, ""));
            name.eq_ignore_ascii_case(keyword).then_some(rest)
        })
    }

    fn needs(&self, step: Step, keyword: &str) -> Result<(), Error> {
        match self.offers(keyword) {
            Some(_) => Ok(()),
            None => Err(broken(step, &format!("{keyword} is not offered"))),
        }
    }

    pub async fn sign_in(&mut self, login: &Login) -> Result<(), Error> {
        let offered = self.offers("AUTH").unwrap_or_default().to_ascii_uppercase();
        let has = |mechanism: &str| offered.split_whitespace().any(|word| word == mechanism);
        let (user, password) = (&login.user, login.password.expose());
        if has("PLAIN") {
            let token = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
            self.command(Step::Auth, &format!("AUTH PLAIN {token}"), 2)
                .await?;
        } else if has("LOGIN") {
            // The server asks for user and password one after the other; its prompts differ between servers and are
            // ignored.
            self.command(Step::Auth, "AUTH LOGIN", 3).await?;
            self.command(Step::Auth, &BASE64_STANDARD.encode(user), 3)
                .await?;
            self.command(Step::Auth, &BASE64_STANDARD.encode(password), 2)
                .await?;
        } else {
            return Err(broken(Step::Auth, "PLAIN and LOGIN are not offered"));
        }
        Ok(())
    }

    /// Sends a command, and expects a reply of that class: 2yz or 3yz.
    pub async fn command(&mut self, step: Step, line: &str, class: u16) -> Result<Reply, Error> {
        let reply = self.ask(step, line).await?;
        self.check(step, reply, class)
    }

    pub async fn ask(&mut self, step: Step, line: &str) -> Result<Reply, Error> {
        self.quiet(step).await?;
        self.is_in_step = false;
        self.write(step, format!("{line}\r\n").as_bytes()).await?;
        let reply = self.reply(step).await?;
        self.is_in_step = true;
        Ok(reply)
    }

    pub fn check(&mut self, step: Step, reply: Reply, class: u16) -> Result<Reply, Error> {
        match reply.code / 100 {
            given if given == class => Ok(reply),
            4 | 5 => Err(self.refused(step, &reply)),
            _ => {
                self.is_in_step = false;
                Err(self.out_of_turn(step, &reply))
            }
        }
    }

    fn refused(&self, step: Step, reply: &Reply) -> Error {
        Error::Refused(Refusal {
            step,
            code: reply.code,
            answer: self.hidden.shown(&reply.text()),
            is_about_recipient: reply.is_about_recipient(step),
        })
    }

    fn out_of_turn(&self, step: Step, reply: &Reply) -> Error {
        let said = self.hidden.shown(&reply.text());
        broken(step, &format!("it said what was not asked for: {said}"))
    }

    /// Checks that the server has sent nothing unsolicited.
    pub async fn quiet(&mut self, step: Step) -> Result<(), Error> {
        // Data that has arrived becomes readable once the runtime has polled the socket.
        tokio::task::yield_now().await;
        match self.wire.read_buf(&mut self.unread).now_or_never() {
            Some(Ok(0)) => return Err(self.broken_off(step, &closed())),
            Some(Err(error)) => return Err(self.broken_off(step, &error)),
            Some(Ok(_)) | None => {}
        }
        if self.unread.is_empty() {
            return Ok(());
        }
        self.is_in_step = false;
        let reply = self.reply(step).await?;
        // The server says why it closes: 421, or that the mail is too large.
        Err(match reply.code {
            400.. => self.refused(step, &reply),
            _ => self.out_of_turn(step, &reply),
        })
    }

    async fn write(&mut self, step: Step, bytes: &[u8]) -> Result<(), Error> {
        let write = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        match write.await {
            Ok(()) => Ok(()),
            Err(error) => match self.reply(step).await {
                Ok(reply) if reply.code >= 400 => Err(self.refused(step, &reply)),
                _ => Err(self.broken_off(step, &error)),
            },
        }
    }

    pub async fn reply(&mut self, step: Step) -> Result<Reply, Error> {
        let (mut code, mut size, mut lines) = (None, 0, Vec::new());
        loop {
            let line = match self.line().await {
                Ok(line) => line,
                Err(error) => return Err(self.broken_off(step, &error)),
            };
            size += line.len();
            let Some((its, is_last, text)) = reply::read_line(&line) else {
                return Err(self.broken_off(step, &"it does not speak SMTP"));
            };
            if *code.get_or_insert(its) != its || size > LONGEST_REPLY {
                return Err(self.broken_off(step, &"its answer makes no sense"));
            }
            lines.push(text.to_owned());
            if is_last {
                return Ok(Reply { code: its, lines });
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.unread.len() > LONGEST_LINE {
                return Err(io::Error::other("its answer has no end"));
            }
            if self.wire.read_buf(&mut self.unread).await? == 0 {
                return Err(closed());
            }
        }
    }

    fn broken_off(&mut self, step: Step, reason: &dyn std::fmt::Display) -> Error {
        self.is_in_step = false;
        broken(step, reason)
    }

    /// Sends QUIT in the background, if the session is in step.
    pub fn leave(mut self) {
        if self.is_in_step {
            tokio::spawn(async move { self.quit().await });
        }
    }

    pub async fn quit(&mut self) {
        if self.is_in_step {
            let quit = async {
                let _ = self.ask(Step::End, "QUIT").await;
                let _ = self.wire.shutdown().await;
            };
            let _ = tokio::time::timeout(TO_LEAVE, quit).await;
        }
    }
}

fn closed() -> io::Error {
    io::Error::other("it closed the connection")
}

/// The mail with CRLF line ends and dot-stuffing: a line that begins with a dot gets another (RFC 5321, 4.5.2).
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(mail.len() + 64);
    let mail = mail.strip_suffix(b"\r\n").unwrap_or(mail);
    for line in mail.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_mail_ends_it() {
        for (mail, sent) in [
            ("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n"),
            (".a\n.\n", "..a\r\n..\r\n\r\n"),
            ("a", "a\r\n"),
            ("", "\r\n"),
        ] {
            assert_eq!(stuffed(mail.as_bytes()), sent.as_bytes(), "{mail:?}");
        }
    }
}
