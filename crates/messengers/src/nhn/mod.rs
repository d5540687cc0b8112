//! NHN Cloud, `KakaoTalk` Bizmessage v2.3. It fills in the template itself, and takes an idempotency key: within ten
//! minutes the same key fails with −1005, which means that it has the messages.

mod answers;
mod request;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use secrecy::{ExposeSecret, SecretString};
use seoham_delivery::{
    Abilities, ApprovedTemplate, Batch, LookUp, LookedUp, Message, Provider, Pushed, Reach, Recovery,
    ReportQuestion, Reported, Reporting, Reports, Sent, Together, Trouble, in_one_call,
};
use seoham_model::message::ProviderTemplate;
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::handovers::Awaited;
use seoham_store::undelivered::Failure;
use serde_json::Value;

use self::answers::{Outcome, Outcomes, SendAnswer, SendResults};
use self::request::Call;
use crate::call::{CallOptions, Caller, signed_push, text_of, unanswered};
use crate::grouping::{Group, GroupSender, all, approved_buttons, by_template, document, send_groups};
use crate::time;

/// Messages in one call.
const BATCH_MAX: usize = 1_000;
/// The key is remembered for ten minutes: well within them it is used to ask.
const KEY_AGE_MAX: Duration = Duration::from_mins(8);
/// A message that is not listed after this long was not taken: by then no call with its key can still be under way.
const LISTED_AFTER: Duration = Duration::from_mins(12);
/// A call's messages are requested within this time: it waits for others of its batch, and may be repeated by its key.
const CALL_SECONDS_MAX: i64 = 30 * 60;
/// How far their clock may be from ours.
const CLOCKS_DIFFER_SECONDS: i64 = 10 * 60;
/// For so long results are asked for by when something changed.
const RECENT_SECONDS: i64 = 60 * 60;
/// Results of a page.
const PAGE: usize = 1_000;
/// Pages that are read for one question.
const PAGES_MAX: usize = 1_000;
/// Up to so many messages are asked about one by one.
const SINGLY: usize = 20;

/// The reference of a message that they have, without their having named it.
const UNNAMED: &str = "?";

const DUPLICATE: i64 = -1005;
/// From here down the fault is theirs, and they may have the messages.
const SYSTEM_ERROR: i64 = -9_000;
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

    /// Asks something that changes nothing. A failure comes with the status 200.
    async fn ask(&self, path: &str, query: &[(&str, String)]) -> Result<Outcomes, Trouble> {
        let answer = self.caller.call(self.get(path, query)).await;
        let answer = answer.map_err(|_| Trouble::of(Failure::Unreachable))?;
        let outcomes = answer.parse::<Outcomes>().filter(|_| answer.status.is_success());
        outcomes.filter(|outcomes| outcomes.header.is_successful).ok_or_else(|| answer.trouble())
    }

    /// The outcomes of a question, page by page while `goes_on`; `is_enough` ends it. Returns whether the end was reached.
    async fn pages(
        &self,
        path: &str,
        query: &[(&str, String)],
        goes_on: impl Fn() -> bool,
        mut is_enough: impl FnMut(Outcome) -> bool,
    ) -> Result<bool, Trouble> {
        for page in 1..=PAGES_MAX {
            if !goes_on() {
                return Ok(false);
            }
            let mut query = query.to_vec();
            query.extend([("pageNum", page.to_string()), ("pageSize", PAGE.to_string())]);
            let outcomes = self.ask(path, &query).await?;
            let messages = outcomes.search.map_or(outcomes.messages, |search| search.messages);
            let count = messages.len();
            for outcome in messages {
                if is_enough(outcome) {
                    return Ok(true);
                }
            }
            if count < PAGE {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a hand-over's messages are at NHN, by our ids: their references; and whether these are all.
    async fn find(
        &self,
        batch: &Batch,
        age: Duration,
    ) -> Result<(HashMap<String, Option<String>>, bool), Trouble> {
        let began = time::now().plus(-i64::try_from(age.as_secs()).unwrap_or(0));
        let mut query = requested(began, began);
        query.push(("senderGroupingKey", batch.id.clone()));
        let mut found = HashMap::new();
        let goes_on = || batch.goes_on();
        let is_whole = self
            .pages("/messages", &query, goes_on, |outcome| {
                let reference = outcome.reference();
                if let Some(id) = outcome.recipient_grouping_key {
                    found.insert(id, reference);
                }
                false
            })
            .await?;
        Ok((found, is_whole))
    }

    /// Names the messages of a call that they have: of those that they list, one that is not among them was refused, and
    /// the answer that said so was lost. It stays unknown until the list is certain.
    async fn named(&self, batch: &Batch, age: Duration, mut answers: Vec<LookedUp>) -> Vec<LookedUp> {
        let is_unnamed = |found: &LookedUp| matches!(found, LookedUp::Taken { reference: Some(reference) } if reference == UNNAMED);
        if !answers.iter().any(is_unnamed) {
            return answers;
        }
        let Ok((mut listed, _)) = self.find(batch, age).await else { return answers };
        if listed.is_empty() {
            return answers;
        }
        for (message, answer) in batch.messages.iter().zip(&mut answers) {
            if is_unnamed(answer) {
                *answer = match listed.remove(&message.id.to_string()) {
                    Some(reference) => LookedUp::Taken { reference },
                    None => LookedUp::Unknown,
                };
            }
        }
        answers
    }

    /// Asks about a few messages, one by one.
    async fn reports_singly(&self, question: &ReportQuestion<'_>, named: &[&Awaited], reports: &mut Reports) {
        for one in named {
            if !question.goes_on() {
                return reports.broke_off();
            }
            match self.ask(&format!("/messages/{}", one.reference), &[]).await {
                Ok(outcomes) => {
                    let outcome = outcomes.message;
                    reports.reported.extend(outcome.and_then(|outcome| outcome.report(one.document)));
                }
                Err(trouble) => {
                    if !reports.failed(trouble) {
                        return;
                    }
                }
            }
        }
    }

    /// Asks for a list, and keeps what is about `open` messages: their documents, by what `key` finds in an outcome.
    async fn reports_by<K: std::hash::Hash + Eq>(
        &self,
        question: &ReportQuestion<'_>,
        (path, query): (&str, &[(&str, String)]),
        mut open: HashMap<K, BinderId>,
        key: impl Fn(&Outcome) -> Option<K>,
        reports: &mut Reports,
    ) {
        let goes_on = || question.goes_on();
        let read = self
            .pages(path, query, goes_on, |outcome| {
                let document = key(&outcome).and_then(|key| open.remove(&key));
                reports.reported.extend(document.and_then(|document| outcome.report(document)));
                open.is_empty()
            })
            .await;
        reports.read(read);
    }
}

/// The parameters of a question about messages whose calls began between these times.
fn requested(since: UnixSeconds, until: UnixSeconds) -> Vec<(&'static str, String)> {
    let minute = |at: UnixSeconds| time::in_seoul(at)[..16].to_owned();
    let from = since.plus(-CLOCKS_DIFFER_SECONDS);
    // The list is asked for what has been requested, so not for the future.
    let to = until.plus(CALL_SECONDS_MAX + CLOCKS_DIFFER_SECONDS).min(time::now().plus(60));
    vec![("startRequestDate", minute(from)), ("endRequestDate", minute(to))]
}

/// The parameters of a question about messages of which something changed since a time.
fn updated_since(since: UnixSeconds) -> Vec<(&'static str, String)> {
    vec![
        ("startUpdateDate", time::in_seoul(since.plus(-60))),
        ("endUpdateDate", time::in_seoul(time::now().plus(60))),
    ]
}

/// The same on every attempt of a hand-over's call, whatever its template is by then.
fn idempotency_key(id: &str, call: usize) -> String {
    format!("{id}-{call}")
}

/// The outcome of each message of a call that was accepted.
fn each(messages: &[(usize, &Message)], results: &SendResults) -> Vec<(usize, Sent)> {
    let ids: HashMap<String, usize> =
        messages.iter().map(|(place, message)| (message.id.to_string(), *place)).collect();
    let trouble = Trouble::of(Failure::Unreachable);
    let mut sent: HashMap<usize, Sent> =
        messages.iter().map(|(place, _)| (*place, Sent::unknown(trouble.clone()))).collect();
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
    async fn send_group(
        &self,
        batch: &Batch,
        call: usize,
        (key, messages): &Group<'_>,
    ) -> Vec<(usize, Sent)> {
        let request = self
            .caller
            .client
            .post(self.url("/messages"))
            .header("X-Secret-Key", self.options.secret.expose_secret())
            .header("X-NC-API-IDEMPOTENCY-KEY", idempotency_key(&batch.id, call))
            .json(&Call::new(&batch.id, key, messages));
        let answer = match self.caller.call(request).await {
            Ok(answer) => answer,
            Err(error) => return all(messages, &unanswered(error)),
        };
        let Some(parsed) = answer.parse::<SendAnswer>().filter(|_| answer.status.is_success()) else {
            // After a success whose answer is not what it should be, they may have the messages.
            let sent = if answer.status.is_success() {
                Sent::unknown(answer.trouble())
            } else {
                answer.refusal(true)
            };
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
            _ if code <= SYSTEM_ERROR => all(messages, &Sent::unknown(answer.trouble())),
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
            takes_once: true,
            reaches: Reach::Number,
            needs_template: true,
            falls_back: true,
            together: Together::OneTemplate,
            reporting: Reporting::AskedAfter(self.options.call.asks_after()),
            slowest: self.options.call.timeout,
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> BoxStream<'a, (usize, Sent)> {
        in_one_call(batch, self.send_all(batch))
    }

    async fn look_up(&self, look_up: &LookUp<'_>) -> Vec<LookedUp> {
        let LookUp { batch, age, .. } = *look_up;
        if age < KEY_AGE_MAX {
            let (calls, _) = by_template(batch, &self.options.call.name, &self.options.sender_key, BATCH_MAX);
            // A hand-over has one template. With several by now, further calls would have keys that NHN does not know.
            if calls.len() > 1 {
                return look_up.all(&LookedUp::Unknown);
            }
            // The same key again: they have the call already, or they take it now.
            let answers: Vec<LookedUp> =
                self.send_all(batch).await.into_iter().map(LookedUp::of_answer).collect();
            return self.named(batch, age, answers).await;
        }
        let Ok((mut found, is_whole)) = self.find(batch, age).await else {
            return look_up.all(&LookedUp::Unknown);
        };
        let of = |message: &Message| match found.remove(&message.id.to_string()) {
            Some(reference) => LookedUp::Taken { reference },
            None if is_whole && age >= LISTED_AFTER => LookedUp::NotTaken,
            None => LookedUp::Unknown,
        };
        batch.messages.iter().map(of).collect()
    }

    async fn reports(&self, question: &ReportQuestion<'_>) -> Reports {
        let (unnamed, named): (Vec<&Awaited>, Vec<&Awaited>) =
            question.awaited.iter().partition(|one| one.reference == UNNAMED);
        let mut reports = Reports::default();
        if !unnamed.is_empty() {
            let open = unnamed.iter().map(|one| (one.document, one.document)).collect();
            let own = |outcome: &Outcome| outcome.recipient_grouping_key.as_deref().and_then(document);
            let asked = ("/messages", &requested(question.since, question.until)[..]);
            self.reports_by(question, asked, open, own, &mut reports).await;
        }
        if named.is_empty() {
            return reports;
        }
        if named.len() <= SINGLY {
            self.reports_singly(question, &named, &mut reports).await;
            return reports;
        }
        let open = named.iter().map(|one| (one.reference.clone(), one.document)).collect();
        // Most results come soon: what changed since then is a short list, and later a longer one than what was sent then.
        let is_recent = time::now().seconds_since(question.until) < RECENT_SECONDS;
        let asked = if is_recent {
            ("/message-results", updated_since(question.since))
        } else {
            ("/messages", requested(question.since, question.until))
        };
        self.reports_by(question, (asked.0, &asked.1), open, Outcome::reference, &mut reports).await;
        reports
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
        assert_eq!(idempotency_key("HND-1", 0), idempotency_key("HND-1", 0));
        assert_ne!(idempotency_key("HND-1", 0), idempotency_key("HND-1", 1));
        assert_ne!(idempotency_key("HND-1", 0), idempotency_key("HND-2", 0));
    }

    #[test]
    fn a_question_looks_at_the_time_of_the_call_alone() {
        let began = UnixSeconds(1_800_000_000).min(time::now().plus(-100_000));
        let [from, to] = &requested(began, began.plus(60))[..] else { panic!("two") };
        assert_eq!(from.1, time::in_seoul(began.plus(-600))[..16]);
        assert_eq!(to.1, time::in_seoul(began.plus(60 + 1_800 + 600))[..16], "not until now");
    }
}
