//! The weight of a provider, for weighted load balancing that follows its health (SPEC 13): a provider that fails or slows
//! down loses half of its weight each minute, down to a twentieth, and regains it the same way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a message counts.
const WINDOW: Duration = Duration::from_mins(10);
/// How often the weight changes.
const MINUTE: Duration = Duration::from_mins(1);
/// The share of bad messages from which a provider loses weight, in percent.
const BAD_PERCENT: u64 = 15;
/// The least weight, as a part of the configured one.
const LEAST_PART: f64 = 20.0;

/// The messages of one minute.
#[derive(Clone, Copy)]
struct Minute {
    began: Instant,
    good: u64,
    bad: u64,
}

/// The health of one provider.
pub(crate) struct Health {
    configured: f64,
    weight: f64,
    minutes: VecDeque<Minute>,
    changed: Instant,
}

impl Health {
    pub(crate) fn new(configured: f64, now: Instant) -> Self {
        Self { configured, weight: configured, minutes: VecDeque::new(), changed: now }
    }

    pub(crate) fn weight(&self) -> f64 {
        self.weight
    }

    /// Counts messages: `bad` ones were not taken, or slowly.
    pub(crate) fn count(&mut self, good: u64, bad: u64, now: Instant) {
        match self.minutes.back_mut().filter(|minute| now.duration_since(minute.began) < MINUTE) {
            Some(minute) => {
                minute.good += good;
                minute.bad += bad;
            }
            None => self.minutes.push_back(Minute { began: now, good, bad }),
        }
    }

    /// Changes the weight once a minute. Call it often.
    pub(crate) fn tick(&mut self, now: Instant) {
        while now.duration_since(self.changed) >= MINUTE {
            self.changed += MINUTE;
            self.change(self.changed);
        }
    }

    fn change(&mut self, now: Instant) {
        let is_over = |minute: &Minute| now.saturating_duration_since(minute.began) >= WINDOW;
        while self.minutes.front().is_some_and(is_over) {
            self.minutes.pop_front();
        }
        let (good, bad) =
            self.minutes.iter().fold((0, 0), |(good, bad), minute| (good + minute.good, bad + minute.bad));
        let is_bad = bad > 0 && bad * 100 >= (good + bad) * BAD_PERCENT;
        self.weight = if is_bad {
            (self.weight / 2.0).max(self.configured / LEAST_PART)
        } else {
            (self.weight * 2.0).min(self.configured)
        };
    }
}

/// The place of the one that is chosen by weight; `chance` is between 0 and 1. `None` if there is none.
pub(crate) fn choose(weights: &[f64], chance: f64) -> Option<usize> {
    let all: f64 = weights.iter().sum();
    let mut left = chance.clamp(0.0, 1.0) * all;
    for (place, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return Some(place);
        }
    }
    weights.len().checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_provider_loses_its_messages_within_five_minutes_and_gets_them_back() {
        let start = Instant::now();
        let (mut failing, mut sound) = (Health::new(1.0, start), Health::new(1.0, start));
        let mut share = 0.0;
        // Every second, 100 messages go to the two by their weights.
        let mut run = |from: u64, to: u64, works: bool| {
            for second in from..to {
                let now = start + Duration::from_secs(second);
                failing.tick(now);
                sound.tick(now);
                share = failing.weight() / (failing.weight() + sound.weight());
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 100")]
                let of_failing = (100.0 * share).round() as u64;
                let (good, bad) = if works { (of_failing, 0) } else { (0, of_failing) };
                failing.count(good, bad, now);
                sound.count(100 - of_failing, 0, now);
            }
            share
        };
        assert!((run(0, 120, true) - 0.5).abs() < 0.01, "alike");
        assert!(run(120, 420, false) < 0.1, "nine of ten go through the other");
        assert!(run(420, 3_600, false) > 0.04, "some still ask whether it works again");
        assert!((run(3_600, 4_800, true) - 0.5).abs() < 0.01, "it comes back by itself");
    }

    #[test]
    fn a_few_failures_change_nothing() {
        let start = Instant::now();
        let mut health = Health::new(2.0, start);
        health.count(86, 14, start);
        health.tick(start + MINUTE);
        assert!((health.weight() - 2.0).abs() < f64::EPSILON);
        health.count(0, 2, start + MINUTE);
        health.tick(start + MINUTE * 2);
        assert!((health.weight() - 1.0).abs() < f64::EPSILON);
        health.tick(start + MINUTE * 30);
        assert!((health.weight() - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn choices_follow_the_weights() {
        assert_eq!(choose(&[], 0.5), None);
        assert_eq!(
            [0.0, 0.24, 0.26, 1.0].map(|chance| choose(&[1.0, 3.0], chance)),
            [Some(0), Some(0), Some(1), Some(1)]
        );
    }
}
