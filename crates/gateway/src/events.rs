//! `GET /v1/events`: the feed of an institution (SPEC 15).

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::State;
use axum::response::Response;
use seoham_http::{ApiError, Query};
use seoham_model::event::FeedEvent;
use seoham_model::{EventType, InstitutionId, NamedNumber, Text};
use seoham_store::StoreError;
use seoham_store::events::{FeedQuery, FeedRead};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::reply::json;
use crate::state::Gateway;

/// The most events in one answer.
const LIMIT_MAX: usize = 1_000;
/// How many there are without `limit`.
const LIMIT_DEFAULT: usize = 100;
/// The longest wait, in seconds.
const WAIT_SECONDS_MAX: u64 = 30;

/// Reads feeds, and waits for new events.
#[async_trait]
pub trait EventFeeds: Send + Sync {
    /// Reads events of `institution`; if there are none yet, waits for at most `wait`. `None` if too many of its readers
    /// wait already.
    async fn read(
        &self,
        institution: InstitutionId,
        query: FeedQuery,
        wait: Duration,
    ) -> Result<Option<FeedRead>, StoreError>;
}

/// As text, so that an error can say which one is wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    after: Option<String>,
    limit: Option<String>,
    wait: Option<String>,
    types: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Events)]
pub(crate) struct EventsReply {
    /// Ascending.
    #[schema(inline)]
    events: Vec<FeedEvent>,
    /// The reader has everything up to this number, events of other types included: the next `after`.
    through: u64,
    /// There is more after `through`.
    more: bool,
    /// The number of the last event that there is; 0 if there is none.
    last: u64,
    /// Numbers mean the same as long as this is the same: it changes when the service is restored from a backup.
    epoch: u64,
}

/// The events of the institution after a number, in order. With `wait`, the answer comes when there is an event.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(
        ("after" = Option<u64>, Query, description = "the last number that was read; 0 from the beginning"),
        ("limit" = Option<u16>, Query, description = "at most so many, 1 to 1000; 100 by default"),
        ("wait" = Option<u8>, Query, description = "seconds to wait for an event, 0 to 30; 0 by default"),
        ("types" = Option<String>, Query, description = "only of these types, separated by commas; all by default"),
    ),
    responses((status = 200, body = inline(EventsReply))),
    security(("access_token" = [])),
)]
pub(crate) async fn read(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let query = FeedQuery {
        after: number("after", asked.after.as_deref(), 0, u64::MAX / 2)?.unwrap_or(0),
        limit: number("limit", asked.limit.as_deref(), 1, LIMIT_MAX as u64)?
            .map_or(LIMIT_DEFAULT, |limit| usize::try_from(limit).unwrap_or(LIMIT_MAX)),
        types: types(asked.types.as_deref())?,
    };
    let wait = Duration::from_secs(number("wait", asked.wait.as_deref(), 0, WAIT_SECONDS_MAX)?.unwrap_or(0));
    let after = query.after;
    let read = gateway.feeds.read(caller.institution, query, wait).await?;
    let FeedRead { epoch, ends, page } = read.ok_or_else(too_many_waiting)?;
    if after + 1 < ends.oldest {
        return Err(ApiError::gone(ends.oldest, epoch));
    }
    let events = page.events.into_iter().map(FeedEvent::from).collect();
    json(&EventsReply { events, through: page.through, more: page.more, last: ends.last, epoch })
}

/// A number of the query string between `min` and `max`.
fn number(name: &'static str, value: Option<&str>, min: u64, max: u64) -> Result<Option<u64>, ApiError> {
    let Some(value) = value else { return Ok(None) };
    let is_digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse() {
        Ok(number) if is_digits && (min..=max).contains(&number) => Ok(Some(number)),
        _ => Err(ApiError::invalid(Text::made(
            format!("{name}: {min} 이상 {max} 이하의 정수가 아닙니다"),
            format!("{name}: not a whole number from {min} to {max}"),
        ))),
    }
}

fn types(value: Option<&str>) -> Result<Option<BTreeSet<EventType>>, ApiError> {
    let Some(value) = value else { return Ok(None) };
    let known = |name: &str| EventType::from_name(name.trim());
    let types: Option<BTreeSet<EventType>> = value.split(',').map(known).collect();
    types.map(Some).ok_or_else(|| {
        ApiError::invalid(Text::fixed(
            "types: 없는 이벤트 종류가 있습니다(예: document.accepted,document.read)",
            "types: one of them is not a type of event (for example document.accepted,document.read)",
        ))
    })
}

fn too_many_waiting() -> ApiError {
    ApiError::too_many_requests().saying(Text::fixed(
        "wait: 이 기관에서 이벤트를 기다리는 요청이 너무 많습니다",
        "wait: too many requests of this institution wait for events at once",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_and_in_their_range() {
        let limit = |value| number("limit", value, 1, 1_000);
        for (value, expected) in
            [(None, Some(None)), (Some("1"), Some(Some(1))), (Some("1000"), Some(Some(1_000)))]
        {
            assert_eq!(limit(value).ok(), expected, "{value:?}");
        }
        for value in ["", "0", "1001", "-1", "+1", "1.0", "1e2", "x", "99999999999999999999"] {
            let error = limit(Some(value)).expect_err(value);
            assert!(error.text().in_lang(seoham_model::Lang::En).starts_with("limit: "), "{value}");
        }
    }

    #[test]
    fn types_are_named_as_on_the_wire() {
        let some = types(Some("document.read, document.accepted")).expect("known").expect("some");
        assert_eq!(some, BTreeSet::from([EventType::Accepted, EventType::Read]));
        assert_eq!(types(None).expect("known"), None);
        for value in ["", "document.unread", "document.read,", "document.read;document.accepted"] {
            assert!(types(Some(value)).is_err(), "{value}");
        }
    }
}
