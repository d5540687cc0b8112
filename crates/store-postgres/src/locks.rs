//! The PostgreSQL advisory locks that nodes take. Nothing else in the database may lock these numbers.

/// For migrations, initial data and a move. Held for a whole session. "seoham" in ASCII.
pub(crate) const SCHEMA: i64 = 0x7365_6f68_616d;

/// For creating and dropping the monthly partitions.
pub(crate) const PARTITIONS: &str = "SELECT pg_advisory_xact_lock(7306080, 1)";

/// For registering people: two concurrent registrations of the same person would both find nobody.
pub(crate) const REGISTRATION: &str = "SELECT pg_advisory_xact_lock(7306080, 2)";

/// For flushing and merging the box index, by one node at a time; the others leave it at that.
pub(crate) const BOX_INDEX: &str = "SELECT pg_try_advisory_xact_lock(7306080, 3) AS locked";
