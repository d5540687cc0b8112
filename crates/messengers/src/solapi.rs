//! Solapi. It fills in the template itself; our id is kept in a custom field, by which lost messages are found.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use secrecy::{ExposeSecret, SecretString};
use seoham_delivery::{
    Abilities, ApprovedTemplate, Batch, LookUp, LookedUp, Message, Provider, Pushed, Reach, Recovery,
    ReportQuestion, Reported, Reporting, Reports, Sent, Together, Trouble, in_one_call,
};
use seoham_model::UnixSeconds;
use seoham_model::message::ProviderTemplate;
use seoham_store::deliveries::Arrival;
use seoham_store::handovers::Awaited;
use seoham_store::undelivered::Failure;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::call::{CallOptions, Caller, signed_push, text_of, unanswered};
use crate::fallback::Fallback;
use crate::grouping::{approved_buttons, document, number};
use crate::{signature, time};

/// Messages in one call.
const BATCH_MAX: usize = 10_000;
/// Messages of a page.
const PAGE: usize = 500;
/// Pages that are read for one question.
const PAGES_MAX: usize = 2_000;
/// Message ids in one question.
const IDS_MAX: usize = 100;
/// A message that is not listed so long after its call has ended was not taken.
const LISTED_AFTER: Duration = Duration::from_mins(1);
/// A call's messages are created within this time: it waits for others of its batch.
const CALL_SECONDS_MAX: i64 = 30 * 60;
/// How far their clock may be from ours.
const CLOCKS_DIFFER_SECONDS: i64 = 10 * 60;
/// The custom field with our id.
const FIELD: &str = "seoham";

/// How Solapi knows us.
pub struct SolapiOptions {
    /// How it is called.
    pub call: CallOptions,
    /// The API key.
    pub api_key: String,
    /// Its secret.
    pub secret: SecretString,
    /// The id of the `KakaoTalk` channel, unless a template has its own.
    pub sender_key: String,
    /// The sending number.
    pub from: String,
    /// What the header of a push carries.
    pub push_secret: Option<SecretString>,
}

/// Solapi.
pub struct Solapi {
    caller: Caller,
    options: SolapiOptions,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Item {
    message_id: Option<String>,
    status_code: Value,
    status_message: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    custom_fields: Option<HashMap<String, Value>>,
    date_received: Option<String>,
    date_reported: Option<String>,
    date_updated: Option<String>,
    date_processed: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SendAnswer {
    failed_message_list: Option<Vec<Item>>,
    message_list: Option<Vec<Item>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct List {
    next_key: Option<String>,
    message_list: Option<BTreeMap<String, Item>>,
}

impl Item {
    fn own_id(&self) -> Option<&str> {
        self.custom_fields.as_ref()?.get(FIELD)?.as_str()
    }

    fn code(&self) -> String {
        text_of(&self.status_code).unwrap_or_default()
    }

    fn trouble(&self) -> Trouble {
        Trouble::said(Failure::Provider, &self.code(), self.status_message.as_deref().unwrap_or(""))
    }

    /// What became of it; `None` while that is open.
    fn arrival(&self) -> Option<Arrival> {
        match self.code().as_str() {
            "4000" if matches!(self.kind.as_deref(), Some("SMS" | "LMS" | "MMS")) => Some(Arrival::Fallback),
            "4000" => Some(Arrival::Messenger),
            // Waiting, or on its way.
            "2000" | "3000" | "" => None,
            _ => Some(Arrival::Failed),
        }
    }

    fn at(&self) -> UnixSeconds {
        let dates = [&self.date_received, &self.date_reported, &self.date_processed, &self.date_updated];
        let first = dates.into_iter().flatten().find_map(|date| time::parse(date));
        first.unwrap_or_else(time::now)
    }
}

impl Solapi {
    /// Builds the provider; `None` if its address cannot be used.
    pub fn new(options: SolapiOptions) -> Option<Self> {
        Some(Self { caller: Caller::new(options.call.clone())?, options })
    }

    /// Every salt is used once.
    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let (date, salt) = (time::in_utc(time::now()), hex::encode(rand::random::<[u8; 16]>()));
        let signature = signature::hex(self.options.secret.expose_secret(), &format!("{date}{salt}"));
        let key = &self.options.api_key;
        let header = format!("HMAC-SHA256 apiKey={key}, date={date}, salt={salt}, signature={signature}");
        request.header("authorization", header)
    }

    fn message(&self, message: &Message) -> Option<Value> {
        let template = message.template.as_ref()?.providers.get(&self.options.call.name)?;
        let channel = template.sender_key.as_deref().unwrap_or(&self.options.sender_key);
        let variables: Map<String, Value> = message
            .variables
            .iter()
            .map(|(name, value)| (format!("#{{{name}}}"), value.clone().into()))
            .collect();
        let fallback = Fallback::of(message);
        let mut body = json!({
            "to": number(message),
            "from": fallback.as_ref().map_or(self.options.from.as_str(), |fallback| fallback.from),
            "customFields": {FIELD: message.id.to_string()},
            "kakaoOptions": {
                "pfId": channel,
                "templateId": template.template_code,
                "variables": variables,
                "disableSms": fallback.is_none(),
            },
        });
        if let Some(fallback) = fallback {
            body["text"] = fallback.text.into();
        }
        Some(body)
    }

    async fn send_all(&self, batch: &Batch) -> Vec<Sent> {
        let bodies: Vec<Option<Value>> = batch.messages.iter().map(|message| self.message(message)).collect();
        let no_template = || Sent::NotNow { retry_after: None, trouble: Trouble::of(Failure::NoTemplate) };
        let whole = |sent: &Sent| -> Vec<Sent> {
            bodies.iter().map(|body| if body.is_some() { sent.clone() } else { no_template() }).collect()
        };
        let messages: Vec<&Value> = bodies.iter().flatten().collect();
        if messages.is_empty() {
            return whole(&Sent::NotSent);
        }
        let body = json!({"messages": messages, "showMessageList": true, "allowDuplicates": true});
        let request = self.caller.client.post(self.caller.url("/messages/v4/send-many/detail")).json(&body);
        let answer = match self.caller.call(self.signed(request)).await {
            Ok(answer) => answer,
            Err(error) => return whole(&unanswered(error)),
        };
        let Some(parsed) = answer.parse::<SendAnswer>().filter(|_| answer.status.is_success()) else {
            let sent = if answer.status.is_success() {
                Sent::unknown(answer.trouble())
            } else {
                answer.refusal(true)
            };
            return whole(&sent);
        };
        let mut sent: HashMap<String, Sent> = HashMap::new();
        for item in parsed.failed_message_list.iter().flatten() {
            if let Some(id) = item.own_id() {
                sent.insert(id.to_owned(), Sent::Refused(item.trouble()));
            }
        }
        for item in parsed.message_list.iter().flatten() {
            if let Some(id) = item.own_id() {
                sent.entry(id.to_owned()).or_insert(Sent::Taken { reference: item.message_id.clone() });
            }
        }
        let of = |(message, body): (&Message, &Option<Value>)| {
            if body.is_none() {
                return no_template();
            }
            let unknown = || Sent::unknown(Trouble::of(Failure::Unreachable));
            sent.remove(&message.id.to_string()).unwrap_or_else(unknown)
        };
        batch.messages.iter().zip(&bodies).map(of).collect()
    }

    /// The messages of a question, page by page while `goes_on`; `is_enough` ends it. Returns whether the end was reached.
    async fn pages(
        &self,
        query: &[(&str, String)],
        goes_on: impl Fn() -> bool,
        mut is_enough: impl FnMut(&str, Item) -> bool,
    ) -> Result<bool, Trouble> {
        let mut start_key: Option<String> = None;
        for _ in 0..PAGES_MAX {
            if !goes_on() {
                return Ok(false);
            }
            let mut query = query.to_vec();
            query.push(("limit", PAGE.to_string()));
            query.extend(start_key.take().map(|key| ("startKey", key)));
            let request = self.caller.client.get(self.caller.url("/messages/v4/list")).query(&query);
            let list: List = self.caller.ask(self.signed(request)).await?;
            for (id, item) in list.message_list.unwrap_or_default() {
                if is_enough(&id, item) {
                    return Ok(true);
                }
            }
            let Some(key) = list.next_key.filter(|key| !key.is_empty()) else { return Ok(true) };
            start_key = Some(key);
        }
        Ok(false)
    }
}

#[async_trait]
impl Provider for Solapi {
    fn abilities(&self) -> Abilities {
        Abilities {
            batch_max: BATCH_MAX,
            calls_max: self.options.call.concurrent_calls,
            recovery: Recovery::LooksUp { after: LISTED_AFTER },
            takes_once: false,
            reaches: Reach::Number,
            needs_template: true,
            falls_back: true,
            together: Together::Mixed,
            reporting: Reporting::AskedAfter(self.options.call.asks_after()),
            slowest: self.options.call.timeout,
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> BoxStream<'a, (usize, Sent)> {
        in_one_call(batch, self.send_all(batch))
    }

    async fn look_up(&self, look_up: &LookUp<'_>) -> Vec<LookedUp> {
        let LookUp { batch, age, .. } = *look_up;
        let began = time::now().plus(-i64::try_from(age.as_secs()).unwrap_or(0));
        let query = [
            ("dateType", "CREATED".to_owned()),
            ("startDate", time::in_utc(began.plus(-CLOCKS_DIFFER_SECONDS))),
            ("endDate", time::in_utc(began.plus(CALL_SECONDS_MAX + CLOCKS_DIFFER_SECONDS))),
        ];
        let mut wanted: HashMap<String, Option<String>> =
            batch.messages.iter().map(|message| (message.id.to_string(), None)).collect();
        let mut left = wanted.len();
        let goes_on = || batch.goes_on();
        let read = self
            .pages(&query, goes_on, |id, item| {
                if let Some(place @ None) = item.own_id().and_then(|own| wanted.get_mut(own)) {
                    *place = Some(item.message_id.clone().unwrap_or_else(|| id.to_owned()));
                    left -= 1;
                }
                left == 0
            })
            .await;
        let is_whole = read == Ok(true) && age >= LISTED_AFTER + self.options.call.timeout;
        let of = |message: &Message| match wanted.remove(&message.id.to_string()).flatten() {
            Some(reference) => LookedUp::Taken { reference: Some(reference) },
            None if is_whole => LookedUp::NotTaken,
            None => LookedUp::Unknown,
        };
        batch.messages.iter().map(of).collect()
    }

    async fn reports(&self, question: &ReportQuestion<'_>) -> Reports {
        let mut reports = Reports::default();
        for chunk in question.awaited.chunks(IDS_MAX) {
            let documents: HashMap<&str, &Awaited> =
                chunk.iter().map(|one| (one.reference.as_str(), one)).collect();
            let ids: Vec<&str> = chunk.iter().map(|one| one.reference.as_str()).collect();
            let query = [("messageIds", ids.join(","))];
            let mut left = chunk.len();
            let goes_on = || question.goes_on();
            let read = self
                .pages(&query, goes_on, |id, item| {
                    let id = item.message_id.as_deref().unwrap_or(id);
                    let Some(one) = documents.get(id) else { return false };
                    if let Some(arrival) = item.arrival() {
                        let said = item.trouble().said;
                        let report = Reported { document: one.document, arrival, at: item.at(), said };
                        reports.reported.push(report);
                    }
                    left = left.saturating_sub(1);
                    left == 0
                })
                .await;
            if !reports.read(read) {
                break;
            }
        }
        reports
    }

    fn pushed(&self, header: &dyn Fn(&str) -> Option<String>, body: &[u8]) -> Pushed {
        let secret = self.options.push_secret.as_ref();
        let items: Vec<Item> = match signed_push(secret, header("x-solapi-secret"), body) {
            Ok(items) => items,
            Err(pushed) => return pushed,
        };
        let report = |item: &Item| {
            // Whether a fallback follows a failure is not in a push, so failures are asked about.
            let arrival = item.arrival().filter(|arrival| arrival.is_delivered())?;
            Some(Reported { document: document(item.own_id()?)?, arrival, at: item.at(), said: None })
        };
        Pushed::Reports(items.iter().filter_map(report).collect())
    }

    async fn approved(&self, template: &ProviderTemplate) -> Option<Result<ApprovedTemplate, Trouble>> {
        let url = self.caller.url(&format!("/kakao/v2/templates/{}", template.template_code));
        let answer: Result<Value, Trouble> = self.caller.ask(self.signed(self.caller.client.get(url))).await;
        Some(answer.and_then(|found| {
            let Some(body) = found["content"].as_str() else {
                return Err(Trouble::of(Failure::NoTemplate));
            };
            let status = found["status"].as_str().unwrap_or("").to_owned();
            Ok(ApprovedTemplate {
                body: body.to_owned(),
                buttons: approved_buttons(&found["buttons"], "buttonName", "linkMo"),
                is_usable: status.is_empty() || status == "APPROVED",
                status,
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
            (json!({"statusCode": "4000", "type": "ATA"}), Some(Arrival::Messenger)),
            (json!({"statusCode": 4000, "type": "LMS"}), Some(Arrival::Fallback)),
            (json!({"statusCode": "2000"}), None),
            (json!({"statusCode": "3000"}), None),
            (json!({"statusCode": "3104"}), Some(Arrival::Failed)),
        ] {
            let item: Item = serde_json::from_value(json.clone()).expect("an item");
            assert_eq!(item.arrival(), arrival, "{json}");
        }
    }
}
