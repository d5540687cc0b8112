//! The contract's units of time, and the clock that every rule uses.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::stored::StoredNumber;

/// A Unix time in seconds: the only unit of time on the wire (SPEC 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);

impl UnixSeconds {
    /// This time plus `seconds`; saturates.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Whole seconds from `earlier` to this time; negative if `earlier` is later.
    pub fn seconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The difference between the machine's clock and the process's from which it counts as a jump, in
/// milliseconds: more than time synchronisation ever steps, and the limit for a node's difference from the
/// database's clock.
pub const JUMP_MILLIS: i64 = 10_000;
/// The most that the process's clock is slewed towards the machine's in one step, in milliseconds.
const STEP_MILLIS: i64 = 250;

/// The clock that every rule of the contract uses.
///
/// It is based on the time since boot, which cannot be set, and follows the machine's clock only in small
/// steps ([`Clock::follow`]). So a wrong reading, or a clock that is set while the process runs, has no
/// effect until an operator confirms the new time. A sandbox's clock can be advanced, and that offset is
/// added (SPEC 12). The clock never goes back, except when an earlier time is confirmed. Clones share it.
#[derive(Clone, Debug)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The Unix time of the boot, according to this clock.
    started_millis: AtomicI64,
    /// The same according to a shared clock or to stored times: no irreversible action uses a later time.
    reference_millis: AtomicI64,
    advanced_seconds: AtomicI64,
    /// The latest time ever returned.
    reported_millis: AtomicI64,
    /// The clock is stopped.
    stopped: bool,
}

/// The relation between the machine's clock and the process's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They agree, or converge in small steps.
    Together,
    /// The machine's clock is this many milliseconds ahead (behind if negative), and is not followed.
    Apart(i64),
}

impl Standing {
    /// Classifies a difference of `millis`.
    pub fn of(millis: i64) -> Self {
        if millis.saturating_abs() <= JUMP_MILLIS { Self::Together } else { Self::Apart(millis) }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::started_at(machine_millis().saturating_sub(boot_millis()), false)
    }
}

impl Clock {
    /// A clock stopped at `moment` that moves only when it is advanced: for reproducible simulations.
    pub fn stopped_at(moment: UnixSeconds) -> Self {
        Self::started_at(moment.0.saturating_mul(1000), true)
    }

    fn started_at(started_millis: i64, stopped: bool) -> Self {
        let inner = Inner {
            started_millis: AtomicI64::new(started_millis),
            reference_millis: AtomicI64::new(i64::MAX),
            advanced_seconds: AtomicI64::new(0),
            reported_millis: AtomicI64::new(i64::MIN),
            stopped,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Now, in Unix seconds.
    pub fn now(&self) -> UnixSeconds {
        UnixSeconds(self.now_millis().div_euclid(1000))
    }

    /// Now, in Unix milliseconds: for ids, which contain their creation time.
    pub fn now_millis(&self) -> i64 {
        let now = self.base_millis().saturating_add(self.advanced_seconds().saturating_mul(1000));
        now.max(self.inner.reported_millis.fetch_max(now, Ordering::Relaxed))
    }

    /// The time for irreversible actions, such as removing old data: the earlier of this clock and its
    /// reference.
    pub fn certain_now(&self) -> UnixSeconds {
        let reference = self.inner.reference_millis.load(Ordering::Relaxed);
        let reference = reference
            .saturating_add(self.running_millis())
            .saturating_add(self.advanced_seconds().saturating_mul(1000));
        UnixSeconds(self.now_millis().min(reference).div_euclid(1000))
    }

    /// Sets the reference to a shared clock that reads `millis`, excluding a sandbox's offset.
    pub fn compare_with(&self, millis: i64) {
        self.inner.reference_millis.store(millis.saturating_sub(self.running_millis()), Ordering::Relaxed);
    }

    /// How far `millis` is ahead of this clock, excluding a sandbox's offset.
    pub fn ahead_of_this(&self, millis: i64) -> i64 {
        millis.saturating_sub(self.base_millis())
    }

    /// Slews towards the machine's clock, unless that has jumped. Call it about once a second.
    pub fn follow(&self) -> Standing {
        self.follow_reading(machine_millis())
    }

    fn follow_reading(&self, machine_millis: i64) -> Standing {
        if self.inner.stopped {
            return Standing::Together;
        }
        let ahead = self.ahead_of_this(machine_millis);
        let standing = Standing::of(ahead);
        if standing == Standing::Together {
            self.inner.started_millis.fetch_add(ahead.clamp(-STEP_MILLIS, STEP_MILLIS), Ordering::Relaxed);
        }
        standing
    }

    /// Adopts the machine's current time, because an operator has confirmed it. Only this can set the clock
    /// back.
    pub fn confirm(&self) {
        self.confirm_reading(machine_millis());
    }

    fn confirm_reading(&self, machine_millis: i64) {
        if self.inner.stopped {
            return;
        }
        self.inner.started_millis.fetch_add(self.ahead_of_this(machine_millis), Ordering::Relaxed);
        self.inner.reference_millis.store(i64::MAX, Ordering::Relaxed);
        self.inner.reported_millis.store(i64::MIN, Ordering::Relaxed);
    }

    /// Sets the sandbox's offset. A smaller value than the current one is ignored.
    pub fn set_advanced_seconds(&self, seconds: i64) {
        self.inner.advanced_seconds.fetch_max(seconds, Ordering::Relaxed);
    }

    /// The sandbox's offset, in seconds.
    pub fn advanced_seconds(&self) -> i64 {
        self.inner.advanced_seconds.load(Ordering::Relaxed)
    }

    fn base_millis(&self) -> i64 {
        self.inner.started_millis.load(Ordering::Relaxed).saturating_add(self.running_millis())
    }

    fn running_millis(&self) -> i64 {
        if self.inner.stopped { 0 } else { boot_millis() }
    }
}

/// The machine's clock, in Unix milliseconds.
pub fn machine_millis() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Milliseconds since boot, including suspended time.
fn boot_millis() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)
}

/// Korea has had no daylight saving time since 1988, so its civil time has a constant offset.
const SEOUL: jiff::tz::Offset = jiff::tz::Offset::constant(9);

/// A calendar day in Asia/Seoul: the "day" of SPEC 9, and the "today" that a birthday is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeoulDay(jiff::civil::Date);

impl SeoulDay {
    /// The day as a number, `YYYYMMDD`.
    pub fn as_yyyymmdd(self) -> i64 {
        i64::from(self.0.year()) * 10_000 + i64::from(self.0.month()) * 100 + i64::from(self.0.day())
    }

    /// The day of `YYYYMMDD`; `None` for a number that is none.
    pub fn from_yyyymmdd(number: i64) -> Option<Self> {
        let part = |n: i64| i8::try_from(n).ok();
        let year = i16::try_from(number / 10_000).ok()?;
        let date = jiff::civil::Date::new(year, part(number / 100 % 100)?, part(number % 100)?);
        date.ok().map(Self)
    }

    /// The day in Seoul at `moment`.
    pub fn of(moment: UnixSeconds) -> Self {
        Self(seoul(moment).date())
    }

    /// Parses `YYYY-MM-DD`; it must be a real date.
    pub fn parse(text: &str) -> Option<Self> {
        let in_form = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if in_form { text.parse().ok().map(Self) } else { None }
    }

    /// The next day.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus_days(1)
    }

    /// The day `days` days later, or earlier if negative.
    #[must_use]
    pub fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(jiff::Span::new().days(days)))
    }

    /// The number of days since `earlier`.
    pub fn days_since(self, earlier: Self) -> i32 {
        self.0.since(earlier.0).map_or(0, |span| span.get_days())
    }

    /// Its midnight.
    pub fn begins_at(self) -> UnixSeconds {
        let midnight = self.0.to_datetime(jiff::civil::Time::midnight());
        UnixSeconds(SEOUL.to_timestamp(midnight).map_or(0, jiff::Timestamp::as_second))
    }

    pub(crate) fn date(self) -> jiff::civil::Date {
        self.0
    }
}

/// As `YYYYMMDD`.
impl StoredNumber for SeoulDay {
    fn as_number(self) -> i64 {
        self.as_yyyymmdd()
    }

    fn from_number(number: i64) -> Option<Self> {
        Self::from_yyyymmdd(number)
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

/// The civil day and time in Seoul.
pub fn seoul(moment: UnixSeconds) -> jiff::civil::DateTime {
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
        assert_eq!(SeoulDay::of(midnight.plus(-1)).as_yyyymmdd(), 20_261_122);
        assert_eq!(SeoulDay::of(midnight).as_yyyymmdd(), 20_261_123);
        assert_eq!(seoul_minutes(midnight), "2026-11-23 00:00");
    }

    #[test]
    fn a_day_is_read_and_counted_on() {
        let day = SeoulDay::parse("2028-02-28").expect("a day");
        assert_eq!(day.next().to_string(), "2028-02-29");
        assert_eq!(day.plus_days(-59).to_string(), "2027-12-31");
        assert_eq!(day.plus_days(400).days_since(day), 400);
        assert_eq!(SeoulDay::from_yyyymmdd(day.as_yyyymmdd()), Some(day));
        assert_eq!(SeoulDay::from_yyyymmdd(20_280_230), None);
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
        let reported = clock.now_millis();
        clock.inner.reported_millis.fetch_max(reported + 60_000, Ordering::Relaxed);
        assert!(clock.now_millis() >= reported + 60_000, "not before what was reported");
    }

    const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

    /// How far `clock` has moved since `before`, beyond the time elapsed since `boot`.
    fn moved(clock: &Clock, before: i64, boot: i64) -> i64 {
        clock.now_millis() - before - (boot_millis() - boot)
    }

    #[test]
    fn a_jump_of_the_machines_clock_moves_nothing_until_it_is_confirmed() {
        for jump in [60 * DAY_MILLIS, -60 * DAY_MILLIS, -7_305 * DAY_MILLIS, JUMP_MILLIS + 1_000] {
            let clock = Clock::default();
            let (before, boot) = (clock.now_millis(), boot_millis());
            for _ in 0..3 {
                let standing = clock.follow_reading(machine_millis() + jump);
                assert!(matches!(standing, Standing::Apart(by) if (by - jump).abs() < 1_000), "{standing:?}");
            }
            assert!(moved(&clock, before, boot).abs() <= 1, "{jump}: a wrong reading moves nothing");
            assert_eq!(clock.follow(), Standing::Together, "the right time is back");
            clock.follow_reading(machine_millis() + jump);
            clock.confirm_reading(machine_millis() + jump);
            let moved = moved(&clock, before, boot);
            assert!((moved - jump).abs() < 1_000, "{jump}: {moved}");
            assert_eq!(clock.follow_reading(machine_millis() + jump), Standing::Together);
        }
    }

    #[test]
    fn small_differences_are_followed_in_small_steps() {
        let clock = Clock::default();
        let (before, boot) = (clock.now_millis(), boot_millis());
        assert_eq!(clock.follow_reading(machine_millis() + 3_000), Standing::Together);
        assert!((moved(&clock, before, boot) - STEP_MILLIS).abs() <= 5);
        for _ in 0..20 {
            clock.follow_reading(machine_millis() + 3_000);
        }
        assert!((moved(&clock, before, boot) - 3_000).abs() < 100);
    }

    #[test]
    fn what_cannot_be_undone_goes_by_the_earlier_clock() {
        let clock = Clock::default();
        assert_eq!(clock.certain_now(), clock.now());
        clock.compare_with(machine_millis() - 30 * DAY_MILLIS);
        let behind = clock.now().seconds_since(clock.certain_now());
        assert!((behind - 30 * 86_400).abs() <= 1, "{behind}");
        clock.compare_with(machine_millis() + 30 * DAY_MILLIS);
        assert_eq!(clock.certain_now(), clock.now());
        clock.compare_with(0);
        clock.confirm();
        assert_eq!(clock.certain_now(), clock.now(), "somebody knows better");
    }

    #[test]
    fn a_stopped_clock_moves_only_when_it_is_advanced() {
        let clock = Clock::stopped_at(UnixSeconds(5_000));
        assert_eq!(clock.now(), UnixSeconds(5_000));
        clock.set_advanced_seconds(60);
        assert_eq!(clock.now_millis(), 5_060_000);
    }
}
