//! Opening a data directory: its key and mode are fixed, only one process can use it, and existing data is validated
//! before it is used.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use secrecy::ExposeSecret;
use seoham_model::{InstitutionId, UnixSeconds};
use seoham_store::accounts::Institution;
use seoham_store::events::FeedQuery;
use seoham_store::personas::MEMBER;
use seoham_store::{Accounts, Deployment, Feeds, Mode, People};
use seoham_store_contract::world::{World, without_older_keys};
use seoham_store_sqlite::{OpenError, Options, Source, SqliteStore};
use seoham_vault::{KeyRing, Vault};
use tempfile::TempDir;

fn options(directory: &Path, mode: Mode) -> Options {
    Options { create: true, ..Options::new(directory.to_owned(), mode) }
}

fn open(directory: &Path, mode: Mode, key: &KeyRing) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(&options(directory, mode), Arc::new(Vault::new(key)))
}

/// Opens an existing store as `serve` does.
fn reopen(directory: &Path, key: &KeyRing) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(&Options::new(directory.to_owned(), Mode::Live), Arc::new(Vault::new(key)))
}

#[tokio::test]
async fn the_clock_and_the_mode_outlive_the_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = KeyRing::generate();
    let store = open(directory.path(), Mode::Sandbox, &key).expect("opens");
    let advanced = store.advance_clock(5_000).await.expect("advances").expect("not too far");
    drop(store);
    let store = open(directory.path(), Mode::Sandbox, &key).expect("opens again");
    assert!(store.clock().now() >= advanced);
    drop(store);
    let refused = open(directory.path(), Mode::Live, &key);
    assert!(matches!(refused, Err(OpenError::OtherMode { sandbox: true, .. })));
}

#[tokio::test]
async fn a_second_opening_and_another_key_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = KeyRing::generate();
    let store = open(directory.path(), Mode::Live, &key).expect("opens");
    assert!(matches!(open(directory.path(), Mode::Live, &key), Err(OpenError::InUse(_))));
    for entry in std::fs::read_dir(directory.path()).expect("read") {
        let path = entry.expect("read").path();
        if path.extension().is_some_and(|extension| extension == "lock") {
            std::fs::remove_file(path).expect("removed");
        }
    }
    assert!(matches!(reopen(directory.path(), &key), Err(OpenError::InUse(_))), "there is no lock to remove");
    drop(store);
    let other = KeyRing::generate();
    assert!(matches!(open(directory.path(), Mode::Live, &other), Err(OpenError::OtherKey(_))));
    assert!(open(directory.path(), Mode::Live, &key).is_ok());
}

/// A directory as a killed process left it, with `institutions` only in the log.
async fn left_behind(key: &KeyRing, institutions: usize) -> TempDir {
    let (directory, copy) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    drop(open(directory.path(), Mode::Live, key).expect("opens"));
    let store = reopen(directory.path(), key).expect("opens");
    for _ in 0..institutions {
        let id = InstitutionId::generate(store.clock());
        let made = Institution::new(id, "가상시청".repeat(900), store.clock().now());
        store.create_institution(made).await.expect("created");
    }
    for name in ["seoham.db", "seoham.db-wal", "seoham.store"] {
        std::fs::copy(directory.path().join(name), copy.path().join(name)).expect("copied");
    }
    copy
}

async fn institutions(store: &SqliteStore) -> usize {
    store.institutions(None, None, 1_000).await.expect("listed").len()
}

fn bytes(directory: &Path) -> Vec<Vec<u8>> {
    ["seoham.db", "seoham.db-wal", "seoham.store"]
        .map(|name| std::fs::read(directory.join(name)).unwrap_or_default())
        .into()
}

/// Changes every one of `length` bytes.
fn damage(path: &Path, at: u64, length: usize) {
    let file = File::options().read(true).write(true).open(path).expect("opened");
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at).expect("there");
    for byte in &mut bytes {
        *byte ^= 0x5a;
    }
    file.write_all_at(&bytes, at).expect("written");
}

#[tokio::test]
async fn what_a_killed_process_left_in_the_log_is_there() {
    let key = KeyRing::generate();
    let directory = left_behind(&key, 20).await;
    let store = reopen(directory.path(), &key).expect("opens");
    assert_eq!(institutions(&store).await, 20);
}

#[tokio::test]
async fn a_damaged_sector_of_the_log_is_no_end_of_it() {
    let key = KeyRing::generate();
    for sector in [0, 1, 8, 9, 20, 33] {
        let directory = left_behind(&key, 20).await;
        let log = directory.path().join("seoham.db-wal");
        damage(&log, sector * 512, 512);
        let before = bytes(directory.path());
        match reopen(directory.path(), &key) {
            Err(OpenError::Damaged { path, offset: Some(offset), .. }) => {
                assert_eq!(path, log);
                assert!(offset < (sector + 1) * 512, "{sector}: {offset}");
            }
            Err(error) => panic!("{sector}: {error}"),
            Ok(_) => panic!("{sector}: it was taken for the end"),
        }
        assert_eq!(bytes(directory.path()), before, "nothing was changed");
    }
}

#[tokio::test]
async fn a_torn_last_transaction_is_the_operators_decision() {
    let key = KeyRing::generate();
    let directory = left_behind(&key, 20).await;
    let log = directory.path().join("seoham.db-wal");
    // In the last transaction, the page before the last was never written.
    let length = std::fs::metadata(&log).expect("there").len();
    let mut frame = [0; 8];
    let file = File::open(&log).expect("opened");
    let frames = (length - 32) / 4_120;
    let mut ends = Vec::new();
    for i in 0..frames {
        file.read_exact_at(&mut frame, 32 + i * 4_120).expect("read");
        if frame[4..] != [0; 4] {
            ends.push(i);
        }
    }
    let [.., before_last, last] = ends[..] else { panic!("{ends:?}") };
    assert!(last - before_last > 1, "a transaction of several pages");
    damage(&log, 32 + (before_last + 1) * 4_120 + 100, 512);
    assert!(matches!(reopen(directory.path(), &key), Err(OpenError::Torn { .. })));
    let options =
        Options { discard_torn_transaction: true, ..Options::new(directory.path().to_owned(), Mode::Live) };
    let store = SqliteStore::open(&options, Arc::new(Vault::new(&key))).expect("opens as was decided");
    assert_eq!(institutions(&store).await, 19);
}

#[tokio::test]
async fn a_directory_without_a_store_is_not_taken_for_a_new_one() {
    let key = KeyRing::generate();
    let directory = tempfile::tempdir().expect("a directory");
    assert!(matches!(reopen(directory.path(), &key), Err(OpenError::NoStore(_))));
    assert!(matches!(reopen(&directory.path().join("no mount"), &key), Err(OpenError::NoStore(_))));
    File::create(directory.path().join("admin.token")).expect("created");
    assert!(matches!(reopen(directory.path(), &key), Err(OpenError::NoStore(_))));
    assert_eq!(std::fs::read_dir(directory.path()).expect("read").count(), 1, "nothing was made");
    drop(open(directory.path(), Mode::Live, &key).expect("made on purpose"));

    std::fs::remove_file(directory.path().join("seoham.db")).expect("removed");
    for opened in [reopen(directory.path(), &key), open(directory.path(), Mode::Live, &key)] {
        assert!(matches!(opened, Err(OpenError::Missing { file: "seoham.db", .. })));
    }
    File::create(directory.path().join("seoham.db")).expect("created");
    assert!(
        matches!(open(directory.path(), Mode::Live, &key), Err(OpenError::Damaged { .. })),
        "it is empty"
    );
    std::fs::write(directory.path().join("seoham.db"), vec![0; 8_192]).expect("written");
    assert!(matches!(open(directory.path(), Mode::Live, &key), Err(OpenError::Damaged { .. })), "zeros");
}

#[tokio::test]
async fn a_damaged_page_is_refused() {
    let key = KeyRing::generate();
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path(), Mode::Live, &key).expect("opens"));
    let database = directory.path().join("seoham.db");
    let pages = std::fs::metadata(&database).expect("there").len() / 4_096;
    damage(&database, (pages - 1) * 4_096, 4_096);
    let Err(OpenError::Damaged { path, .. }) = reopen(directory.path(), &key) else { panic!("refused") };
    assert_eq!(path, database);
}

#[tokio::test]
async fn nothing_is_changed_by_a_start_that_is_refused() {
    let key = KeyRing::generate();
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path(), Mode::Live, &key).expect("opens"));
    let sql = |sql: &str| {
        let database = Connection::open(directory.path().join("seoham.db")).expect("opened");
        database.execute_batch(sql).expect("done");
    };
    let newest: i64 = Connection::open(directory.path().join("seoham.db"))
        .and_then(|database| {
            database.query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get(0))
        })
        .expect("read");
    sql("PRAGMA wal_checkpoint(TRUNCATE)");
    let before = bytes(directory.path());
    let other = KeyRing::generate();
    assert!(matches!(reopen(directory.path(), &other), Err(OpenError::OtherKey(_))));
    assert!(matches!(open(directory.path(), Mode::Sandbox, &key), Err(OpenError::OtherMode { .. })));
    assert_eq!(bytes(directory.path()), before);

    sql("INSERT INTO refinery_schema_history VALUES (99, 'later', '2030-01-01T00:00:00Z', '1')");
    let refused = reopen(directory.path(), &key);
    assert!(matches!(refused, Err(OpenError::Newer { version: 99, known, .. }) if known == newest));
    sql(
        "DELETE FROM refinery_schema_history WHERE version = 99; UPDATE refinery_schema_history SET checksum = '1'",
    );
    assert!(matches!(reopen(directory.path(), &key), Err(OpenError::Foreign(_))));
    sql("CREATE TABLE contents (content_id BLOB); CREATE TABLE documents (document_id BLOB)");
    assert!(matches!(reopen(directory.path(), &key), Err(OpenError::Older(_))), "a row for each document");
}

#[tokio::test]
async fn what_was_moved_away_is_not_opened_again() {
    let key = KeyRing::generate();
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path(), Mode::Live, &key).expect("opens"));
    let source = Source::open(directory.path(), &Vault::new(&key)).expect("opens");
    source.leave_note("PostgreSQL at db1, database seoham", UnixSeconds(1)).expect("written");
    drop(source);
    let Err(OpenError::Moved { to, .. }) = open(directory.path(), Mode::Live, &key) else {
        panic!("refused")
    };
    assert_eq!(to, "PostgreSQL at db1, database seoham");
}

#[tokio::test]
async fn an_exchanged_master_key_opens_what_is_there_and_no_key_in_use_may_be_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (before, other) = (KeyRing::generate(), KeyRing::generate());
    let sandbox = |ring: &KeyRing| open(directory.path(), Mode::Sandbox, ring);
    let reads = async |store: &SqliteStore| {
        let person =
            store.person_by_phone(&MEMBER.into()).await.expect("answers").expect("found by blind index");
        let number = store.phone_number(person).await.expect("opens").expect("there");
        assert_eq!(number.expose_secret(), MEMBER);
    };
    let store = sandbox(&before).expect("opens");
    reads(&store).await;
    drop(store);
    let source = Source::open(directory.path(), &Vault::new(&before)).expect("opens");
    assert_eq!(source.sealing_keys, [Vault::new(&before).sealing_key()]);
    drop(source);

    let exchanged = before.exchanged();
    let store = sandbox(&exchanged).expect("opens");
    reads(&store).await;
    drop(store);
    let again = exchanged.exchanged();
    drop(sandbox(&again).expect("opens"));
    assert!(matches!(sandbox(&other), Err(OpenError::OtherKey(_))));
    // The index key alone is not enough.
    let without = without_older_keys(&again);
    assert!(matches!(sandbox(&without), Err(OpenError::OtherKey(_))));
    assert!(matches!(Source::open(directory.path(), &Vault::new(&without)), Err(OpenError::OtherKey(_))));
}

/// A store of a former version has in its statistics what its ledger has: the same as if it had counted from the first
/// day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_versions_ledger_is_counted() {
    type Row = (Vec<u8>, i64, Vec<u8>, i64, i64);
    let migration = include_str!("../migrations/V6__statistics.sql");
    let recount = &migration[migration.find("INSERT INTO statistics").expect("counts")..];
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = open(directory.path(), Mode::Sandbox, &KeyRing::generate()).expect("opens");
    let world = World::new(Arc::new(store)).await;
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    for (sender, count) in [(world.city, 7), (world.bank, 3), (world.city, 100)] {
        world.send(sender, &recipient, count).await;
        world.advance(86_400).await;
    }
    drop(world);
    let database = Connection::open(directory.path().join("seoham.db")).expect("opens");
    let counted = || {
        let sql =
            "SELECT institution_id, day, contract_id, kind, documents FROM statistics ORDER BY 1, 2, 3, 4";
        let mut statement = database.prepare(sql).expect("prepares");
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)));
        let rows: rusqlite::Result<Vec<Row>> = rows.expect("reads").collect();
        rows.expect("reads")
    };
    let live = counted();
    assert_eq!(live.iter().map(|(.., documents)| documents).sum::<i64>(), 110);
    database.execute_batch("DELETE FROM statistics").expect("deletes");
    database.execute_batch(recount).expect("counts");
    assert_eq!(counted(), live);
}

/// An event of a type that this version does not know was written by a newer one: a page ends before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_ends_before_what_a_newer_version_wrote() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = Arc::new(open(directory.path(), Mode::Sandbox, &KeyRing::generate()).expect("opens"));
    let world = World::new(store.clone()).await;
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    for _ in 0..3 {
        world.send(world.city, &recipient, 1).await;
    }
    let read = async || {
        let query = FeedQuery { after: 0, limit: 100, types: None };
        let read = store.read_feed(world.city.institution, query).await.expect("reads");
        (read.page.events.len(), read.page.through, read.page.more, read.ends.last)
    };
    assert_eq!(read().await, (6, 6, false, 6));
    let database = Connection::open(directory.path().join("seoham.db")).expect("opens");
    let newer = "UPDATE ledger SET event_type = 99 WHERE last_seq = 4";
    assert_eq!(database.execute(newer, []).expect("writes"), 1);
    assert_eq!(read().await, (3, 3, false, 3));
}
