//! The bare engine: the very rows that the server wrote, inserted again with the same schema and
//! the same durability, and nothing else.

pub(crate) mod postgres;
pub(crate) mod sqlite;

/// Rows that are inserted again at most: enough for a steady figure, little enough for memory.
const ROWS_MAX: usize = 200_000;

/// How the bare engine did with one size of transaction.
pub(crate) struct Bare {
    pub(crate) engine: String,
    pub(crate) batch: usize,
    pub(crate) documents: usize,
    pub(crate) seconds: f64,
}
