//! Configuration given as arguments of the commands that run or use a server.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::Role;

/// Where to listen. Port 0 takes any free one.
#[derive(Args, Clone, Default)]
pub(crate) struct ListenArgs {
    /// The institution API [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) api_listen: Option<SocketAddr>,
    /// Bulk calls alone [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bulk_listen: Option<SocketAddr>,
    /// The recipients' pages [default: 127.0.0.1:8082]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) web_listen: Option<SocketAddr>,
    /// The operator's API, health and metrics [default: 127.0.0.1:8083]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin_listen: Option<SocketAddr>,
}

#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ServeArgs {
    /// A configuration file in TOML; see examples/seoham.toml.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The embedded store's directory [default: ./seoham-data]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) data: Option<PathBuf>,
    /// The shared store instead: a PostgreSQL connection string. A password belongs into
    /// `SEOHAM_STORE__DATABASE`, which nobody else on the machine sees.
    #[arg(long, value_name = "postgres://…")]
    pub(crate) database: Option<String>,
    /// Leave the database's schema as it is; refuse to start if it is behind.
    #[arg(long)]
    pub(crate) no_migrate: bool,
    /// Make the store if there is none: once, at the very first start. A sandbox makes its own.
    #[arg(long)]
    pub(crate) create: bool,
    /// The machine's clock is right: start although it is far from the times that were stored last.
    #[arg(long)]
    pub(crate) accept_clock: bool,
    /// Start without the last transaction of the embedded store's log, which the loss of power tore.
    #[arg(long)]
    pub(crate) discard_torn_transaction: bool,
    /// Use a database that may forget what it committed (fsync and the like are off): a test cluster.
    #[arg(long)]
    pub(crate) allow_data_loss: bool,
    /// What this process does; anything but all of it needs --database [default: all]
    #[arg(long, value_enum)]
    pub(crate) role: Option<Role>,
    /// All people are invented: institutions' own tests. Fixed when the data is created.
    #[arg(long)]
    pub(crate) sandbox: bool,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    /// Print one line of JSON with every listener's address when all are up.
    #[arg(long)]
    pub(crate) ready_json: bool,
}
