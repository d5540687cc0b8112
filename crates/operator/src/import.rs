//! `POST /admin/v1/people`: imports people as a stream of NDJSON, with any number of lines (SPEC 11).

use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::{Request, State};
use axum::response::Response;
use backon::{ConstantBuilder, Retryable};
use bytes::BytesMut;
use futures_util::StreamExt;
use seoham_http::{ApiError, Language, body};
use seoham_model::{Lang, PersonId, Text, forms};
use seoham_store::people::{Registered, Registration};
use seoham_store::registering::{number_outdated, number_taken};
use seoham_store::{Mode, StoreError, personas};
use seoham_vault::hash_pin_bounded;
use serde::Serialize;

use crate::admin::json;
use crate::state::Operator;

/// The maximum line length; a person needs a few hundred bytes.
const LINE_MAX: usize = 16 * 1024;
/// How many people are registered per batch.
const BATCH: usize = 200;
/// How many rejected lines, and how many moved numbers, are listed; further ones are only counted.
const LISTED_MAX: usize = 10_000;
/// The timeout for the next chunk of the body.
const PATIENCE: Duration = Duration::from_secs(30);
/// The delay between retries while the store is overloaded, and their number.
const STORE_PAUSE: Duration = Duration::from_millis(50);
const STORE_RETRIES: usize = 199;

#[derive(Default, Serialize)]
struct Report {
    imported: u64,
    rejected: Vec<Rejected>,
    /// The lines whose telephone number moved from another person, who can no longer sign in by it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    numbers_moved: Vec<NumberMoved>,
    /// Only present if more numbers moved than are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers_moved_count: Option<u64>,
    /// Only present if more lines were rejected than are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_count: Option<u64>,
}

#[derive(Serialize)]
struct NumberMoved {
    line: u64,
    /// The former owner, whose documents stay in their box.
    from_person_id: PersonId,
}

#[derive(Serialize)]
struct Rejected {
    line: u64,
    error_message: String,
}

pub(crate) async fn import(
    State(operator): State<Operator>,
    Language(lang): Language,
    request: Request,
) -> Result<Response, ApiError> {
    let mut import = Import {
        operator,
        lang,
        report: Report::default(),
        rejected: 0,
        numbers_moved: 0,
        line: 0,
        next_line: 1,
        batch: Vec::new(),
    };
    body::require_identity(request.headers())?;
    match import.read(request.into_body().into_data_stream()).await {
        Ok(()) => json(&import.finish()),
        Err(stop) => Err(import.stopped(stop)),
    }
}

/// Why an import ends early. Everything imported until then is kept.
enum Stop {
    /// The body was incomplete.
    BrokenOff,
    /// The next line is longer than [`LINE_MAX`].
    LineTooLong,
    /// The store is overloaded or failed.
    Store(StoreError),
}

struct Import {
    operator: Operator,
    lang: Lang,
    report: Report,
    rejected: u64,
    numbers_moved: u64,
    /// The last line read.
    line: u64,
    /// The first line that may not be imported: where to resume after a stop.
    next_line: u64,
    batch: Vec<(u64, Registration)>,
}

impl Import {
    async fn read(&mut self, mut stream: BodyDataStream) -> Result<(), Stop> {
        let mut buffer = BytesMut::new();
        loop {
            let next = tokio::time::timeout(PATIENCE, stream.next()).await;
            match next {
                Ok(Some(Ok(chunk))) => buffer.extend_from_slice(&chunk),
                Ok(None) => break,
                Ok(Some(Err(_))) | Err(_) => return self.stop(Stop::BrokenOff).await,
            }
            while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
                let line = buffer.split_to(end + 1);
                self.take_line(&line[..end]).await?;
            }
            if buffer.len() > LINE_MAX {
                return self.stop(Stop::LineTooLong).await;
            }
        }
        self.take_line(&buffer).await?;
        self.flush().await
    }

    async fn take_line(&mut self, line: &[u8]) -> Result<(), Stop> {
        if line.len() > LINE_MAX {
            return self.stop(Stop::LineTooLong).await;
        }
        self.line += 1;
        // An editor may have added a byte order mark.
        let line = if self.line == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let person = match forms::person(line, self.operator.now()) {
            Ok(person) => person,
            Err(malformed) => {
                self.reject(self.line, &malformed.0);
                return Ok(());
            }
        };
        if person.pin.is_some() && self.operator.store.mode() != Mode::Sandbox {
            self.reject(self.line, &CHOSEN_PIN);
            return Ok(());
        }
        if self.operator.store.mode() == Mode::Sandbox && personas::is_reserved(&person) {
            self.reject(self.line, &RESERVED);
            return Ok(());
        }
        self.batch.push((self.line, Registration { person, pin: None }));
        if self.batch.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Stop> {
        let (lines, mut people): (Vec<u64>, Vec<Registration>) = self.batch.drain(..).unzip();
        for registration in &mut people {
            // One at a time, so that an import leaves capacity for others.
            if let Some(pin) = registration.person.pin.take() {
                registration.pin = Some(hash_pin_bounded(pin).await);
            }
        }
        if !people.is_empty() {
            let registered = self.register(people).await.map_err(Stop::Store)?;
            for (line, registered) in lines.into_iter().zip(registered) {
                match registered {
                    Registered::Added | Registered::Updated => self.report.imported += 1,
                    Registered::NumberMoved { from } => {
                        self.report.imported += 1;
                        self.number_moved(line, from);
                    }
                    Registered::NumberOutdated { since } => self.reject(line, &number_outdated(since)),
                    Registered::NumberTaken { since } => self.reject(line, &number_taken(since)),
                }
            }
        }
        self.next_line = self.line + 1;
        Ok(())
    }

    /// Registers a batch. If the store is overloaded it waits, so that an import continues beside bulk
    /// traffic instead of failing midway.
    async fn register(&self, people: Vec<Registration>) -> Result<Vec<Registered>, StoreError> {
        let register = async || self.operator.store.register(people.clone(), self.operator.now()).await;
        let tries = ConstantBuilder::new().with_delay(STORE_PAUSE).with_max_times(STORE_RETRIES);
        register.retry(tries).when(|error| matches!(error, StoreError::Overloaded)).await
    }

    fn reject(&mut self, line: u64, reason: &Text) {
        self.rejected += 1;
        if self.report.rejected.len() < LISTED_MAX {
            let error_message = reason.in_lang(self.lang).to_owned();
            self.report.rejected.push(Rejected { line, error_message });
        }
    }

    fn number_moved(&mut self, line: u64, from: PersonId) {
        self.numbers_moved += 1;
        tracing::info!(person = %from, "a telephone number moved to its next owner");
        if self.report.numbers_moved.len() < LISTED_MAX {
            self.report.numbers_moved.push(NumberMoved { line, from_person_id: from });
        }
    }

    fn finish(mut self) -> Report {
        self.report.rejected.sort_by_key(|r| r.line);
        let cut_short = |count: u64| Some(count).filter(|count| *count > LISTED_MAX as u64);
        self.report.rejected_count = cut_short(self.rejected);
        self.report.numbers_moved_count = cut_short(self.numbers_moved);
        self.report
    }

    /// Stops for `why`, after importing all complete lines.
    async fn stop(&mut self, why: Stop) -> Result<(), Stop> {
        self.flush().await?;
        Err(why)
    }

    /// The error for a client that must resume later: what was imported, and where to resume.
    fn stopped(&self, stop: Stop) -> ApiError {
        let (error, why) = match stop {
            Stop::BrokenOff => (ApiError::invalid(BROKEN_OFF), BROKEN_OFF),
            Stop::LineTooLong => (ApiError::invalid(LINE_TOO_LONG), LINE_TOO_LONG),
            Stop::Store(error @ (StoreError::Overloaded | StoreError::Unavailable(_))) => {
                (ApiError::from(error), STORE_AWAY)
            }
            Stop::Store(error) => (ApiError::from(error), STORE_FAILED),
        };
        error.saying(progress(&why, self.report.imported, self.next_line))
    }
}

const RESERVED: Text = Text::fixed(
    "phone_number, ci: 샌드박스에 늘 있는 사람의 값이어서 등록하거나 바꿀 수 없습니다",
    "phone_number, ci: of a person who is always there in a sandbox and cannot be changed",
);
const CHOSEN_PIN: Text = Text::fixed(
    "pin: 실제 운영에서는 PIN을 대신 정할 수 없습니다. pin 없이 등록하면 본인이 직접 만듭니다",
    "pin: nobody chooses a PIN for another on a live server; register without one, and the person sets it",
);
const BROKEN_OFF: Text = Text::fixed("본문이 끝까지 도착하지 않았습니다", "the body did not arrive in full");
const LINE_TOO_LONG: Text =
    Text::fixed("한 줄은 16384바이트 이하여야 합니다", "a line must be at most 16384 bytes");
const STORE_AWAY: Text =
    Text::fixed("지금은 더 등록할 수 없습니다", "no more people can be taken at the moment");
const STORE_FAILED: Text = Text::fixed("서버 내부 오류가 발생했습니다", "an internal error occurred");

/// Importing a line again changes nothing, so it is safe to resume from a line that may already be imported.
fn progress(why: &Text, imported: u64, next_line: u64) -> Text {
    let (ko, en) = (why.in_lang(Lang::Ko), why.in_lang(Lang::En));
    Text::made(
        format!("{next_line}행: {ko}. {imported}명까지 등록되었으니 {next_line}행부터 다시 보내 주십시오"),
        format!("line {next_line}: {en}; {imported} people were imported, go on from line {next_line}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_tells_what_is_in_and_where_to_go_on() {
        let message = progress(&STORE_AWAY, 400, 405);
        assert!(message.in_lang(Lang::En).contains("400 people were imported, go on from line 405"));
        assert!(message.in_lang(Lang::Ko).contains("400명까지 등록되었으니 405행부터"));
        assert!(LINE_TOO_LONG.in_lang(Lang::En).contains(&LINE_MAX.to_string()));
    }
}
