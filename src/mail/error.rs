//! Why a mail was not sent.

/// A part of the conversation with a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Connect,
    Greeting,
    Hello,
    Tls,
    Auth,
    From,
    To,
    Data,
    /// The end of DATA: a positive answer means that the server has accepted the mail.
    End,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Step::Connect => "the connection",
            Step::Greeting => "the connection (its greeting)",
            Step::Hello => "EHLO",
            Step::Tls => "TLS",
            Step::Auth => "AUTH",
            Step::From => "MAIL FROM",
            Step::To => "RCPT TO",
            Step::Data => "DATA",
            Step::End => "the end of DATA",
        })
    }
}

/// A negative reply of the server (SMTP 4yz, transient, or 5yz, permanent).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub step: Step,
    pub code: u16,
    /// The reply code and text, without addresses and secrets.
    pub answer: String,
    /// Whether the server permanently refuses this recipient.
    pub is_about_recipient: bool,
}

/// Why a mail was not sent. Safe to log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the mail could not be put together: {0}")]
    Message(String),
    #[error(
        "SMTP_URL cannot be used: it must be smtp:// or smtps:// with a host; special letters in user and \
         password percent-encoded"
    )]
    Address,
    #[error("the mail server refused {}: {}", .0.step, .0.answer)]
    Refused(Refusal),
    /// The server was not reached, closed the connection, or sent an unexpected reply. If that happened at the end
    /// of DATA, it is not known whether the server has the mail.
    #[error("the mail server did not take it, {step} failed: {reason}")]
    Broken { step: Step, reason: String },
    #[error("the mail server took too long")]
    TooLate,
}

impl Error {
    /// Whether a retry is pointless: the server permanently refuses this recipient.
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::Message(_) => true,
            Error::Refused(refusal) => refusal.is_about_recipient,
            Error::Address | Error::Broken { .. } | Error::TooLate => false,
        }
    }

    /// Whether no mail can be sent until the operator or the mail provider fixes something.
    pub fn is_alarm(&self) -> bool {
        match self {
            Error::Refused(refusal) => refusal.code >= 500 && !refusal.is_about_recipient,
            Error::Broken { step, .. } => matches!(step, Step::Tls | Step::Auth),
            Error::Address => true,
            Error::Message(_) | Error::TooLate => false,
        }
    }

    /// Whether the error is unrelated to the recipient: any other mail would have failed too.
    pub fn is_of_server(&self) -> bool {
        match self {
            Error::Refused(refusal) => {
                self.is_alarm() || (refusal.code < 500 && refusal.step != Step::To)
            }
            Error::Broken { .. } | Error::TooLate | Error::Address => true,
            Error::Message(_) => false,
        }
    }
}
