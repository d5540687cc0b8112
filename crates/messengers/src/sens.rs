//! Naver Cloud SENS, alimtalk v2. It takes finished texts, pushes nothing, and keeps no id of ours: a lost answer stays
//! unknown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use secrecy::{ExposeSecret, SecretString};
use seoham_delivery::{
    Abilities, ApprovedTemplate, Batch, Message, Provider, Reach, Recovery, ReportQuestion, Reported,
    Reporting, Reports, Sent, Together, Trouble, in_one_call,
};
use seoham_model::BinderId;
use seoham_model::message::ProviderTemplate;
use seoham_store::deliveries::Arrival;
use seoham_store::handovers::Awaited;
use seoham_store::undelivered::Failure;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{CallOptions, Caller, unanswered};
use crate::fallback::Fallback;
use crate::grouping::{Group, GroupSender, all, approved_buttons, number, send_groups};
use crate::{signature, time};

/// Messages in one call.
const BATCH_MAX: usize = 100;
/// Questions about messages at the same time.
const ASKED_AT_ONCE: usize = 8;

/// How SENS knows us.
pub struct SensOptions {
    /// How it is called.
    pub call: CallOptions,
    /// The id of the service.
    pub service_id: String,
    /// The access key.
    pub access_key: String,
    /// Its secret.
    pub secret: SecretString,
    /// The `KakaoTalk` channel, unless a template has its own.
    pub sender_key: String,
}

/// Naver Cloud SENS.
pub struct Sens {
    caller: Caller,
    options: SensOptions,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SendAnswer {
    messages: Vec<Item>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Item {
    message_id: Option<String>,
    request_status_code: Option<String>,
    request_status_desc: Option<String>,
    message_status_code: Option<String>,
    message_status_name: Option<String>,
    message_status_desc: Option<String>,
    complete_time: Option<String>,
    use_sms_failover: bool,
    failover: Option<Failover>,
    messages: Vec<Item>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Failover {
    message_status_code: Option<String>,
    message_status_name: Option<String>,
}

impl Item {
    /// What became of it; `None` while that is open.
    fn arrival(&self) -> Option<Arrival> {
        match (self.message_status_code.as_deref(), self.message_status_name.as_deref()) {
            (_, Some("processing")) | (None | Some(""), None | Some("")) => None,
            (Some("0000"), _) | (_, Some("success")) => Some(Arrival::Messenger),
            _ if self.use_sms_failover => {
                let failover = self.failover.as_ref()?;
                match (failover.message_status_code.as_deref(), failover.message_status_name.as_deref()) {
                    (Some("0" | "0000"), _) | (_, Some("success")) => Some(Arrival::Fallback),
                    (_, Some("fail")) => Some(Arrival::Failed),
                    _ => None,
                }
            }
            _ => Some(Arrival::Failed),
        }
    }
}

impl Item {
    /// The report on a document's message; `None` while it is open.
    fn report(mut self, document: BinderId) -> Option<Reported> {
        // One object by itself, or the only one of a list.
        let item = self.messages.pop().unwrap_or(self);
        let arrival = item.arrival()?;
        let at = item.complete_time.as_deref().and_then(time::parse).unwrap_or_else(time::now);
        let code = item.message_status_code.as_deref().unwrap_or("");
        let words = item.message_status_desc.as_deref().unwrap_or("");
        let said = Trouble::said(Failure::Provider, code, words).said;
        Some(Reported { document, arrival, at, said })
    }
}

impl Sens {
    /// Builds the provider; `None` if its address cannot be used.
    pub fn new(options: SensOptions) -> Option<Self> {
        Some(Self { caller: Caller::new(options.call.clone())?, options })
    }

    /// The signature covers the method, and the path with its query.
    fn signed(&self, request: reqwest::RequestBuilder) -> Option<reqwest::RequestBuilder> {
        let (client, request) = request.build_split();
        let request = request.ok()?;
        let timestamp = jiff::Timestamp::now().as_millisecond().to_string();
        let url = request.url();
        let path =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let (method, key) = (request.method().as_str(), &self.options.access_key);
        let text = format!("{method} {path}\n{timestamp}\n{key}");
        let signature = signature::base64(self.options.secret.expose_secret(), &text);
        let signed = reqwest::RequestBuilder::from_parts(client, request)
            .header("x-ncp-apigw-timestamp", timestamp)
            .header("x-ncp-iam-access-key", key)
            .header("x-ncp-apigw-signature-v2", signature);
        Some(signed)
    }

    fn url(&self, path: &str) -> String {
        self.caller.url(&format!("/alimtalk/v2/services/{}{path}", self.options.service_id))
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Trouble> {
        let request = self.signed(self.caller.client.get(self.url(path)).query(query));
        self.caller.ask(request.ok_or(Trouble::of(Failure::Unsendable))?).await
    }

    async fn send_all(&self, batch: &Batch) -> Vec<Sent> {
        let (provider, sender_key) = (&self.options.call.name, &self.options.sender_key);
        send_groups(self, batch, provider, sender_key, BATCH_MAX).await
    }
}

fn body(message: &Message) -> Value {
    let button = |(name, url): &(String, String)| json!({"type": "WL", "name": name, "linkMobile": url, "linkPc": url});
    let mut body = json!({
        "to": number(message),
        "content": message.text.expose_secret(),
        "useSmsFailover": message.fallback.is_some(),
    });
    if !message.buttons.is_empty() {
        body["buttons"] = message.buttons.iter().map(button).collect();
    }
    if let Some(fallback) = Fallback::of(message) {
        body["failoverConfig"] =
            json!({"type": fallback.kind(), "from": fallback.from, "content": fallback.text});
    }
    body
}

#[async_trait]
impl GroupSender for Sens {
    async fn send_group(&self, _: &Batch, _: usize, (key, messages): &Group<'_>) -> Vec<(usize, Sent)> {
        let bodies: Vec<Value> = messages.iter().map(|(_, message)| body(message)).collect();
        let body = json!({
            "plusFriendId": key.sender_key,
            "templateCode": key.template_code,
            "messages": bodies,
        });
        let Some(request) = self.signed(self.caller.client.post(self.url("/messages")).json(&body)) else {
            return all(messages, &Sent::Refused(Trouble::of(Failure::Unsendable)));
        };
        let answer = match self.caller.call(request).await {
            Ok(answer) => answer,
            Err(error) => return all(messages, &unanswered(error)),
        };
        if !answer.status.is_success() {
            return all(messages, &answer.refusal(false));
        }
        let items = answer.parse::<SendAnswer>().map(|answer| answer.messages).unwrap_or_default();
        let of = |(index, (place, _)): (usize, &(usize, &Message))| {
            let Some(item) = items.get(index).filter(|_| items.len() == messages.len()) else {
                return (*place, Sent::unknown(answer.trouble()));
            };
            let code = item.request_status_code.as_deref().unwrap_or("");
            let sent = if code == "A000" {
                Sent::Taken { reference: item.message_id.clone() }
            } else {
                let words = item.request_status_desc.as_deref().unwrap_or("");
                Sent::Refused(Trouble::said(Failure::Provider, code, words))
            };
            (*place, sent)
        };
        messages.iter().enumerate().map(of).collect()
    }
}

#[async_trait]
impl Provider for Sens {
    fn abilities(&self) -> Abilities {
        Abilities {
            batch_max: BATCH_MAX,
            calls_max: self.options.call.concurrent_calls,
            recovery: Recovery::None,
            takes_once: false,
            reaches: Reach::Number,
            needs_template: true,
            falls_back: true,
            together: Together::OneTemplate,
            reporting: Reporting::AskedAfter(Duration::from_secs(5)),
            slowest: self.options.call.timeout,
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> BoxStream<'a, (usize, Sent)> {
        in_one_call(batch, self.send_all(batch))
    }

    async fn reports(&self, question: &ReportQuestion<'_>) -> Reports {
        // Nothing more is asked of a provider that fails, or once the time is over.
        let goes_on = AtomicBool::new(true);
        let ask = |one: &Awaited| {
            let (path, document, goes_on) = (format!("/messages/{}", one.reference), one.document, &goes_on);
            async move {
                if !goes_on.load(Ordering::Relaxed) || !question.goes_on() {
                    return None;
                }
                Some((document, self.get::<Item>(&path, &[]).await))
            }
        };
        let mut answers =
            futures_util::stream::iter(question.awaited.iter().map(ask)).buffer_unordered(ASKED_AT_ONCE);
        let mut reports = Reports::default();
        while let Some(answer) = answers.next().await {
            match answer {
                Some((document, Ok(item))) => reports.reported.extend(item.report(document)),
                Some((_, Err(trouble))) => {
                    if !reports.failed(trouble) {
                        goes_on.store(false, Ordering::Relaxed);
                    }
                }
                None => reports.broke_off(),
            }
        }
        reports
    }

    async fn approved(&self, template: &ProviderTemplate) -> Option<Result<ApprovedTemplate, Trouble>> {
        let channel = template.sender_key.as_deref().unwrap_or(&self.options.sender_key);
        let query = [("channelId", channel), ("templateCode", template.template_code.as_str())];
        let answer: Result<Value, Trouble> = self.get("/templates", &query).await;
        Some(answer.and_then(|answer| {
            let list = answer.as_array().or_else(|| answer["templates"].as_array());
            let found = list.into_iter().flatten().find(|one| one["templateCode"] == *template.template_code);
            let Some(found) = found else { return Err(Trouble::of(Failure::NoTemplate)) };
            let inspection = found["templateInspectionStatus"].as_str().unwrap_or("");
            let status = found["templateStatus"].as_str().unwrap_or("");
            Ok(ApprovedTemplate {
                body: found["content"].as_str().unwrap_or_default().to_owned(),
                buttons: approved_buttons(&found["buttons"], "name", "linkMobile"),
                status: format!("{inspection} {status}"),
                is_usable: matches!(inspection, "" | "COMPLETE") && matches!(status, "" | "ACTIVE" | "READY"),
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_as_they_are_documented() {
        for (json, arrival) in [
            (json!({"messageStatusCode": "0000", "messageStatusName": "success"}), Some(Arrival::Messenger)),
            (json!({"messageStatusName": "processing"}), None),
            (json!({}), None),
            (json!({"messageStatusCode": "3019", "messageStatusName": "fail"}), Some(Arrival::Failed)),
            (json!({"messageStatusCode": "3019", "useSmsFailover": true}), None),
            (
                json!({"messageStatusCode": "3019", "useSmsFailover": true,
                       "failover": {"messageStatusCode": "0", "messageStatusName": "success"}}),
                Some(Arrival::Fallback),
            ),
        ] {
            let item: Item = serde_json::from_value(json.clone()).expect("an item");
            assert_eq!(item.arrival(), arrival, "{json}");
        }
    }
}
