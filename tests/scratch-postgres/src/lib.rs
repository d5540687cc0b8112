//! PostgreSQL clusters for tests and benchmarks: made by `initdb` in a temporary directory, run
//! by an unprivileged user, reached through a socket of their own, with durability as PostgreSQL
//! sets it by default. A cluster ends and is removed when its process does, however that ends.
//!
//! Nothing of Seoham is known here.

mod cluster;
mod program;

pub use cluster::{Cluster, Database};
