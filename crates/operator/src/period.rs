//! The days that a call asks for: `from` and `to` of a query.

use seoham_http::ApiError;
use seoham_model::{SeoulDay, Text};
use serde::Deserialize;

/// Days per response by default.
const DAYS: i32 = 31;
/// Maximum days per response.
pub(crate) const DAYS_MAX: i32 = 366;

/// `from` and `to`, in Seoul.
#[derive(Deserialize)]
pub(crate) struct Period {
    from: Option<String>,
    to: Option<String>,
}

impl Period {
    /// The first and the last day. Without `to` it ends `today`, and without `from` it is 31 days.
    pub(crate) fn days(&self, today: SeoulDay) -> Result<(SeoulDay, SeoulDay), ApiError> {
        let to = day("to", self.to.as_deref())?.unwrap_or(today);
        let from = day("from", self.from.as_deref())?.unwrap_or_else(|| to.plus_days(1 - DAYS));
        if to < from || to.days_since(from) >= DAYS_MAX {
            return Err(ApiError::invalid(Text::fixed(
                "to: from 이후여야 하며, 한 번에 366일까지 조회할 수 있습니다",
                "to: must not lie before from, and 366 days can be asked for at once",
            )));
        }
        Ok((from, to))
    }
}

fn day(member: &str, text: Option<&str>) -> Result<Option<SeoulDay>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let day = SeoulDay::parse(text).ok_or_else(|| {
        ApiError::invalid(Text::made(
            format!("{member}: YYYY-MM-DD 형식의 실제 날짜여야 합니다"),
            format!("{member}: must be a real date in the form YYYY-MM-DD"),
        ))
    })?;
    Ok(Some(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_month_until_today_at_first() {
        let today = SeoulDay::parse("2026-11-28").expect("a day");
        let days = |from: Option<&str>, to: Option<&str>| {
            let period = Period { from: from.map(str::to_owned), to: to.map(str::to_owned) };
            period.days(today).ok().map(|(from, to)| format!("{from} {to}"))
        };
        let cases = [
            (None, None, Some("2026-10-29 2026-11-28")),
            (Some("2026-11-28"), None, Some("2026-11-28 2026-11-28")),
            (None, Some("2026-03-31"), Some("2026-03-01 2026-03-31")),
            (Some("2026-01-01"), Some("2026-12-31"), Some("2026-01-01 2026-12-31")),
            (Some("2028-01-01"), Some("2028-12-31"), Some("2028-01-01 2028-12-31")),
            (Some("2025-11-28"), Some("2026-11-29"), None),
            (Some("2026-11-29"), None, None),
            (Some("2026-02-30"), None, None),
        ];
        for (from, to, is) in cases {
            assert_eq!(days(from, to).as_deref(), is, "{from:?} {to:?}");
        }
    }
}
