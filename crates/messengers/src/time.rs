//! Times as providers write them: with an offset, or as it is in Seoul.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use seoham_model::UnixSeconds;

/// Korea has no daylight saving time.
fn seoul() -> TimeZone {
    TimeZone::fixed(Offset::constant(9))
}

/// Parses a time; `None` if it is none.
pub(crate) fn parse(text: &str) -> Option<UnixSeconds> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(UnixSeconds(timestamp.as_second()));
    }
    // Fractions are of no interest, and some write only one digit of them.
    let seconds = text.get(..19).unwrap_or(text).replace(' ', "T");
    let civil: DateTime = seconds.parse().ok()?;
    Some(UnixSeconds(civil.to_zoned(seoul()).ok()?.timestamp().as_second()))
}

/// `2026-11-28 10:00:00` in Seoul.
pub(crate) fn in_seoul(at: UnixSeconds) -> String {
    let at = jiff::Timestamp::from_second(at.0).unwrap_or_default().to_zoned(seoul());
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// RFC 3339 in UTC.
pub(crate) fn in_utc(at: UnixSeconds) -> String {
    jiff::Timestamp::from_second(at.0).unwrap_or_default().to_string()
}

/// The machine's time: signatures and windows of a provider are not about a sandbox's clock.
pub(crate) fn now() -> UnixSeconds {
    UnixSeconds(jiff::Timestamp::now().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        let at = Some(UnixSeconds(1_795_824_000));
        for text in [
            "2026-11-28T00:00:00Z",
            "2026-11-28T09:00:00+09:00",
            "2026-11-28T09:00:00.123+09:00",
            "2026-11-28 09:00:00",
            "2026-11-28 09:00:00.0",
            "2026-11-28T09:00:00",
        ] {
            assert_eq!(parse(text), at, "{text}");
        }
        assert_eq!(parse("soon"), None);
        assert_eq!(in_seoul(UnixSeconds(1_795_824_000)), "2026-11-28 09:00:00");
        assert_eq!(in_utc(UnixSeconds(1_795_824_000)), "2026-11-28T00:00:00Z");
    }
}
