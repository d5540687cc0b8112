//! The exchange log: the three records that an institution must keep (SPEC 9), in a tamper-evident form.
//!
//! One directory, one file per day in Seoul (`2026-11-23.jsonl`), one JSON object per line. Each record has a
//! sequence number, the hash of the record before it (`prev`; the first record of a file continues the
//! previous file), and its own `hash`: SHA-256 over the bytes of its line without the hash, `,"hash":"…"` cut
//! out. [`ExchangeLog::append`] returns when the records are on the disk.
//!
//! The chain detects any record that was changed, removed, inserted or moved. By itself it cannot detect that
//! the *last* records are missing, or that someone with write access rebuilt the whole chain. Against both,
//! store the head that [`verify`] returns (a number and a hash) elsewhere from time to time, and have
//! `verify` look for it ([`VerifyOptions::head`]).
//!
//! **After a crash.** Records that were being written when the machine went down may be torn. The next
//! opening truncates the last file after its last intact record, keeps the rest in a `.cut` file beside it,
//! and adds a record `recovered`. The log never acknowledged these records.
//!
//! **Damage.** Damage *before* an intact record is no torn write. It is never repaired: the log continues
//! after it with a record `damage_found` that names file and line, the process log reports it, and [`verify`]
//! reports it from then on. Opening still succeeds: a damaged file of last week must not turn visitors away,
//! and when somebody tampers with the log, today's records matter most. Opening checks the last two files;
//! [`verify`] checks all of them.
//!
//! Old days are not compressed here. The institution can archive the files of past days with its own tools,
//! and then pass the new beginning of the log to `verify`.

mod entry;
mod files;
mod inspection;
mod open;
pub(crate) mod record;
mod writer;

#[cfg(test)]
mod tests;

pub use entry::{Call, Entry, Kind, RequestId, VisitId};
pub use inspection::{Damage, Flaw, Head, Report, Story, VerifyOptions, show, verify};
pub use open::{OpenError, Opened, PendingRead};
pub use record::Record;
pub use writer::{AppendError, ExchangeLog};
