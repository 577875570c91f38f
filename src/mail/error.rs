//! Why a mail did not leave.

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
    /// The end of DATA: with its answer the server has the mail.
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

/// A no of the server's (SMTP 4yz or 5yz).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub step: Step,
    pub code: u16,
    /// The code and the server's words, without addresses and secrets.
    pub answer: String,
    /// Whether it says for good that this recipient gets no mail.
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
    /// The server was not reached, broke off, or said what makes no sense there. Whether it has the mail is not
    /// known where that was at the end of DATA.
    #[error("the mail server did not take it, {step} failed: {reason}")]
    Broken { step: Step, reason: String },
    #[error("the mail server took too long")]
    TooLate,
}

impl Error {
    /// Whether trying again is of no use: the server has said no to this recipient for good.
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::Message(_) => true,
            Error::Refused(refusal) => refusal.is_about_recipient,
            Error::Address | Error::Broken { .. } | Error::TooLate => false,
        }
    }

    /// Whether no mail will leave before the operator, or the provider, has put something right.
    pub fn is_alarm(&self) -> bool {
        match self {
            Error::Refused(refusal) => refusal.code >= 500 && !refusal.is_about_recipient,
            Error::Broken { step, .. } => matches!(step, Step::Tls | Step::Auth),
            Error::Address => true,
            Error::Message(_) | Error::TooLate => false,
        }
    }

    /// Whether it says nothing about the recipient: any other mail would have met it too.
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
