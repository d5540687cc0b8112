//! Parcels: the accepted documents of one request as one immutable row (DESIGN 3, "Parcels").
//!
//! This module holds what both stores must do alike: the format of a parcel, of its packed notices and of the
//! marks of its documents, how a parcel is sealed and opened, and the blocks of the index from person to
//! documents. A store only reads and writes rows, and slices of the columns that are encoded here.

pub mod announce;
pub mod batch;
pub mod blocks;
pub mod document;
pub mod head;
pub mod mark;
pub mod notices;
pub mod runs;
pub mod sealed;
pub mod search;
pub mod slices;

pub use batch::Batch;
pub use document::{Found, StoredDocument, StoredParcel};
pub use mark::Mark;
pub use sealed::SealedParcel;
pub use slices::{Column, Slice, Slices};
