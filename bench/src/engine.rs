//! The store under test, and the processes over it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use seoham_scratch_postgres::{Cluster, Database};
use tempfile::TempDir;

use crate::node::{Node, binary};

/// A store and what it needs.
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
        let cluster = Box::new(Cluster::start(&[]));
        let database = cluster.database();
        Ok(Self::Postgres { directory, cluster, database })
    }

    /// Where the embedded store is; each node of a shared one has a directory of its own.
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
        if let Self::Postgres { directory, database, .. } = self {
            command.env("SEOHAM_STORE__DATABASE", database.url());
            command.env("SEOHAM_KEYS__MASTER_FILE", directory.path().join("key"));
        }
        Node::start(command)
    }
}
