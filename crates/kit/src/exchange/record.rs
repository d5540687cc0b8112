//! One line of the log: seals an entry into it and parses it back.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::entry::Entry;

/// The `prev` hash of the very first record.
pub(super) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// `,"hash":"`, 64 digits, `"}` and the newline.
const BEFORE_HASH: &[u8] = b",\"hash\":\"";
const AFTER_HASH: &[u8] = b"\"}\n";
const TAIL: usize = BEFORE_HASH.len() + 64 + AFTER_HASH.len();

#[derive(Serialize)]
struct Unsealed<'a> {
    seq: u64,
    at: i64,
    #[serde(flatten)]
    entry: &'a Entry,
    prev: &'a str,
}

/// A record of the log.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    /// Its sequence number, from 1, without gaps.
    pub seq: u64,
    /// When it was written, in Unix seconds.
    pub at: i64,
    /// What it is about.
    pub kind: String,
    /// The document.
    pub document: Option<String>,
    /// The visit.
    pub visit: Option<String>,
    /// The call's method.
    pub method: Option<String>,
    /// The call's path template.
    pub path: Option<String>,
    /// The response's HTTP status.
    pub status: Option<u16>,
    /// The outcome.
    pub outcome: String,
    /// The duration, in milliseconds.
    pub ms: Option<u64>,
    /// The platform's id of the exchange.
    pub request_id: Option<String>,
    /// The hash of the record before it.
    pub prev: String,
    /// Its own hash.
    pub hash: String,
}

/// The line of `entry`, including the newline, and its hash.
pub(super) fn seal(seq: u64, at: i64, entry: &Entry, prev: &str) -> serde_json::Result<(Vec<u8>, String)> {
    let mut line = serde_json::to_vec(&Unsealed { seq, at, entry, prev })?;
    let hash = sha256(&line);
    line.pop();
    line.extend_from_slice(BEFORE_HASH);
    line.extend_from_slice(hash.as_bytes());
    line.extend_from_slice(AFTER_HASH);
    Ok((line, hash))
}

/// Parses a line including its newline; `None` if any byte was modified.
pub(super) fn unseal(line: &[u8]) -> Option<Record> {
    let (sealed, tail) = line.split_at(line.len().checked_sub(TAIL)?);
    let digits = tail.strip_prefix(BEFORE_HASH)?.strip_suffix(AFTER_HASH)?;
    let mut hashed = sealed.to_vec();
    hashed.push(b'}');
    if sha256(&hashed).as_bytes() != digits {
        return None;
    }
    serde_json::from_slice(line).ok()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes).as_ref())
}
