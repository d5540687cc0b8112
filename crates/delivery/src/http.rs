//! The HTTP provider (SPEC 13): a signed POST for each message.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use standardwebhooks::Webhook;

use crate::message::{Kind, Message};
use crate::notifier::{Notifier, Sent};

/// Where the provider is and how it knows us.
pub struct HttpNotifierOptions {
    /// Where messages are posted.
    pub url: String,
    /// The signing secret, base64 with or without `whsec_`.
    pub secret: SecretString,
    /// How long one message may take in all.
    pub timeout: Duration,
}

/// Why the provider cannot be used.
#[derive(Debug)]
pub enum NotifierSetupError {
    /// The signing secret is no base64.
    Secret,
    /// The address is no http(s) URL, or there is no TLS.
    Client,
}

/// The HTTP provider.
pub struct HttpNotifier {
    client: reqwest::Client,
    url: reqwest::Url,
    webhook: Webhook,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    kind: Kind,
    to: &'a str,
    text: &'a str,
    link: &'a str,
}

impl HttpNotifier {
    /// Makes the provider; nothing is sent yet.
    pub fn new(options: &HttpNotifierOptions) -> Result<Self, NotifierSetupError> {
        let webhook = Webhook::new(options.secret.expose_secret()).map_err(|_| NotifierSetupError::Secret)?;
        let client = reqwest::Client::builder()
            .timeout(options.timeout)
            .connect_timeout(Duration::from_secs(3))
            // A redirect would carry a person's number to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| NotifierSetupError::Client)?;
        let url = reqwest::Url::parse(&options.url).map_err(|_| NotifierSetupError::Client)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NotifierSetupError::Client);
        }
        Ok(Self { client, url, webhook })
    }
}

#[async_trait]
impl Notifier for HttpNotifier {
    async fn send(&self, message: &Message) -> Sent {
        let id = message.id.to_string();
        let body = Body {
            id: &id,
            kind: message.kind,
            to: message.to.expose_secret(),
            text: message.text.expose_secret(),
            link: &message.link,
        };
        // The signature's time guards the transport, so it is the real one, not the sandbox's.
        let timestamp = jiff::Timestamp::now().as_second();
        let signed = serde_json::to_vec(&body)
            .ok()
            .and_then(|body| Some((self.webhook.sign(&id, timestamp, &body).ok()?, body)));
        let Some((signature, body)) = signed else { return Sent::Refused };

        let answer = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("idempotency-key", &id)
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await;
        match answer {
            Ok(answer) => verdict(answer.status(), answer.headers()),
            Err(error) => {
                tracing::debug!(error = %error.without_url(), "the messenger did not answer");
                Sent::NotNow { retry_after: None }
            }
        }
    }
}

fn verdict(status: StatusCode, headers: &HeaderMap) -> Sent {
    if status.is_success() {
        Sent::Taken
    } else if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        Sent::Refused
    } else {
        Sent::NotNow { retry_after: retry_after(headers) }
    }
}

/// `Retry-After` in either of its forms: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let seconds = date.as_second() - jiff::Timestamp::now().as_second();
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_as_the_contract_says() {
        let verdict = |code: u16| verdict(StatusCode::from_u16(code).expect("a code"), &HeaderMap::new());
        for taken in [200, 202, 204] {
            assert_eq!(verdict(taken), Sent::Taken, "{taken}");
        }
        for refused in [400, 401, 404, 422] {
            assert_eq!(verdict(refused), Sent::Refused, "{refused}");
        }
        for again in [302, 429, 500, 502, 503] {
            assert_eq!(verdict(again), Sent::NotNow { retry_after: None }, "{again}");
        }
    }

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
