//! Bare SQLite: one thread, the way that one process writes to one file.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::{Bare, ROWS_MAX};

const SCHEMA: [&str; 3] = [
    include_str!("../../../crates/store-sqlite/migrations/V1__initial.sql"),
    include_str!("../../../crates/store-sqlite/migrations/V3__visits.sql"),
    include_str!("../../../crates/store-sqlite/migrations/V5__delivery_ranges.sql"),
];
const COLUMNS: &str = "document_no, document_id, institution_id, contract_id, person_id, content_id, sealed, hash, \
                       deadline_at, sent_at, received_at";
pub(crate) fn insert_again(data: &Path, scratch: &Path, batches: &[usize]) -> Result<Vec<Bare>> {
    let source = Connection::open(data.join("seoham.db"))?;
    let rows = documents(&source)?;
    let mut results = Vec::new();
    for batch in batches {
        let directory = scratch.join(batch.to_string());
        std::fs::create_dir_all(&directory)?;
        results.push(insert(&directory.join("bare.db"), &rows, *batch)?);
    }
    Ok(results)
}

fn documents(source: &Connection) -> Result<Vec<Vec<Value>>> {
    let mut statement =
        source.prepare(&format!("SELECT {COLUMNS} FROM documents ORDER BY document_no LIMIT {ROWS_MAX}"))?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|i| row.get(i)).collect())?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn insert(file: &Path, rows: &[Vec<Value>], batch: usize) -> Result<Bare> {
    let mut connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA mmap_size = 0; PRAGMA cache_size = -32768;",
    )?;
    connection.execute_batch(&SCHEMA.concat())?;
    let started = Instant::now();
    for rows in rows.chunks(batch) {
        let transaction = connection.transaction()?;
        {
            let sql = format!(
                "INSERT INTO documents ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
            );
            let mut document = transaction.prepare_cached(&sql)?;
            for row in rows {
                document.execute(params_from_iter(row))?;
            }
        }
        transaction.commit()?;
    }
    let engine = format!("bare SQLite, same rows, {batch} a transaction");
    Ok(Bare { engine, batch, documents: rows.len(), seconds: started.elapsed().as_secs_f64() })
}
