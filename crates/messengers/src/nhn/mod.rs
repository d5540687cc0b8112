//! NHN Cloud, `KakaoTalk` Bizmessage v2.3. It fills in the template itself, and takes an idempotency key: within ten
//! minutes the same key fails with −1005, which means that it has the messages.

mod answers;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use secrecy::{ExposeSecret, SecretString};
use seoham_delivery::{
    Abilities, ApprovedTemplate, Batch, LookedUp, Message, Provider, Pushed, Recovery, Reported, Reports,
    Sent, Trouble, in_one_call,
};
use seoham_model::message::ProviderTemplate;
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::handovers::Awaited;
use seoham_store::undelivered::Failure;
use serde_json::{Map, Value, json};

use self::answers::{Outcome, Outcomes, SendAnswer, SendResults};
use crate::call::{CallOptions, Caller, signed_push, text_of, unanswered};
use crate::fallback::Fallback;
use crate::grouping::{
    Group, GroupSender, TemplateKey, all, approved_buttons, document, number, send_groups,
};
use crate::{signature, time};

/// Messages in one call.
const BATCH_MAX: usize = 1_000;
/// The key is remembered for ten minutes: well within them it is used to ask.
const KEY_AGE_MAX: Duration = Duration::from_mins(8);
/// Results of a page.
const PAGE: usize = 1_000;
/// Pages that are read for one question.
const PAGES_MAX: usize = 100;
/// Up to so many messages are asked about one by one.
const SINGLY: usize = 20;

/// The reference of a message that they have, without their having named it.
const UNNAMED: &str = "?";

const DUPLICATE: i64 = -1005;
const ALL_FAILED: i64 = -1031;
/// The key of the application or the secret is wrong.
const UNAUTHORIZED: [i64; 2] = [-1000, -1001];

/// How NHN knows us.
pub struct NhnOptions {
    /// How it is called.
    pub call: CallOptions,
    /// The application's key.
    pub app_key: String,
    /// Its secret key.
    pub secret: SecretString,
    /// The sender channel, unless a template has its own.
    pub sender_key: String,
    /// What the header of a push carries.
    pub push_secret: Option<SecretString>,
}

/// NHN Cloud.
pub struct Nhn {
    caller: Caller,
    options: NhnOptions,
}

impl Nhn {
    /// Builds the provider; `None` if its address cannot be used.
    pub fn new(options: NhnOptions) -> Option<Self> {
        Some(Self { caller: Caller::new(options.call.clone())?, options })
    }

    fn url(&self, path: &str) -> String {
        self.caller.url(&format!("/alimtalk/v2.3/appkeys/{}{path}", self.options.app_key))
    }

    fn get(&self, path: &str, query: &[(&str, String)]) -> reqwest::RequestBuilder {
        let request = self.caller.client.get(self.url(path)).query(query);
        request.header("X-Secret-Key", self.options.secret.expose_secret())
    }

    async fn send_all(&self, batch: &Batch) -> Vec<Sent> {
        let (provider, sender_key) = (&self.options.call.name, &self.options.sender_key);
        send_groups(self, batch, provider, sender_key, BATCH_MAX).await
    }

    /// The outcomes of a question, page by page, until all of `wanted` are found.
    async fn pages(
        &self,
        path: &str,
        query: &[(&str, String)],
        mut is_enough: impl FnMut(Outcome) -> bool,
    ) -> Result<(), Trouble> {
        for page in 1..=PAGES_MAX {
            let mut query = query.to_vec();
            query.extend([("pageNum", page.to_string()), ("pageSize", PAGE.to_string())]);
            let outcomes: Outcomes = self.caller.ask(self.get(path, &query)).await?;
            let messages = outcomes.search.map_or(outcomes.messages, |search| search.messages);
            let count = messages.len();
            for outcome in messages {
                if is_enough(outcome) {
                    return Ok(());
                }
            }
            if count < PAGE {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What became of messages that they have without having named them.
    async fn reports_by_own_id(
        &self,
        awaited: &[&Awaited],
        since: UnixSeconds,
    ) -> Result<Vec<Reported>, Trouble> {
        let mut open: HashSet<BinderId> = awaited.iter().map(|one| one.document).collect();
        let mut reported = Vec::new();
        self.pages("/messages", &requested_since(since), |outcome| {
            let own = outcome.recipient_grouping_key.as_deref().and_then(document);
            if let (Some(document), Some(arrival)) = (own.filter(|own| open.remove(own)), outcome.arrival()) {
                let at = outcome.at();
                reported.push(Reported { document, arrival, at, said: outcome.said() });
            }
            open.is_empty()
        })
        .await?;
        Ok(reported)
    }

    /// What a hand-over's messages are at NHN, by our ids: their references.
    async fn find(&self, batch: &Batch, age: Duration) -> Result<HashMap<String, Option<String>>, Trouble> {
        let began = time::now().plus(-i64::try_from(age.as_secs()).unwrap_or(0));
        let mut query = requested_since(began);
        query.push(("senderGroupingKey", batch.id.clone()));
        let mut found = HashMap::new();
        self.pages("/messages", &query, |outcome| {
            let reference = outcome.reference();
            if let Some(id) = outcome.recipient_grouping_key {
                found.insert(id, reference);
            }
            false
        })
        .await?;
        Ok(found)
    }
}

/// The parameters of a question about messages that were sent since then, with room for their clock.
fn requested_since(since: UnixSeconds) -> Vec<(&'static str, String)> {
    let minute = |at: UnixSeconds| time::in_seoul(at)[..16].to_owned();
    let (from, to) = (minute(since.plus(-600)), minute(time::now().plus(60)));
    vec![("startRequestDate", from), ("endRequestDate", to)]
}

fn recipient(message: &Message) -> Value {
    let parameters: Map<String, Value> =
        message.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    let resend = match Fallback::of(message) {
        Some(fallback) => json!({
            "isResend": true,
            "resendType": fallback.kind(),
            "resendContent": fallback.text,
            "resendSendNo": fallback.from,
        }),
        None => json!({"isResend": false}),
    };
    json!({
        "recipientNo": number(message),
        "templateParameter": parameters,
        "recipientGroupingKey": message.id.to_string(),
        "resendParameter": resend,
    })
}

/// The same on every attempt of a hand-over's call for one template.
fn idempotency_key(id: &str, key: &TemplateKey) -> String {
    let TemplateKey { sender_key, template_code, falls_back } = key;
    format!("{id}-{}", signature::short(&format!("{sender_key}\n{template_code}\n{falls_back}")))
}

/// The outcome of each message of a call that was accepted.
fn each(messages: &[(usize, &Message)], results: &SendResults) -> Vec<(usize, Sent)> {
    let ids: HashMap<String, usize> =
        messages.iter().map(|(place, message)| (message.id.to_string(), *place)).collect();
    let trouble = Trouble::of(Failure::Unreachable);
    let mut sent: HashMap<usize, Sent> =
        messages.iter().map(|(place, _)| (*place, Sent::Unknown(trouble.clone()))).collect();
    for result in &results.send_results {
        let own = result.recipient_grouping_key.as_ref().and_then(|id| ids.get(id).copied());
        let by_seq = || messages.get(result.recipient_seq.checked_sub(1)?).map(|(place, _)| *place);
        let Some(place) = own.or_else(by_seq) else { continue };
        let code = text_of(&result.result_code).unwrap_or_default();
        let outcome = if code == "0" {
            Sent::Taken { reference: Some(format!("{}/{}", results.request_id, result.recipient_seq)) }
        } else {
            let words = result.result_message.as_deref().unwrap_or("");
            Sent::Refused(Trouble::said(Failure::Provider, &code, words))
        };
        sent.insert(place, outcome);
    }
    sent.into_iter().collect()
}

#[async_trait]
impl GroupSender for Nhn {
    async fn send_group(&self, id: &str, (key, messages): &Group<'_>) -> Vec<(usize, Sent)> {
        let recipients: Vec<Value> = messages.iter().map(|(_, message)| recipient(message)).collect();
        let body = json!({
            "senderKey": key.sender_key,
            "templateCode": key.template_code,
            "senderGroupingKey": id,
            "recipientList": recipients,
        });
        let request = self
            .caller
            .client
            .post(self.url("/messages"))
            .header("X-Secret-Key", self.options.secret.expose_secret())
            .header("X-NC-API-IDEMPOTENCY-KEY", idempotency_key(id, key))
            .json(&body);
        let answer = match self.caller.call(request).await {
            Ok(answer) => answer,
            Err(error) => return all(messages, &unanswered(error)),
        };
        let Some(parsed) = answer.parse::<SendAnswer>().filter(|_| answer.status.is_success()) else {
            // After a success whose answer is not what it should be, they may have the messages.
            let sent =
                if answer.status.is_success() { Sent::Unknown(answer.trouble()) } else { answer.refusal() };
            return all(messages, &sent);
        };
        let code = parsed.header.result_code;
        match parsed.message {
            Some(results)
                if parsed.header.is_successful
                    || (code == ALL_FAILED && !results.send_results.is_empty()) =>
            {
                each(messages, &results)
            }
            _ if code == DUPLICATE => all(messages, &Sent::Taken { reference: Some(UNNAMED.to_owned()) }),
            _ if UNAUTHORIZED.contains(&code) => all(messages, &Sent::Misconfigured(answer.trouble())),
            _ => {
                // About the template or the call, so no single message is to blame.
                let trouble = Trouble { failure: Failure::NoTemplate, ..answer.trouble() };
                all(messages, &Sent::NotNow { retry_after: None, trouble })
            }
        }
    }
}

#[async_trait]
impl Provider for Nhn {
    fn abilities(&self) -> Abilities {
        Abilities {
            batch_max: BATCH_MAX,
            calls_max: self.options.call.concurrent_calls,
            recovery: Recovery::LooksUp { after: Duration::from_secs(5) },
            needs_template: true,
            falls_back: true,
            one_per_number: false,
            asks_after: Some(self.options.call.asks_after()),
            slowest: self.options.call.timeout,
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> BoxStream<'a, (usize, Sent)> {
        in_one_call(batch, self.send_all(batch))
    }

    async fn look_up(&self, batch: &Batch, age: Duration) -> Vec<LookedUp> {
        if age < KEY_AGE_MAX {
            // The same key again: they have it already, or they take it now.
            let sent = self.send_all(batch).await;
            let found = |sent| match sent {
                Sent::Taken { reference } => LookedUp::Taken { reference },
                _ => LookedUp::Unknown,
            };
            return sent.into_iter().map(found).collect();
        }
        let Ok(mut found) = self.find(batch, age).await else {
            return vec![LookedUp::Unknown; batch.messages.len()];
        };
        let of = |message: &Message| match found.remove(&message.id.to_string()) {
            Some(reference) => LookedUp::Taken { reference },
            None => LookedUp::NotTaken,
        };
        batch.messages.iter().map(of).collect()
    }

    async fn reports(&self, awaited: &[Awaited], since: UnixSeconds) -> Result<Reports, Trouble> {
        let (unnamed, named): (Vec<&Awaited>, Vec<&Awaited>) =
            awaited.iter().partition(|one| one.reference == UNNAMED);
        let mut reports = Reports::default();
        if !unnamed.is_empty() {
            reports.reported = self.reports_by_own_id(&unnamed, since).await?;
        }
        if named.is_empty() {
            return Ok(reports);
        }
        let mut open: HashMap<&str, &Awaited> =
            named.iter().map(|one| (one.reference.as_str(), *one)).collect();
        let mut record = |outcome: Outcome| {
            let known = outcome.reference().and_then(|reference| open.remove(reference.as_str()));
            let own = outcome.recipient_grouping_key.as_deref().and_then(document);
            if let (Some(arrival), Some(document)) =
                (outcome.arrival(), known.map(|one| one.document).or(own))
            {
                let at = outcome.at();
                reports.reported.push(Reported { document, arrival, at, said: outcome.said() });
            }
            open.is_empty()
        };
        if named.len() <= SINGLY {
            for one in named {
                let request = self.get(&format!("/messages/{}", one.reference), &[]);
                let outcomes: Outcomes = self.caller.ask(request).await?;
                outcomes.message.map(&mut record);
            }
        } else {
            let query = [
                ("startUpdateDate", time::in_seoul(since.plus(-60))),
                ("endUpdateDate", time::in_seoul(time::now().plus(60))),
            ];
            self.pages("/message-results", &query, record).await?;
        }
        Ok(reports)
    }

    fn pushed(&self, header: &dyn Fn(&str) -> Option<String>, body: &[u8]) -> Pushed {
        let secret = self.options.push_secret.as_ref();
        let pushed: Outcomes = match signed_push(secret, header("x-toast-webhook-signature"), body) {
            Ok(pushed) => pushed,
            Err(pushed) => return pushed,
        };
        let report = |outcome: &Outcome| {
            // Whether a fallback follows a failure is not in a push, so failures are asked about.
            let arrival = outcome.arrival().filter(|arrival| arrival.is_delivered())?;
            let document = outcome.recipient_grouping_key.as_deref().and_then(document)?;
            let at = outcome.at();
            Some(Reported { document, arrival, at, said: None })
        };
        Pushed::Reports(pushed.hooks.iter().filter_map(report).collect())
    }

    async fn approved(&self, template: &ProviderTemplate) -> Option<Result<ApprovedTemplate, Trouble>> {
        let sender = template.sender_key.as_deref().unwrap_or(&self.options.sender_key);
        let path = format!("/senders/{sender}/templates/{}", template.template_code);
        let answer: Result<Value, Trouble> = self.caller.ask(self.get(&path, &[])).await;
        Some(answer.and_then(|answer| {
            // Named in the plural, and one object.
            let found = [&answer["templates"], &answer["template"]];
            let found = found.into_iter().find(|found| found.is_object());
            let Some(found) = found.filter(|found| found["templateContent"].is_string()) else {
                let code = text_of(&answer["header"]["resultCode"]).unwrap_or_default();
                let words = answer["header"]["resultMessage"].as_str().unwrap_or("no such template");
                return Err(Trouble::said(Failure::NoTemplate, &code, words));
            };
            Ok(ApprovedTemplate {
                body: found["templateContent"].as_str().unwrap_or_default().to_owned(),
                buttons: approved_buttons(&found["buttons"], "name", "linkMo"),
                status: format!(
                    "{} {}",
                    found["status"].as_str().unwrap_or(""),
                    found["statusName"].as_str().unwrap_or("")
                ),
                is_usable: found["status"].as_str().is_none_or(|status| status == "TSC03")
                    && found["block"].as_bool() != Some(true),
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_call_is_the_same_on_every_attempt() {
        let key = |code: &str| TemplateKey {
            sender_key: "S".to_owned(),
            template_code: code.to_owned(),
            falls_back: false,
        };
        assert_eq!(idempotency_key("HND-1", &key("A")), idempotency_key("HND-1", &key("A")));
        assert_ne!(idempotency_key("HND-1", &key("A")), idempotency_key("HND-1", &key("B")));
    }
}
