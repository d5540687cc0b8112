//! The threads of a process.

use anyhow::{Context, Result};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use tokio::runtime::{Builder, Handle, Runtime};

/// How far threads for bulk work stand back where processors are short (the system's "nice").
const BULK_NICE: i32 = 10;
/// The same for those that take bulk requests in.
const GATE_NICE: i32 = 5;

/// Has the present thread stand back by `nice`. Where the system does not let it, it stays as it is.
fn yield_to_people(nice: i32) {
    if nice > 0
        && let Err(error) = setpriority_process(Some(gettid()), nice)
    {
        tracing::debug!(%error, "a thread for bulk work keeps the priority of people's");
    }
}

/// The runtimes: one for people, one that takes bulk requests in and refuses what is too much, and one that
/// works on them, so that a flood of bulk requests keeps neither a person's request from running nor its own
/// refusals from being told (SPEC 9).
pub(crate) struct Runtimes {
    interactive: Runtime,
    gate: Runtime,
    bulk: Runtime,
}

impl Runtimes {
    /// Starts them.
    pub(crate) fn start() -> Result<Self> {
        // Readers of its lane, sealing, and room for the rest; each thread keeps memory.
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

    /// Runs `work` on the interactive one.
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.interactive.block_on(work)
    }

    /// The two for bulk requests.
    pub(crate) fn bulk(&self) -> BulkThreads {
        BulkThreads { gate: self.gate.handle().clone(), work: self.bulk.handle().clone() }
    }
}

/// Where bulk requests are taken in, and where they and deliveries are worked on.
#[derive(Clone)]
pub(crate) struct BulkThreads {
    pub(super) gate: Handle,
    pub(super) work: Handle,
}
