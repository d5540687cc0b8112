//! The send loop.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::Batch;
use super::concurrency_window::ConcurrencyWindow;
use super::journal::{Journal, JournalError, Verdict};
use crate::client::retry::ASKED_MAX;
use crate::client::{CallError, Client, Retry, SendOptions, SendResult};

/// Limits of a run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The maximum number of concurrent requests.
    pub at_once: usize,
    /// How long the run continues without any success.
    pub patience: Duration,
    /// Batches that an earlier run started but that have no answer are sent again, even if the platform does
    /// not recognise them by their key: it may then have duplicates.
    pub repeat_unknown: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { at_once: 32, patience: Duration::from_secs(300), repeat_unknown: false }
    }
}

/// Receives progress notifications.
pub trait Progress {
    /// A batch was answered, now or in an earlier run.
    fn answered(&self, accepted: u64, refused: u64);
    /// The outcome of a batch is unknown.
    fn unknown(&self, documents: u64);
    /// The run is waiting for the platform.
    fn waiting(&self, why: &CallError, pause: Duration);
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every batch was answered.
    Finished,
    /// Every batch was sent, but the outcome of some is unknown.
    WithUnknown,
    /// It was cancelled; requests in progress were answered or can be resumed.
    Stopped,
}

/// Why a run failed. The journal has everything that was answered.
#[derive(Debug, thiserror::Error)]
pub enum SendingError {
    /// The platform refuses the requests as a whole.
    #[error("{0}")]
    Refused(CallError),
    /// No success for [`Options::patience`].
    #[error("nothing succeeded for a while; the last failure: {0}")]
    GaveUp(CallError),
    /// The journal is not writable.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A batch with its retry state.
struct Attempt {
    batch: Batch,
    attempts: u32,
    /// An attempt, now or in an earlier run, ended without a response. That a later attempt was certainly not
    /// accepted does not change this.
    may_be_taken: bool,
}

struct Outcome {
    attempt: Attempt,
    result: Result<Vec<SendResult>, CallError>,
    took: Duration,
}

const RETRY: Retry = Retry {
    attempts: u32::MAX,
    first_pause: Duration::from_millis(200),
    longest_pause: Duration::from_secs(20),
};
/// How often a batch with undefined verdicts is repeated under its key.
const UNDEFINED_ATTEMPTS: u32 = 3;

/// Sends every unanswered batch until the source ends or `stop` is cancelled. After [`Ended::Finished`] the
/// caller must check that the source was complete, and then call [`Journal::finish`]: a source that failed
/// midway looks here like one that ended.
///
/// # Errors
/// [`SendingError`], after all requests in progress have ended.
pub async fn run(
    client: &Client,
    journal: &mut Journal,
    batches: &mut Receiver<Batch>,
    options: &Options,
    stop: &CancellationToken,
    progress: &dyn Progress,
) -> Result<Ended, SendingError> {
    let keyed = journal.head().keyed;
    let mut sending = Sending {
        client,
        journal,
        progress,
        keyed,
        repeat_unknown: options.repeat_unknown,
        window: ConcurrencyWindow::new(options.at_once),
        again: VecDeque::new(),
        paused_until: None,
        last_success: Instant::now(),
        patience: options.patience,
        unknown: 0,
    };
    sending.run(batches, stop).await
}

struct Sending<'a> {
    client: &'a Client,
    journal: &'a mut Journal,
    progress: &'a dyn Progress,
    keyed: bool,
    repeat_unknown: bool,
    window: ConcurrencyWindow,
    again: VecDeque<Attempt>,
    paused_until: Option<Instant>,
    last_success: Instant,
    patience: Duration,
    unknown: u64,
}

impl Sending<'_> {
    async fn run(
        &mut self,
        batches: &mut Receiver<Batch>,
        stop: &CancellationToken,
    ) -> Result<Ended, SendingError> {
        let mut under_way = FuturesUnordered::new();
        let (mut more, mut failed, mut stopped) = (true, None, false);
        loop {
            self.paused_until = self.paused_until.filter(|until| *until > Instant::now());
            let going_on = failed.is_none() && !stopped;
            let room = going_on && self.paused_until.is_none() && under_way.len() < self.window.window();
            if room && let Some(attempt) = self.again.pop_front() {
                // A machine that slept for a week resumes here.
                if attempt.may_be_taken && !self.may_repeat() {
                    self.leave_unknown(&attempt.batch);
                    continue;
                }
                if let Err(error) = self.journal.sending(attempt.batch.no) {
                    failed = Some(error.into());
                    continue;
                }
                under_way.push(send(self.client.clone(), self.options_of(attempt.batch.no), attempt));
                continue;
            }
            let idle = under_way.is_empty() && (self.again.is_empty() || !going_on);
            if idle && (!more || !going_on) {
                break;
            }
            let paused = self.paused_until.filter(|_| going_on).map(tokio::time::Instant::from_std);
            tokio::select! {
                Some(outcome) = under_way.next(), if !under_way.is_empty() => {
                    if let Err(error) = self.settle(outcome) {
                        failed.get_or_insert(error);
                    }
                }
                batch = batches.recv(), if room && more => match batch {
                    Some(batch) => match self.begin(batch) {
                        Ok(Some(attempt)) => {
                            under_way.push(send(self.client.clone(), self.options_of(attempt.batch.no), attempt));
                        }
                        Ok(None) => {}
                        Err(error) => failed = Some(error.into()),
                    },
                    None => more = false,
                },
                () = tokio::time::sleep_until(paused.unwrap_or_else(tokio::time::Instant::now)),
                    if paused.is_some() => {}
                () = stop.cancelled(), if !stopped => stopped = true,
            }
        }
        match failed {
            Some(error) => Err(error),
            None if stopped && (more || !self.again.is_empty()) => Ok(Ended::Stopped),
            None if self.unknown > 0 => Ok(Ended::WithUnknown),
            None => Ok(Ended::Finished),
        }
    }

    fn options_of(&self, no: u32) -> SendOptions {
        let key = self.keyed.then(|| self.journal.head().key(no));
        SendOptions { idempotency_key: key, dry_run: false }
    }

    /// What to send of a batch, if anything.
    fn begin(&mut self, batch: Batch) -> Result<Option<Attempt>, JournalError> {
        if let Some(verdicts) = self.journal.verdicts(batch.no)? {
            self.report_progress(&verdicts);
            return Ok(None);
        }
        let may_be_taken = self.journal.begun().contains(&batch.no);
        if may_be_taken && !self.may_repeat() {
            self.leave_unknown(&batch);
            return Ok(None);
        }
        self.journal.sending(batch.no)?;
        Ok(Some(Attempt { batch, attempts: 0, may_be_taken }))
    }

    fn settle(&mut self, outcome: Outcome) -> Result<(), SendingError> {
        let Outcome { mut attempt, result, took } = outcome;
        attempt.attempts += 1;
        let error = match result {
            Ok(results) if belong(&results, &attempt.batch) => {
                self.last_success = Instant::now();
                self.window.answered(took);
                let undefined = |r: &SendResult| r.error_code.as_deref() == Some("INTERNAL_ERROR");
                if self.keyed && attempt.attempts < UNDEFINED_ATTEMPTS && results.iter().any(undefined) {
                    attempt.may_be_taken = true;
                    self.again.push_back(attempt);
                    return Ok(());
                }
                let verdicts: Vec<Verdict> = results.into_iter().map(Verdict::from).collect();
                self.report_progress(&verdicts);
                return Ok(self.journal.answered(attempt.batch.no, verdicts)?);
            }
            Ok(_) => CallError::Unintelligible(200),
            Err(error) => error,
        };
        self.window.too_much();
        attempt.may_be_taken |= !error.certainly_not_done();
        if !attempt.may_be_taken {
            self.journal.not_taken(attempt.batch.no)?;
        }
        if !error.is_passing() {
            return Err(SendingError::Refused(error));
        }
        if !self.keyed && !error.certainly_not_done() {
            self.leave_unknown(&attempt.batch);
            return Ok(());
        }
        // Waiting as the platform requested does not count as a lack of progress.
        let asked = error.retry_after().unwrap_or_default().min(ASKED_MAX);
        if self.last_success.elapsed() > self.patience + asked {
            return Err(SendingError::GaveUp(error));
        }
        let pause = RETRY.pause(attempt.attempts - 1, &error);
        self.progress.waiting(&error, pause);
        // An overload signal applies to all requests.
        let until = Instant::now() + pause;
        self.paused_until = Some(self.paused_until.map_or(until, |paused| paused.max(until)));
        self.again.push_back(attempt);
        Ok(())
    }

    /// Whether a batch that may have been accepted can be sent again now.
    fn may_repeat(&self) -> bool {
        self.repeat_unknown || (self.keyed && self.journal.head().keys_last())
    }

    fn leave_unknown(&mut self, batch: &Batch) {
        self.unknown += batch.items.len() as u64;
        self.progress.unknown(batch.items.len() as u64);
    }

    fn report_progress(&self, verdicts: &[Verdict]) {
        let accepted = verdicts.iter().filter(|verdict| verdict.id.is_some()).count() as u64;
        self.progress.answered(accepted, verdicts.len() as u64 - accepted);
    }
}

async fn send(client: Client, options: SendOptions, attempt: Attempt) -> Outcome {
    let started = Instant::now();
    let result = client.send_json(&attempt.batch.items, &options).await;
    Outcome { attempt, result, took: started.elapsed() }
}

/// Whether each result matches its document and is a verdict.
fn belong(results: &[SendResult], batch: &Batch) -> bool {
    results.len() == batch.items.len()
        && results.iter().zip(&batch.items).all(|(result, item)| {
            result.external_document_uuid == item.external_document_uuid
                && (result.document_binder_uuid.is_some() || result.error_code.is_some())
        })
}
