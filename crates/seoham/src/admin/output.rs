//! Formats replies of the operator API for people.

use seoham_model::UnixSeconds;
use seoham_model::clock::seoul_seconds;
use serde_json::Value;

/// The same reply with times as dates in Seoul time.
pub(super) fn for_people(answer: Value) -> Value {
    match answer {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| {
                    let is_time = name.ends_with("_at")
                        || ["at", "now", "machine", "member_since", "drop_before"].contains(&&*name);
                    let shown = match value.as_i64().filter(|_| is_time) {
                        Some(seconds) => seoul_seconds(UnixSeconds(seconds)).into(),
                        None => for_people(value),
                    };
                    (name, shown)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(for_people).collect()),
        other => other,
    }
}
