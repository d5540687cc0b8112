//! What an institution's receiver needs of a webhook (SPEC 15): proof that a delivery is the platform's, and its events.

use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use standardwebhooks::Webhook;

use crate::client::Event;

/// Why a request is not a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// It is not signed with the secret, or more than five minutes old: answer with 401.
    #[error("the request is not signed by the platform")]
    Unsigned,
    /// It is signed, and its body is none of the contract: answer with 400.
    #[error("the body is not a delivery")]
    Malformed,
}

/// What the platform posted.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// A try before the registration: answer with 2xx.
    Ping,
    /// Events in order. The same delivery can come again, with the same numbers.
    Events {
        /// In which numbers mean these events.
        epoch: u64,
        /// The events, ascending.
        events: Vec<Event>,
    },
}

/// Verifies deliveries of one webhook.
pub struct WebhookVerifier(Webhook);

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    epoch: u64,
    #[serde(default)]
    events: Vec<Value>,
}

impl WebhookVerifier {
    /// A verifier with the secret from the registration; `None` if it is none.
    pub fn new(secret: &SecretString) -> Option<Self> {
        Webhook::new(secret.expose_secret()).ok().map(Self)
    }

    /// The delivery in a request. Nothing of the body counts before this.
    pub fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, WebhookError> {
        self.0.verify(body, headers).map_err(|_| WebhookError::Unsigned)?;
        let body: Body = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
        match body.kind.as_str() {
            "ping" => Ok(Delivery::Ping),
            "events" => {
                let events: Option<Vec<Event>> = body.events.into_iter().map(Event::of_json).collect();
                Ok(Delivery::Events { epoch: body.epoch, events: events.ok_or(WebhookError::Malformed)? })
            }
            _ => Err(WebhookError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw8mVb1uJ8c5w=";

    fn signed(body: &[u8], seconds_ago: i64) -> HeaderMap {
        let at = i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("a time").as_secs()).expect("small")
            - seconds_ago;
        let signature = Webhook::new(SECRET).expect("a secret").sign("WHK-1-1-2", at, body).expect("signs");
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("webhook-id", "WHK-1-1-2"),
            ("webhook-timestamp", &at.to_string()),
            ("webhook-signature", &signature),
        ] {
            headers.insert(name, value.parse().expect("a header"));
        }
        headers
    }

    #[test]
    fn only_what_the_platform_signed_is_read() {
        let verifier = WebhookVerifier::new(&SecretString::from(SECRET)).expect("a secret");
        let events =
            br#"{"type":"events","webhook_id":"WHK-1","epoch":1,"events":[{"seq":1,"type":"document.read",
            "at":1795359600,"document_binder_uuid":"BIN-1","data":{}}]}"#;
        match verifier.read(&signed(events, 0), events).expect("signed") {
            Delivery::Events { epoch: 1, events } => assert_eq!((events.len(), events[0].seq), (1, 1)),
            other => panic!("{other:?}"),
        }
        let ping = br#"{"type":"ping","webhook_id":"WHK-1"}"#;
        assert_eq!(verifier.read(&signed(ping, 0), ping), Ok(Delivery::Ping));
        assert_eq!(verifier.read(&signed(ping, 0), events), Err(WebhookError::Unsigned), "another body");
        assert_eq!(verifier.read(&signed(ping, 900), ping), Err(WebhookError::Unsigned), "too old");
        assert_eq!(verifier.read(&HeaderMap::new(), ping), Err(WebhookError::Unsigned));
        for body in [&b"{}"[..], br#"{"type":"other"}"#, br#"{"type":"events","events":[{}]}"#] {
            assert_eq!(verifier.read(&signed(body, 0), body), Err(WebhookError::Malformed));
        }
        assert!(WebhookVerifier::new(&SecretString::from("not base64!")).is_none());
    }
}
