//! Time as the contract counts it, and the one seam through which every rule reads it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment in Unix seconds: the only unit of time on the wire (SPEC 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);

impl UnixSeconds {
    /// This moment and `seconds` more; saturates instead of wrapping.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Whole seconds from `earlier` to this moment, negative when it lies after.
    pub fn seconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The clock behind every rule of the contract.
///
/// It is the machine's clock plus what a sandbox has advanced it by (SPEC 12); on a live server
/// the advance is always zero. It never goes back: when the machine's clock is set back, it stands
/// still until that has caught up. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    advanced_seconds: AtomicI64,
    /// The latest that was ever told.
    told_millis: AtomicI64,
    /// Where the clock stands still instead of following the machine's.
    stopped_at_millis: Option<i64>,
}

impl Clock {
    /// A clock that stands at `moment` and moves only when it is advanced: for simulations that
    /// must run alike each time.
    pub fn stopped_at(moment: UnixSeconds) -> Self {
        let stopped_at_millis = Some(moment.0.saturating_mul(1000));
        Self { inner: Arc::new(Inner { stopped_at_millis, ..Inner::default() }) }
    }

    /// Now, in Unix seconds.
    pub fn now(&self) -> UnixSeconds {
        UnixSeconds(self.now_millis().div_euclid(1000))
    }

    /// Now, in Unix milliseconds: for ids, which carry their time.
    pub fn now_millis(&self) -> i64 {
        let base = self.inner.stopped_at_millis.unwrap_or_else(machine_millis);
        let now = base.saturating_add(self.advanced_seconds().saturating_mul(1000));
        now.max(self.inner.told_millis.fetch_max(now, Ordering::Relaxed))
    }

    /// Sets how far this clock runs ahead of the machine's. A smaller value than the present one
    /// is ignored.
    pub fn set_advanced_seconds(&self, seconds: i64) {
        self.inner.advanced_seconds.fetch_max(seconds, Ordering::Relaxed);
    }

    /// How far this clock runs ahead of the machine's, in seconds.
    pub fn advanced_seconds(&self) -> i64 {
        self.inner.advanced_seconds.load(Ordering::Relaxed)
    }
}

fn machine_millis() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Korea has had no daylight saving since 1988, so its civil time is a constant offset.
const SEOUL: jiff::tz::Offset = jiff::tz::Offset::constant(9);

/// A calendar day in Asia/Seoul: what "a day" means in SPEC 9, and the "today" that a birthday
/// is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeoulDay(jiff::civil::Date);

impl SeoulDay {
    /// The day that `moment` falls on in Seoul.
    pub fn of(moment: UnixSeconds) -> Self {
        Self(seoul(moment).date())
    }

    /// The day as a number, `YYYYMMDD`.
    pub fn as_number(self) -> i64 {
        i64::from(self.0.year()) * 10_000 + i64::from(self.0.month()) * 100 + i64::from(self.0.day())
    }

    /// The day that a store kept as `YYYYMMDD`; the first there is for a number that is none.
    pub fn from_number(number: i64) -> Self {
        let part = |n: i64| i8::try_from(n).unwrap_or(0);
        let year = i16::try_from(number / 10_000).unwrap_or(0);
        let date = jiff::civil::Date::new(year, part(number / 100 % 100), part(number % 100));
        Self(date.unwrap_or(jiff::civil::Date::ZERO))
    }

    /// Reads `YYYY-MM-DD`, a real date.
    pub fn parse(text: &str) -> Option<Self> {
        let in_form = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if in_form { text.parse().ok().map(Self) } else { None }
    }

    /// The day after.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus_days(1)
    }

    /// The day so many days later, or earlier where they are negative.
    #[must_use]
    pub fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(jiff::Span::new().days(days)))
    }

    /// How many days later than `earlier` it is.
    pub fn days_since(self, earlier: Self) -> i32 {
        self.0.since(earlier.0).map_or(0, |span| span.get_days())
    }

    /// Its first moment.
    pub fn begins_at(self) -> UnixSeconds {
        let midnight = self.0.to_datetime(jiff::civil::Time::midnight());
        UnixSeconds(SEOUL.to_timestamp(midnight).map_or(0, jiff::Timestamp::as_second))
    }

    pub(crate) fn date(self) -> jiff::civil::Date {
        self.0
    }
}

impl fmt::Display for SeoulDay {
    /// `YYYY-MM-DD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for SeoulDay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `moment` in Seoul's civil time as a person reads it: `2026-12-23 17:03`.
pub fn seoul_minutes(moment: UnixSeconds) -> String {
    let t = seoul(moment);
    format!("{:04}-{:02}-{:02} {:02}:{:02}", t.year(), t.month(), t.day(), t.hour(), t.minute())
}

/// The same to the second: `2026-12-23 17:03:59`, as a spreadsheet program reads it.
pub fn seoul_seconds(moment: UnixSeconds) -> String {
    format!("{}:{:02}", seoul_minutes(moment), seoul(moment).second())
}

fn seoul(moment: UnixSeconds) -> jiff::civil::DateTime {
    let timestamp = jiff::Timestamp::from_second(moment.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    SEOUL.to_datetime(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_turns_at_midnight_in_seoul() {
        // 2026-11-22T15:00:00Z is midnight of the 23rd in Seoul.
        let midnight = UnixSeconds(1_795_359_600);
        assert_eq!(SeoulDay::of(midnight.plus(-1)).as_number(), 20_261_122);
        assert_eq!(SeoulDay::of(midnight).as_number(), 20_261_123);
        assert_eq!(seoul_minutes(midnight), "2026-11-23 00:00");
    }

    #[test]
    fn a_day_is_read_and_counted_on() {
        let day = SeoulDay::parse("2028-02-28").expect("a day");
        assert_eq!(day.next().to_string(), "2028-02-29");
        assert_eq!(day.plus_days(-59).to_string(), "2027-12-31");
        assert_eq!(day.plus_days(400).days_since(day), 400);
        assert_eq!(SeoulDay::from_number(day.as_number()), day);
        assert_eq!(SeoulDay::of(day.begins_at()), day);
        assert_eq!(SeoulDay::of(day.begins_at().plus(-1)).next(), day);
        for bad in ["2027-02-29", "20270228", "2027-2-28", "", "+2027-02-2", "2027-02-28T00"] {
            assert_eq!(SeoulDay::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_clock_never_goes_back() {
        let clock = Clock::default();
        clock.set_advanced_seconds(100);
        clock.set_advanced_seconds(40);
        assert_eq!(clock.advanced_seconds(), 100);
        assert_eq!(clock.clone().advanced_seconds(), 100);
        let told = clock.now_millis();
        clock.inner.told_millis.fetch_max(told + 60_000, Ordering::Relaxed);
        assert!(clock.now_millis() >= told + 60_000, "not before what was told");
    }

    #[test]
    fn a_stopped_clock_moves_only_when_it_is_advanced() {
        let clock = Clock::stopped_at(UnixSeconds(5_000));
        assert_eq!(clock.now(), UnixSeconds(5_000));
        clock.set_advanced_seconds(60);
        assert_eq!(clock.now_millis(), 5_060_000);
    }
}
