//! The institution's command line: `init`, `send`, `columns`, `status` and `log`, and terminal output in the reader's
//! language. Sending is in `seoham-kit`, reading of tables in `seoham-sheets`. No database, no server.

pub mod columns;
pub mod exchange_log;
pub mod init;
mod own_files;
mod platform;
mod profile;
pub mod send;
pub mod status;
pub mod terminal;

use std::panic;
use std::sync::Arc;

use seoham_sheets::SheetError;

/// Threads that read files have their panics told as damaged files, not as ours.
pub(crate) const READER: &str = "sheet-reader";

/// Keeps a panic of a reading thread from the terminal: it can repeat what stands in the file.
pub(crate) fn quiet_readers() {
    let usual = Arc::new(panic::take_hook());
    panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(READER) {
            usual(panic);
        }
    }));
}

/// Runs what reads a file on a thread of its own; one that breaks off is told as a file that cannot be
/// read.
pub(crate) fn reading<T: Send>(work: impl FnOnce() -> Result<T, SheetError> + Send) -> Result<T, SheetError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(READER.to_owned()).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| SheetError::other(&error))?;
        thread.join().unwrap_or_else(|_| Err(SheetError::broke_off()))
    })
}
