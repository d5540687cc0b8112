//! Validation of existing data in a data directory, before anything is opened or changed (DESIGN "Existing data is
//! validated before use").

pub(crate) mod contents;
pub(crate) mod directory;
pub(crate) mod log;
pub(crate) mod marker;
