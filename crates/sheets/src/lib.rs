//! Tables of documents, as institutions have them: spreadsheets and lines of JSON in, a result beside
//! each row out.
//!
//! A [`Sheet`] is a file that was looked at: its form, its encoding, its header. A [`Layout`] says
//! which column or constant each member of a document comes from. What a spreadsheet program is known
//! to have damaged is mended where it is certain what stood there, and refused where it is not.
//!
//! Rows are read one by one, however many there are. Never here: a network, a journal, a terminal. No
//! message repeats what stands in a cell.

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
