//! Sending to platforms that each misbehave in one way.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests are documented by their names")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use seoham_kit::client::{CallError, Client};
use seoham_kit::sending::job::Head;
use seoham_kit::sending::journal::Journal;
use seoham_kit::sending::{Batch, Ended, Item, Options, Progress, SendingError, run};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The platform's reply to the request with that number, from 0.
type Manner = fn(u64) -> Answer;

enum Answer {
    Accept,
    /// Accepts, but the reply is lost.
    Lose,
    Status(u16),
    /// The verdicts of other documents.
    Mixed,
}

#[derive(Clone)]
struct Platform {
    url: String,
    inner: Arc<Inner>,
}

struct Inner {
    manner: Mutex<Manner>,
    requests: AtomicU64,
    /// How often each document was accepted, ignoring keys.
    accepted: Mutex<HashMap<String, u32>>,
    keys: Mutex<Vec<String>>,
}

impl Platform {
    async fn new(manner: Manner) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            manner: Mutex::new(manner),
            requests: AtomicU64::new(0),
            accepted: Mutex::default(),
            keys: Mutex::default(),
        });
        let router = Router::new().route("/v1/documents/bulk", post(take)).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    fn behave(&self, manner: Manner) {
        self.inner.requests.store(0, Ordering::Relaxed);
        *self.inner.manner.lock().unwrap() = manner;
    }

    fn most_often(&self) -> u32 {
        self.inner.accepted.lock().unwrap().values().copied().max().unwrap_or(0)
    }

    fn documents(&self) -> usize {
        self.inner.accepted.lock().unwrap().len()
    }
}

async fn take(State(platform): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let number = platform.requests.fetch_add(1, Ordering::Relaxed);
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    platform.keys.lock().unwrap().extend(key);
    let manner = *platform.manner.lock().unwrap();
    let answer = manner(number);
    if let Answer::Status(status) = answer {
        let error = json!({ "error_code": "X", "error_message": "x" }).to_string();
        return (StatusCode::from_u16(status).unwrap(), [("retry-after", "0")], error).into_response();
    }
    let request: Value = serde_json::from_slice(&body).unwrap();
    let mut results = Vec::new();
    for document in request["documents"].as_array().unwrap() {
        let id = document["id"].as_str().unwrap().to_owned();
        *platform.accepted.lock().unwrap().entry(id.clone()).or_default() += 1;
        let reported = if matches!(answer, Answer::Mixed) { "another".to_owned() } else { id.clone() };
        results
            .push(json!({ "external_document_uuid": reported, "document_binder_uuid": format!("BIN-{id}") }));
    }
    if matches!(answer, Answer::Lose) {
        let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost")) });
        return ([("content-length", "1000")], Body::from_stream(broken)).into_response();
    }
    json!({ "documents": results }).to_string().into_response()
}

struct Quiet;

impl Progress for Quiet {
    fn answered(&self, _: u64, _: u64) {}
    fn unknown(&self, _: u64) {}
    fn waiting(&self, _: &CallError, _: Duration) {}
}

struct Job {
    directory: TempDir,
    client: Client,
    options: Options,
}

const BATCHES: u32 = 10;

impl Job {
    fn new(platform: &Platform, keyed: bool) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let client =
            Client::builder(&platform.url).contract_uuid("CON-1").build("0".repeat(32).into()).unwrap();
        let mut head = Head::new(String::new(), 0, platform.url.clone(), String::new(), Value::Null);
        head.keyed = keyed;
        drop(Journal::create(&directory.path().join("journal"), head).unwrap());
        let options = Options { at_once: 1, patience: Duration::from_millis(300), repeat_unknown: false };
        Self { directory, client, options }
    }

    fn journal(&self) -> Journal {
        Journal::open(&self.directory.path().join("journal")).unwrap()
    }

    async fn run(&self) -> Result<Ended, SendingError> {
        let (send, mut batches) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            for no in 0..BATCHES {
                let item = |i| {
                    let id = format!("{no}-{i}");
                    Item { json: json!({ "id": id }).to_string(), external_document_uuid: id }
                };
                if send.send(Batch { no, items: (0..3).map(item).collect() }).await.is_err() {
                    return;
                }
            }
        });
        let stop = CancellationToken::new();
        run(&self.client, &mut self.journal(), &mut batches, &self.options, &stop, &Quiet).await
    }
}

#[tokio::test]
async fn under_keys_everything_is_tried_again_under_the_same_key() {
    let platform = Platform::new(|n| match n {
        1 => Answer::Lose,
        3 => Answer::Status(503),
        5 => Answer::Status(500),
        7 => Answer::Status(429),
        _ => Answer::Accept,
    })
    .await;
    let job = Job::new(&platform, true);
    assert_eq!(job.run().await.unwrap(), Ended::Finished);
    let journal = job.journal();
    assert!(journal.finished().is_none(), "only whoever made the batches knows that they were all");
    assert!(journal.begun().is_empty());
    assert_eq!(journal.counts().accepted, 30);
    let mut keys = platform.inner.keys.lock().unwrap().clone();
    assert_eq!(keys.len(), 14);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 10, "one to a batch");
    drop(journal);
    // A second run has nothing to do.
    assert_eq!(job.run().await.unwrap(), Ended::Finished);
    assert_eq!(platform.inner.keys.lock().unwrap().len(), 14);
}

#[tokio::test]
async fn without_keys_what_may_have_been_taken_is_never_tried_again() {
    let platform = Platform::new(|n| match n {
        1 => Answer::Lose,
        3 => Answer::Status(503),
        5 => Answer::Status(500),
        _ => Answer::Accept,
    })
    .await;
    let mut job = Job::new(&platform, false);
    assert_eq!(job.run().await.unwrap(), Ended::WithUnknown);
    assert_eq!(job.journal().begun().len(), 2, "the lost one, and that of the 500");
    assert_eq!(platform.most_often(), 1);
    platform.behave(|_| Answer::Accept);
    assert_eq!(job.run().await.unwrap(), Ended::WithUnknown);
    assert_eq!(platform.most_often(), 1, "also not by a later run");

    // With this option it tries again. Rejected for now, their outcome is still unknown.
    job.options.repeat_unknown = true;
    platform.behave(|_| Answer::Status(503));
    assert!(matches!(job.run().await, Err(SendingError::GaveUp(_))));
    assert_eq!(job.journal().begun().len(), 2);
    job.options.repeat_unknown = false;
    platform.behave(|_| Answer::Accept);
    assert_eq!(job.run().await.unwrap(), Ended::WithUnknown);
    job.options.repeat_unknown = true;
    assert_eq!(job.run().await.unwrap(), Ended::Finished);
    assert_eq!((platform.documents(), platform.most_often()), (30, 2));
}

#[tokio::test]
async fn a_refused_token_ends_the_run_and_nothing_is_forgotten() {
    let platform = Platform::new(|n| match n {
        4 => Answer::Lose,
        n if n > 4 => Answer::Status(401),
        _ => Answer::Accept,
    })
    .await;
    let job = Job::new(&platform, true);
    assert!(matches!(job.run().await, Err(SendingError::Refused(CallError::Refused { status: 401, .. }))));
    let journal = job.journal();
    assert_eq!(journal.counts().accepted, 12);
    assert_eq!(journal.begun().len(), 1, "the lost one may have been taken, whatever came after");
    drop(journal);
    platform.behave(|_| Answer::Accept);
    assert_eq!(job.run().await.unwrap(), Ended::Finished);
}

#[tokio::test]
async fn verdicts_of_other_documents_are_no_verdicts() {
    let platform = Platform::new(|n| if n == 2 { Answer::Mixed } else { Answer::Accept }).await;
    let job = Job::new(&platform, false);
    assert!(matches!(job.run().await, Err(SendingError::Refused(CallError::Unintelligible(200)))));
    let journal = job.journal();
    assert_eq!((journal.counts().accepted, journal.begun().len()), (6, 1));
}

#[tokio::test]
async fn a_platform_that_takes_nothing_is_given_up() {
    let platform = Platform::new(|_| Answer::Status(503)).await;
    let job = Job::new(&platform, true);
    assert!(matches!(job.run().await, Err(SendingError::GaveUp(CallError::Busy { status: 503, .. }))));
    assert!(job.journal().begun().is_empty(), "nothing of it was taken");
}
