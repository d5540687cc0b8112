//! The index from person to documents. An acceptance adds its parcels to `box_pending`; a flush makes runs of blocks of
//! them, and merges runs. What blocks and runs are is decided by the store's `parcel` module.

mod flush;
mod lookup;

pub(crate) use flush::BoxIndex;
pub(crate) use lookup::documents_of;
