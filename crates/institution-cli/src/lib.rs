//! The institution's command line: `init`, `send`, `columns`, `status`, `withdraw`, `events` and `log`, with terminal output in the
//! user's language. `seoham-kit` implements sending, and `seoham-sheets` reading of tables. No database, no
//! server.

pub mod columns;
pub mod events;
pub mod exchange_log;
pub mod init;
mod own_files;
mod platform;
mod product;
mod profile;
mod result_file;
pub mod send;
pub mod status;
pub mod terminal;
pub mod withdraw;

use std::panic;
use std::sync::Arc;

use seoham_sheets::SheetError;

/// The name of threads that read files. Their panics are reported as damaged files, not as bugs.
pub(crate) const READER: &str = "sheet-reader";

/// Suppresses the panic message of a reader thread, because it can contain data from the file.
pub(crate) fn quiet_readers() {
    let usual = Arc::new(panic::take_hook());
    panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(READER) {
            usual(panic);
        }
    }));
}

/// Runs a file reader on its own thread; a panic there is reported as an unreadable file.
pub(crate) fn reading<T: Send>(work: impl FnOnce() -> Result<T, SheetError> + Send) -> Result<T, SheetError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(READER.to_owned()).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| SheetError::other(&error))?;
        thread.join().unwrap_or_else(|_| Err(SheetError::broke_off()))
    })
}
