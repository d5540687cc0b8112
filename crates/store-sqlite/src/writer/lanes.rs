//! The two queues before the writer, both bounded.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use seoham_store::{Result, StoreError};

use super::Waiting;
use super::job::Job;

/// How much may wait, and how much one transaction takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Interactive jobs that may wait.
    pub(crate) interactive_jobs: usize,
    /// Rows that may wait in the bulk lane.
    pub(crate) bulk_rows: usize,
    /// Bytes that may wait in the bulk lane.
    pub(crate) bulk_bytes: usize,
    /// Rows after which a transaction commits.
    pub(crate) transaction_rows: usize,
    /// Time after which a transaction commits.
    pub(crate) transaction_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            interactive_jobs: 4_096,
            bulk_rows: 50_000,
            bulk_bytes: 32 * 1024 * 1024,
            transaction_rows: 2_000,
            transaction_time: Duration::from_millis(10),
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
    /// A job of `rows` narrow rows.
    pub(crate) fn rows(rows: usize) -> Self {
        Self { rows: rows.max(1), bytes: rows * 64 }
    }
}

pub(super) struct Lanes {
    limits: Limits,
    queues: Mutex<Queues>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queues {
    interactive: VecDeque<Waiting>,
    bulk: VecDeque<Waiting>,
    bulk_weight: Weight,
    closed: bool,
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
        queues.interactive.push_back(Waiting { job, weight: Weight::default(), since: Instant::now() });
        self.arrived.notify_one();
        Ok(())
    }

    pub(super) fn push_bulk(&self, job: Box<dyn Job>, weight: Weight) -> Result<()> {
        let mut queues = self.lock();
        queues.refuse_if_closed()?;
        let after = queues.bulk_weight.plus(weight);
        let full = after.rows > self.limits.bulk_rows || after.bytes > self.limits.bulk_bytes;
        // An empty queue takes anything: a job larger than the bound would never get in.
        if full && !queues.bulk.is_empty() {
            return Err(StoreError::Overloaded);
        }
        queues.bulk_weight = after;
        queues.bulk.push_back(Waiting { job, weight, since: Instant::now() });
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits until there is work or the lanes are closed and empty; `false` then.
    pub(super) fn wait(&self) -> bool {
        let mut queues = self.lock();
        while queues.interactive.is_empty() && queues.bulk.is_empty() {
            if queues.closed {
                return false;
            }
            queues = self.arrived.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    pub(super) fn take_interactive(&self) -> Option<Waiting> {
        self.lock().interactive.pop_front()
    }

    pub(super) fn take_bulk(&self) -> Option<Waiting> {
        let mut queues = self.lock();
        let waiting = queues.bulk.pop_front()?;
        queues.bulk_weight = queues.bulk_weight.minus(waiting.weight);
        Some(waiting)
    }

    /// Takes no more; what is queued is still done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
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
        assert!(lanes.take_bulk().is_some());
        assert!(push(100).is_ok());
        assert!(push(50).is_ok());
        assert!(matches!(push(1), Err(StoreError::Overloaded)));

        assert!(lanes.push_interactive(job(|_| Ok(())).0).is_ok());
        assert!(matches!(lanes.push_interactive(job(|_| Ok(())).0), Err(StoreError::Overloaded)));
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
}
