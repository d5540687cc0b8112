//! An announced volume (SPEC 9).

use serde::Deserialize;

use super::{Raw, day, form};
use crate::bulk::MalformedRequest;
use crate::clock::{SeoulDay, UnixSeconds};
use crate::document::StringRule;
use crate::violation::Rule;

/// An announced volume (SPEC 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncedVolume {
    /// Its name, 1 to 40 characters.
    pub name: String,
    /// Its first day.
    pub from: SeoulDay,
    /// Its last day: not before the first, not in the past, and less than a year after the first. The first
    /// day is at most two years ahead.
    pub to: SeoulDay,
    /// Documents on each of these days.
    pub documents_per_day: u64,
    /// The maximum number of requests per second.
    pub expected_tps: u32,
    /// The purpose, 1 to 500 characters.
    pub purpose: String,
}

/// The maximum number of documents per day in a plan: a billion.
const DOCUMENTS_PER_DAY_MAX: i64 = 1_000_000_000;
const TPS_MAX: i64 = 1_000_000;
/// The maximum number of days of one plan.
const PLAN_DAYS_MAX: i32 = 366;
/// How many days ahead a plan may begin.
const PLAN_AHEAD_DAYS_MAX: i32 = 2 * 366;

/// `{"name","from","to","documents_per_day","expected_tps","purpose"}`; days are `YYYY-MM-DD` in Asia/Seoul.
pub fn volume_plan(body: &[u8], now: UnixSeconds) -> Result<AnnouncedVolume, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        name: Raw<'a>,
        #[serde(borrow)]
        from: Raw<'a>,
        #[serde(borrow)]
        to: Raw<'a>,
        #[serde(borrow)]
        documents_per_day: Raw<'a>,
        #[serde(borrow)]
        expected_tps: Raw<'a>,
        #[serde(borrow)]
        purpose: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| {
        let name = checker.required("name", form.name, StringRule::characters(1, 40));
        let (from, to) = (day(checker, "from", form.from), day(checker, "to", form.to));
        if let (Some(from), Some(to)) = (from, to)
            && (to < from
                || to < SeoulDay::of(now)
                || to.days_since(from) >= PLAN_DAYS_MAX
                || from.days_since(SeoulDay::of(now)) >= PLAN_AHEAD_DAYS_MAX)
        {
            checker.report("to", Rule::LastDay);
        }
        let mut number = |member, raw: Raw<'_>, max| {
            if raw.is_none() {
                checker.report(member, Rule::Missing);
            }
            checker.integer(member, raw, 1, max).map(i64::unsigned_abs)
        };
        let documents_per_day = number("documents_per_day", form.documents_per_day, DOCUMENTS_PER_DAY_MAX);
        let expected_tps = number("expected_tps", form.expected_tps, TPS_MAX);
        let purpose = checker.required("purpose", form.purpose, StringRule::characters(1, 500).lines());
        Some(AnnouncedVolume {
            name: name?,
            from: from?,
            to: to?,
            documents_per_day: documents_per_day?,
            expected_tps: u32::try_from(expected_tps?).ok()?,
            purpose: purpose?,
        })
    })
}
