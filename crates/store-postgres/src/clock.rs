//! The SQL statements for a sandbox's clock, which all nodes share.

/// How far it is advanced relative to the machines' clocks.
pub(crate) const ADVANCED: &str =
    "SELECT value::bigint FROM deployment WHERE name = 'clock_advanced_seconds'";

/// Advances it, unless the total would be too large. Returns how far it is advanced now.
pub(crate) const ADVANCE: &str = "UPDATE deployment SET value = (value::bigint + $1)::text
    WHERE name = 'clock_advanced_seconds' AND value::bigint + $1 <= $2 RETURNING value::bigint";
