//! The payload values on a document's card: an amount and a due date, if the operator has configured which
//! members of a JSON payload they are. Any other payload stays opaque.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::SeoulDay;

/// The maximum length of a member name.
pub const MEMBER_CHARACTERS_MAX: usize = 40;
/// The maximum amount shown; anything larger is not plausible as an amount.
const AMOUNT_MAX: u64 = 999_999_999_999_999;

/// The members of a payload that a card shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The member with the amount in won.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// The member with the due date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
}

/// The values on a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CardValues {
    /// In won.
    pub amount_won: Option<u64>,
    /// The due date.
    pub due: Option<SeoulDay>,
}

impl Card {
    /// The stored form.
    pub fn to_json(&self) -> String {
        serde_json::json!({ "amount": self.amount, "due": self.due }).to_string()
    }

    /// Parses the stored form; `None` if it is not valid.
    pub fn from_json(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The values of `payload` to show. A value that is not clearly an amount or a date is not shown.
    pub fn shown(&self, payload: Option<&str>) -> CardValues {
        let Some(Value::Object(members)) = payload.and_then(|payload| serde_json::from_str(payload).ok())
        else {
            return CardValues::default();
        };
        let member = |name: &Option<String>| name.as_ref().and_then(|name| members.get(name));
        CardValues { amount_won: member(&self.amount).and_then(won), due: member(&self.due).and_then(day) }
    }
}

/// 184500 as `184,500`.
pub fn with_commas(amount: u64) -> String {
    let digits = amount.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A whole amount: a number, or digits with correctly placed commas.
fn won(value: &Value) -> Option<u64> {
    let amount = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => {
            let text = text.trim();
            let digits = text.strip_suffix('원').unwrap_or(text).trim();
            let groups: Vec<&str> = digits.split(',').collect();
            let are_thousands = groups.iter().skip(1).all(|group| group.len() == 3)
                && (groups.len() == 1 || (1..=3).contains(&groups[0].len()));
            let digits = groups.concat();
            let are_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| are_thousands && are_digits)?
        }
        _ => return None,
    };
    (amount <= AMOUNT_MAX).then_some(amount)
}

/// A date as `2026-11-30`, `2026.11.30` or `20261130`, as a string or a number.
fn day(value: &Value) -> Option<SeoulDay> {
    match value {
        Value::Number(number) => SeoulDay::from_yyyymmdd(number.as_i64()?),
        Value::String(text) => {
            let text = text.trim();
            let dashed = text.replace('.', "-");
            SeoulDay::parse(dashed.trim_end_matches('-'))
                .or_else(|| text.parse().ok().filter(|_| text.len() == 8).and_then(SeoulDay::from_yyyymmdd))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certainly_an_amount_or_a_day_is_shown() {
        let card = Card { amount: Some("amt".to_owned()), due: Some("due".to_owned()) };
        let shown = |payload: &str| {
            let CardValues { amount_won, due } = card.shown(Some(payload));
            (amount_won, due.map(|day| day.to_string()))
        };
        let day = Some("2026-11-30".to_owned());
        for (payload, expected) in [
            (r#"{"amt":184500,"due":"2026-11-30"}"#, (Some(184_500), day.clone())),
            (r#"{"amt":"184,500원","due":"20261130"}"#, (Some(184_500), day.clone())),
            (r#"{"amt":"184500","due":20261130}"#, (Some(184_500), day.clone())),
            (r#"{"amt":" 1,184,500 ","due":"2026.11.30."}"#, (Some(1_184_500), day.clone())),
            (r#"{"amt":0}"#, (Some(0), None)),
            (r#"{"amt":-5,"due":"2026-02-30"}"#, (None, None)),
            (r#"{"amt":1.5,"due":"내일"}"#, (None, None)),
            (r#"{"amt":"1,84,500","due":true}"#, (None, None)),
            (r#"{"amt":"18,4500"}"#, (None, None)),
            (r#"{"amt":""}"#, (None, None)),
            (r#"{"amt":9999999999999999}"#, (None, None)),
            ("[184500]", (None, None)),
            ("amount=184500", (None, None)),
        ] {
            assert_eq!(shown(payload), expected, "{payload}");
        }
        assert_eq!(card.shown(None), CardValues::default());
        assert_eq!(Card::default().shown(Some(r#"{"amt":1}"#)), CardValues::default());
    }
}
