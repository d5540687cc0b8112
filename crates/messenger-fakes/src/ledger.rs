//! What a fake has taken: the record outside of the platform, by which tests count.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The code of the approved template.
pub const TEMPLATE_CODE: &str = "DOC_ARR";
/// The approved text.
pub const TEMPLATE: &str = "[#{기관명}] 전자문서가 도착했습니다.\n제목: #{제목}\n#{내용}\n열람기한: #{열람기한}까지\n문의: #{고객센터명} #{고객센터번호}";
/// The approved templates: for arrived documents, for links that a person requested, and for changed PINs.
pub const TEMPLATES: [(&str, &str); 3] = [
    (TEMPLATE_CODE, TEMPLATE),
    ("LOGIN_LINK", "[#{기관명}] #{내용}\n#{열람기한}까지 쓸 수 있습니다."),
    ("PIN_CHANGED", "[#{기관명}] #{내용}"),
];
/// The name of the approved button.
pub(crate) const BUTTON: &str = "문서확인";
/// A person without the messenger, who gets an SMS or LMS instead if the message has one.
pub const FALLBACK_NUMBER: &str = "01099990001";
/// A sandbox's person of whom nothing is ever reported.
const NEVER_REPORTED: &str = "01000000005";
/// A sandbox's person whose number is refused.
const PERSONA_REFUSED: &str = "01000000006";
/// A number that is refused at once.
pub const REFUSED_NUMBER: &str = "01099990002";

/// A message that a fake took.
#[derive(Clone, Debug)]
pub struct Message {
    /// The id of the platform, or what its answer was given for where the provider keeps none.
    pub own_id: String,
    /// The code of its template.
    pub template: String,
    /// The number.
    pub to: String,
    /// The text, as the person sees it.
    pub text: String,
    /// The address of its button.
    pub link: String,
    /// The SMS or LMS that is sent instead.
    pub fallback: Option<String>,
    /// The call that it came with.
    pub call_id: String,
    /// Its place in that call, from 1.
    pub place: usize,
    /// When it was taken.
    pub taken_at: Instant,
    pub(crate) confirmed: bool,
    pub(crate) outcome: Result,
}

impl Message {
    /// A message that is taken now; the provider adds what it knows of it.
    pub(crate) fn taken_now() -> Self {
        Self {
            own_id: String::new(),
            template: String::new(),
            to: String::new(),
            text: String::new(),
            link: String::new(),
            fallback: None,
            call_id: String::new(),
            place: 1,
            taken_at: Instant::now(),
            confirmed: false,
            outcome: Result::Pending,
        }
    }

    /// What has become of it by now.
    pub(crate) fn result(&self) -> Result {
        if self.taken_at.elapsed() < RESULT_AFTER { Result::Pending } else { self.outcome }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Result {
    Pending,
    Arrived,
    Fallback,
    NoUser,
    WrongTemplate,
}

#[derive(Default)]
pub(crate) struct Ledger {
    messages: Mutex<Vec<Message>>,
    /// The places of each call's messages.
    by_call: Mutex<HashMap<String, Vec<usize>>>,
    calls: AtomicUsize,
    keys: Mutex<HashMap<String, Instant>>,
    approved: Mutex<Option<String>>,
}

/// How long a result takes.
pub(crate) const RESULT_AFTER: Duration = Duration::from_millis(300);

impl Ledger {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, message: Message) {
        let outcome = self.outcome(&message);
        let mut by_call = self.by_call.lock().unwrap_or_else(PoisonError::into_inner);
        let mut messages = self.lock();
        by_call.entry(message.call_id.clone()).or_default().push(messages.len());
        messages.push(Message { outcome, ..message });
    }

    /// A number that no other call has.
    pub(crate) fn new_call(&self) -> usize {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Remembers that the results of a call were confirmed.
    pub(crate) fn confirm(&self, call_id: &str) {
        let by_call = self.by_call.lock().unwrap_or_else(PoisonError::into_inner);
        let mut messages = self.lock();
        for place in by_call.get(call_id).into_iter().flatten() {
            if let Some(message) = messages.get_mut(*place) {
                message.confirmed = true;
            }
        }
    }

    /// The messages of a call.
    pub(crate) fn of_call(&self, call_id: &str) -> Vec<Message> {
        let by_call = self.by_call.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = self.lock();
        let places = by_call.get(call_id).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| messages.get(*place).cloned()).collect()
    }

    /// Remembers an idempotency key for `seconds`; `false` if it is known.
    pub(crate) fn is_new(&self, key: &str, for_how_long: Duration) -> bool {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if keys.get(key).is_some_and(|until| *until > now) {
            return false;
        }
        keys.insert(key.to_owned(), now + for_how_long);
        true
    }

    /// The text that is approved under a code.
    pub(crate) fn approved(&self, code: &str) -> Option<String> {
        let approved = self.approved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = approved.as_ref().filter(|_| code == TEMPLATE_CODE) {
            return Some(own.clone());
        }
        TEMPLATES.iter().find(|(known, _)| *known == code).map(|(_, text)| (*text).to_owned())
    }

    pub(crate) fn approve(&self, body: &str) {
        *self.approved.lock().unwrap_or_else(PoisonError::into_inner) = Some(body.to_owned());
    }

    /// What will become of a message.
    fn outcome(&self, message: &Message) -> Result {
        if message.to == NEVER_REPORTED {
            return Result::Pending;
        }
        if !self.approved(&message.template).is_some_and(|approved| matches(&approved, &message.text)) {
            return Result::WrongTemplate;
        }
        if message.to == PERSONA_REFUSED {
            return Result::NoUser;
        }
        match (message.to == FALLBACK_NUMBER, &message.fallback) {
            (true, Some(_)) => Result::Fallback,
            (true, None) => Result::NoUser,
            (false, _) => Result::Arrived,
        }
    }
}

/// Whether a number is refused at once.
pub(crate) fn is_refused(number: &str) -> bool {
    number == REFUSED_NUMBER || number == PERSONA_REFUSED
}

/// The approved text with its variables substituted; `None` if one is missing.
pub(crate) fn fill(approved: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    let mut rest = approved;
    while let Some((before, after)) = rest.split_once("#{") {
        let (name, after) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(&value(name)?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

/// Whether a text is the approved one with some values.
fn matches(approved: &str, text: &str) -> bool {
    let mut rest = text;
    let mut fixed = Vec::new();
    let mut left = approved;
    while let Some((before, after)) = left.split_once("#{") {
        fixed.push(before);
        left = after.split_once('}').map_or("", |(_, after)| after);
    }
    fixed.push(left);
    for (index, part) in fixed.iter().enumerate() {
        let found = if index == 0 { rest.starts_with(part).then_some(0) } else { rest.find(part) };
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    left.is_empty() || text.ends_with(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_approved_one_or_is_not() {
        let approved = "[#{기관명}] 도착\n#{제목} 확인";
        let filled = fill(approved, |name| Some(format!("<{name}>"))).expect("filled");
        assert_eq!(filled, "[<기관명>] 도착\n<제목> 확인");
        assert!(matches(approved, &filled) && matches(approved, "[] 도착\n 확인"));
        for not in ["[가] 도착\n가  확인 ", "[가]도착\n가 확인", "[가] 도착\n가 확인."] {
            assert!(!matches(approved, not), "{not}");
        }
        assert_eq!(fill(approved, |name| (name == "제목").then(String::new)), None);
    }
}
