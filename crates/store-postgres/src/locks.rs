//! The advisory locks of PostgreSQL that nodes take: numbers that nothing else in the database may lock.

/// The schema, the first contents and a move: held for a whole session. "seoham" in ASCII.
pub(crate) const SCHEMA: i64 = 0x7365_6f68_616d;

/// The months of the partitioned tables: making and dropping them.
pub(crate) const PARTITIONS: &str = "SELECT pg_advisory_xact_lock(7306080, 1)";

/// The registration of people: two that register the same person at once would both find nobody.
pub(crate) const REGISTRATION: &str = "SELECT pg_advisory_xact_lock(7306080, 2)";
