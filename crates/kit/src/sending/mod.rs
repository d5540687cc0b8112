//! Sending any number of documents, so that none is lost and none is sent twice.
//!
//! Documents come in [`Batch`]es of up to 100 that are the same each time the job is run: a batch's
//! number says which rows it has. Each is sent under an idempotency key made of the job and the
//! number, as many at once as the platform takes without slowing down, and its verdicts are written to the
//! [`journal`] before they count. After any interruption the same job goes on from its journal: an
//! answered batch is not sent again, an unanswered one is repeated under its key.
//!
//! A platform that knows no keys gets each batch once. What was sent to it and not answered is
//! *unknown*: repeating it could send it twice, so that is left to whoever can ask the platform.

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

/// A document on its way.
pub struct Item {
    /// Its id in JSON, by which its verdict is recognized.
    pub external_document_uuid: String,
    /// The document, in JSON.
    pub json: String,
}

impl AsRef<str> for Item {
    fn as_ref(&self) -> &str {
        &self.json
    }
}
