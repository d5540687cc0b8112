//! The threads of a process.

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Handle, Runtime};

/// The two runtimes: people on one, bulk work on the other, so that a flood of bulk requests
/// cannot keep a person's request from running (SPEC 9).
pub(crate) struct Runtimes {
    interactive: Runtime,
    bulk: Runtime,
}

impl Runtimes {
    /// Starts both.
    pub(crate) fn start() -> Result<Self> {
        let runtime = |name: &str| {
            Builder::new_multi_thread()
                .enable_all()
                .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8))
                // Four readers of each lane, sealing, and room for the rest; each thread keeps memory.
                .max_blocking_threads(12)
                .thread_name(name)
                .build()
                .context("threads")
        };
        Ok(Self { interactive: runtime("seoham-people")?, bulk: runtime("seoham-bulk")? })
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
