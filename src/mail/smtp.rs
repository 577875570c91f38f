//! Handing one mail in, over a connection of its own (RFC 5321).
//!
//! A connection is used for one mail and never kept: one that was given up in the middle still has answers
//! under way, which the next mail would take for its own. For the same reason nothing is sent while
//! something lies there that was not asked for.

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

/// From the first packet to the answer to the end of DATA.
pub const LIMIT: Duration = Duration::from_secs(20);
/// One of several addresses of the server is not waited for longer than this.
const TO_CONNECT: Duration = Duration::from_secs(5);

/// Where mail is handed in, and as whom.
pub struct Post {
    pub server: Server,
    /// What EHLO says.
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

    /// Hands a mail in. Returns what the server answered when it took it.
    pub async fn deliver(&self, from: &str, to: &str, mail: &[u8]) -> Result<String, Error> {
        // On the heap: the whole conversation is one large future.
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

    /// Goes as far as a mail would, up to RCPT, and sends none. Returns what the server answered last. Without
    /// an address it goes as far as signing in.
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

    /// Connects, agrees on TLS and signs in.
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
                // What came before TLS is not the server's word for certain.
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

/// The first address of the server that answers.
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
