//! Aligo. It takes finished texts in forms, accepts what it may refuse later, and keeps no id of ours: a lost answer
//! stays unknown. Its results name a message of a call by the number alone.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use secrecy::{ExposeSecret, SecretString};
use seoham_delivery::{
    Abilities, ApprovedTemplate, Batch, Message, Provider, Reach, Recovery, ReportQuestion, Reported,
    Reporting, Reports, Sent, Together, Trouble, in_one_call,
};
use seoham_model::message::ProviderTemplate;
use seoham_store::deliveries::Arrival;
use seoham_store::handovers::Awaited;
use seoham_store::undelivered::Failure;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Answer, CallOptions, Caller, text_of, unanswered};
use crate::fallback::Fallback;
use crate::grouping::{Group, GroupSender, all, approved_buttons, number, send_groups};
use crate::time;
use crate::token::TokenCache;

/// Messages in one call.
const BATCH_MAX: usize = 500;
/// Results of a page.
const PAGE: usize = 500;
/// For how long a token is asked for.
const TOKEN_HOURS: u32 = 24;
/// What is shown above a message in lists.
const SUBJECT: &str = "알림";

/// How Aligo knows us.
pub struct AligoOptions {
    /// How it is called.
    pub call: CallOptions,
    /// The user's id.
    pub user_id: String,
    /// The API key.
    pub secret: SecretString,
    /// The sender channel, unless a template has its own.
    pub sender_key: String,
    /// The sending number.
    pub from: String,
}

/// Aligo.
pub struct Aligo {
    caller: Caller,
    options: AligoOptions,
    token: TokenCache,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply {
    code: Value,
    message: Option<String>,
    token: Option<String>,
    info: Option<Value>,
    list: Vec<HashMap<String, Value>>,
    #[serde(rename = "totalPage")]
    total_page: Value,
}

impl Reply {
    fn is_good(&self) -> bool {
        text_of(&self.code).as_deref() == Some("0")
    }

    fn trouble(&self) -> Trouble {
        let code = text_of(&self.code).unwrap_or_default();
        Trouble::said(Failure::Provider, &code, self.message.as_deref().unwrap_or(""))
    }

    /// −99 is for everything, so the words decide: who we are, or what it costs, is not about a message.
    fn refusal(&self) -> Sent {
        let words = self.message.as_deref().unwrap_or("");
        let is_ours = ["인증", "토큰", "token", "포인트", "잔액", "IP", "아이피"];
        if is_ours.iter().any(|word| words.contains(word)) {
            return Sent::Misconfigured(self.trouble());
        }
        let trouble = Trouble { failure: Failure::NoTemplate, ..self.trouble() };
        Sent::NotNow { retry_after: None, trouble }
    }
}

type Form = Vec<(String, String)>;

impl Aligo {
    /// Builds the provider; `None` if its address cannot be used.
    pub fn new(options: AligoOptions) -> Option<Self> {
        Some(Self { caller: Caller::new(options.call.clone())?, options, token: TokenCache::default() })
    }

    fn form(&self) -> Form {
        vec![
            ("apikey".to_owned(), self.options.secret.expose_secret().to_owned()),
            ("userid".to_owned(), self.options.user_id.clone()),
        ]
    }

    async fn post(&self, path: &str, form: &Form) -> Result<Answer, crate::call::NoAnswer> {
        self.caller.call(self.caller.client.post(self.caller.url(path)).form(form)).await
    }

    /// Asks something that changes nothing.
    async fn ask(&self, path: &str, form: &Form) -> Result<Reply, Trouble> {
        let answer = self.post(path, form).await.map_err(|_| Trouble::of(Failure::Unreachable))?;
        // It is sometimes said to be text/html.
        let reply: Reply = answer.parse().ok_or_else(|| answer.trouble())?;
        if reply.is_good() { Ok(reply) } else { Err(reply.trouble()) }
    }

    /// The token that calls carry, which belongs to this server's address.
    async fn token(&self) -> Result<SecretString, Trouble> {
        self.token.get(self.new_token()).await
    }

    async fn new_token(&self) -> Result<SecretString, Trouble> {
        let reply = self.ask(&format!("/akv10/token/create/{TOKEN_HOURS}/h/"), &self.form()).await?;
        reply.token.map(SecretString::from).ok_or_else(|| Trouble::of(Failure::Misconfigured))
    }

    async fn send_all(&self, batch: &Batch) -> Vec<Sent> {
        let (provider, sender_key) = (&self.options.call.name, &self.options.sender_key);
        send_groups(self, batch, provider, sender_key, BATCH_MAX).await
    }

    /// The results of one call.
    async fn results(&self, mid: &str) -> Result<Vec<HashMap<String, Value>>, Trouble> {
        let mut all = Vec::new();
        for page in 1..=BATCH_MAX.div_ceil(PAGE) + 1 {
            let mut form = self.form();
            form.push(("token".to_owned(), self.token().await?.expose_secret().to_owned()));
            for (name, value) in
                [("mid", mid.to_owned()), ("page", page.to_string()), ("limit", PAGE.to_string())]
            {
                form.push((name.to_owned(), value));
            }
            let reply = self.ask("/akv10/history/detail/", &form).await?;
            all.extend(reply.list);
            let pages: usize = text_of(&reply.total_page).and_then(|pages| pages.parse().ok()).unwrap_or(1);
            if page >= pages {
                break;
            }
        }
        Ok(all)
    }
}

fn buttons(message: &Message) -> Value {
    let button = |(name, url): &(String, String)| json!({"name": name, "linkType": "WL", "linkTypeName": "웹링크", "linkMo": url, "linkPc": url});
    json!({"button": message.buttons.iter().map(button).collect::<Vec<_>>()})
}

/// Reads a result of a call, by the numbers of its messages; `None` while it is open, or of another message.
fn read_result(result: &HashMap<String, Value>, numbers: &HashMap<&str, &Awaited>) -> Option<Reported> {
    let text = |name: &str| result.get(name).and_then(text_of).unwrap_or_default();
    let phone: String = text("phone").chars().filter(char::is_ascii_digit).collect();
    let (document, arrival) = (numbers.get(phone.as_str())?.document, arrival(result)?);
    let date = ["reportdate", "rsltdate", "sentdate"].iter().find_map(|name| time::parse(&text(name)));
    let said = Trouble::said(Failure::Provider, &text("rslt"), &text("rslt_message")).said;
    Some(Reported { document, arrival, at: date.unwrap_or_else(time::now), said })
}

/// What became of a message; `None` while that is open.
fn arrival(result: &HashMap<String, Value>) -> Option<Arrival> {
    let text = |name: &str| result.get(name).and_then(text_of).unwrap_or_default();
    if text("msgid").starts_with('Q') {
        return None;
    }
    let was_replaced = matches!(text("type").as_str(), "SM" | "LM" | "MM" | "SMS" | "LMS");
    match text("rslt").as_str() {
        "0" | "0000" if was_replaced => Some(Arrival::Fallback),
        "0" | "0000" => Some(Arrival::Messenger),
        "" => None,
        _ => Some(Arrival::Failed),
    }
}

#[async_trait]
impl GroupSender for Aligo {
    async fn send_group(&self, batch: &Batch, _: usize, group: &Group<'_>) -> Vec<(usize, Sent)> {
        let (key, messages) = group;
        let token = match self.token().await {
            Ok(token) => token,
            Err(trouble) if trouble.failure == Failure::Unreachable => {
                return all(messages, &Sent::NotNow { retry_after: None, trouble });
            }
            Err(trouble) => return all(messages, &Sent::Misconfigured(trouble)),
        };
        // The token may have taken as long as a call.
        if !batch.goes_on() {
            return all(messages, &Sent::NotSent);
        }
        let mut form = self.form();
        let mut add = |name: String, value: &str| form.push((name, value.to_owned()));
        add("token".to_owned(), token.expose_secret());
        add("senderkey".to_owned(), &key.sender_key);
        add("tpl_code".to_owned(), &key.template_code);
        add("failover".to_owned(), if key.falls_back { "Y" } else { "N" });
        let from = messages.first().and_then(|(_, message)| Fallback::of(message));
        add("sender".to_owned(), from.map_or(self.options.from.as_str(), |fallback| fallback.from));
        for (index, (_, message)) in messages.iter().enumerate() {
            let number_of = index + 1;
            add(format!("receiver_{number_of}"), number(message));
            add(format!("subject_{number_of}"), SUBJECT);
            add(format!("message_{number_of}"), message.text.expose_secret());
            if !message.buttons.is_empty() {
                add(format!("button_{number_of}"), &buttons(message).to_string());
            }
            if let Some(fallback) = Fallback::of(message) {
                add(format!("fsubject_{number_of}"), SUBJECT);
                add(format!("fmessage_{number_of}"), fallback.text);
            }
        }
        let answer = match self.post("/akv10/alimtalk/send/", &form).await {
            Ok(answer) => answer,
            Err(error) => return all(messages, &unanswered(error)),
        };
        if !answer.status.is_success() {
            return all(messages, &answer.refusal(false));
        }
        let Some(reply) = answer.parse::<Reply>() else {
            return all(messages, &Sent::unknown(answer.trouble()));
        };
        if !reply.is_good() {
            let refusal = reply.refusal();
            if matches!(refusal, Sent::Misconfigured(_)) {
                // The token may be the reason: the next call has a new one.
                self.token.forget().await;
            }
            return all(messages, &refusal);
        }
        let mid = reply.info.as_ref().and_then(|info| text_of(&info["mid"]));
        let taken = |(place, message): &(usize, &Message)| {
            let reference = mid.as_ref().map(|mid| format!("{mid}:{}", number(message)));
            (*place, Sent::Taken { reference })
        };
        messages.iter().map(taken).collect()
    }
}

#[async_trait]
impl Provider for Aligo {
    fn abilities(&self) -> Abilities {
        Abilities {
            batch_max: BATCH_MAX,
            calls_max: self.options.call.concurrent_calls,
            recovery: Recovery::None,
            takes_once: false,
            reaches: Reach::Number,
            needs_template: true,
            falls_back: true,
            together: Together::OneTemplateAndNumber,
            reporting: Reporting::AskedAfter(Duration::from_secs(5)),
            slowest: self.options.call.timeout,
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> BoxStream<'a, (usize, Sent)> {
        in_one_call(batch, self.send_all(batch))
    }

    async fn reports(&self, question: &ReportQuestion<'_>) -> Reports {
        let mut of_calls: BTreeMap<&str, HashMap<&str, &Awaited>> = BTreeMap::new();
        for one in question.awaited {
            if let Some((mid, number)) = one.reference.split_once(':') {
                of_calls.entry(mid).or_default().insert(number, one);
            }
        }
        let mut reports = Reports::default();
        for (mid, numbers) in of_calls {
            if !question.goes_on() {
                reports.broke_off();
                break;
            }
            match self.results(mid).await {
                Ok(results) => {
                    let read = results.iter().filter_map(|result| read_result(result, &numbers));
                    reports.reported.extend(read);
                }
                Err(trouble) => {
                    if !reports.failed(trouble) {
                        break;
                    }
                }
            }
        }
        reports
    }

    async fn approved(&self, template: &ProviderTemplate) -> Option<Result<ApprovedTemplate, Trouble>> {
        let mut form = self.form();
        let token = match self.token().await {
            Ok(token) => token,
            Err(trouble) => return Some(Err(trouble)),
        };
        let sender = template.sender_key.as_deref().unwrap_or(&self.options.sender_key);
        for (name, value) in
            [("token", token.expose_secret()), ("senderkey", sender), ("tpl_code", &template.template_code)]
        {
            form.push((name.to_owned(), value.to_owned()));
        }
        let reply = self.ask("/akv10/template/list/", &form).await;
        Some(reply.and_then(|reply| {
            let is_it = |one: &&HashMap<String, Value>| {
                one.get("templtCode").and_then(Value::as_str) == Some(template.template_code.as_str())
            };
            let Some(found) = reply.list.iter().find(is_it) else {
                return Err(Trouble::of(Failure::NoTemplate));
            };
            let text = |name: &str| found.get(name).and_then(text_of).unwrap_or_default();
            let buttons = found.get("buttons").unwrap_or(&Value::Null);
            Ok(ApprovedTemplate {
                body: text("templtContent"),
                buttons: approved_buttons(buttons, "name", "linkMo"),
                status: format!("{} {}", text("inspStatus"), text("status")),
                is_usable: matches!(text("inspStatus").as_str(), "" | "APR") && text("status") != "S",
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_as_they_are_documented() {
        for (json, expected) in [
            (json!({"msgid": "1", "type": "AT", "rslt": "0"}), Some(Arrival::Messenger)),
            (json!({"msgid": "1", "type": "AT", "rslt": "0000"}), Some(Arrival::Messenger)),
            (json!({"msgid": "1", "type": "LM", "rslt": "0"}), Some(Arrival::Fallback)),
            (json!({"msgid": "Q1", "rslt": "0"}), None),
            (json!({"msgid": "1", "rslt": "U"}), Some(Arrival::Failed)),
        ] {
            let result = serde_json::from_value(json.clone()).expect("a result");
            assert_eq!(arrival(&result), expected, "{json}");
        }
    }

    #[test]
    fn who_we_are_is_not_about_a_message() {
        let refusal = |message: &str| {
            Reply { code: (-99).into(), message: Some(message.to_owned()), ..Reply::default() }.refusal()
        };
        for held in ["인증오류입니다.", "포인트가 부족합니다."] {
            assert!(matches!(refusal(held), Sent::Misconfigured(_)), "{held}");
        }
        assert!(matches!(refusal("템플릿이 없습니다."), Sent::NotNow { .. }));
    }
}
