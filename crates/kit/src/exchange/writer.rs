//! The writer: one thread takes the queued appends, writes them in one go, syncs once, and replies (group
//! commit).

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use seoham_model::{Clock, SeoulDay};
use tokio::sync::{mpsc, oneshot};

use super::entry::Entry;
use super::files::{name_of, sync};
use super::open::{OpenError, Opened, Tip, lock, look};
use super::record::seal;

/// The queue's capacity; further appends wait until it has room.
const QUEUE: usize = 4_096;
/// The most appends that share one sync.
const GROUP: usize = 1_024;

/// Why an append failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The disk refused the write and the log is unchanged. A later append may succeed.
    #[error("the exchange log could not be written")]
    Refused,
    /// A sync failed, so the state on the disk is unknown. The log accepts nothing until it is opened again.
    #[error("the exchange log broke off; it must be opened anew")]
    Broken,
}

struct Job {
    entries: Vec<Entry>,
    answer: oneshot::Sender<Result<(), AppendError>>,
}

/// An open log. Clones share it; dropping the last one releases the directory's lock.
#[derive(Clone)]
pub struct ExchangeLog {
    inner: Arc<Inner>,
}

struct Inner {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    usable: Arc<AtomicBool>,
}

impl ExchangeLog {
    /// Opens the log in `directory`, creating it if needed. Blocking.
    pub fn open(directory: &Path, clock: Clock) -> Result<(Self, Opened), OpenError> {
        let lock = lock(directory)?;
        let io = |source| OpenError::Io { path: directory.to_owned(), source };
        let (tip, opened, first) = look(directory).map_err(io)?;
        let mut writer = Writer { directory: directory.to_owned(), clock, tip, file: None, _lock: lock };
        writer.write(&first).map_err(|(_, source)| io(source))?;

        let (jobs, waiting) = mpsc::channel(QUEUE);
        let usable = Arc::new(AtomicBool::new(true));
        let usable_there = Arc::clone(&usable);
        let thread = std::thread::Builder::new()
            .name("exchange-log".to_owned())
            .spawn(move || run(writer, waiting, &usable_there))
            .map_err(io)?;
        let inner = Inner { jobs: Some(jobs), thread: Some(thread), usable };
        Ok((Self { inner: Arc::new(inner) }, opened))
    }

    /// Appends `entries` in order; returns when they are on the disk.
    ///
    /// Once started it completes, even if the caller stops waiting.
    pub async fn append(&self, entries: Vec<Entry>) -> Result<(), AppendError> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.inner.jobs.as_ref().ok_or(AppendError::Broken)?;
        jobs.send(Job { entries, answer }).await.map_err(|_| AppendError::Broken)?;
        answered.await.unwrap_or(Err(AppendError::Broken))
    }

    /// Whether the last append succeeded: check this before an action that must be logged.
    pub fn is_usable(&self) -> bool {
        self.inner.usable.load(Ordering::Relaxed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut writer: Writer, mut waiting: mpsc::Receiver<Job>, usable: &AtomicBool) {
    let mut group = Vec::new();
    let mut broken = false;
    while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
        let (entries, answers): (Vec<_>, Vec<_>) = group.drain(..).map(|j| (j.entries, j.answer)).unzip();
        let done = if broken {
            Err(AppendError::Broken)
        } else {
            let entries: Vec<_> = entries.into_iter().flatten().collect();
            writer.write(&entries).map_err(|(error, source)| {
                tracing::error!(%source, "{error}");
                error
            })
        };
        broken |= done == Err(AppendError::Broken);
        usable.store(done.is_ok(), Ordering::Relaxed);
        for answer in answers {
            let _ = answer.send(done);
        }
    }
}

struct Writer {
    directory: PathBuf,
    clock: Clock,
    tip: Tip,
    file: Option<Open>,
    _lock: File,
}

struct Open {
    name: String,
    file: File,
    /// The length up to which the file is complete and synced.
    length: u64,
}

impl Writer {
    /// Writes and syncs; on an error the chain state is unchanged.
    fn write(&mut self, entries: &[Entry]) -> Result<(), (AppendError, io::Error)> {
        if entries.is_empty() {
            return Ok(());
        }
        let refused = |source| (AppendError::Refused, source);
        let now = self.clock.now();
        let mut bytes = Vec::new();
        let (mut seq, mut hash) = (self.tip.seq, self.tip.hash.clone());
        for entry in entries {
            seq += 1;
            let (line, sealed) = seal(seq, now.0, entry, &hash).map_err(|e| refused(e.into()))?;
            bytes.extend_from_slice(&line);
            hash = sealed;
        }
        let name = name_of(SeoulDay::of(now));
        // If the clock was set back, the chain must not return to an older file.
        let name = self.tip.name.iter().fold(name, |name, last| name.max(last.clone()));
        let open = self.day(name).map_err(refused)?;
        if let Err(source) = open.file.write_all(&bytes) {
            // Remove the partial write, or else nothing can follow it.
            let error = match open.file.set_len(open.length) {
                Ok(()) => AppendError::Refused,
                Err(_) => AppendError::Broken,
            };
            return Err((error, source));
        }
        // After a failed sync, a second one may succeed although the data is lost.
        open.file.sync_data().map_err(|source| (AppendError::Broken, source))?;
        open.length += bytes.len() as u64;
        self.tip = Tip { name: Some(open.name.clone()), seq, hash };
        Ok(())
    }

    fn day(&mut self, name: String) -> io::Result<&mut Open> {
        let open = if let Some(open) = self.file.take().filter(|open| open.name == name) {
            open
        } else {
            let path = self.directory.join(&name);
            let file = File::options().create(true).append(true).mode(0o600).open(path)?;
            sync(&self.directory)?;
            let length = file.metadata()?.len();
            Open { name, file, length }
        };
        Ok(self.file.insert(open))
    }
}
