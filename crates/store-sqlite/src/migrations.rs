//! The schema's history.

refinery::embed_migrations!("migrations");

pub(crate) use migrations::runner;
