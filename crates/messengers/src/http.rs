//! The HTTP provider protocol (SPEC 13): signed POSTs, one message or up to a thousand in each.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use secrecy::ExposeSecret;
use seoham_delivery::{
    Abilities, Batch, Message, Provider, Reach, Recovery, Reporting, Sent, Together, Trouble, in_one_call,
    one_by_one,
};
use seoham_model::message::MessageKind;
use seoham_store::undelivered::Failure;
use seoham_webhook::{Answer, NoAnswer, SetupError, SignedPost, SignedPostOptions};
use serde::{Deserialize, Serialize};

use crate::fallback::Fallback;

/// Messages in one call.
const BATCH_MAX: usize = 1_000;

/// How the provider is called.
pub struct HttpOptions {
    /// Its name in the configuration: under it, templates have their code.
    pub name: String,
    /// Where to, and how the receiver knows us.
    pub post: SignedPostOptions,
    /// An array of messages in each call.
    pub batch: bool,
    /// It sends an SMS or LMS to whom it cannot reach, which a template's fallback asks for.
    pub falls_back: bool,
    /// Messages claimed together, when they are sent one by one.
    pub batch_max: usize,
    /// Calls at the same time.
    pub concurrent_calls: usize,
}

/// The HTTP provider.
pub struct Http {
    post: SignedPost,
    name: String,
    batch: bool,
    falls_back: bool,
    batch_max: usize,
    concurrent_calls: usize,
    timeout: Duration,
}

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    kind: MessageKind,
    to: &'a str,
    text: &'a str,
    link: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a str>,
    variables: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<FallbackBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
}

#[derive(Serialize)]
struct FallbackBody<'a> {
    from: &'a str,
    text: &'a str,
}

#[derive(Deserialize)]
struct ItemAnswer {
    id: String,
    outcome: String,
    #[serde(default)]
    reason: Option<String>,
}

impl Http {
    /// Builds the provider; sends nothing yet.
    pub fn new(options: &HttpOptions) -> Result<Self, SetupError> {
        Ok(Self {
            post: SignedPost::new(&options.post)?,
            name: options.name.clone(),
            batch: options.batch,
            falls_back: options.falls_back,
            batch_max: options.batch_max,
            concurrent_calls: options.concurrent_calls,
            timeout: options.post.timeout,
        })
    }

    fn body<'a>(&self, message: &'a Message) -> Body<'a> {
        let template = message.template.as_ref().and_then(|template| template.providers.get(&self.name));
        let variables =
            message.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into()));
        Body {
            id: message.id.to_string(),
            kind: message.kind,
            to: message.to.number(),
            text: message.text.expose_secret(),
            link: &message.link,
            template: template.map(|template| template.template_code.as_str()),
            variables: variables.collect(),
            fallback: Fallback::of(message)
                .filter(|_| self.falls_back)
                .map(|fallback| FallbackBody { from: fallback.from, text: fallback.text }),
            from: message.from.as_deref(),
        }
    }

    async fn send_one(&self, message: &Message) -> Sent {
        let Ok(body) = serde_json::to_vec(&self.body(message)) else {
            return Sent::Refused(Trouble::of(Failure::Unsendable));
        };
        verdict(self.post.send(&message.id.to_string(), body).await)
    }

    async fn send_all(&self, batch: &Batch) -> Vec<Sent> {
        let all = |sent: Sent| vec![sent; batch.messages.len()];
        let bodies: Vec<Body<'_>> = batch.messages.iter().map(|message| self.body(message)).collect();
        let Ok(body) = serde_json::to_vec(&bodies) else {
            return all(Sent::Refused(Trouble::of(Failure::Unsendable)));
        };
        let id = bodies.first().map_or_else(String::new, |body| body.id.clone());
        let (answer, answered) = match self.post.send_for_answer(&id, body).await {
            Ok(answered) => answered,
            Err(error) => return all(verdict(Err(error))),
        };
        if !answer.status.is_success() {
            // Refused as a whole: whatever it is about, no single message is to blame.
            return all(match verdict(Ok(answer)) {
                Sent::Refused(trouble) => Sent::NotNow { retry_after: None, trouble },
                other => other,
            });
        }
        let items: Vec<ItemAnswer> = serde_json::from_slice(&answered).unwrap_or_default();
        let mut outcomes: HashMap<String, Sent> =
            items.into_iter().map(|item| (item.id.clone(), item.sent())).collect();
        let missing = || Sent::unknown(Trouble::of(Failure::Unreachable));
        bodies.iter().map(|body| outcomes.remove(&body.id).unwrap_or_else(missing)).collect()
    }
}

impl ItemAnswer {
    fn sent(self) -> Sent {
        let trouble =
            || Trouble::said(Failure::Provider, &self.outcome, self.reason.as_deref().unwrap_or(""));
        match self.outcome.as_str() {
            "taken" => Sent::Taken { reference: None },
            "refused" => Sent::Refused(trouble()),
            "retry" => Sent::NotNow { retry_after: None, trouble: trouble() },
            _ => Sent::unknown(trouble()),
        }
    }
}

#[async_trait]
impl Provider for Http {
    fn abilities(&self) -> Abilities {
        Abilities {
            batch_max: if self.batch { BATCH_MAX } else { self.batch_max },
            calls_max: if self.batch { self.concurrent_calls } else { 4 },
            // Its key is the message's id, the same on every retry.
            recovery: Recovery::Deduplicates,
            takes_once: true,
            reaches: Reach::Number,
            needs_template: false,
            falls_back: self.falls_back,
            together: Together::Mixed,
            reporting: Reporting::Pushed,
            slowest: self.timeout,
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> BoxStream<'a, (usize, Sent)> {
        if self.batch {
            in_one_call(batch, self.send_all(batch))
        } else {
            one_by_one(batch, self.concurrent_calls, |message| self.send_one(message))
        }
    }
}

fn verdict(answer: Result<Answer, NoAnswer>) -> Sent {
    let answer = match answer {
        Ok(answer) => answer,
        Err(NoAnswer::Unsigned) => return Sent::Refused(Trouble::of(Failure::Unsendable)),
        Err(NoAnswer::NotSent) => {
            return Sent::NotNow { retry_after: None, trouble: Trouble::of(Failure::Unreachable) };
        }
        Err(NoAnswer::Lost) => return Sent::unknown(Trouble::of(Failure::Unreachable)),
    };
    let trouble = Trouble::of(Failure::Status(answer.status.as_u16()));
    match answer.status.as_u16() {
        200..=299 => Sent::Taken { reference: None },
        401 | 403 | 404 => Sent::Misconfigured(trouble),
        429 => Sent::NotNow { retry_after: answer.retry_after, trouble },
        400..=407 | 409..=499 => Sent::Refused(trouble),
        // It may have taken the message before it failed.
        _ => Sent::Unknown { retry_after: answer.retry_after, trouble },
    }
}

#[cfg(test)]
mod tests {
    use seoham_webhook::StatusCode;

    use super::*;

    #[test]
    fn answers_are_taken_as_the_contract_says() {
        let verdict = |code: u16| {
            verdict(Ok(Answer { status: StatusCode::from_u16(code).expect("a code"), retry_after: None }))
        };
        let trouble = |code| Trouble::of(Failure::Status(code));
        for taken in [200, 202, 204] {
            assert_eq!(verdict(taken), Sent::Taken { reference: None }, "{taken}");
        }
        for refused in [400, 410, 422] {
            assert_eq!(verdict(refused), Sent::Refused(trouble(refused)), "{refused}");
        }
        for held in [401, 403, 404] {
            assert_eq!(verdict(held), Sent::Misconfigured(trouble(held)), "{held}");
        }
        for again in [302, 408, 500, 502, 503] {
            assert_eq!(verdict(again), Sent::unknown(trouble(again)), "{again}: it may have it");
        }
        assert_eq!(verdict(429), Sent::NotNow { retry_after: None, trouble: trouble(429) });
    }

    #[test]
    fn without_an_answer_it_counts_whether_the_request_was_sent() {
        let trouble = || Trouble::of(Failure::Unreachable);
        assert_eq!(verdict(Err(NoAnswer::Lost)), Sent::unknown(trouble()));
        let not_sent = Sent::NotNow { retry_after: None, trouble: trouble() };
        assert_eq!(verdict(Err(NoAnswer::NotSent)), not_sent);
    }

    #[test]
    fn each_message_of_a_batch_has_its_outcome() {
        let item = |json: &str| serde_json::from_str::<ItemAnswer>(json).expect("an item").sent();
        assert_eq!(item(r#"{"id":"a","outcome":"taken"}"#), Sent::Taken { reference: None });
        let refused = Trouble::said(Failure::Provider, "refused", "no such number");
        assert_eq!(
            item(r#"{"id":"a","outcome":"refused","reason":"no such number"}"#),
            Sent::Refused(refused)
        );
        assert!(matches!(item(r#"{"id":"a","outcome":"retry"}"#), Sent::NotNow { .. }));
    }
}
