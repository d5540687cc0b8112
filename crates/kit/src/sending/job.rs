//! The definition of a job: its file, its platform, its start, and the idempotency keys of its batches.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use seoham_model::{Clock, UnixSeconds};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exchange::record::sha256;

/// The journal format version that this program writes.
pub(super) const JOURNAL_VERSION: u32 = 1;

/// The maximum age of a job's keys for a repeated batch: an hour less than the 7 days for which a platform
/// keeps them.
const KEYS_LAST_SECONDS: i64 = 7 * 24 * 60 * 60 - 60 * 60;

/// How far clocks are commonly set back by ordinary corrections.
const CLOCK_MAY_DIFFER_SECONDS: i64 = 300;

/// The definition of a job: the first line of its journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The journal format version.
    pub seoham_journal: u32,
    /// The job's unique name, 32 hex digits.
    pub job: String,
    /// When it was started.
    pub started_at: UnixSeconds,
    /// The SHA-256 of the file that is sent: a job resumes only with the same bytes.
    pub source_sha256: String,
    /// Rows of the file.
    pub rows: u64,
    /// A digest of the selected rows; a resumed job must select the same ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection_sha256: Option<String>,
    /// The platform's address.
    pub url: String,
    /// The address for bulk calls, if it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk_url: Option<String>,
    /// The contract.
    pub contract_uuid: String,
    /// The platform supports idempotency keys.
    pub keyed: bool,
    /// How rows are converted to documents: the same on each run.
    pub settings: Value,
}

impl Head {
    /// The definition of a new job, started now.
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

    /// Whether the platform still knows the job's keys, as far as the local clock is reliable.
    pub fn keys_last(&self) -> bool {
        let age_seconds = Clock::default().now().seconds_since(self.started_at);
        (-CLOCK_MAY_DIFFER_SECONDS..KEYS_LAST_SECONDS).contains(&age_seconds)
    }

    /// The idempotency key of a batch.
    pub fn key(&self, no: u32) -> String {
        format!("{}-{no}", self.job)
    }
}

/// A unique name for a job: 32 hex digits.
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
