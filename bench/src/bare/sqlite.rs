//! Bare SQLite: a single thread, because only one can write to a file.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params, params_from_iter};

const SCHEMA: [&str; 3] = [
    include_str!("../../../crates/store-sqlite/migrations/V1__initial.sql"),
    include_str!("../../../crates/store-sqlite/migrations/V3__visits.sql"),
    include_str!("../../../crates/store-sqlite/migrations/V5__delivery_ranges.sql"),
];
const COLUMNS: &str = "document_no, document_id, institution_id, contract_id, person_id, content_id, sealed, hash, \
                       deadline_at, sent_at, received_at";
/// The number of ids that are looked up repeatedly.
const IDS: usize = 50_000;

fn reader(data: &Path) -> Result<Connection> {
    Ok(Connection::open_with_flags(data.join("seoham.db"), OpenFlags::SQLITE_OPEN_READ_WRITE)?)
}

pub(crate) fn last(data: &Path) -> Result<i64> {
    let last = reader(data)?
        .query_row("SELECT coalesce(max(document_no), 0) FROM documents", [], |row| row.get(0))?;
    Ok(last)
}

pub(crate) fn count(data: &Path) -> Result<u64> {
    Ok(reader(data)?.query_row("SELECT count(*) FROM documents", [], |row| row.get(0))?)
}

/// Returns the rate of each transaction size.
pub(crate) fn insert_again(
    data: &Path,
    scratch: &Path,
    after: i64,
    count: u64,
    batches: &[usize],
) -> Result<Vec<(usize, f64)>> {
    let rows = documents(&reader(data)?, after, count)?;
    let mut rates = Vec::new();
    for batch in batches {
        let directory = scratch.join(batch.to_string());
        std::fs::create_dir_all(&directory)?;
        rates.push((*batch, insert(&directory.join("bare.db"), &rows, *batch)?));
        std::fs::remove_dir_all(&directory)?;
    }
    Ok(rates)
}

fn documents(source: &Connection, after: i64, count: u64) -> Result<Vec<Vec<Value>>> {
    let sql = format!("SELECT {COLUMNS} FROM documents WHERE document_no > ?1 ORDER BY document_no LIMIT ?2");
    let mut statement = source.prepare(&sql)?;
    let columns = statement.column_count();
    let rows = statement
        .query_map(params![after, count.cast_signed()], |row| (0..columns).map(|i| row.get(i)).collect())?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn insert(file: &Path, rows: &[Vec<Value>], batch: usize) -> Result<f64> {
    let mut connection = Connection::open(file)?;
    // As in the store, with a similar log size: SQLite's default of a thousand pages would halve the rate.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA mmap_size = 0; PRAGMA cache_size = -32768;
         PRAGMA wal_autocheckpoint = 98304;",
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
            // The queue: one row per hundred documents, as the server writes it.
            let mut queued = transaction.prepare_cached(
                "INSERT INTO delivery_ranges (institution_id, first_no, last_no) VALUES (?1, ?2, ?3)",
            )?;
            for request in rows.chunks(100) {
                let (Some(first), Some(last)) = (request.first(), request.last()) else { continue };
                queued.execute(params![first[2], first[0], last[0]])?;
            }
        }
        transaction.commit()?;
    }
    Ok(rows.len() as f64 / started.elapsed().as_secs_f64())
}

/// The lookup rate in documents per second, by id, with one thread per processor.
pub(crate) fn look_ups(data: &Path, duration: Duration) -> Result<f64> {
    let ids: Vec<Vec<u8>> = {
        let source = reader(data)?;
        let mut statement =
            source.prepare("SELECT document_id FROM documents ORDER BY document_no DESC LIMIT ?1")?;
        let rows = statement.query_map([IDS], |row| row.get(0))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let started = Instant::now();
    let found = std::thread::scope(|scope| {
        let looking: Vec<_> = (0..threads)
            .map(|n| {
                let ids = &ids;
                scope.spawn(move || -> Result<u64> {
                    let connection = reader(data)?;
                    let mut statement = connection.prepare(
                        "SELECT d.sent_at, d.received_at, d.authenticated_at, d.token_used_at, d.read_at,
                                d.notified_at, d.deadline_at, d.sealed, p.wrapped_key
                         FROM documents d JOIN people p USING (person_id) WHERE d.document_id = ?1",
                    )?;
                    let mut found = 0;
                    for id in ids.iter().cycle().skip(n * 997) {
                        if found % 64 == 0 && started.elapsed() > duration {
                            break;
                        }
                        let _: Vec<u8> = statement.query_row([id], |row| row.get(7))?;
                        found += 1;
                    }
                    Ok(found)
                })
            })
            .collect();
        looking
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread"))?)
            .sum::<Result<u64>>()
    })?;
    Ok(found as f64 / started.elapsed().as_secs_f64())
}
