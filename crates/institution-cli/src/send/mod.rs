//! `seoham send`: sends a spreadsheet into document boxes, without losing or duplicating a row.
//!
//! The file is read in three passes, row by row: to survey it, to send it, and to write the result beside it.
//! Between runs, the journal beside the file has the answers.

mod accepted_rows;
mod args;
mod batches;
mod check;
mod confirm;
mod dry_run;
mod former;
mod identity;
mod ledger;
mod notes;
mod platform_message;
mod problems;
mod progress;
mod ready;
mod result;
mod settings;
mod source;
mod survey;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use seoham_kit::client::Client;
use seoham_kit::sending::journal::{Journal, JournalError};
use seoham_kit::sending::{self, Ended, SendingError};
use seoham_sheets::SheetError;
use tokio_util::sync::CancellationToken;

use crate::terminal::{
    Failure, Outcome, SOME_REFUSED, UNFINISHED, language, localized, spinner, termination,
};
use crate::{READER, quiet_readers, reading};
use accepted_rows::keep_what_may_be_accepted;
pub(crate) use args::ColumnArgs;
pub use args::SendArgs;
use check::check;
use ledger::Ledger;
use notes::{say_result, say_result_json, trouble};
use progress::ProgressDisplay;
use ready::{begin, resume, settings};
pub(crate) use settings::Settings;
use source::Source;
use table::Table;

/// Runs the command.
pub async fn run(args: &SendArgs) -> Outcome {
    quiet_readers();
    let source = Source::of(args)?;
    if args.check {
        let code = match settings(args, &source) {
            Ok(settings) => check(args, &source.file, &settings).await,
            Err(failure) => Err(failure),
        };
        source.done_with();
        return code;
    }
    let ready = if args.resume { resume(args, &source) } else { begin(args, &source).await };
    // Nothing was started: the copy of standard input is no longer needed.
    let mut job = ready.inspect_err(|_| source.done_with())?;
    let outcome = job.send().await;
    let code = job.report(&outcome)?;
    if matches!(outcome, Ok(Ok(Ended::Finished))) {
        source.done_with();
    }
    Ok(code)
}

/// A problem with the file.
fn of_sheet(error: &SheetError) -> Failure {
    Failure::Usage(error.text().clone())
}

fn of_journal(error: &JournalError) -> Failure {
    let en = error.to_string();
    let ko = match error {
        JournalError::InUse(path) => format!("{}: 다른 프로세스가 이 파일을 보내고 있습니다", path.display()),
        JournalError::Damaged { path, line } => {
            format!("{}: 저널의 {line}번째 줄을 읽을 수 없습니다", path.display())
        }
        JournalError::Io { path, source } => format!("{}: {source}", path.display()),
    };
    Failure::unfinished(ko, en)
}

/// A job that is ready to send.
struct Job {
    table: Arc<Table>,
    journal: Journal,
    ledger: Ledger,
    client: Client,
    options: sending::Options,
    result: PathBuf,
    json: bool,
    /// Rows with an unknown outcome are left, and the job still counts as finished.
    leaves_unknown: bool,
}

impl Job {
    /// Sends the unanswered rows.
    async fn send(&mut self) -> Outcome<Result<Ended, SendingError>> {
        let io = |e: std::io::Error| Failure::unfinished(e.to_string(), e.to_string());
        let mut terminate = termination().map_err(io)?;
        let stop = CancellationToken::new();
        let watching = {
            let stop = stop.clone();
            tokio::spawn(async move {
                terminate.recv().await;
                stop.cancel();
                // After the first signal nothing listens any more, so the second one ends the process
                // immediately.
                drop(terminate);
            })
        };
        let survey = &self.table.survey;
        let progress = ProgressDisplay::new(survey.to_send(), self.journal.counts(), self.json);
        let (batches, mut arriving) = tokio::sync::mpsc::channel(4);
        let producing = {
            let (table, answered) = (Arc::clone(&self.table), batches::answered(&self.journal, survey.rows));
            let thread = std::thread::Builder::new().name(READER.to_owned());
            thread.spawn(move || batches::produce(&table, &answered, &batches)).map_err(io)?
        };
        let (client, journal) = (&self.client, &mut self.journal);
        let sent = sending::run(client, journal, &mut arriving, &self.options, &stop, &progress).await;
        // A producer that is still running finds the channel closed.
        drop(arriving);
        let produced = tokio::task::spawn_blocking(|| producing.join()).await;
        progress.finish();
        watching.abort();
        match produced {
            Ok(Ok(Ok(()))) => {
                // Only now is it certain that the source was complete. Rows that were left deliberately are
                // for `--rest`.
                let is_over = match sent {
                    Ok(Ended::Finished) => true,
                    Ok(Ended::WithUnknown) => self.leaves_unknown,
                    _ => false,
                };
                if is_over {
                    self.journal.finish().map_err(|error| of_journal(&error))?;
                }
                Ok(sent)
            }
            Ok(Ok(Err(error))) => Err(Failure::Unfinished(error.text().clone())),
            Ok(Err(_)) | Err(_) => {
                Err(Failure::unfinished("파일을 읽는 중에 오류가 발생했습니다", "reading the file broke off"))
            }
        }
    }

    /// Writes the result and reports it.
    fn report(&self, outcome: &Outcome<Result<Ended, SendingError>>) -> Outcome {
        // First of all: even if the result cannot be written, the accepted rows are recorded.
        keep_what_may_be_accepted(&self.ledger, &self.table, &self.journal)?;
        let spinner = spinner(&localized("결과 파일을 쓰고 있습니다", "writing the result"));
        let tally = reading(|| result::write(&self.table, &self.journal, &self.result));
        spinner.finish_and_clear();
        let tally = tally.map_err(|error| Failure::Unfinished(error.text().clone()))?;
        let (finished, trouble) = match outcome {
            Ok(Ok(Ended::Finished)) => (true, None),
            Ok(Ok(Ended::WithUnknown | Ended::Stopped)) => (false, None),
            Ok(Err(error)) => (false, Some(trouble(error))),
            Err(failure) => (false, Some(failure.text().in_lang(language()).to_owned())),
        };
        if self.json {
            say_result_json(self, &tally, finished, trouble.as_deref());
        } else {
            say_result(self, &tally, finished, trouble.as_deref());
        }
        Ok(if !finished {
            ExitCode::from(UNFINISHED)
        } else if tally.refused + tally.bad > 0 {
            ExitCode::from(SOME_REFUSED)
        } else {
            ExitCode::SUCCESS
        })
    }
}
