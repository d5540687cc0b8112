//! The journal of a job: started and answered batches, one JSON line each, beside the file that is sent. It
//! holds ids and the platform's messages, no personal values.
//!
//! The first line defines the job ([`Head`]). A line that a crash truncated was never counted; the next
//! opening removes it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use seoham_model::{Clock, UnixSeconds};
use serde::{Deserialize, Serialize};

use super::job::{Head, JOURNAL_VERSION};
use crate::client::SendResult;

/// The verdict on one document, as stored in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The id under which it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The same as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl From<SendResult> for Verdict {
    fn from(result: SendResult) -> Self {
        Self { id: result.document_binder_uuid, code: result.error_code, message: result.error_message }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// A batch is about to be sent.
    Sending(u32),
    /// It certainly was not accepted.
    NotTaken(u32),
    /// It was answered.
    Answered { no: u32, verdicts: Vec<Verdict> },
    /// All batches are answered.
    Finished(UnixSeconds),
}

/// Why a journal is not usable.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// An I/O error.
    #[error("journal {path}: {source}")]
    Io {
        /// The journal.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another process works on the job.
    #[error("journal {0}: another process is sending this file")]
    InUse(PathBuf),
    /// A line before the last is not valid.
    #[error("journal {path}: line {line} cannot be read")]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Which line.
        line: u64,
    },
}

/// The progress of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Documents accepted.
    pub accepted: u64,
    /// Documents that the platform refused.
    pub refused: u64,
}

/// An open journal.
pub struct Journal {
    path: PathBuf,
    file: File,
    head: Head,
    end: u64,
    /// The offset and length of each answered batch's line.
    answered: HashMap<u32, (u64, u64)>,
    begun: BTreeSet<u32>,
    counts: Counts,
    finished: Option<UnixSeconds>,
}

impl Journal {
    /// Whether there is a journal. A file without a complete first line is none, since nothing can have been
    /// sent yet.
    pub fn is_there(path: &Path) -> bool {
        let Ok(file) = File::open(path) else { return path.exists() };
        let mut first = Vec::new();
        let read = BufReader::new(file).read_until(b'\n', &mut first);
        read.is_err() || first.ends_with(b"\n")
    }

    /// Reads the definition of a journal's job without opening it; `None` if it is not a journal.
    pub fn head_of(path: &Path) -> Option<Head> {
        let mut first = Vec::new();
        BufReader::new(File::open(path).ok()?).read_until(b'\n', &mut first).ok()?;
        let head: Head = serde_json::from_slice(&first).ok()?;
        (head.seoham_journal == JOURNAL_VERSION).then_some(head)
    }

    /// Starts a job; there must be no journal at `path`. The journal is on the disk when this returns.
    pub fn create(path: &Path, head: Head) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io { path: path.to_owned(), source };
        if path.exists() && !Self::is_there(path) {
            std::fs::remove_file(path).map_err(io)?;
        }
        let options = File::options().read(true).write(true).create_new(true).mode(0o600).open(path);
        let file = options.map_err(io)?;
        lock(&file, path)?;
        let mut journal = Self::new(path, file, head);
        journal.end = journal.write_line(&journal.head)?;
        journal.file.sync_all().map_err(io)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new("."))).and_then(|d| d.sync_all()).map_err(io)?;
        Ok(journal)
    }

    /// Opens the journal of a started job; removes a truncated last line.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io { path: path.to_owned(), source };
        let file = File::options().read(true).write(true).open(path).map_err(io)?;
        lock(&file, path)?;
        let mut reader = BufReader::new(file.try_clone().map_err(io)?);
        let mut text = Vec::new();
        reader.read_until(b'\n', &mut text).map_err(io)?;
        let damaged = |line| JournalError::Damaged { path: path.to_owned(), line };
        let head: Head = serde_json::from_slice(&text).map_err(|_| damaged(1))?;
        if head.seoham_journal != JOURNAL_VERSION || !text.ends_with(b"\n") {
            return Err(damaged(1));
        }
        let mut journal = Self::new(path, file, head);
        journal.end = text.len() as u64;
        for number in 2.. {
            text.clear();
            let length = reader.read_until(b'\n', &mut text).map_err(io)?;
            if length == 0 {
                break;
            }
            match serde_json::from_slice::<Line>(&text) {
                Ok(line) if text.ends_with(b"\n") => journal.count(line, length as u64),
                // It is the last line: the process or the machine stopped while writing it.
                _ if reader.fill_buf().map_err(io)?.is_empty() => {
                    journal.file.set_len(journal.end).map_err(io)?;
                    break;
                }
                _ => return Err(damaged(number)),
            }
        }
        Ok(journal)
    }

    fn new(path: &Path, file: File, head: Head) -> Self {
        Self {
            path: path.to_owned(),
            file,
            head,
            end: 0,
            answered: HashMap::new(),
            begun: BTreeSet::new(),
            counts: Counts::default(),
            finished: None,
        }
    }

    fn count(&mut self, line: Line, length: u64) {
        match line {
            Line::Sending(no) => {
                self.begun.insert(no);
            }
            Line::NotTaken(no) => {
                self.begun.remove(&no);
            }
            Line::Answered { no, verdicts } => {
                self.begun.remove(&no);
                // If a batch was answered twice, the first answer counts.
                if let Entry::Vacant(free) = self.answered.entry(no) {
                    free.insert((self.end, length));
                    let accepted = verdicts.iter().filter(|v| v.id.is_some()).count() as u64;
                    self.counts.accepted += accepted;
                    self.counts.refused += verdicts.len() as u64 - accepted;
                }
            }
            Line::Finished(at) => self.finished = Some(at),
        }
        self.end += length;
    }

    /// The job's definition.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The job's progress.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// When the last batch was answered.
    pub fn finished(&self) -> Option<UnixSeconds> {
        self.finished
    }

    /// Whether a batch is answered.
    pub fn is_answered(&self, no: u32) -> bool {
        self.answered.contains_key(&no)
    }

    /// Batches that were started but not answered.
    pub fn begun(&self) -> &BTreeSet<u32> {
        &self.begun
    }

    /// The verdicts of a batch, if it was answered.
    pub fn verdicts(&self, no: u32) -> Result<Option<Vec<Verdict>>, JournalError> {
        let Some((offset, length)) = self.answered.get(&no) else { return Ok(None) };
        let mut text = vec![0; usize::try_from(*length).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut text, *offset).map_err(|source| self.io(source))?;
        match serde_json::from_slice(&text) {
            Ok(Line::Answered { verdicts, .. }) => Ok(Some(verdicts)),
            _ => Err(JournalError::Damaged { path: self.path.clone(), line: 0 }),
        }
    }

    /// Records that a batch is about to be sent. For a platform without keys this must be on the disk first,
    /// because a batch that was started there is never sent again.
    pub(super) fn sending(&mut self, no: u32) -> Result<(), JournalError> {
        if self.begun.contains(&no) {
            return Ok(());
        }
        self.append(Line::Sending(no))?;
        if self.head.keyed { Ok(()) } else { self.file.sync_data().map_err(|source| self.io(source)) }
    }

    /// Records that a batch certainly was not accepted, so that it may be sent again.
    pub(super) fn not_taken(&mut self, no: u32) -> Result<(), JournalError> {
        self.append(Line::NotTaken(no))
    }

    /// Records the answer to a batch.
    pub(super) fn answered(&mut self, no: u32, verdicts: Vec<Verdict>) -> Result<(), JournalError> {
        self.append(Line::Answered { no, verdicts })
    }

    /// Records that every batch of the job is answered; on the disk when this returns. Idempotent.
    pub fn finish(&mut self) -> Result<(), JournalError> {
        if self.finished.is_some() {
            return Ok(());
        }
        self.append(Line::Finished(Clock::default().now()))?;
        self.file.sync_all().map_err(|source| self.io(source))
    }

    fn append(&mut self, line: Line) -> Result<(), JournalError> {
        let length = self.write_line(&line)?;
        self.count(line, length);
        Ok(())
    }

    /// Writes a line at the end; returns its length. The caller must count it to make it valid.
    fn write_line(&self, line: &impl Serialize) -> Result<u64, JournalError> {
        let mut text = serde_json::to_vec(line).map_err(|e| self.io(e.into()))?;
        text.push(b'\n');
        self.file.write_all_at(&text, self.end).map_err(|source| self.io(source))?;
        Ok(text.len() as u64)
    }

    fn io(&self, source: io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), source }
    }
}

fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(JournalError::Io { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::Value;

    use super::*;

    fn head() -> Head {
        Head::new("00".to_owned(), 3, "http://x".to_owned(), "CON-1".to_owned(), Value::Null)
    }

    fn accepted(id: &str) -> Verdict {
        Verdict { id: Some(id.to_owned()), code: None, message: None }
    }

    fn refused() -> Verdict {
        let (code, message) = (Some("NOT_FOUND".to_owned()), Some("없음".to_owned()));
        Verdict { id: None, code, message }
    }

    #[test]
    fn a_job_goes_on_where_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        let mut journal = Journal::create(&path, head()).expect("new");
        assert!(Journal::create(&path, head()).is_err(), "it is there");
        assert!(matches!(Journal::open(&path), Err(JournalError::InUse(_))));
        let verdicts = vec![accepted("BIN-1"), refused()];
        for no in 0..3 {
            journal.sending(no).expect("written");
        }
        journal.answered(1, verdicts.clone()).expect("written");
        journal.not_taken(2).expect("written");
        let before = journal.head().clone();
        drop(journal);

        // A torn line at the end is ignored.
        let mut file = File::options().append(true).open(&path).expect("there");
        file.write_all(br#"{"answered":{"no":0,"verd"#).expect("written");
        drop(file);
        let mut journal = Journal::open(&path).expect("sound");
        assert_eq!(journal.head(), &before);
        assert_eq!(journal.begun().iter().copied().collect::<Vec<_>>(), [0]);
        assert_eq!(journal.counts(), Counts { accepted: 1, refused: 1 });
        assert_eq!(journal.verdicts(1).expect("reads"), Some(verdicts));
        assert_eq!(journal.verdicts(0).expect("reads"), None);
        journal.answered(0, vec![accepted("BIN-0")]).expect("written");
        journal.finish().expect("written");
        drop(journal);
        let journal = Journal::open(&path).expect("sound");
        assert!(journal.finished().is_some() && journal.begun().is_empty());
        assert_eq!(journal.verdicts(0).expect("reads"), Some(vec![accepted("BIN-0")]));
    }

    #[test]
    fn damage_before_the_end_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        drop(Journal::create(&path, head()).expect("new"));
        let mut file = File::options().append(true).open(&path).expect("there");
        file.write_all(b"not a line\n{\"sending\":1}\n").expect("written");
        assert!(matches!(Journal::open(&path), Err(JournalError::Damaged { line: 2, .. })));
    }
}
