//! A fake mail server (RFC 5321), which keeps what it is given.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailparse::MailHeaderMap;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::faults::Faults;
use crate::server::{ACCOUNT, SECRET};

/// The server knows nobody of this address.
pub const REFUSED_ADDRESS: &str = "nobody@example.kr";
/// The longest message.
const BYTES_MAX: usize = 1024 * 1024;

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// To whom the envelope says it goes.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// Its id.
    pub id: String,
}

/// A running mail server. Dropping it stops it.
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    mails: Mutex<Vec<Mail>>,
    faults: Faults,
}

impl MailServer {
    /// Starts it on a free port of this machine.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let of_all = Arc::clone(&shared);
        let serving = tokio::spawn(async move {
            let mut conversations = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&of_all);
                conversations.spawn(async move { shared.converse(stream).await });
                while conversations.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, shared, serving })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Its faults: broken connections, a wrong password, slowness and silence.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What it has taken, in that order.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    async fn converse(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 fake\r\n").await?;
        let (mut is_known, mut to, mut line) = (false, String::new(), String::new());
        let password = STANDARD.encode(format!("\0{ACCOUNT}\0{SECRET}"));
        loop {
            line.clear();
            is_known &= !self.faults.is_unauthorized_now();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let command = line.trim_end();
            let reply = match command.get(..4).map(str::to_ascii_uppercase).as_deref() {
                Some("EHLO") => "250-fake\r\n250 AUTH PLAIN",
                Some("AUTH") => {
                    is_known = command.split(' ').nth(2) == Some(&password);
                    is_known &= !self.faults.is_unauthorized_now();
                    if is_known { "235 welcome" } else { "535 5.7.8 bad credentials" }
                }
                Some("MAIL") if !is_known => "530 5.7.0 authentication required",
                Some("MAIL" | "NOOP" | "RSET") => "250 ok",
                Some("RCPT") => {
                    let address = command.split(['<', '>']).nth(1).unwrap_or_default();
                    address.clone_into(&mut to);
                    if to == REFUSED_ADDRESS { "550 5.1.1 no such user" } else { "250 ok" }
                }
                Some("DATA") => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let bytes = content(&mut stream).await?;
                    self.faults.take_time().await;
                    self.mails.lock().unwrap_or_else(PoisonError::into_inner).push(mail(&to, &bytes)?);
                    if self.faults.breaks_now() {
                        return Ok(());
                    }
                    "250 taken"
                }
                Some("QUIT") => return stream.write_all(b"221 bye\r\n").await,
                _ => "502 unknown",
            };
            stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        }
    }
}

/// The bytes up to the line with a single point.
async fn content(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let begin = bytes.len();
        if stream.read_until(b'\n', &mut bytes).await? == 0 || bytes.len() > BYTES_MAX {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        if bytes[begin..] == *b".\r\n" {
            bytes.truncate(begin);
            return Ok(bytes);
        }
        if bytes[begin] == b'.' {
            bytes.remove(begin);
        }
    }
}

fn mail(to: &str, bytes: &[u8]) -> std::io::Result<Mail> {
    let parsed = mailparse::parse_mail(bytes).map_err(std::io::Error::other)?;
    let header = |name| parsed.headers.get_first_value(name).unwrap_or_default();
    let text = parsed.get_body().map_err(std::io::Error::other)?;
    Ok(Mail { to: to.to_owned(), subject: header("Subject"), text, id: header("Message-ID") })
}
