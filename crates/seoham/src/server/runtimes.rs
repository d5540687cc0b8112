//! The threads and runtimes of a process.

use anyhow::{Context, Result};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use tokio::runtime::{Builder, Handle, Runtime};

/// The niceness of threads for bulk work, which makes them yield the processors.
const BULK_NICE: i32 = 10;
/// The niceness of threads that accept bulk requests.
const GATE_NICE: i32 = 5;

/// Raises the niceness of the current thread to `nice`. If the system does not permit it, it stays as it is.
fn yield_to_people(nice: i32) {
    if nice > 0
        && let Err(error) = setpriority_process(Some(gettid()), nice)
    {
        tracing::debug!(%error, "a thread for bulk work keeps the priority of people's");
    }
}

/// The runtimes: one for people, one that accepts bulk requests and rejects excess ones, and one that processes them.
/// So a flood of bulk requests delays neither a person's request nor its own rejections (SPEC 9).
pub(crate) struct Runtimes {
    interactive: Runtime,
    gate: Runtime,
    bulk: Runtime,
}

impl Runtimes {
    /// Starts the runtimes.
    pub(crate) fn start() -> Result<Self> {
        // Enough threads for the lane's readers, sealing and the rest; each thread uses memory.
        let runtime = |name: &str, nice: i32, blocking_threads: usize| {
            Builder::new_multi_thread()
                .on_thread_start(move || yield_to_people(nice))
                .enable_all()
                .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8))
                .max_blocking_threads(blocking_threads)
                .thread_name(name)
                .build()
                .context("threads")
        };
        Ok(Self {
            interactive: runtime("seoham-people", 0, 12)?,
            gate: runtime("seoham-gate", GATE_NICE, 2)?,
            bulk: runtime("seoham-bulk", BULK_NICE, 12)?,
        })
    }

    /// Runs `work` on the interactive runtime.
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.interactive.block_on(work)
    }

    /// The two runtimes for bulk requests.
    pub(crate) fn bulk(&self) -> BulkThreads {
        BulkThreads { gate: self.gate.handle().clone(), work: self.bulk.handle().clone() }
    }
}

/// The runtime that accepts bulk requests, and the one that processes them and delivers.
#[derive(Clone)]
pub(crate) struct BulkThreads {
    pub(super) gate: Handle,
    pub(super) work: Handle,
}
