//! A signed POST to somebody else's server, as Standard Webhooks prescribes (SPEC 13 and 15): to the messenger
//! provider, to the operator, and to institutions' webhooks, whose addresses are guarded.
//!
//! What is said and what becomes of an answer is the caller's; nothing here knows documents or stores.

mod guard;
mod lookups;
mod receivers;

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use standardwebhooks::Webhook;

pub use guard::{AddressGuard, RefusedAddress};
pub use receivers::Receivers;
pub use reqwest::StatusCode;

/// How long a connection may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// The largest answer that is read.
const ANSWER_MAX: usize = 1024 * 1024;

/// Where to, and how the receiver knows us.
pub struct SignedPostOptions {
    /// The address.
    pub url: String,
    /// The signing secret, base64 with or without `whsec_`.
    pub secret: SecretString,
    /// How long one call may take in all.
    pub timeout: Duration,
}

/// Why nothing can be sent.
#[derive(Debug)]
pub enum SetupError {
    /// The signing secret is no base64.
    Secret,
    /// The address is no http(s) URL, or there is no TLS.
    Client,
}

/// A receiver of signed POSTs.
pub struct SignedPost {
    client: reqwest::Client,
    url: reqwest::Url,
    webhook: Webhook,
}

/// What the receiver answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The pause that it asks for.
    pub retry_after: Option<Duration>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The body cannot be signed: it never will be.
    Unsigned,
    /// No connection: the receiver has nothing.
    NotSent,
    /// Nothing within the time, or a broken connection: the receiver may have it.
    Lost,
}

impl SignedPost {
    /// A receiver; nothing is sent yet.
    pub fn new(options: &SignedPostOptions) -> Result<Self, SetupError> {
        let webhook = Webhook::new(options.secret.expose_secret()).map_err(|_| SetupError::Secret)?;
        let client = reqwest::Client::builder()
            .timeout(options.timeout)
            .connect_timeout(CONNECT_TIME)
            // A redirect would carry what is said to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| SetupError::Client)?;
        let url = reqwest::Url::parse(&options.url).map_err(|_| SetupError::Client)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(SetupError::Client);
        }
        Ok(Self { client, url, webhook })
    }

    /// Posts a JSON body under an id, which is the same on every retry.
    pub async fn send(&self, id: &str, body: Vec<u8>) -> Result<Answer, NoAnswer> {
        self.post(id, body).await.map(|(answer, _)| answer)
    }

    /// The same, and reads the body of the answer.
    pub async fn send_for_answer(&self, id: &str, body: Vec<u8>) -> Result<(Answer, Vec<u8>), NoAnswer> {
        let (answer, mut response) = self.post(id, body).await?;
        let mut answered = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| NoAnswer::Lost)? {
            if answered.len() + chunk.len() > ANSWER_MAX {
                return Err(NoAnswer::Lost);
            }
            answered.extend_from_slice(&chunk);
        }
        Ok((answer, answered))
    }

    async fn post(&self, id: &str, body: Vec<u8>) -> Result<(Answer, reqwest::Response), NoAnswer> {
        // The signature's time guards the transport, so it is the real one, not a sandbox's.
        let timestamp = jiff::Timestamp::now().as_second();
        let signature = self.webhook.sign(id, timestamp, &body).map_err(|_| NoAnswer::Unsigned)?;
        let answer = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("idempotency-key", id)
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await;
        match answer {
            Ok(response) => {
                let answer =
                    Answer { status: response.status(), retry_after: retry_after(response.headers()) };
                Ok((answer, response))
            }
            Err(error) => {
                let why =
                    if error.is_connect() || error.is_builder() { NoAnswer::NotSent } else { NoAnswer::Lost };
                tracing::debug!(error = %error.without_url(), "no answer to a webhook");
                Err(why)
            }
        }
    }
}

/// `Retry-After` in either of its forms: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().expect("a header"));
            retry_after(&headers)
        };
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let ahead = of("Fri, 31 Dec 2100 23:59:59 GMT").expect("a date");
        assert!(ahead > Duration::from_secs(1_000_000));
        assert_eq!(of("soon"), None);
    }
}
