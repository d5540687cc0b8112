//! The statements of a sandbox's clock, which all nodes share.

/// How far it runs ahead of the machines'.
pub(crate) const ADVANCED: &str =
    "SELECT value::bigint FROM deployment WHERE name = 'clock_advanced_seconds'";

/// Moves it, unless that is too far in all; gives how far it runs ahead now.
pub(crate) const ADVANCE: &str = "UPDATE deployment SET value = (value::bigint + $1)::text
    WHERE name = 'clock_advanced_seconds' AND value::bigint + $1 <= $2 RETURNING value::bigint";
