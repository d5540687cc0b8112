//! The writer's lanes: three bounded queues with priorities, for what a person waits for, what institutions send, and
//! the background work that follows from it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use seoham_store::{Result, StoreError};

use super::QueuedJob;
use super::job::Job;

/// Limits of the queues and of one transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Maximum number of queued interactive jobs.
    pub(crate) interactive_jobs: usize,
    /// Maximum number of queued rows, in each of the bulk and background lanes.
    pub(crate) bulk_rows: usize,
    /// Maximum number of queued bytes, in each of the bulk and background lanes.
    pub(crate) bulk_bytes: usize,
    /// Maximum number of rows per transaction.
    pub(crate) transaction_rows: usize,
    /// Maximum duration of a transaction.
    pub(crate) transaction_time: Duration,
    /// The same while people are active: a new interactive job waits for the current transaction to end.
    pub(crate) short_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            interactive_jobs: 4_096,
            bulk_rows: 50_000,
            bulk_bytes: 32 * 1024 * 1024,
            transaction_rows: 5_000,
            transaction_time: Duration::from_millis(10),
            short_time: Duration::from_micros(1_500),
        }
    }
}

/// What a bulk job adds to its queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weight {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

impl Weight {
    /// The weight of `rows` narrow rows.
    pub(crate) fn rows(rows: usize) -> Self {
        Self { rows: rows.max(1), bytes: rows * 64 }
    }

    /// The weight of `rows` rows that each cost 1/`parts` of a document.
    pub(crate) fn parts(rows: usize, parts: usize) -> Self {
        Self { rows: rows.div_ceil(parts).max(1), bytes: rows * 64 }
    }
}

pub(super) struct Lanes {
    limits: Limits,
    queues: Mutex<Queues>,
    arrived: Condvar,
}

/// While institutions send, one in this many written rows is the background's: enough for delivery to keep up, and no
/// more.
const BACKGROUND_SHARE: usize = 3;
/// Maximum number of rows by which the background may lag behind its share.
const BACKGROUND_CREDIT_MAX: usize = 2_000;

#[derive(Default)]
struct Queues {
    interactive: VecDeque<QueuedJob>,
    bulk: Queue,
    background: Queue,
    /// Rows that the background may write before the bulk lane.
    background_credit: usize,
    closed: bool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<QueuedJob>,
    weight: Weight,
}

impl Queue {
    fn push(&mut self, waiting: QueuedJob, limits: &Limits) -> Result<()> {
        let after = self.weight.plus(waiting.weight);
        let full = after.rows > limits.bulk_rows || after.bytes > limits.bulk_bytes;
        // An empty queue accepts any job: one larger than the limit would never get in otherwise.
        if full && !self.waiting.is_empty() {
            return Err(StoreError::Overloaded);
        }
        self.weight = after;
        self.waiting.push_back(waiting);
        Ok(())
    }

    fn pop(&mut self) -> Option<QueuedJob> {
        let waiting = self.waiting.pop_front()?;
        self.weight = self.weight.minus(waiting.weight);
        Some(waiting)
    }
}

impl Lanes {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, queues: Mutex::default(), arrived: Condvar::new() }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn push_interactive(&self, job: Box<dyn Job>) -> Result<()> {
        let mut queues = self.lock();
        queues.refuse_if_closed()?;
        if queues.interactive.len() >= self.limits.interactive_jobs {
            return Err(StoreError::Overloaded);
        }
        queues.interactive.push_back(QueuedJob { job, weight: Weight::default(), since: Instant::now() });
        self.arrived.notify_one();
        Ok(())
    }

    pub(super) fn push_bulk(&self, job: Box<dyn Job>, weight: Weight) -> Result<()> {
        self.push(job, weight, |queues| &mut queues.bulk)
    }

    pub(super) fn push_background(&self, job: Box<dyn Job>, weight: Weight) -> Result<()> {
        self.push(job, weight, |queues| &mut queues.background)
    }

    fn push(&self, job: Box<dyn Job>, weight: Weight, queue: fn(&mut Queues) -> &mut Queue) -> Result<()> {
        let mut queues = self.lock();
        queues.refuse_if_closed()?;
        queue(&mut queues).push(QueuedJob { job, weight, since: Instant::now() }, &self.limits)?;
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for work. Returns `false` if the lanes are closed and empty.
    pub(super) fn wait(&self) -> bool {
        let mut queues = self.lock();
        while queues.are_empty() {
            if queues.closed {
                return false;
            }
            queues = self.arrived.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Waits for work for at most `at_most`. Returns `false` if none arrived.
    pub(super) fn wait_for_more(&self, at_most: Duration) -> bool {
        let waiting = self
            .arrived
            .wait_timeout_while(self.lock(), at_most, |queues| queues.are_empty() && !queues.closed);
        let (queues, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        !queues.are_empty()
    }

    pub(super) fn take_interactive(&self) -> Option<QueuedJob> {
        self.lock().interactive.pop_front()
    }

    /// The next bulk job, or the next background job if the bulk lane is empty or has had its share.
    pub(super) fn take_work(&self) -> Option<(&'static str, QueuedJob)> {
        let mut queues = self.lock();
        let wanted = queues.background.waiting.front().map(|waiting| waiting.weight.rows);
        if let Some(rows) = wanted
            && (queues.bulk.waiting.is_empty() || queues.background_credit >= rows)
        {
            queues.background_credit = queues.background_credit.saturating_sub(rows);
            return Some(("background", queues.background.pop()?));
        }
        let waiting = queues.bulk.pop()?;
        let credit = queues.background_credit + waiting.weight.rows.div_ceil(BACKGROUND_SHARE - 1);
        queues.background_credit = credit.min(BACKGROUND_CREDIT_MAX);
        Some(("bulk", waiting))
    }

    /// Rejects new jobs. Queued ones are still done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Rejects new jobs and returns the queued ones, which will not be done.
    pub(super) fn abandon(&self) -> Vec<QueuedJob> {
        let mut queues = self.lock();
        queues.closed = true;
        let Queues { interactive, bulk, background, .. } = &mut *queues;
        let left = interactive.drain(..).chain(bulk.waiting.drain(..)).chain(background.waiting.drain(..));
        left.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    fn are_empty(&self) -> bool {
        self.interactive.is_empty() && self.bulk.waiting.is_empty() && self.background.waiting.is_empty()
    }

    fn refuse_if_closed(&self) -> Result<()> {
        if self.closed { Err(StoreError::Unavailable("closing".to_owned())) } else { Ok(()) }
    }
}

impl Weight {
    fn plus(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, bytes: self.bytes + other.bytes }
    }

    fn minus(self, other: Self) -> Self {
        Self { rows: self.rows.saturating_sub(other.rows), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::job::job;

    fn tight() -> Lanes {
        Lanes::new(Limits { bulk_rows: 150, interactive_jobs: 1, ..Limits::default() })
    }

    #[test]
    fn both_lanes_are_bounded() {
        let lanes = tight();
        let push = |rows| lanes.push_bulk(job(|_| Ok(())).0, Weight::rows(rows));
        assert!(push(1_000).is_ok(), "an empty queue takes anything");
        assert!(matches!(push(1), Err(StoreError::Overloaded)));
        assert!(lanes.take_work().is_some());
        assert!(push(100).is_ok());
        assert!(push(50).is_ok());
        assert!(matches!(push(1), Err(StoreError::Overloaded)));

        assert!(lanes.push_interactive(job(|_| Ok(())).0).is_ok());
        assert!(matches!(lanes.push_interactive(job(|_| Ok(())).0), Err(StoreError::Overloaded)));
    }

    #[test]
    fn parts_of_a_row_are_not_lost() {
        assert_eq!((Weight::parts(500, 10).rows, Weight::parts(3, 10).rows), (50, 1));
    }

    #[test]
    fn the_background_has_its_share_and_no_more() {
        let lanes = Lanes::new(Limits::default());
        for _ in 0..40 {
            assert!(lanes.push_bulk(job(|_| Ok(())).0, Weight::rows(100)).is_ok());
        }
        for _ in 0..20 {
            assert!(lanes.push_background(job(|_| Ok(())).0, Weight::rows(100)).is_ok());
        }
        let taken: Vec<&str> = (0..60).filter_map(|_| lanes.take_work()).map(|(lane, _)| lane).collect();
        let of_background = |taken: &[&str]| taken.iter().filter(|lane| **lane == "background").count();
        assert_eq!(of_background(&taken[..30]), 10, "one row in three while the bulk lane has work");
        assert_eq!(of_background(&taken[30..]), 10, "until it has had all of it");
        assert!(lanes.take_work().is_none());
    }

    #[test]
    fn a_closed_queue_finishes_what_it_has() {
        let lanes = tight();
        assert!(lanes.push_interactive(job(|_| Ok(())).0).is_ok());
        lanes.close();
        assert!(matches!(lanes.push_interactive(job(|_| Ok(())).0), Err(StoreError::Unavailable(_))));
        assert!(lanes.wait());
        assert!(lanes.take_interactive().is_some());
        assert!(!lanes.wait());
    }

    #[test]
    fn an_abandoned_queue_gives_back_what_it_has_and_takes_no_more() {
        let lanes = Lanes::new(Limits::default());
        assert!(lanes.push_interactive(job(|_| Ok(())).0).is_ok());
        assert!(lanes.push_bulk(job(|_| Ok(())).0, Weight::rows(1)).is_ok());
        assert!(lanes.push_background(job(|_| Ok(())).0, Weight::rows(1)).is_ok());
        assert_eq!(lanes.abandon().len(), 3);
        assert!(matches!(
            lanes.push_bulk(job(|_| Ok(())).0, Weight::rows(1)),
            Err(StoreError::Unavailable(_))
        ));
        assert!(!lanes.wait(), "there is nothing left to wait for");
    }
}
