//! Conversations with a mail server, step by step: only then is it known whether a message can have arrived.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

/// Connections that are kept for the next message.
const IDLE_MAX: usize = 32;
/// For how long. Servers close idle connections after minutes, and what is between may drop them without a word.
const IDLE_TIME: Duration = Duration::from_secs(20);

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Connecting, encrypting and signing in.
    Greeting,
    /// Saying who writes.
    Sender,
    /// Saying to whom.
    Recipient,
    /// The message itself.
    Content,
}

impl Step {
    /// Waits of a conversation: for a kept connection, a new one, the sender, the recipient, the start of the message and
    /// its end.
    pub(super) const WAITS: u32 = 6;
}

/// Why a message was not taken.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) step: Step,
    /// The code of the server's reply; `None` if there was none.
    pub(super) code: Option<u16>,
    /// The reply's words, or what went wrong without one.
    pub(super) words: String,
    /// The two sides do not fit together: the server offers no encryption, or no known way to sign in.
    pub(super) is_unfit: bool,
}

impl Failed {
    fn of(step: Step, error: &Error) -> Self {
        let words = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        Self { step, code: error.status().map(Into::into), words, is_unfit: error.is_client() }
    }
}

enum Encryption {
    FromTheBeginning(TlsParameters),
    StartTls(TlsParameters),
    /// Within this machine.
    None,
}

/// A mail server.
pub(super) struct Server {
    host: String,
    port: u16,
    encryption: Encryption,
    credentials: Option<Credentials>,
    timeout: Duration,
    /// How we introduce ourselves.
    hello: ClientId,
    idle: Mutex<Vec<(Instant, AsyncSmtpConnection)>>,
}

impl Server {
    /// The server at `url`; `None` if that is no such address. Nothing personal goes to another machine in the clear.
    pub(super) fn new(
        url: &str,
        credentials: Option<(String, SecretString)>,
        timeout: Duration,
        hello: &str,
    ) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let host = url.host_str().filter(|host| !host.is_empty())?.to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let is_here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        let tls = || TlsParameters::new(host.clone()).ok();
        let (encryption, port) = match url.scheme() {
            "smtps" => (Encryption::FromTheBeginning(tls()?), 465),
            "smtp" if is_here => (Encryption::None, 25),
            "smtp" => (Encryption::StartTls(tls()?), 587),
            _ => return None,
        };
        let credentials =
            credentials.map(|(user, password)| Credentials::new(user, password.expose_secret().to_owned()));
        let port = url.port().unwrap_or(port);
        let hello = ClientId::Domain(hello.to_owned());
        Some(Self { host, port, encryption, credentials, timeout, hello, idle: Mutex::default() })
    }

    /// Sends one message.
    pub(super) async fn send(&self, from: Address, to: Address, mail: &[u8]) -> Result<(), Failed> {
        let mut connection = match self.idle().await {
            Some(connection) => connection,
            None => self.step(Step::Greeting, self.connect()).await?,
        };
        self.step(Step::Sender, connection.command(Mail::new(Some(from), Vec::new()))).await?;
        self.step(Step::Recipient, connection.command(Rcpt::new(to, Vec::new()))).await?;
        self.step(Step::Recipient, connection.command(Data)).await?;
        self.step(Step::Content, connection.message(mail)).await?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push((Instant::now(), connection));
        }
        Ok(())
    }

    async fn step<T>(&self, step: Step, work: impl Future<Output = Result<T, Error>>) -> Result<T, Failed> {
        let silent = || {
            let words = "the mail server does not answer".to_owned();
            Failed { step, code: None, words, is_unfit: false }
        };
        let done = tokio::time::timeout(self.timeout, work).await.map_err(|_| silent())?;
        done.map_err(|error| Failed::of(step, &error))
    }

    /// The connection that was kept last, if the server has not closed it meanwhile. The older ones end.
    async fn idle(&self) -> Option<AsyncSmtpConnection> {
        let (_, mut kept) = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|(since, _)| since.elapsed() < IDLE_TIME);
            idle.pop()?
        };
        let is_open = tokio::time::timeout(self.timeout, kept.test_connected()).await;
        is_open.is_ok_and(|is_open| is_open).then_some(kept)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let address = (self.host.trim_matches(['[', ']']), self.port);
        let (wrapped, started) = match &self.encryption {
            Encryption::FromTheBeginning(tls) => (Some(tls.clone()), None),
            Encryption::StartTls(tls) => (None, Some(tls.clone())),
            Encryption::None => (None, None),
        };
        let timeout = Some(self.timeout);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, timeout, &self.hello, wrapped, None).await?;
        if let Some(tls) = started {
            connection.starttls(tls, &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}
