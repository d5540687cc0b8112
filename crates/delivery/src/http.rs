//! The HTTP provider (SPEC 13): a signed POST for each message.

use async_trait::async_trait;
use secrecy::ExposeSecret;
use seoham_store::undelivered::Failure;
use seoham_webhook::{Answer, NoAnswer, SetupError, SignedPost, SignedPostOptions, StatusCode};
use serde::Serialize;

use crate::message::{Kind, Message};
use crate::notifier::{Notifier, Sent};

/// The HTTP provider.
pub struct HttpNotifier(SignedPost);

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    kind: Kind,
    to: &'a str,
    text: &'a str,
    link: &'a str,
}

impl HttpNotifier {
    /// Builds the provider; sends nothing yet.
    pub fn new(options: &SignedPostOptions) -> Result<Self, SetupError> {
        SignedPost::new(options).map(Self)
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
        let Ok(body) = serde_json::to_vec(&body) else { return Sent::Refused(Failure::Unsendable) };
        verdict(self.0.send(&id, body).await)
    }
}

fn verdict(answer: Result<Answer, NoAnswer>) -> Sent {
    match answer {
        Ok(Answer { status, .. }) if status.is_success() => Sent::Taken,
        Ok(Answer { status, .. }) if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            Sent::Refused(Failure::Status(status.as_u16()))
        }
        Ok(Answer { status, retry_after }) => {
            Sent::NotNow { retry_after, failure: Failure::Status(status.as_u16()) }
        }
        Err(NoAnswer::Unsigned) => Sent::Refused(Failure::Unsendable),
        Err(NoAnswer::NotReached) => Sent::NotNow { retry_after: None, failure: Failure::Unreachable },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_as_the_contract_says() {
        let verdict = |code: u16| {
            verdict(Ok(Answer { status: StatusCode::from_u16(code).expect("a code"), retry_after: None }))
        };
        for taken in [200, 202, 204] {
            assert_eq!(verdict(taken), Sent::Taken, "{taken}");
        }
        for refused in [400, 401, 404, 422] {
            assert_eq!(verdict(refused), Sent::Refused(Failure::Status(refused)), "{refused}");
        }
        for again in [302, 429, 500, 502, 503] {
            let failure = Failure::Status(again);
            assert_eq!(verdict(again), Sent::NotNow { retry_after: None, failure }, "{again}");
        }
    }
}
