//! The exchange log: the three records that an institution must keep (SPEC 9), so kept that a
//! later change shows.
//!
//! One directory, one file for each day in Seoul (`2026-11-23.jsonl`), one JSON object on each
//! line. Each record has a sequence number, the hash of the record before it (`prev`; the first of
//! a file continues the last file), and its own `hash`: SHA-256 over the bytes of its line without
//! the hash, `,"hash":"…"` cut out. [`ExchangeLog::append`] returns when the records are on the disk.
//!
//! What the chain shows: any record that was changed, removed, inserted or moved. What it cannot
//! show by itself: that the *last* records are missing, or that whoever can write the files made
//! the whole chain anew. Against both, keep the head that [`verify`] gives (a number and a hash)
//! somewhere else from time to time, and have it looked for ([`VerifyOptions::head`]).
//!
//! **After a crash.** Records that were being written when the machine went down may be torn. What
//! follows the last sound record of the last file is cut at the next opening, kept in a `.cut` file
//! beside it, and told in a record `recovered`. Nobody was told that it was written.
//!
//! **Damage.** Anything wrong *before* a sound record is no torn write. It is never repaired: the
//! log goes on behind it with a record `damage_found` that names file and line, the process's own
//! log says so, and [`verify`] tells it for good. Opening does not fail over it: people at the door
//! are not to be turned away over a file of last week, and the records of today are wanted most
//! when somebody tampers. Opening looks at the last two files; [`verify`] at all.
//!
//! Old days are not compressed here: a file of yesterday and before can be archived by whatever
//! the institution archives with, and `verify` is told where the log now begins.

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
