//! Opens a log: takes the lock, truncates a torn end, finds damage before it, and collects unreported reads.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use seoham_model::BinderId;

use super::entry::{Call, Entry, Kind, VisitId};
use super::files::{Lines, cut_name, list, lock_path, make, sync};
use super::inspection::{Chain, Damage};
use super::record::{NOTHING, Record};

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock.
    #[error("{0}: another process writes to this log")]
    InUse(PathBuf),
    /// An I/O error.
    #[error("{path}: {source}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A page that was shown and whose read the platform has not accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRead {
    /// The document.
    pub document: BinderId,
    /// The visit.
    pub visit: VisitId,
}

/// The findings of an opening.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// The bytes truncated from a torn end, and the file beside the log that keeps them.
    pub cut: Option<(u64, String)>,
    /// Damage before the end.
    pub damage: Vec<Damage>,
    /// Unreported reads, in the order in which the pages were shown.
    pub pending: Vec<PendingRead>,
}

/// The end of the log, where it continues.
pub(super) struct Tip {
    /// The last file's name.
    pub(super) name: Option<String>,
    /// The last record's number, 0 before the first.
    pub(super) seq: u64,
    /// The last record's hash.
    pub(super) hash: String,
}

/// Locks the directory for this process.
pub(super) fn lock(directory: &Path) -> Result<File, OpenError> {
    let io = |source| OpenError::Io { path: directory.to_owned(), source };
    make(directory).map_err(io)?;
    let path = lock_path(directory);
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Reads the last two files, truncates a torn end, and returns the records to write first.
///
/// Two files are enough to find pending reads: every start writes the pending ones again, and every report
/// attempt, at least one per hour, leaves a record.
pub(super) fn look(directory: &Path) -> io::Result<(Tip, Opened, Vec<Entry>)> {
    let names = list(directory)?;
    let last_two = &names[names.len().saturating_sub(2)..];
    // Only `verify` judges where the log begins: old days may have been archived.
    let mut chain = Chain::beginning(0);
    let mut tip = Tip { name: names.last().cloned(), seq: 0, hash: NOTHING.to_owned() };
    let mut opened = Opened::default();
    let mut pending = Pending::default();
    for name in last_two {
        let mut sound_end = 0;
        // Damage that no intact record has followed yet: in the last file it is the torn end.
        let mut open_flaws = Vec::new();
        for line in Lines::of(&directory.join(name))? {
            let line = line?;
            let (record, flaw) = chain.next(&line.bytes);
            if let Some(flaw) = flaw {
                open_flaws.push(Damage { file: name.clone(), line: line.number, flaw });
            }
            if let Some(record) = record {
                sound_end = line.offset + line.bytes.len() as u64;
                opened.damage.append(&mut open_flaws);
                pending.follow(&record);
                (tip.seq, tip.hash) = (record.seq, record.hash);
            }
        }
        if Some(name) == names.last() {
            cut(directory, name, sound_end, tip.seq + 1)?;
        } else {
            opened.damage.append(&mut open_flaws);
        }
    }
    opened.pending = pending.in_order();

    let mut first = Vec::new();
    // Found by its name, so that a crash between the truncation and its record hides nothing.
    let cut = cut_name(tip.seq + 1);
    if let Ok(kept) = std::fs::metadata(directory.join(&cut)) {
        let mut entry = Entry::new(Kind::Recovered, "cut");
        (entry.bytes, entry.file) = (Some(kept.len()), Some(cut.clone()));
        first.push(entry);
        opened.cut = Some((kept.len(), cut));
    }
    for damage in opened.damage.iter().take(100) {
        let mut entry = Entry::new(Kind::DamageFound, "kept");
        (entry.file, entry.line) = (Some(damage.file.clone()), Some(damage.line));
        first.push(entry);
    }
    let pending = opened.pending.iter();
    first.extend(pending.map(|p| Entry::new(Kind::ReadPending, "retry").of(p.document, &p.visit)));
    Ok((tip, opened, first))
}

/// Moves everything after `sound_end` into a file beside the log, if there is anything.
fn cut(directory: &Path, name: &str, sound_end: u64, seq: u64) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(directory.join(name))?;
    if file.metadata()?.len() == sound_end {
        return Ok(());
    }
    file.seek(SeekFrom::Start(sound_end))?;
    let mut kept = File::create(directory.join(cut_name(seq)))?;
    let mut torn = Vec::new();
    file.read_to_end(&mut torn)?;
    kept.write_all(&torn)?;
    kept.sync_all()?;
    sync(directory)?;
    file.set_len(sound_end)?;
    file.sync_all()
}

/// Shown pages without a reported read.
#[derive(Default)]
struct Pending {
    by_visit: BTreeMap<VisitId, BinderId>,
}

impl Pending {
    fn follow(&mut self, record: &Record) {
        let visit = record.visit.as_deref().and_then(VisitId::parse);
        let document = record.document.as_deref().and_then(BinderId::parse);
        let (Some(visit), Some(document)) = (visit, document) else { return };
        let attempt = record.kind == "platform" && record.path.as_deref() == Some(Call::READ.path);
        match record.kind.as_str() {
            "shown" | "read_pending" => {
                self.by_visit.insert(visit, document);
            }
            _ if attempt => {
                self.by_visit.insert(visit, document);
            }
            "read_reported" | "read_refused" => {
                self.by_visit.remove(&visit);
            }
            // Retracted: the browser disconnected before the last chunk was sent.
            "page_failed" if record.outcome == "left" => {
                self.by_visit.remove(&visit);
            }
            _ => {}
        }
    }

    /// Visit ids begin with their time.
    fn in_order(self) -> Vec<PendingRead> {
        self.by_visit.into_iter().map(|(visit, document)| PendingRead { document, visit }).collect()
    }
}
