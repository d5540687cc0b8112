//! Text files: encoding, delimiter, quotation marks, rows.

pub(crate) mod delimiter;
pub(crate) mod encoding;
pub(crate) mod json_lines;
mod quoting;
pub(crate) mod rows;
