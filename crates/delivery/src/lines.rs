//! The configured providers of this process: which one a message goes through.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use seoham_model::UnixSeconds;
use seoham_model::message::MessageTemplate;
use seoham_model::person::Addresses;
use seoham_store::handovers::ProviderState;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::health::{Health, choose};
use crate::message::Message;
use crate::provider::{Abilities, Batch, Provider, Sent, Trouble};
use crate::reachability::Reachability;
use crate::redaction::redact_answers;

/// An answer later than this is slow.
const SLOW: Duration = Duration::from_secs(5);
/// Answers yielded together, at most.
const TOGETHER: usize = 5_000;
/// For how long nothing is sent to a misconfigured provider before it is tried again.
const HELD: Duration = Duration::from_secs(30);

/// Exponential backoff of a provider: nothing is sent to it for so long after it has answered no message of a call.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// What a provider is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sends {
    /// Messages.
    #[default]
    Messages,
    /// Our own fallbacks alone: SMS and LMS instead of messages that did not arrive (SPEC 13).
    Fallbacks,
}

/// How a provider is used.
#[derive(Clone, Debug)]
pub struct LineOptions {
    /// Its name in the configuration.
    pub name: String,
    /// What it is.
    pub kind: &'static str,
    /// What it sends.
    pub sends: Sends,
    /// Its share of the messages, relative to the others.
    pub weight: f64,
    /// Messages a second of all nodes together, about documents.
    pub rate_per_second: Option<f64>,
    /// The same for messages that a person waits for.
    pub personal_rate_per_second: Option<f64>,
}

/// A provider, and how it fares.
pub struct Line {
    /// How it is used.
    pub options: LineOptions,
    /// The provider.
    pub provider: Arc<dyn Provider>,
    abilities: Abilities,
    calls: Arc<Semaphore>,
    reachability: Reachability,
    state: Mutex<State>,
}

struct State {
    health: Health,
    last_success_at: Option<UnixSeconds>,
    last_error: Option<(UnixSeconds, String)>,
    held_until: Option<Instant>,
    free_at: Instant,
    /// How long nothing was sent after the last call that it did not answer.
    backoff: Duration,
}

impl Line {
    /// A provider that was not used yet.
    pub fn new(options: LineOptions, provider: Arc<dyn Provider>) -> Self {
        let (abilities, now) = (provider.abilities(), Instant::now());
        let state = State {
            health: Health::new(options.weight, now),
            last_success_at: None,
            last_error: None,
            held_until: None,
            free_at: now,
            backoff: Duration::ZERO,
        };
        Self {
            reachability: Reachability::of(&options.name),
            options,
            provider,
            abilities,
            calls: Arc::new(Semaphore::new(abilities.calls_max)),
            state: Mutex::new(state),
        }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// What the provider can do.
    pub fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// Whether it can send a message: it is one of those that it sends, it has its template, and reaches its person.
    pub fn suits(&self, message: &Message) -> bool {
        self.is_given(message) && self.reaches(&message.to) && self.has_template(message.template.as_deref())
    }

    /// Whether it is one of the messages that it sends. An operator tries all providers.
    fn is_given(&self, message: &Message) -> bool {
        message.is_test() || message.is_fallback() == (self.options.sends == Sends::Fallbacks)
    }

    /// Whether it reaches a person who has these addresses.
    pub fn reaches(&self, addresses: &Addresses) -> bool {
        self.abilities.reaches.is_among(addresses)
    }

    /// Whether it can send a message with this template.
    pub fn has_template(&self, template: Option<&MessageTemplate>) -> bool {
        !self.abilities.needs_template
            || template.is_some_and(|template| template.providers.contains_key(self.name()))
    }

    /// Sends a batch. The answers come in chunks, by the places of their messages: without personal values, and counted at
    /// the time that `now` tells.
    pub fn send<'a>(
        &'a self,
        batch: &'a Batch,
        now: impl Fn() -> UnixSeconds + Send + 'a,
    ) -> BoxStream<'a, Vec<(usize, Sent)>> {
        let started = Instant::now();
        let answers = self.provider.send(batch).ready_chunks(TOGETHER);
        let seen = answers.map(move |mut sent| {
            redact_answers(&mut sent, &batch.messages);
            self.record(sent.iter().map(|(_, sent)| sent), started.elapsed(), now());
            sent
        });
        seen.boxed()
    }

    /// Waits for the right to make one call, at most until `until`.
    pub(crate) async fn permit(&self, until: Instant) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.calls).acquire_owned();
        tokio::time::timeout_at(until.into(), permit).await.ok()?.ok()
    }

    /// Sends one message by itself.
    pub async fn send_one(&self, message: Message, now: UnixSeconds) -> Sent {
        let batch = Batch {
            id: message.id.to_string(),
            messages: vec![message],
            start_by: Instant::now() + Duration::from_mins(1),
            stop: CancellationToken::new(),
        };
        let answer = self.send(&batch, || now).next().await;
        answer.and_then(|mut sent| sent.pop()).map_or(Sent::NotSent, |(_, sent)| sent)
    }

    /// Records the answers to messages, which came after `took`.
    fn record<'a>(&self, sent: impl Iterator<Item = &'a Sent>, took: Duration, now: UnixSeconds) {
        let (mut good, mut bad, mut unknown, mut is_held) = (0, 0, 0, false);
        let mut last: Option<&Trouble> = None;
        for sent in sent {
            match sent {
                Sent::Taken { .. } => good += 1,
                Sent::Refused(trouble) => {
                    good += 1;
                    last = Some(trouble);
                }
                Sent::NotNow { trouble, .. } => {
                    bad += 1;
                    last = Some(trouble);
                }
                Sent::Unknown { trouble, .. } => {
                    bad += 1;
                    unknown += 1;
                    last = Some(trouble);
                }
                Sent::Misconfigured(trouble) => {
                    bad += 1;
                    is_held = true;
                    last = Some(trouble);
                }
                Sent::NotSent => {}
            }
        }
        if good > 0 {
            self.reachability.answered();
        }
        if bad > 0 && good == 0 {
            self.reachability.failed();
        }
        let was_slow = took >= SLOW;
        let instant = Instant::now();
        let mut state = self.lock();
        state.health.count(if was_slow { 0 } else { good }, if was_slow { good + bad } else { bad }, instant);
        if good > 0 {
            state.last_success_at = Some(now);
            state.held_until = None;
            state.backoff = Duration::ZERO;
        } else if unknown > 0 && state.free_at <= instant {
            // What it may have goes to no other, so it gets less and less until it answers: however soon it fails.
            state.backoff = (state.backoff * 2).clamp(BACKOFF_MIN, BACKOFF_MAX);
            state.free_at = instant + state.backoff;
        }
        if let Some(trouble) = last {
            state.last_error = Some((now, trouble.words()));
        }
        if is_held {
            let is_new = state.held_until.is_none();
            state.held_until = Some(instant + HELD);
            if is_new {
                let error = state.last_error.as_ref().map_or("", |(_, words)| words);
                tracing::error!(
                    provider = self.name(),
                    error,
                    "a messenger provider is misconfigured: nothing is sent to it, and nothing is given up"
                );
            }
        }
        metrics::gauge!("seoham_messenger_held", "provider" => self.options.name.clone())
            .set(f64::from(u8::from(state.held_until.is_some())));
    }

    /// Nothing more is sent before `wait` has passed: the rate limit is used up until then.
    pub(crate) fn is_used_up_for(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.lock();
        state.free_at = state.free_at.max(until);
    }

    fn is_usable(&self, now: Instant) -> bool {
        let state = self.lock();
        state.held_until.is_none_or(|until| until <= now) && state.free_at <= now
    }

    fn weight(&self) -> f64 {
        self.lock().health.weight()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it fares now.
    pub fn state(&self) -> ProviderState {
        let state = self.lock();
        ProviderState {
            provider: self.options.name.clone(),
            weight: state.health.weight(),
            last_success_at: state.last_success_at.map(|at| at.0),
            last_error_at: state.last_error.as_ref().map(|(at, _)| at.0),
            last_error: state.last_error.as_ref().map(|(_, words)| words.clone()),
            is_held: state.held_until.is_some(),
        }
    }
}

/// The right to make one call to a provider.
pub(crate) struct Turn {
    pub(crate) line: Arc<Line>,
    freed: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.freed.notify_one();
    }
}

/// The configured providers. Clones share them.
#[derive(Clone, Default)]
pub struct Lines {
    lines: Arc<Vec<Arc<Line>>>,
    freed: Arc<Notify>,
}

impl Lines {
    /// These providers.
    pub fn new(lines: Vec<Line>) -> Self {
        Self { lines: Arc::new(lines.into_iter().map(Arc::new).collect()), freed: Arc::default() }
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Line>] {
        &self.lines
    }

    /// The one with this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Line>> {
        self.lines.iter().find(|line| line.name() == name)
    }

    /// A turn at one of those that `suits`, chosen by weight among those that have one now.
    pub(crate) fn turn(&self, suits: impl Fn(&Line) -> bool) -> Option<Turn> {
        let now = Instant::now();
        let usable =
            |line: &&Arc<Line>| line.calls.available_permits() > 0 && line.is_usable(now) && suits(line);
        let mut open: Vec<&Arc<Line>> = self.lines.iter().filter(usable).collect();
        while !open.is_empty() {
            let weights: Vec<f64> = open.iter().map(|line| line.weight()).collect();
            let line = open.swap_remove(choose(&weights, rand::random())?);
            if let Ok(permit) = Arc::clone(&line.calls).try_acquire_owned() {
                return Some(Turn {
                    line: Arc::clone(line),
                    freed: Arc::clone(&self.freed),
                    _permit: permit,
                });
            }
        }
        None
    }

    /// Whether one of them that sends these reaches a person who has these addresses.
    pub(crate) fn reach(&self, sends: Sends, addresses: &Addresses) -> bool {
        self.that_send(sends).any(|line| line.reaches(addresses))
    }

    /// Whether one of them sends these.
    pub(crate) fn have(&self, sends: Sends) -> bool {
        self.that_send(sends).next().is_some()
    }

    fn that_send(&self, sends: Sends) -> impl Iterator<Item = &Arc<Line>> {
        self.lines.iter().filter(move |line| line.options.sends == sends)
    }

    /// Whether there is no other that sends what this one does.
    pub(crate) fn is_alone(&self, line: &Line) -> bool {
        self.that_send(line.options.sends).count() == 1
    }

    /// Whether our own fallback is sent to whom this one did not reach: it sends none itself, and another one does.
    pub fn fall_back_for(&self, line: &Line) -> bool {
        !line.abilities.falls_back && self.have(Sends::Fallbacks)
    }

    /// Waits until a turn may be free, for at most `at_most`.
    pub(crate) async fn freed(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.freed.notified()).await;
    }

    /// Adapts the weights, and reports what is unreachable. Call it every few seconds.
    pub fn tick(&self) {
        let now = Instant::now();
        for line in self.lines.iter() {
            line.reachability.look();
            line.lock().health.tick(now);
            metrics::gauge!("seoham_messenger_weight", "provider" => line.options.name.clone())
                .set(line.weight());
        }
    }

    /// One of those that suit a message and are not among `tried`, chosen by weight. `None` if there is none left.
    pub fn choose(&self, message: &Message, tried: &[String]) -> Option<&Arc<Line>> {
        let suits = |line: &Line| line.suits(message) && !tried.iter().any(|name| name == line.name());
        let open: Vec<&Arc<Line>> = self.lines.iter().filter(|line| suits(line)).collect();
        // One that is held is the last resort.
        let now = Instant::now();
        let usable: Vec<&Arc<Line>> = open.iter().copied().filter(|line| line.is_usable(now)).collect();
        let open = if usable.is_empty() { open } else { usable };
        let weights: Vec<f64> = open.iter().map(|line| line.weight()).collect();
        open.get(choose(&weights, rand::random())?).copied()
    }
}

#[cfg(test)]
mod tests {
    use seoham_store::undelivered::Failure;

    use super::*;
    use crate::NoMessenger;

    #[test]
    fn a_provider_that_answers_nothing_gets_less_and_less() {
        let options = LineOptions {
            name: "a".to_owned(),
            kind: "http",
            sends: Sends::Messages,
            weight: 1.0,
            rate_per_second: None,
            personal_rate_per_second: None,
        };
        let line = Line::new(options, Arc::new(NoMessenger));
        let now = UnixSeconds(1_800_000_000);
        let record = |sent: Sent| line.record(std::iter::once(&sent), Duration::ZERO, now);
        let backoff = || {
            let state = line.lock();
            (state.backoff, state.free_at > Instant::now())
        };
        let trouble = || Trouble::of(Failure::Unreachable);
        record(Sent::NotNow { retry_after: None, trouble: trouble() });
        assert_eq!(backoff(), (Duration::ZERO, false), "it does not have it: another gets it");
        let mut backoffs = Vec::new();
        for _ in 0..6 {
            record(Sent::unknown(trouble()));
            // Other calls of the same time change nothing.
            record(Sent::unknown(trouble()));
            backoffs.push(backoff().0.as_secs());
            assert!(!line.is_usable(Instant::now()));
            line.lock().free_at = Instant::now();
        }
        assert_eq!(backoffs, [1, 2, 4, 8, 15, 15]);
        record(Sent::Taken { reference: None });
        assert_eq!(backoff().0, Duration::ZERO, "it answers again");
    }
}
