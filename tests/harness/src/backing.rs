//! The storage of a test server: the embedded store, or a database in a scratch PostgreSQL. The same cases
//! run on both; `BLACKBOX_STORE=postgres` selects the second.

use std::path::{Path, PathBuf};
use std::process::Command;

use seoham_scratch_postgres::{Cluster, Database};
use tempfile::TempDir;

use super::server::binary;

/// A directory for a server's files and, for the shared store, a database and its key.
pub struct Backing {
    directory: TempDir,
    shared: Option<Shared>,
}

struct Shared {
    url: String,
    _database: Option<Database>,
}

impl Backing {
    /// The store that the environment variable selects.
    pub fn chosen() -> Self {
        match std::env::var("BLACKBOX_STORE").as_deref() {
            Ok("postgres") => Self::postgres(),
            Ok("sqlite") | Err(_) => Self::embedded(),
            Ok(other) => panic!("BLACKBOX_STORE={other}: sqlite or postgres"),
        }
    }

    pub fn embedded() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), shared: None }
    }

    /// A new database in the cluster that all tests share.
    pub fn postgres() -> Self {
        let database = Cluster::shared().database();
        Self::database(database.url().to_owned(), Some(database))
    }

    /// Uses the database at `url`.
    pub fn at(url: String) -> Self {
        Self::database(url, None)
    }

    fn database(url: String, database: Option<Database>) -> Self {
        let backing = Self::embedded();
        new_key(&backing.key());
        Self { shared: Some(Shared { url, _database: database }), ..backing }
    }

    pub fn is_embedded(&self) -> bool {
        self.shared.is_none()
    }

    /// The database URL.
    pub fn url(&self) -> &str {
        &self.shared.as_ref().expect("a shared store").url
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn data(&self) -> PathBuf {
        self.directory().join("data")
    }

    /// The master key, if the store does not create its own.
    pub fn key(&self) -> PathBuf {
        self.directory().join("shared.key")
    }

    /// Configures `command` to use this store, with its files in `data`.
    pub fn apply(&self, command: &mut Command, data: &Path) {
        command.arg("--data").arg(data);
        if let Some(shared) = &self.shared {
            command.env("SEOHAM_STORE__DATABASE", &shared.url).env("SEOHAM_KEYS__MASTER_FILE", self.key());
        }
    }

    /// Modifies the store directly, bypassing the server.
    pub fn execute(&self, sql: &str) {
        match &self.shared {
            None => {
                rusqlite::Connection::open(self.data().join("seoham.db"))
                    .unwrap()
                    .execute_batch(sql)
                    .unwrap();
            }
            Some(shared) => {
                let psql =
                    Command::new("psql").args(["-Xqv", "ON_ERROR_STOP=1", "-c", sql, &shared.url]).status();
                assert!(psql.expect("psql is installed").success(), "{sql}");
            }
        }
    }

    /// The number of documents in the box index, or waiting for it.
    pub fn indexed(&self) -> i64 {
        let waiting = if self.is_embedded() {
            "parcels WHERE parcel_no > (SELECT value FROM deployment WHERE name = 'box_index_flushed_to')"
        } else {
            "box_pending"
        };
        self.count(&format!(
            "SELECT (SELECT coalesce(sum(entry_count), 0) FROM box_blocks)
                  + (SELECT coalesce(sum(length(persons)), 0) / 16 FROM {waiting})"
        ))
    }

    /// The number that a SQL query on the store returns, bypassing the server.
    pub fn count(&self, sql: &str) -> i64 {
        match &self.shared {
            None => {
                let database = rusqlite::Connection::open(self.data().join("seoham.db")).unwrap();
                database.query_row(sql, [], |row| row.get(0)).unwrap()
            }
            Some(shared) => {
                let psql = Command::new("psql")
                    .args(["-XqtA", "-v", "ON_ERROR_STOP=1", "-c", sql, &shared.url])
                    .output();
                let output = psql.expect("psql is installed");
                let said = String::from_utf8_lossy(&output.stdout);
                said.trim()
                    .parse()
                    .unwrap_or_else(|_| panic!("{sql}: {}", String::from_utf8_lossy(&output.stderr)))
            }
        }
    }
}

/// A query for the number of stored documents: a person of 16 bytes each.
pub const DOCUMENTS: &str = "SELECT coalesce(sum(length(persons)), 0) / 16 FROM parcels";

/// A query for the number of documents whose notification waits for its first attempt.
pub const QUEUED: &str = "SELECT coalesce(sum(length(positions)), 0) FROM deliveries";

/// A query for the number of rows of the queue, with the retries.
pub const QUEUE_ROWS: &str =
    "SELECT (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM delivery_retries)";

/// Writes a file that no other user can read.
pub fn private_file(file: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(file);
    made.unwrap().write_all(text.as_bytes()).unwrap();
}

/// Creates a master key.
pub(crate) fn new_key(file: &Path) {
    let made = Command::new(binary()).args(["keys", "new"]).arg(file).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
