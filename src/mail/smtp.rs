//! An SMTP client that submits one mail per connection (RFC 5321).
//!
//! A connection is never reused: after a timeout in the middle it may still have replies under way, which the next
//! mail would take for its own (response desynchronisation). For the same reason nothing is sent while an
//! unsolicited reply is unread.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::{
    Error, Step,
    scrub::Hidden,
    server::{Server, Tls},
    talk::{Talk, broken},
};

/// Timeout for a whole delivery, from connecting to the reply to the end of DATA.
pub const LIMIT: Duration = Duration::from_secs(20);
/// Timeout for connecting to one of the server's addresses.
const TO_CONNECT: Duration = Duration::from_secs(5);

/// The mail submission server and how we introduce ourselves.
pub struct Post {
    pub server: Server,
    /// The name in EHLO.
    pub ehlo_name: String,
    tls: OnceLock<Arc<ClientConfig>>,
}

crate::mask::shows!(Post: server, ehlo_name);

impl Post {
    pub fn new(server: Server, ehlo_name: String) -> Post {
        Post {
            server,
            ehlo_name,
            tls: OnceLock::new(),
        }
    }

    /// Delivers a mail to the server. Returns the server's reply that accepts it.
    pub async fn deliver(&self, from: &str, to: &str, mail: &[u8]) -> Result<String, Error> {
        // Boxed, because the future of the whole SMTP session is large.
        let deliver = Box::pin(async {
            let mut talk = self.connect(to).await?;
            let result = talk.deliver(from, to, mail).await;
            talk.leave();
            result
        });
        tokio::time::timeout(LIMIT, deliver)
            .await
            .unwrap_or(Err(Error::TooLate))
    }

    /// Runs the same SMTP session up to RCPT without sending a mail. Returns the server's last reply. Without an
    /// address it stops after signing in.
    pub async fn rehearse(&self, address: Option<&str>) -> Result<Option<String>, Error> {
        let rehearse = Box::pin(async {
            let mut talk = self.connect(address.unwrap_or_default()).await?;
            let result = match address {
                Some(address) => talk.envelope(address, address, &[]).await.map(Some),
                None => Ok(None),
            };
            if talk.is_in_step {
                let _ = talk.ask(Step::End, "RSET").await;
            }
            talk.quit().await;
            result.map(|reply| reply.map(|reply| talk.hidden.shown(&reply.text())))
        });
        tokio::time::timeout(LIMIT, rehearse)
            .await
            .unwrap_or(Err(Error::TooLate))
    }

    /// Connects, negotiates TLS and signs in.
    async fn connect(&self, recipient: &str) -> Result<Talk, Error> {
        let wire = reach(&self.server).await?;
        let mut talk = Talk {
            wire: Box::new(wire),
            unread: Vec::new(),
            is_in_step: false,
            offers: Vec::new(),
            hidden: Hidden::new(self.server.login.as_ref(), recipient),
        };
        match Box::pin(self.begin(&mut talk)).await {
            Ok(()) => Ok(talk),
            Err(error) => {
                talk.leave();
                Err(error)
            }
        }
    }

    async fn begin(&self, talk: &mut Talk) -> Result<(), Error> {
        if self.server.tls == Tls::FromTheStart {
            self.secure(talk).await?;
        }
        let greeting = talk.reply(Step::Greeting).await?;
        talk.is_in_step = true;
        talk.check(Step::Greeting, greeting, 2)?;
        talk.hello(&self.ehlo_name).await?;
        let starttls = talk.offers("STARTTLS").is_some();
        match self.server.tls {
            Tls::Demanded if !starttls => {
                return Err(broken(Step::Tls, "STARTTLS is not offered"));
            }
            Tls::Demanded | Tls::IfOffered if starttls => {
                talk.command(Step::Tls, "STARTTLS", 2).await?;
                // Replies from before TLS may come from an attacker (STARTTLS injection).
                if talk.quiet(Step::Tls).await.is_err() {
                    return Err(broken(Step::Tls, "it went on without TLS"));
                }
                self.secure(talk).await?;
                talk.hello(&self.ehlo_name).await?;
            }
            _ => {}
        }
        match &self.server.login {
            Some(login) => talk.sign_in(login).await,
            None => Ok(()),
        }
    }

    async fn secure(&self, talk: &mut Talk) -> Result<(), Error> {
        let config = match self.tls.get() {
            Some(config) => config.clone(),
            None => {
                let made = tls_config().map_err(|error| broken(Step::Tls, &error))?;
                self.tls.get_or_init(|| made).clone()
            }
        };
        let name = ServerName::try_from(self.server.host.clone())
            .map_err(|error| broken(Step::Tls, &error))?;
        talk.is_in_step = false;
        let wire = std::mem::replace(&mut talk.wire, Box::new(tokio::io::empty()));
        let secured = TlsConnector::from(config).connect(name, wire).await;
        talk.wire = Box::new(secured.map_err(|error| broken(Step::Tls, &error))?);
        Ok(())
    }
}

fn tls_config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Connects to the first address of the server that answers.
async fn reach(server: &Server) -> Result<TcpStream, Error> {
    let addresses = lookup_host((server.host.as_str(), server.port))
        .await
        .map_err(|error| broken(Step::Connect, &error))?;
    let mut last = io::Error::other("its name has no address");
    for address in addresses {
        match tokio::time::timeout(TO_CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(broken(Step::Connect, &last))
}
