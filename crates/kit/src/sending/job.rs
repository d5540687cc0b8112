//! What a job is: which file, to whom, since when, and the keys that its batches are sent under.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use seoham_model::{Clock, UnixSeconds};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exchange::record::sha256;

/// The form of the journal that this program writes.
pub(super) const JOURNAL_VERSION: u32 = 1;

/// How old a job's keys may be when a batch is repeated: an hour less than the 7 days that a
/// platform remembers them for.
const KEYS_LAST_SECONDS: i64 = 7 * 24 * 60 * 60 - 60 * 60;

/// How far a clock is set back now and then without anybody doing wrong.
const CLOCK_MAY_DIFFER_SECONDS: i64 = 300;

/// What a job is, as the first line of its journal says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The form of the journal.
    pub seoham_journal: u32,
    /// The job's own name, 32 hex digits.
    pub job: String,
    /// When it was begun.
    pub started_at: UnixSeconds,
    /// The file that is sent, by its SHA-256: a job goes on with the same bytes alone.
    pub source_sha256: String,
    /// Rows of the file.
    pub rows: u64,
    /// Which of the rows are sent, as a digest; a job that goes on must choose the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection_sha256: Option<String>,
    /// Whom it is sent to.
    pub url: String,
    /// Where bulk calls go, when that is another address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk_url: Option<String>,
    /// Under which contract.
    pub contract_uuid: String,
    /// The platform knows idempotency keys.
    pub keyed: bool,
    /// How rows become documents: the same each time.
    pub settings: Value,
}

impl Head {
    /// A new job's; begun now.
    pub fn new(
        source_sha256: String,
        rows: u64,
        url: String,
        contract_uuid: String,
        settings: Value,
    ) -> Self {
        Self {
            seoham_journal: JOURNAL_VERSION,
            job: new_job_name(),
            started_at: Clock::default().now(),
            source_sha256,
            rows,
            selection_sha256: None,
            url,
            bulk_url: None,
            contract_uuid,
            keyed: false,
            settings,
        }
    }

    /// Whether the platform still knows the job's keys, as far as this machine's clock can be believed.
    pub fn keys_last(&self) -> bool {
        let age_seconds = Clock::default().now().seconds_since(self.started_at);
        (-CLOCK_MAY_DIFFER_SECONDS..KEYS_LAST_SECONDS).contains(&age_seconds)
    }

    /// The idempotency key of a batch.
    pub fn key(&self, no: u32) -> String {
        format!("{}-{no}", self.job)
    }
}

/// A name for a job that no other has: 32 hex digits.
pub fn new_job_name() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// The SHA-256 of bytes, in hex digits.
pub fn sha256_of_bytes(bytes: &[u8]) -> String {
    sha256(bytes)
}

/// The SHA-256 of a file, in hex digits.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let mut hash = Context::new(&SHA256);
    loop {
        let piece = file.fill_buf()?;
        if piece.is_empty() {
            return Ok(hex::encode(hash.finish().as_ref()));
        }
        hash.update(piece);
        let read = piece.len();
        file.consume(read);
    }
}
