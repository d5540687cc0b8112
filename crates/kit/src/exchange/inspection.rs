//! Looking at a log from outside: is it whole, and what does it tell of a document. Neither writes.

use std::fmt;
use std::io;
use std::path::Path;

use super::files::{Lines, list, lock_path};
use super::record::{NOTHING, Record, unseal};

/// A damaged log can have any number of bad lines; this many are told.
const DAMAGES_MAX: usize = 100;

/// What is wrong at a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The last line has no end: a write that was broken off, or a record that was cut. If it was a
    /// crash, the next opening cuts it and says so.
    Torn,
    /// The line is not as it was written.
    Changed,
    /// Records from the first to the second number are not there.
    Missing(u64, u64),
    /// The record stands where this number belongs: one was moved, inserted or doubled.
    OutOfOrder(u64),
    /// It does not continue the record before it: that one is not what it was.
    Unlinked,
    /// The head that was kept elsewhere is not in the log: its end is missing or was made anew.
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

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's name; empty when it is about the log as a whole.
    pub file: String,
    /// The line, from 1 on.
    pub line: u64,
    /// What is wrong.
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

/// The end of a log at some time: worth keeping elsewhere.
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

/// What is known of the log besides its files.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The number of its first record; larger than 1 when old days were moved elsewhere.
    pub first: u64,
    /// A head that was kept elsewhere.
    pub head: Option<Head>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { first: 1, head: None }
    }
}

/// What verifying found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Files that were read.
    pub files: usize,
    /// Sound records.
    pub records: u64,
    /// The last sound record.
    pub head: Option<Head>,
    /// Everything wrong, the first hundred of it.
    pub damage: Vec<Damage>,
}

/// One document's records.
#[derive(Clone, Debug)]
pub struct Story {
    /// In order.
    pub records: Vec<Record>,
    /// What is wrong with the log they come from.
    pub damage: Vec<Damage>,
}

/// Reads the whole log and finds whatever is not as it was written.
///
/// A gateway may be writing to it. Fails only when the files cannot be read.
pub fn verify(directory: &Path, options: &VerifyOptions) -> io::Result<Report> {
    walk(directory, options, |_| {})
}

/// One document's records in order, with whatever is wrong with the log.
pub fn show(directory: &Path, document: &str) -> io::Result<Story> {
    let mut records = Vec::new();
    // Where the log begins is for `verify` to judge.
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
            // The writer may be in the middle of the very last line.
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

/// The chain as far as it was followed.
pub(super) struct Chain {
    expected: Option<u64>,
    /// Unknown after a record that cannot be read.
    prev: Option<String>,
}

impl Chain {
    /// Where the first record has this number; 0 when that is not known.
    pub(super) fn beginning(first: u64) -> Self {
        Self { expected: (first > 0).then_some(first), prev: (first == 1).then(|| NOTHING.to_owned()) }
    }

    /// Follows one line: its record if it is sound in itself, and what is wrong.
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
