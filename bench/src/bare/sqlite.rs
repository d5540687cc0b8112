//! Bare SQLite: a single thread, because only one can write to a file.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rusqlite::{CachedStatement, Connection, OpenFlags, params};

use super::rows::{Parcel, Row};

const SCHEMA: &str = include_str!("sqlite.sql");
/// The number of documents that are looked up repeatedly.
const IDS: u64 = 50_000;

fn reader(data: &Path) -> Result<Connection> {
    Ok(Connection::open_with_flags(data.join("seoham.db"), OpenFlags::SQLITE_OPEN_READ_WRITE)?)
}

pub(crate) fn last(data: &Path) -> Result<i64> {
    let last =
        reader(data)?.query_row("SELECT coalesce(max(parcel_no), 0) FROM parcels", [], |row| row.get(0))?;
    Ok(last)
}

pub(crate) fn count(data: &Path) -> Result<u64> {
    let sql = "SELECT coalesce(sum(length(persons)), 0) / 16 FROM parcels";
    Ok(reader(data)?.query_row(sql, [], |row| row.get(0))?)
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
        std::fs::create_dir_all(scratch)?;
        // A directory of its own, so that nothing of an earlier measurement is in the way.
        let directory = tempfile::tempdir_in(scratch)?;
        rates.push((*batch, insert(&directory.path().join("bare.db"), &rows, *batch)?));
    }
    Ok(rates)
}

/// `count` documents after parcel number `after`.
fn documents(source: &Connection, after: i64, count: u64) -> Result<Vec<Row>> {
    let sql = "SELECT parcel_id, institution_id, contract_id, sent_at, head, persons, parts FROM parcels
               WHERE parcel_no > ?1 ORDER BY parcel_no";
    let (mut statement, count) = (source.prepare(sql)?, usize::try_from(count)?);
    let mut rows = statement.query([after])?;
    let mut documents = Vec::new();
    while documents.len() < count
        && let Some(row) = rows.next()?
    {
        let parcel = Parcel {
            id: row.get(0)?,
            institution: row.get(1)?,
            contract: row.get(2)?,
            sent_at: row.get(3)?,
            head: row.get(4)?,
            persons: row.get(5)?,
            parts: row.get(6)?,
        };
        documents.extend(parcel.rows()?);
    }
    documents.truncate(count);
    Ok(documents)
}

fn insert_row(document: &mut CachedStatement<'_>, number: usize, row: &Row) -> rusqlite::Result<usize> {
    document.execute(params![
        number,
        row.id.as_bytes(),
        row.institution.as_bytes(),
        row.contract.as_bytes(),
        row.person.as_bytes(),
        row.content.as_ref().map(uuid::Uuid::as_bytes),
        row.sealed,
        row.hash,
        row.deadline_at,
        row.sent_at,
        row.received_at,
    ])
}

const INSERT: &str = "INSERT INTO documents (document_no, document_id, institution_id, contract_id, person_id, \
    content_id, sealed, hash, deadline_at, sent_at, received_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

fn insert(file: &Path, rows: &[Row], batch: usize) -> Result<f64> {
    let mut connection = Connection::open(file)?;
    // As in the store, with a similar log size: SQLite's default of a thousand pages would halve the rate.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA mmap_size = 0; PRAGMA cache_size = -32768;
         PRAGMA wal_autocheckpoint = 98304;",
    )?;
    connection.execute_batch(SCHEMA)?;
    let started = Instant::now();
    let mut number = 0;
    for rows in rows.chunks(batch) {
        let transaction = connection.transaction()?;
        {
            let mut document = transaction.prepare_cached(INSERT)?;
            // The queue: one row per hundred documents.
            let mut queued = transaction.prepare_cached(
                "INSERT INTO delivery_ranges (institution_id, first_no, last_no) VALUES (?1, ?2, ?3)",
            )?;
            for request in rows.chunks(100) {
                let first = number + 1;
                for row in request {
                    number += 1;
                    insert_row(&mut document, number, row)?;
                }
                let institution = request.first().map(|row| row.institution.as_bytes().to_vec());
                queued.execute(params![institution, first, number])?;
            }
        }
        transaction.commit()?;
    }
    Ok(rows.len() as f64 / started.elapsed().as_secs_f64())
}

/// The lookup rate in documents per second, by id, with one thread per processor, in a new file with the last documents
/// and their people.
pub(crate) fn look_ups(data: &Path, scratch: &Path, duration: Duration) -> Result<f64> {
    let source = reader(data)?;
    let last: i64 =
        source.query_row("SELECT coalesce(max(parcel_no), 0) FROM parcels", [], |row| row.get(0))?;
    let rows = documents(&source, last - i64::try_from(IDS / 100)?, IDS)?;
    std::fs::create_dir_all(scratch)?;
    let directory = tempfile::tempdir_in(scratch)?;
    let file = &directory.path().join("look-ups.db");
    insert(file, &rows, 5_000)?;
    let copy = format!(
        "ATTACH '{}' AS source; INSERT INTO people SELECT person_id, wrapped_key FROM source.people",
        data.join("seoham.db").display()
    );
    Connection::open(file)?.execute_batch(&copy)?;
    let ids: Vec<Vec<u8>> = rows.iter().map(|row| row.id.as_bytes().to_vec()).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let started = Instant::now();
    let found = std::thread::scope(|scope| {
        let looking: Vec<_> = (0..threads)
            .map(|n| {
                let ids = &ids;
                scope.spawn(move || -> Result<u64> {
                    let connection = Connection::open(file)?;
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
