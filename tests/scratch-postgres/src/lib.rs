//! PostgreSQL clusters for tests and benchmarks: created by `initdb` in a temporary directory, run by an unprivileged
//! user, reached through their own socket, with PostgreSQL's default durability. A cluster stops and is removed when
//! its process ends, however that happens.
//!
//! This crate knows nothing of Seoham.

mod cluster;
mod plans;
mod program;

pub use cluster::{Cluster, Database};
pub use plans::{Scan, has_plans, whole_scans};
