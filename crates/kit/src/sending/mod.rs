//! Sends any number of documents, without losses or duplicates.
//!
//! Documents come in [`Batch`]es of up to 100 that are the same on each run of the job: a batch's number
//! determines its rows. Each batch is sent under an idempotency key made of the job and the number, with as
//! many concurrent requests as the platform handles without slowing down. Its verdicts are written to the
//! [`journal`] before they count. After an interruption the job resumes from its journal: an answered batch
//! is not sent again, an unanswered one is repeated under its key.
//!
//! A platform without idempotency keys gets each batch once. A batch that was sent to it but not answered is
//! *unknown*: repeating it could create duplicates, so the operator must check with the platform.

mod concurrency_window;
pub mod job;
pub mod journal;
mod run;

pub use run::{Ended, Options, Progress, SendingError, run};

/// Documents of one request.
pub struct Batch {
    /// Its number in the job, from 0.
    pub no: u32,
    /// 1 to 100 documents.
    pub items: Vec<Item>,
}

/// A document to send.
pub struct Item {
    /// Its id in the JSON, which identifies its verdict.
    pub external_document_uuid: String,
    /// The document, in JSON.
    pub json: String,
}

impl AsRef<str> for Item {
    fn as_ref(&self) -> &str {
        &self.json
    }
}
