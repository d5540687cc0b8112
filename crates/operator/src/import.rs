//! `POST /admin/v1/people`: people as NDJSON, streaming, any number of lines (SPEC 11).

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::StreamExt;
use seoham_http::{ApiError, Language, body};
use seoham_model::{Lang, Text, forms};
use seoham_store::StoreError;
use seoham_store::people::{Registered, Registration};
use seoham_vault::hash_pin;
use serde::Serialize;

use crate::admin::json;
use crate::state::Operator;

/// The longest line; a person needs a few hundred bytes.
const LINE_MAX: usize = 16 * 1024;
/// People registered in one step.
const BATCH: usize = 200;
/// Rejected lines that are told one by one; beyond it they are counted.
const REJECTED_MAX: usize = 10_000;
/// How long the next piece of the body may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait for a store that has too much to do, and how often.
const STORE_PAUSE: Duration = Duration::from_millis(50);
const STORE_TRIES: u32 = 200;

#[derive(Default, Serialize)]
struct Report {
    imported: u64,
    rejected: Vec<Rejected>,
    /// Only there when more lines were rejected than are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_count: Option<u64>,
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
    let mut import =
        Import { operator, lang, report: Report::default(), rejected: 0, line: 0, batch: Vec::new() };
    let mut stream = request.into_body().into_data_stream();
    match import.read(&mut stream).await {
        Ok(()) => json(&import.finish()),
        Err(error) => {
            body::drain(Body::from_stream(stream));
            Ok(error.into_response())
        }
    }
}

struct Import {
    operator: Operator,
    lang: Lang,
    report: Report,
    rejected: u64,
    line: u64,
    batch: Vec<(u64, Registration)>,
}

impl Import {
    async fn read(&mut self, stream: &mut BodyDataStream) -> Result<(), ApiError> {
        let mut buffer = BytesMut::new();
        loop {
            let next = tokio::time::timeout(PATIENCE, stream.next()).await;
            match next {
                Ok(Some(Ok(chunk))) => buffer.extend_from_slice(&chunk),
                Ok(None) => break,
                Ok(Some(Err(_))) | Err(_) => return Err(self.broken_off().await),
            }
            while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
                let line = buffer.split_to(end + 1);
                self.take_line(&line[..end]).await?;
            }
            if buffer.len() > LINE_MAX {
                return Err(ApiError::invalid(self.at_line(
                    &format!("한 줄은 {LINE_MAX}바이트 이하여야 합니다"),
                    &format!("a line must be at most {LINE_MAX} bytes"),
                )));
            }
        }
        self.take_line(&buffer).await?;
        self.flush().await
    }

    async fn take_line(&mut self, line: &[u8]) -> Result<(), ApiError> {
        self.line += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let person = match forms::person(line, self.operator.now()) {
            Ok(person) => person,
            Err(malformed) => {
                self.reject(self.line, malformed.0.in_lang(self.lang).to_owned());
                return Ok(());
            }
        };
        self.batch.push((self.line, Registration { person, pin: None }));
        if self.batch.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), ApiError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let (lines, mut people): (Vec<u64>, Vec<Registration>) = self.batch.drain(..).unzip();
        // PINs are slow to hash on purpose.
        if people.iter().any(|p| p.person.pin.is_some()) {
            people = tokio::task::spawn_blocking(move || with_hashed_pins(people))
                .await
                .map_err(|_| ApiError::internal())?;
        }
        let registered = self.register(people).await?;
        for (line, registered) in lines.into_iter().zip(registered) {
            if registered == Registered::NumberTaken {
                let taken = Text::fixed(
                    "phone_number: 생년월일이나 CI가 다른 사람의 번호입니다",
                    "phone_number: belongs to a person with another birthday or ci",
                );
                self.reject(line, taken.in_lang(self.lang).to_owned());
            } else {
                self.report.imported += 1;
            }
        }
        Ok(())
    }

    /// Registers a batch; a store that has too much to do is waited for, so that an import goes
    /// on beside bulk traffic instead of failing half-way.
    async fn register(&self, people: Vec<Registration>) -> Result<Vec<Registered>, ApiError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.operator.store.register(people.clone(), self.operator.now()).await {
                Err(StoreError::Overloaded) if tries < STORE_TRIES => tokio::time::sleep(STORE_PAUSE).await,
                other => return Ok(other?),
            }
        }
    }

    fn reject(&mut self, line: u64, error_message: String) {
        self.rejected += 1;
        if self.report.rejected.len() < REJECTED_MAX {
            self.report.rejected.push(Rejected { line, error_message });
        }
    }

    fn finish(mut self) -> Report {
        self.report.rejected.sort_by_key(|r| r.line);
        let untold = self.rejected > REJECTED_MAX as u64;
        self.report.rejected_count = untold.then_some(self.rejected);
        self.report
    }

    /// What was read in full is kept, and said.
    async fn broken_off(&mut self) -> ApiError {
        if let Err(error) = self.flush().await {
            return error;
        }
        let imported = self.report.imported;
        ApiError::invalid(self.at_line(
            &format!("본문이 끝까지 도착하지 않았습니다. {imported}명까지 등록되었습니다"),
            &format!("the body did not arrive in full; {imported} people were imported"),
        ))
    }

    fn at_line(&self, ko: &str, en: &str) -> Text {
        let line = self.line + 1;
        Text::made(format!("{line}행: {ko}"), format!("line {line}: {en}"))
    }
}

fn with_hashed_pins(people: Vec<Registration>) -> Vec<Registration> {
    people
        .into_iter()
        .map(|mut registration| {
            registration.pin = registration.person.pin.take().map(|pin| hash_pin(&pin));
            registration
        })
        .collect()
}
