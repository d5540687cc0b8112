//! The bare engine: stores the documents that the server accepted as a row each, with the same sealed parts and
//! durability, and nothing else.

pub(crate) mod postgres;
mod rows;
pub(crate) mod sqlite;

use std::time::Duration;

use anyhow::{Context, Result};

use crate::engine::Engine;

/// The transaction sizes to try.
const BATCHES: [usize; 3] = [100, 1_000, 5_000];
/// The maximum number of rows to insert again, because they are held in memory.
const ROWS_MAX: u64 = 2_000_000;

/// A position among the parcels of a store.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Number(i64),
    Id(Option<uuid::Uuid>),
}

impl Mark {
    pub(crate) async fn of(engine: &Engine) -> Result<Self> {
        match engine {
            Engine::Sqlite { .. } => sqlite::last(&engine.data("all")).map(Self::Number),
            Engine::Postgres { database, .. } => postgres::last(database.url()).await.map(Self::Id),
        }
    }
}

/// The result of the bare engine.
pub(crate) struct Bare {
    pub(crate) what: String,
    pub(crate) per_second: f64,
    /// The rates of other transaction sizes.
    pub(crate) others: Vec<(String, f64)>,
}

/// Inserts the `count` documents after `mark` into an empty store of the same kind. On SQLite the rate with a
/// thousand documents per transaction counts, on PostgreSQL that with a hundred.
pub(crate) async fn best(engine: &Engine, mark: Mark, count: u64) -> Result<Bare> {
    let count = count.min(ROWS_MAX);
    let mut rates = match (engine, mark) {
        (Engine::Sqlite { directory }, Mark::Number(after)) => {
            let (data, scratch) = (engine.data("all"), directory.path().join("bare"));
            tokio::task::spawn_blocking(move || sqlite::insert_again(&data, &scratch, after, count, &BATCHES))
                .await??
        }
        (Engine::Postgres { cluster, database, .. }, Mark::Id(after)) => {
            postgres::insert_again(cluster, database.url(), after, count, &BATCHES).await?
        }
        _ => anyhow::bail!("a mark of another store"),
    };
    let counts = match engine {
        Engine::Sqlite { .. } => 1_000,
        Engine::Postgres { .. } => 100,
    };
    let counts = rates.iter().position(|(batch, _)| *batch == counts);
    let (batch, per_second) = rates.remove(counts.context("a rate")?);
    let name = |batch: usize| format!("bare {}, {batch} a transaction", engine.name());
    let others = rates.into_iter().map(|(batch, rate)| (name(batch), rate)).collect();
    Ok(Bare { what: name(batch), per_second, others })
}

/// The rate at which the bare engine finds documents by id, per second.
pub(crate) async fn look_ups(engine: &Engine, duration: Duration) -> Result<f64> {
    match engine {
        Engine::Sqlite { directory } => {
            let (data, scratch) = (engine.data("all"), directory.path().join("bare"));
            tokio::task::spawn_blocking(move || sqlite::look_ups(&data, &scratch, duration)).await?
        }
        Engine::Postgres { cluster, database, .. } => {
            postgres::look_ups(cluster, database.url(), duration).await
        }
    }
}

/// The number of documents in a store.
pub(crate) async fn count(engine: &Engine) -> Result<u64> {
    match engine {
        Engine::Sqlite { .. } => sqlite::count(&engine.data("all")),
        Engine::Postgres { database, .. } => postgres::count(database.url()).await,
    }
}
