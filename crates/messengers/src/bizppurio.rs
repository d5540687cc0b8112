//! Bizppurio v3: one message a call, with a reference key of ours of at most 32 characters, by which its results name
//! it. Its pushes are not signed, so its results are asked for, and confirmed once they are recorded.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use secrecy::{ExposeSecret, SecretString};
use seoham_delivery::{
    Abilities, Batch, LookUp, LookedUp, Message, Provider, Pushed, Reach, Recovery, ReportQuestion, Reported,
    Reporting, Reports, Sent, Together, Trouble, one_by_one,
};
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::deliveries::Arrival;
use seoham_store::undelivered::Failure;
use serde_json::{Value, json};

use crate::call::{Answer, CallOptions, Caller, NoAnswer, text_of, unanswered};
use crate::fallback::Fallback;
use crate::grouping::{document, number};
use crate::token::TokenCache;
use crate::{signature, time};

/// Messages handed over together; each is a call.
const BATCH_MAX: usize = 200;
/// A message of which there is no result after this long was not taken: results come within a minute, but nobody promises
/// that.
const RESULT_AFTER: Duration = Duration::from_hours(1);
/// Results of one question or confirmation.
const PAGE: usize = 1_000;

/// How Bizppurio knows us.
pub struct BizppurioOptions {
    /// How it is called.
    pub call: CallOptions,
    /// The account.
    pub account: String,
    /// Its password.
    pub secret: SecretString,
    /// The sender channel, unless a template has its own.
    pub sender_key: String,
    /// The sending number.
    pub from: String,
}

/// Bizppurio.
pub struct Bizppurio {
    caller: Caller,
    options: BizppurioOptions,
    token: TokenCache,
}

impl Bizppurio {
    /// Builds the provider; `None` if its address cannot be used.
    pub fn new(options: BizppurioOptions) -> Option<Self> {
        Some(Self { caller: Caller::new(options.call.clone())?, options, token: TokenCache::default() })
    }

    async fn token(&self) -> Result<SecretString, Trouble> {
        self.token.get(self.new_token()).await
    }

    async fn new_token(&self) -> Result<SecretString, Trouble> {
        let basic = signature::basic(&self.options.account, self.options.secret.expose_secret());
        let request = self.caller.client.post(self.caller.url("/v1/token")).header("authorization", basic);
        let answer = self.caller.call(request).await.map_err(|_| Trouble::of(Failure::Unreachable))?;
        let token = answer.parse::<Value>().and_then(|body| body["accesstoken"].as_str().map(str::to_owned));
        let Some(token) = token.filter(|_| answer.status.is_success()) else {
            return Err(Trouble { failure: Failure::Misconfigured, ..answer.trouble() });
        };
        Ok(SecretString::from(token))
    }

    /// Posts with a token, and once more with a new one if it has ended.
    async fn post(&self, path: &str, body: &Value) -> Result<Result<Answer, NoAnswer>, Trouble> {
        for is_last in [false, true] {
            let token = self.token().await?;
            let bearer = format!("Bearer {}", token.expose_secret());
            let request =
                self.caller.client.post(self.caller.url(path)).header("authorization", bearer).json(body);
            let answer = self.caller.call(request).await;
            let has_ended = |answer: &Answer| matches!(code(answer).as_str(), "3002" | "3005");
            match answer {
                Ok(answer) if !is_last && has_ended(&answer) => self.token.forget().await,
                answer => return Ok(answer),
            }
        }
        Err(Trouble::of(Failure::Misconfigured))
    }

    /// Results that are not confirmed yet, a page of them.
    async fn results(&self) -> Result<Reports, Trouble> {
        let body = json!({"account": self.options.account});
        let answer = self.post("/v1/result/request", &body).await?;
        let answer = answer.map_err(|_| Trouble::of(Failure::Unreachable))?;
        let is_good = |found: &Value| {
            answer.status.is_success() && (code(&answer) == "1000" || found["report"].is_array())
        };
        let found = answer.parse::<Value>().filter(is_good);
        found.as_ref().map(read_results).ok_or_else(|| answer.trouble())
    }

    async fn send_one(&self, batch: &Batch, message: &Message) -> Sent {
        let Some(body) = self.body(message) else {
            return Sent::NotNow { retry_after: None, trouble: Trouble::of(Failure::NoTemplate) };
        };
        let token = self.token().await;
        // It may have taken as long as a call.
        if token.is_ok() && !batch.goes_on() {
            return Sent::NotSent;
        }
        let answer = match self.post("/v3/message", &body).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return unanswered(error),
            Err(trouble) if trouble.failure == Failure::Unreachable => {
                return Sent::NotNow { retry_after: None, trouble };
            }
            Err(trouble) => return Sent::Misconfigured(trouble),
        };
        let code = code(&answer);
        match code.as_str() {
            "1000" => {
                let key = answer.parse::<Value>().and_then(|body| text_of(&body["messagekey"]));
                Sent::Taken { reference: Some(key.unwrap_or_default()) }
            }
            "3008" => Sent::NotNow { retry_after: answer.retry_after, trouble: answer.trouble() },
            _ if code.len() == 4 && code.starts_with('3') => Sent::Misconfigured(answer.trouble()),
            _ if code.len() == 4 && code.starts_with('2') => {
                Sent::Refused(Trouble { failure: Failure::Provider, ..answer.trouble() })
            }
            _ if answer.status.is_success() => Sent::unknown(answer.trouble()),
            _ => answer.refusal(true),
        }
    }

    fn body(&self, message: &Message) -> Option<Value> {
        let template = message.template.as_ref()?.providers.get(&self.options.call.name)?;
        let sender = template.sender_key.as_deref().unwrap_or(&self.options.sender_key);
        let button = |(name, url): &(String, String)| json!({"name": name, "type": "WL", "url_mobile": url, "url_pc": url});
        let fallback = Fallback::of(message);
        let mut at = json!({
            "senderkey": sender,
            "templatecode": template.template_code,
            "message": message.text.expose_secret(),
        });
        if !message.buttons.is_empty() {
            at["button"] = message.buttons.iter().map(button).collect();
        }
        let mut body = json!({
            "account": self.options.account,
            "refkey": reference_key(&message.id.to_string()),
            "type": "at",
            "from": fallback.as_ref().map_or(self.options.from.as_str(), |fallback| fallback.from),
            "to": number(message),
            "content": {"at": at},
        });
        if let Some(fallback) = fallback {
            let kind = fallback.kind().to_lowercase();
            body["resend"] = json!({"first": kind});
            body["recontent"] = json!({kind: {"message": fallback.text}});
        }
        Some(body)
    }
}

/// Our id without its prefix: a reference key has at most 32 characters.
fn reference_key(id: &str) -> &str {
    id.split_once('-').map_or(id, |(_, digits)| digits)
}

/// The document of a reference key, in either form.
fn document_of(key: &str) -> Option<BinderId> {
    document(key).or_else(|| document(&format!("NTF-{key}")))
}

fn code(answer: &Answer) -> String {
    answer.parse::<Value>().and_then(|body| text_of(&body["code"])).unwrap_or_default()
}

/// A member whose name is in capitals in pushes, and not in answers.
fn member(report: &Value, name: &str) -> String {
    let capitals = name.to_uppercase();
    [name, &capitals].iter().find_map(|name| text_of(&report[*name])).unwrap_or_default()
}

/// Reads a page of results.
fn read_results(found: &Value) -> Reports {
    let mut reports = Reports::default();
    let page = found["report"].as_array().map_or(&[][..], Vec::as_slice);
    for report in page {
        let message_id = member(report, "msgid");
        if message_id.is_empty() {
            // It cannot be confirmed, so it would come again, and nothing after it.
            reports.failed(Trouble::said(Failure::Provider, "", "a result has no msgid"));
        } else {
            reports.receipt.push(message_id);
        }
        let Some(document) = document_of(&member(report, "refkey")) else { continue };
        let Some(arrival) = arrival(report) else {
            reports.open.push(document);
            continue;
        };
        let at = member(report, "unixtime").parse().map_or_else(|_| time::now(), UnixSeconds);
        let said = Trouble::said(Failure::Provider, &member(report, "result"), "").said;
        reports.reported.push(Reported { document, arrival, at, said });
    }
    reports.has_more = page.len() >= PAGE;
    reports
}

/// What became of a message; `None` while that is open, or uncertain.
fn arrival(report: &Value) -> Option<Arrival> {
    match member(report, "result").as_str() {
        "7000" => Some(Arrival::Messenger),
        // Those of SMS, and of LMS and MMS.
        "4100" | "6600" => Some(Arrival::Fallback),
        "7305" | "" => None,
        _ => Some(Arrival::Failed),
    }
}

#[async_trait]
impl Provider for Bizppurio {
    fn abilities(&self) -> Abilities {
        Abilities {
            batch_max: BATCH_MAX,
            calls_max: 4,
            recovery: Recovery::LooksUp { after: Duration::from_secs(10) },
            takes_once: false,
            reaches: Reach::Number,
            needs_template: true,
            falls_back: true,
            together: Together::Mixed,
            reporting: Reporting::AskedAfter(Duration::from_secs(5)),
            slowest: self.options.call.timeout,
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> BoxStream<'a, (usize, Sent)> {
        one_by_one(batch, self.options.call.concurrent_calls, |message| self.send_one(batch, message))
    }

    async fn look_up(&self, look_up: &LookUp<'_>) -> Vec<LookedUp> {
        // It cannot be asked about a message, but its results name all that it took: without one it took nothing.
        let has_no_result = look_up.reports_read_at.is_some_and(|age| age >= RESULT_AFTER);
        look_up.all(if has_no_result { &LookedUp::NotTaken } else { &LookedUp::Unknown })
    }

    async fn reports(&self, _: &ReportQuestion<'_>) -> Reports {
        self.results()
            .await
            .unwrap_or_else(|trouble| Reports { trouble: Some(trouble), ..Reports::default() })
    }

    async fn confirm(&self, receipt: &[String]) -> Result<(), Trouble> {
        for chunk in receipt.chunks(PAGE) {
            let ids: Vec<Value> = chunk.iter().map(|id| json!({"msgid": id})).collect();
            let body = json!({"account": self.options.account, "msgid": ids});
            let answer = self.post("/v1/result/confirm", &body).await?;
            let answer = answer.map_err(|_| Trouble::of(Failure::Unreachable))?;
            if code(&answer) != "1000" {
                return Err(answer.trouble());
            }
        }
        Ok(())
    }

    fn pushed(&self, _: &dyn Fn(&str) -> Option<String>, _: &[u8]) -> Pushed {
        // Nothing in it proves who sent it.
        Pushed::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_as_they_are_documented() {
        for (json, expected) in [
            (json!({"result": "7000"}), Some(Arrival::Messenger)),
            (json!({"RESULT": 7000}), Some(Arrival::Messenger)),
            (json!({"result": "6600", "media": "LMS"}), Some(Arrival::Fallback)),
            (json!({"result": "7305"}), None),
            (json!({"result": "7204"}), Some(Arrival::Failed)),
        ] {
            assert_eq!(arrival(&json), expected, "{json}");
        }
    }

    #[test]
    fn an_uncertain_result_says_that_the_message_was_taken() {
        let (sure, uncertain) = (
            BinderId::generate(&seoham_model::Clock::default()),
            BinderId::generate(&seoham_model::Clock::default()),
        );
        let report = |document: BinderId, result: &str| {
            let id = seoham_model::notification::NotificationId(document).to_string();
            json!({"msgid": id, "refkey": reference_key(&id), "result": result, "unixtime": "1800000000"})
        };
        let page = json!({"report": [report(sure, "7000"), report(uncertain, "7305")]});
        let reports = read_results(&page);
        assert_eq!(reports.reported.iter().map(|one| one.document).collect::<Vec<_>>(), [sure]);
        assert_eq!(
            (&reports.open[..], reports.receipt.len(), reports.has_more),
            (&[uncertain][..], 2, false)
        );
        let unnamed = json!({"report": [{"refkey": "x", "result": "7000"}]});
        assert!(read_results(&unnamed).trouble.is_some(), "these are not all");
        let full = json!({"report": vec![report(sure, "7000"); PAGE]});
        assert!(read_results(&full).has_more, "it has more than a page");
    }

    #[test]
    fn a_reference_key_leads_back_to_its_document() {
        let id =
            seoham_model::notification::NotificationId(BinderId::generate(&seoham_model::Clock::default()));
        let key = reference_key(&id.to_string()).to_owned();
        assert_eq!(key.len(), 32);
        assert_eq!(document_of(&key), Some(id.0));
        assert_eq!(document_of(&id.to_string()), Some(id.0));
    }
}
