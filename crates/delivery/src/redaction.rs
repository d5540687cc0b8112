//! A provider's own words, redacted: they are shown to operators and logged, so nothing personal may be left in them
//! (SPEC 13). Providers repeat what they were given.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use secrecy::ExposeSecret;

use crate::message::Message;
use crate::provider::{LookedUp, Sent, Trouble};

/// Most characters that are kept.
const CHARACTERS_MAX: usize = 200;
/// Most characters that are searched for values of messages: a value that is cut off would not be found.
const SEARCHED_MAX: usize = 4_000;
/// A token without a digit, longer than any word.
const WORD_MAX: usize = 32;
/// So many digits, however they are grouped, can be a telephone number; no provider has longer codes.
const NUMBER_DIGITS: usize = 7;
/// Shorter values of a message are found in any text, and tell nobody apart.
const VALUE_CHARACTERS_MIN: usize = 2;
/// So many different words about the messages of a call are searched for the values of all of them; further ones for those
/// of the message that they are about.
const DIFFERENT_MAX: usize = 16;
const REDACTED: &str = "…";

/// Addresses, e-mail addresses, and paths with a part that may be a token.
static LINK: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"[^\s"'<>]*(?:://|@|/[A-Za-z0-9_~-]{12,})[^\s"'<>]*"#).ok());
/// What may be a token.
static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[A-Za-z0-9_~-]{20,}").ok());
/// Digits of any script, grouped by blanks, points, brackets, slashes or dashes of any kind.
static NUMBER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[+(]*\d(?:[\s\p{Pd}().·/+_]*\d)*").ok());

/// What is kept of a provider's words.
pub(crate) fn cut(said: &str) -> String {
    said.chars().take(CHARACTERS_MAX).collect()
}

/// A provider's code and its words, without what could be a personal value. To be [`cut`] once it is also without the
/// values of the messages that they are about.
pub(crate) fn redacted(code: &str, words: &str) -> String {
    // The status and the code of an answer do not make a number together.
    let code: Vec<String> =
        code.split_whitespace().map(|part| without_numbers(&without_links(part))).collect();
    let code = code.join(" ");
    let words = without_numbers(&without_links(words));
    let said = format!("{code} {words}");
    said.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SEARCHED_MAX).collect()
}

/// Removes the values of a call's messages from what the provider says in its answers, each with the place of its message.
pub(crate) fn redact_answers(sent: &mut [(usize, Sent)], messages: &[Message]) {
    redact(sent.iter_mut().map(|(place, sent)| (*place, sent.trouble_mut())), messages);
}

/// The same for what it says about messages that were looked up, in their order.
pub(crate) fn redact_found(found: &mut [LookedUp], messages: &[Message]) {
    let trouble = |found| match found {
        &mut LookedUp::Refused(ref mut trouble) => Some(trouble),
        _ => None,
    };
    redact(found.iter_mut().map(trouble).enumerate(), messages);
}

fn redact<'a>(troubles: impl Iterator<Item = (usize, Option<&'a mut Trouble>)>, messages: &[Message]) {
    let mut known: HashMap<String, String> = HashMap::new();
    for (place, trouble) in troubles {
        let Some(said) = trouble.and_then(|trouble| trouble.said.as_mut()) else { continue };
        if let Some(redacted) = known.get(said) {
            said.clone_from(redacted);
        } else if known.len() < DIFFERENT_MAX {
            let redacted = messages.iter().fold(said.clone(), |said, message| without_values(&said, message));
            let redacted = cut(&redacted);
            known.insert(std::mem::replace(said, redacted.clone()), redacted);
        } else {
            let redacted = messages.get(place).map(|message| without_values(said, message));
            *said = cut(redacted.as_deref().unwrap_or(said));
        }
    }
}

/// The words without the values of a message that they may repeat: its text, its link, and what its variables stand for,
/// line by line.
fn without_values(said: &str, message: &Message) -> String {
    let variables = message.variables.iter().map(|(_, value)| value.as_str());
    let texts = [message.to.number(), message.to.email(), message.text.expose_secret(), &message.link];
    let mut said = said.to_owned();
    let mut values: Vec<&str> = texts
        .into_iter()
        .chain(variables)
        .flat_map(str::lines)
        .map(str::trim)
        .filter(|value| value.chars().count() >= VALUE_CHARACTERS_MIN)
        .collect();
    // A value may contain another.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in values {
        // Numbers and links in it were removed before.
        let redacted = without_numbers(&without_links(value));
        let has_more = redacted.chars().any(char::is_alphanumeric);
        for value in [value, &redacted].into_iter().filter(|value| has_more || *value != redacted) {
            if said.contains(value) {
                said = said.replace(value, REDACTED);
            }
        }
    }
    said
}

fn without_links(text: &str) -> String {
    let (Some(link), Some(token)) = (&*LINK, &*TOKEN) else { return String::new() };
    let text = link.replace_all(text, REDACTED);
    // A word of letters alone is one, unless it is very long.
    let is_word = |found: &str| found.len() < WORD_MAX && !found.bytes().any(|byte| byte.is_ascii_digit());
    let redact = |found: &Captures<'_>| {
        if is_word(&found[0]) { found[0].to_owned() } else { REDACTED.to_owned() }
    };
    token.replace_all(&text, redact).into_owned()
}

fn without_numbers(text: &str) -> String {
    let Some(number) = &*NUMBER else { return String::new() };
    let redact = |found: &Captures<'_>| {
        let digits = found[0].chars().filter(|c| c.is_numeric()).count();
        if digits >= NUMBER_DIGITS { REDACTED.to_owned() } else { found[0].to_owned() }
    };
    number.replace_all(text, redact).into_owned()
}

#[cfg(test)]
mod tests {
    use seoham_model::message::MessageKind;
    use seoham_model::person::Addresses;
    use seoham_model::template::Values;
    use seoham_store::undelivered::Failure;

    use super::*;
    use crate::message::MessageId;

    fn message(title: &str) -> Message {
        let values = Values {
            institution_name: "가상시청",
            title,
            message: "안내입니다",
            deadline: "2026-12-31 18:00".to_owned(),
            cs_name: "콜센터",
            cs_number: "02-000-0000",
            link: "https://box.example/n/AbC",
        };
        let (id, kind) = (MessageId::Test(1), MessageKind::DocumentArrived);
        Message::new(id, kind, Addresses::of_number("01000000001".to_owned().into()), None, &values, || {
            title.to_owned()
        })
    }

    #[test]
    fn no_value_of_any_message_of_the_call_is_left() {
        let messages = [message("건강검진 결과"), message("재산세")];
        let trouble = || Trouble::said(Failure::Provider, "E1", "제목 '건강검진 결과'이(가) 너무 깁니다");
        let mut sent = [(1, Sent::Refused(trouble())), (0, Sent::unknown(trouble())), (0, Sent::NotSent)];
        redact_answers(&mut sent, &messages);
        for (_, sent) in &sent[..2] {
            let said = sent.trouble().and_then(|trouble| trouble.said.clone()).expect("said");
            assert_eq!(said, "E1 제목 '…'이(가) 너무 깁니다");
        }
    }

    #[test]
    fn a_value_is_found_however_it_is_repeated() {
        let dated = message("가나다 2026-11-30 검진 결과");
        let mut long = message("재산세");
        let text = format!("첫 줄입니다\n둘째 줄은 라마바님의 것입니다\n{}", "긴".repeat(300));
        long.text = text.clone().into();
        let messages = [dated, long];
        for words in [
            "제목 '가나다 2026-11-30 검진 결과'".to_owned(),
            "내용: 첫 줄입니다\n둘째 줄은 라마바님의 것입니다".to_owned(),
            format!("{}{text}", "앞".repeat(150)),
        ] {
            let mut sent = [(0, Sent::Refused(Trouble::said(Failure::Provider, "E1", &words)))];
            redact_answers(&mut sent, &messages);
            let mut found = [LookedUp::Refused(Trouble::said(Failure::Provider, "E1", &words))];
            redact_found(&mut found, &messages);
            let of_found = match &found[0] {
                LookedUp::Refused(trouble) => trouble.said.clone(),
                _ => None,
            };
            let of_sent = sent[0].1.trouble().and_then(|trouble| trouble.said.clone());
            assert_eq!(of_sent, of_found);
            let said = of_sent.expect("said");
            assert!(
                !["가나다", "검진", "첫 줄", "라마바", "긴"].iter().any(|part| said.contains(part)),
                "{said}"
            );
            assert!(said.chars().count() <= CHARACTERS_MAX && said.starts_with("E1"), "{said}");
        }
    }

    #[test]
    fn many_different_words_are_redacted_too() {
        let messages: Vec<Message> = (0..40).map(|n| message(&format!("제목-{n}-가나다"))).collect();
        let said = |n| Trouble::said(Failure::Provider, "E1", &format!("no: 제목-{n}-가나다"));
        let mut sent: Vec<(usize, Sent)> = (0..40).map(|n| (n, Sent::Refused(said(n)))).collect();
        redact_answers(&mut sent, &messages);
        let is_clean =
            |sent: &Sent| sent.trouble().and_then(|trouble| trouble.said.as_deref()) == Some("E1 no: …");
        assert!(sent.iter().all(|(_, sent)| is_clean(sent)), "{sent:?}");
    }

    #[test]
    fn no_number_is_left_however_it_is_written() {
        for number in [
            "01000000001",
            "010-0000-0001",
            "010 0000 0001",
            "010.0000.0001",
            "(010) 0000-0001",
            "+82 10-0000-0001",
            "+82-10-0000-0001",
            "+821000000001",
            "82) 10 0000 0001",
            "010/0000/0001",
            "010–0000–0001",
            "０１０００００００１",
            "1000000001",
        ] {
            let said = redacted("3008", &format!("수신번호({number})가 잘못되었습니다"));
            assert!(!said.contains("0001") && !said.contains("０１"), "{said}");
            assert!(said.starts_with("3008 수신번호") && said.ends_with("잘못되었습니다"), "{said}");
        }
    }

    #[test]
    fn no_link_and_no_token_is_left() {
        for secret in [
            "https://box.example/n/AbCdEfGhIjKlMnOp",
            "/n/AbCdEfGhIjKlMnOp",
            "box.example/n/AbCdEfGhIjKlMnOp",
            "token=AbCdEfGhIjKlMnOpQrStU9",
            "token=AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGhIjKlMnOp",
            "{\"link\":\"https://box.example/n/AbCdEfGhIjKlMnOp\"}",
            "hong@example.com",
        ] {
            let said = redacted("E1", &format!("bad value {secret} given"));
            assert!(!said.contains("AbCd") && !said.contains("hong"), "{said}");
            assert!(said.starts_with("E1 bad value") && said.ends_with("given"), "{said}");
        }
    }

    #[test]
    fn what_is_told_is_kept() {
        for (code, words, said) in [
            ("-1021", "템플릿이 없습니다", "-1021 템플릿이 없습니다"),
            ("400 ValidationError", "", "400 ValidationError"),
            ("200 -1000", "no appkey", "200 -1000 no appkey"),
            (
                "E1",
                "at most 1000 of 5000\nAuthenticationFailedException",
                "E1 at most 1000 of 5000 AuthenticationFailedException",
            ),
            ("1062", "잔액 120,000원", "1062 잔액 120,000원"),
        ] {
            assert_eq!(redacted(code, words), said);
        }
        assert_eq!(cut(&redacted("E1", &"가".repeat(500))).chars().count(), CHARACTERS_MAX);
    }
}
