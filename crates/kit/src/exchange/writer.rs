//! Writing: one thread takes what waits, writes it in one go, syncs once, and answers.

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

/// Appends that can wait; more wait for room.
const QUEUE: usize = 4_096;
/// Appends that share one sync.
const GROUP: usize = 1_024;

/// Why records were not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The disk refused them: nothing of them is in the log. It may work again.
    #[error("the exchange log could not be written")]
    Refused,
    /// A sync failed, so nobody can say what is on the disk; the log takes nothing until it is
    /// opened anew.
    #[error("the exchange log broke off; it must be opened anew")]
    Broken,
}

struct Job {
    entries: Vec<Entry>,
    answer: oneshot::Sender<Result<(), AppendError>>,
}

/// An open log. Clones share it; the last one that goes lets go of the directory.
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
    /// Opens the log in `directory`, making it if it is not there. Blocks.
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

    /// Appends `entries` one after the other; returns when they are on the disk.
    ///
    /// Once begun it is done, whether or not the caller waits for it.
    pub async fn append(&self, entries: Vec<Entry>) -> Result<(), AppendError> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.inner.jobs.as_ref().ok_or(AppendError::Broken)?;
        jobs.send(Job { entries, answer }).await.map_err(|_| AppendError::Broken)?;
        answered.await.unwrap_or(Err(AppendError::Broken))
    }

    /// Whether the last append succeeded: worth asking before something that must be logged.
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
    /// Up to here everything is whole and synced.
    length: u64,
}

impl Writer {
    /// Writes and syncs; on an error the chain stands where it stood.
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
        // A clock that was set back must not have the chain go back to an older file.
        let name = self.tip.name.iter().fold(name, |name, last| name.max(last.clone()));
        let open = self.day(name).map_err(refused)?;
        if let Err(source) = open.file.write_all(&bytes) {
            // What was half written goes again, or else nothing can follow it.
            let error = match open.file.set_len(open.length) {
                Ok(()) => AppendError::Refused,
                Err(_) => AppendError::Broken,
            };
            return Err((error, source));
        }
        // After a sync that failed, a second one may succeed without anything being there.
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
