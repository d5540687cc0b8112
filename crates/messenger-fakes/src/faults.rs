//! The faults of a fake, which can be changed while it runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// The faults of a fake.
#[derive(Debug, Default)]
pub struct Faults {
    latency_millis: AtomicU64,
    breaks_one_in: AtomicU64,
    is_silent: AtomicBool,
    is_unauthorized: AtomicBool,
    fails_questions: AtomicBool,
    failed_questions: AtomicU64,
    calls: AtomicU64,
    broken: AtomicU64,
}

impl Faults {
    /// How long every call takes.
    pub fn set_latency(&self, latency: Duration) {
        self.latency_millis.store(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The connection of one send in `count` is broken after its messages were taken; 0 breaks none.
    pub fn break_one_in(&self, count: u64) {
        self.breaks_one_in.store(count, Ordering::Relaxed);
    }

    /// No call is answered.
    pub fn set_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::Relaxed);
    }

    /// Every call is refused, as if the secret were wrong.
    pub fn set_unauthorized(&self, is_unauthorized: bool) {
        self.is_unauthorized.store(is_unauthorized, Ordering::Relaxed);
    }

    /// Every question about messages is answered with an error.
    pub fn set_questions_failing(&self, fails: bool) {
        self.fails_questions.store(fails, Ordering::Relaxed);
    }

    /// How many questions were answered with an error because of that.
    pub fn failed_questions(&self) -> u64 {
        self.failed_questions.load(Ordering::Relaxed)
    }

    /// How many sends there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many of them were not answered because their connection was broken.
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }

    pub(crate) fn is_unauthorized_now(&self) -> bool {
        self.is_unauthorized.load(Ordering::Relaxed)
    }

    /// Whether a question about messages is to fail.
    pub(crate) fn fails_question(&self) -> bool {
        let fails = self.fails_questions.load(Ordering::Relaxed);
        self.failed_questions.fetch_add(u64::from(fails), Ordering::Relaxed);
        fails
    }

    /// Takes the time of a call; of a silent provider it never ends.
    pub(crate) async fn take_time(&self) {
        tokio::time::sleep(Duration::from_millis(self.latency_millis.load(Ordering::Relaxed))).await;
        if self.is_silent.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    /// Counts a send, and says whether its connection is broken instead of an answer.
    pub(crate) fn breaks_now(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let one_in = self.breaks_one_in.load(Ordering::Relaxed);
        let breaks = one_in != 0 && call.is_multiple_of(one_in);
        self.broken.fetch_add(u64::from(breaks), Ordering::Relaxed);
        breaks
    }

    /// The answer to a send, or a broken connection.
    pub(crate) fn answer(&self, answer: Response) -> Response {
        if !self.breaks_now() {
            return answer;
        }
        // A body that ends with an error makes the server close the connection.
        let broken = futures_util::stream::once(async {
            Err::<Bytes, _>(std::io::Error::other("the connection is broken on purpose"))
        });
        Response::new(Body::from_stream(broken))
    }
}

/// A JSON answer with a status.
pub(crate) fn json(status: u16, body: &Value) -> Response {
    let status = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    (status, axum::Json(body)).into_response()
}
