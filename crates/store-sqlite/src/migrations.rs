//! The schema migrations.

refinery::embed_migrations!("migrations");

pub(crate) use migrations::runner;
