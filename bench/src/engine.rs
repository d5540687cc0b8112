//! The store under test, and its processes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use seoham_scratch_postgres::{Cluster, Database};
use tempfile::TempDir;

use crate::load::Platform;
use crate::node::{Node, binary};

/// Memory and log settings as docs/OPERATIONS.md recommends, for both sides of each comparison; durability
/// keeps its defaults. With the default 128 MiB and 1 GiB of log, a benchmark with millions of documents
/// would only measure these limits.
pub(crate) const SETTINGS: [&str; 3] = ["shared_buffers=2GB", "max_wal_size=8GB", "min_wal_size=3GB"];
/// Simulates a log that has been in use: `min_wal_size` of existing files can be overwritten. A new file is
/// first filled with zeros, and every COMMIT waits for that.
const LOG_IN_USE: [&str; 2] = [
    "SELECT count(pg_logical_emit_message(false, '', '')), count(pg_switch_wal()) FROM generate_series(1, 192)",
    "CHECKPOINT",
];

/// A store and its dependencies.
pub(crate) enum Engine {
    Sqlite { directory: TempDir },
    Postgres { directory: TempDir, cluster: Box<Cluster>, database: Database },
}

impl Engine {
    pub(crate) fn sqlite() -> Result<Self> {
        Ok(Self::Sqlite { directory: tempfile::tempdir()? })
    }

    pub(crate) fn postgres() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let made =
            Command::new(binary()?).args(["keys", "new"]).arg(directory.path().join("key")).output()?;
        if !made.status.success() {
            bail!("{}", String::from_utf8_lossy(&made.stderr));
        }
        let cluster = Box::new(Cluster::start(&SETTINGS));
        for statement in LOG_IN_USE {
            cluster.sql("postgres", statement);
        }
        let database = cluster.database();
        Ok(Self::Postgres { directory, cluster, database })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
        }
    }

    /// The URL of the shared store.
    pub(crate) fn database_url(&self) -> Option<&str> {
        match self {
            Self::Sqlite { .. } => None,
            Self::Postgres { database, .. } => Some(database.url()),
        }
    }

    /// Its size on disk in bytes, excluding data that is only in a log.
    pub(crate) async fn bytes(&self) -> Result<u64> {
        match self {
            Self::Sqlite { .. } => Ok(std::fs::metadata(self.data("all").join("seoham.db"))?.len()),
            Self::Postgres { database, .. } => {
                let (client, connection) =
                    tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await?;
                tokio::spawn(connection);
                let row = client.query_one("SELECT pg_database_size(current_database())", &[]).await?;
                Ok(row.get::<_, i64>(0).unsigned_abs())
            }
        }
    }

    /// Whether `platform` has a process that delivers.
    pub(crate) fn delivers_with(&self, platform: &Platform) -> bool {
        matches!(self, Self::Sqlite { .. }) || !platform.workers.is_empty()
    }

    /// Starts the process that accepts requests. With the embedded store it also delivers.
    pub(crate) fn start_gateway(&self) -> Result<Platform> {
        let gateway = match self {
            Self::Sqlite { .. } => self.start("all", "all")?,
            Self::Postgres { .. } => self.start("gateway-0", "gateway")?,
        };
        Ok(Platform { gateways: vec![gateway], workers: Vec::new() })
    }

    /// Starts the worker, if that is a separate process; `false` if it is not.
    pub(crate) fn start_worker(&self, platform: &mut Platform) -> Result<bool> {
        if matches!(self, Self::Sqlite { .. }) {
            return Ok(false);
        }
        platform.workers.push(self.start("worker-0", "delivery")?);
        Ok(true)
    }

    /// Starts the process with the document box, if that is a separate one.
    pub(crate) fn start_web(&self) -> Result<Option<Node>> {
        match self {
            Self::Sqlite { .. } => Ok(None),
            Self::Postgres { .. } => self.start("web-0", "web").map(Some),
        }
    }

    /// Starts all processes.
    pub(crate) fn start_all(&self) -> Result<Platform> {
        let mut platform = self.start_gateway()?;
        self.start_worker(&mut platform)?;
        Ok(platform)
    }

    /// The directory of the embedded store; each node of a shared one has its own directory.
    pub(crate) fn data(&self, node: &str) -> PathBuf {
        match self {
            Self::Sqlite { directory } => directory.path().join("data"),
            Self::Postgres { directory, .. } => directory.path().join(node),
        }
    }

    /// Starts a process with a role.
    pub(crate) fn start(&self, name: &str, role: &str) -> Result<Node> {
        let mut command = Command::new(binary()?);
        command.args(["serve", "--sandbox", "--ready-json", "--role", role, "--data"]).arg(self.data(name));
        // All load comes from one address.
        command.env("SEOHAM_CONNECTIONS__API", "4096").env("SEOHAM_CONNECTIONS__PER_ADDRESS", "3000");
        if let Self::Postgres { directory, database, .. } = self {
            command.env("SEOHAM_STORE__DATABASE", database.url());
            command.env("SEOHAM_KEYS__MASTER_FILE", directory.path().join("key"));
        }
        Node::start(command)
    }
}
