//! The threads of a process.

use anyhow::{Context, Result};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use tokio::runtime::{Builder, Handle, Runtime};

/// How far threads for bulk work stand back where processors are short (the system's "nice").
const BULK_NICE: i32 = 10;

/// Has the present thread stand back by `nice`. Where the system does not let it, it stays as it is.
fn yield_to_people(nice: i32) {
    if nice > 0
        && let Err(error) = setpriority_process(Some(gettid()), nice)
    {
        tracing::debug!(%error, "a thread for bulk work keeps the priority of people's");
    }
}

/// The two runtimes: people on one, bulk work on the other, so that a flood of bulk requests
/// cannot keep a person's request from running (SPEC 9).
pub(crate) struct Runtimes {
    interactive: Runtime,
    bulk: Runtime,
}

impl Runtimes {
    /// Starts both.
    pub(crate) fn start() -> Result<Self> {
        let runtime = |name: &str, nice: i32| {
            Builder::new_multi_thread()
                .on_thread_start(move || yield_to_people(nice))
                .enable_all()
                .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8))
                // Four readers of each lane, sealing, and room for the rest; each thread keeps memory.
                .max_blocking_threads(12)
                .thread_name(name)
                .build()
                .context("threads")
        };
        Ok(Self { interactive: runtime("seoham-people", 0)?, bulk: runtime("seoham-bulk", BULK_NICE)? })
    }

    /// Runs `work` on the interactive one.
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.interactive.block_on(work)
    }

    /// The one for bulk work.
    pub(crate) fn bulk(&self) -> Handle {
        self.bulk.handle().clone()
    }
}
