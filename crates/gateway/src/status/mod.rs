//! Status queries (SPEC 6).

mod bulk;
mod single;

pub(crate) use bulk::{__path_bulk, bulk};
pub(crate) use single::{__path_single, single};
