//! Inspects a log: verifies its integrity, and lists the records of a document. Neither writes.

use std::fmt;
use std::io;
use std::path::Path;

use super::files::{Lines, list, lock_path};
use super::record::{NOTHING, Record, unseal};

/// A damaged log can have any number of bad lines; at most this many are reported.
const DAMAGES_MAX: usize = 100;

/// The kind of damage of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The last line has no newline: an interrupted write, or a truncated record. After a crash, the next
    /// opening truncates it and records that.
    Torn,
    /// The line was modified.
    Changed,
    /// The records from the first to the second number are missing.
    Missing(u64, u64),
    /// The record has another number than this expected one: a record was moved, inserted or duplicated.
    OutOfOrder(u64),
    /// Its `prev` hash does not match the record before it: that record was modified.
    Unlinked,
    /// The externally stored head is not in the log: its end is missing or was rewritten.
    HeadMissing,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn => f.write_str("the last record is torn"),
            Self::Changed => f.write_str("the record was changed"),
            Self::Missing(from, to) => write!(f, "records {from} to {to} are missing before it"),
            Self::OutOfOrder(expected) => write!(f, "out of order: record {expected} belongs here"),
            Self::Unlinked => f.write_str("it does not continue the record before it"),
            Self::HeadMissing => f.write_str("the given head is not in the log"),
        }
    }
}

/// Damage and its location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's name; empty if the damage concerns the whole log.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The kind of damage.
    pub flaw: Flaw,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            return self.flaw.fmt(f);
        }
        write!(f, "{}:{}: {}", self.file, self.line, self.flaw)
    }
}

/// The end of a log at some time, worth storing elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The record's number.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl std::str::FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (seq, hash) = text.split_once(':')?;
            let hex = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            Some(Self { seq: seq.parse().ok()?, hash: hex.then(|| hash.to_ascii_lowercase())? })
        };
        read().ok_or("a head is NUMBER:HASH, as `log verify` prints it")
    }
}

/// What the verifier knows besides the files.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The number of the log's first record; larger than 1 if old days were archived.
    pub first: u64,
    /// A head that was stored elsewhere.
    pub head: Option<Head>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { first: 1, head: None }
    }
}

/// The result of a verification.
#[derive(Clone, Debug)]
pub struct Report {
    /// Files read.
    pub files: usize,
    /// Intact records.
    pub records: u64,
    /// The last intact record.
    pub head: Option<Head>,
    /// The damage found, up to the first hundred.
    pub damage: Vec<Damage>,
}

/// One document's records.
#[derive(Clone, Debug)]
pub struct Story {
    /// In log order.
    pub records: Vec<Record>,
    /// Damage of the log that they come from.
    pub damage: Vec<Damage>,
}

/// Reads the whole log and finds all damage.
///
/// A gateway may write to the log meanwhile. Fails only if the files cannot be read.
pub fn verify(directory: &Path, options: &VerifyOptions) -> io::Result<Report> {
    walk(directory, options, |_| {})
}

/// One document's records in order, and any damage of the log.
pub fn show(directory: &Path, document: &str) -> io::Result<Story> {
    let mut records = Vec::new();
    // Only `verify` judges where the log begins.
    let options = VerifyOptions { first: 0, head: None };
    let report = walk(directory, &options, |record| {
        if record.document.as_deref() == Some(document) {
            records.push(record.clone());
        }
    })?;
    Ok(Story { records, damage: report.damage })
}

fn walk(directory: &Path, options: &VerifyOptions, mut each: impl FnMut(&Record)) -> io::Result<Report> {
    let names = list(directory)?;
    let mut chain = Chain::beginning(options.first);
    let mut report = Report { files: names.len(), records: 0, head: None, damage: Vec::new() };
    let mut head_found = options.head.is_none();
    for (index, name) in names.iter().enumerate() {
        for line in Lines::of(&directory.join(name))? {
            let line = line?;
            let (record, flaw) = chain.next(&line.bytes);
            if let Some(record) = record {
                report.records += 1;
                head_found |=
                    options.head.as_ref().is_some_and(|h| h.seq == record.seq && h.hash == record.hash);
                each(&record);
                report.head = Some(Head { seq: record.seq, hash: record.hash });
            }
            // The writer may be writing the very last line now.
            let last = index + 1 == names.len();
            let being_written = |flaw: &Flaw| *flaw == Flaw::Torn && last && is_written_to(directory);
            if let Some(flaw) = flaw.filter(|flaw| !being_written(flaw))
                && report.damage.len() < DAMAGES_MAX
            {
                report.damage.push(Damage { file: name.clone(), line: line.number, flaw });
            }
        }
    }
    if !head_found {
        report.damage.push(Damage { file: String::new(), line: 0, flaw: Flaw::HeadMissing });
    }
    Ok(report)
}

fn is_written_to(directory: &Path) -> bool {
    std::fs::File::open(lock_path(directory)).is_ok_and(|file| file.try_lock_shared().is_err())
}

/// The state of the hash chain.
pub(super) struct Chain {
    expected: Option<u64>,
    /// Unknown after an unreadable record.
    prev: Option<String>,
}

impl Chain {
    /// A chain whose first record has this number; 0 if that is not known.
    pub(super) fn beginning(first: u64) -> Self {
        Self { expected: (first > 0).then_some(first), prev: (first == 1).then(|| NOTHING.to_owned()) }
    }

    /// Checks one line: returns its record if that is intact by itself, and the damage if any.
    pub(super) fn next(&mut self, line: &[u8]) -> (Option<Record>, Option<Flaw>) {
        let Some(record) = unseal(line) else {
            self.expected = self.expected.map(|seq| seq + 1);
            self.prev = None;
            let torn = line.last() != Some(&b'\n');
            return (None, Some(if torn { Flaw::Torn } else { Flaw::Changed }));
        };
        let expected = self.expected.unwrap_or(record.seq);
        let linked = self.prev.as_ref().is_none_or(|prev| *prev == record.prev);
        let flaw = match record.seq.cmp(&expected) {
            std::cmp::Ordering::Greater => Some(Flaw::Missing(expected, record.seq - 1)),
            std::cmp::Ordering::Less => Some(Flaw::OutOfOrder(expected)),
            std::cmp::Ordering::Equal if !linked => Some(Flaw::Unlinked),
            std::cmp::Ordering::Equal => None,
        };
        self.expected = Some(record.seq + 1);
        self.prev = Some(record.hash.clone());
        (Some(record), flaw)
    }
}
