//! Tables of documents in the institutions' formats: reads spreadsheets and JSON Lines, and writes the
//! results beside each row.
//!
//! A [`Sheet`] is an inspected file: its format, its encoding, its header. A [`Layout`] maps each member of a
//! document to a column or a constant. Typical damage by spreadsheet programs is repaired if the original
//! value is certain, and rejected otherwise.
//!
//! Rows are streamed, so files can have any number of them. Not here: network access, a journal, a terminal.
//! No message contains cell values.

mod annotate;
mod cell;
mod document_builder;
mod error;
mod extract;
mod layout;
mod lines;
mod member;
mod names;
mod repair;
mod result_column;
mod row;
mod sheet;
mod template;
mod text;
mod writing;
mod xlsx;

pub use annotate::{Beside, Columns, Filled, annotate};
pub use cell::{Cell, Formatted};
pub use error::SheetError;
pub use extract::extract;
pub use layout::{Layout, RowState, UNCERTAIN_ROW};
pub use member::Member;
pub use result_column::{ResultColumn, RowVerdict, corrections};
pub use row::{Content, Good, Problem, Record, Repair};
pub use sheet::{Format, Sheet, SheetOptions};
pub use text::encoding::TextEncoding;
pub use writing::write_table;
