//! The institution's side on the command line: setting up, sending, asking. What is done lives in
//! the kit and in the sheets; here is what is said to a person.

pub(crate) mod columns;
pub(crate) mod init;
mod own_files;
mod platform;
mod profile;
pub(crate) mod send;
pub(crate) mod status;

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
