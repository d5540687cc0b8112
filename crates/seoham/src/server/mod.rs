//! One process: the store opened, the roles started, the listeners up, and down again in order.

pub(crate) mod listeners;
mod messenger;
mod secrets;

use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use seoham_delivery::{Report, Simulator, Worker, WorkerOptions};
use seoham_gateway::{AdmissionLimits, Gateway, GatewayOptions};
use seoham_inbox::Inbox;
use seoham_operator::{Operator, OperatorOptions};
use seoham_store::{Mode, Store};
use seoham_store_sqlite::{Options, SqliteStore};
use seoham_vault::Vault;
use serde::Serialize;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::say;
use crate::config::Config;
use crate::logging;
use listeners::{Bound, Running};
use messenger::Messenger;

/// The two runtimes: people on one, bulk work on the other, so that a flood of bulk requests
/// cannot keep a person's request from running (SPEC 9).
pub(crate) struct Runtimes {
    interactive: Runtime,
    bulk: Runtime,
}

impl Runtimes {
    /// Starts both.
    pub(crate) fn start() -> Result<Self> {
        let runtime = |name: &str| {
            Builder::new_multi_thread()
                .enable_all()
                .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8))
                // Four readers of each lane, sealing, and room for the rest; each thread keeps memory.
                .max_blocking_threads(12)
                .thread_name(name)
                .build()
                .context("threads")
        };
        Ok(Self { interactive: runtime("seoham-people")?, bulk: runtime("seoham-bulk")? })
    }

    /// Runs `work` on the interactive one.
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.interactive.block_on(work)
    }

    /// The one for bulk work.
    pub(crate) fn bulk(&self) -> Handle {
        self.bulk.handle().clone()
    }
}

/// A process that is up.
pub(crate) struct Server {
    /// Where everything is.
    pub(crate) addresses: Addresses,
    operator: Operator,
    public: Vec<Running>,
    admin: Running,
    stop_worker: CancellationToken,
    worker: JoinHandle<()>,
    reports: JoinHandle<()>,
    deadline: Duration,
}

/// The line that `--ready-json` prints.
#[derive(Clone, Serialize)]
pub(crate) struct Addresses {
    ready: bool,
    pub(crate) api: String,
    pub(crate) bulk: String,
    pub(crate) web: String,
    pub(crate) admin: String,
    /// Absent when the token was given by the environment or the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin_token_file: Option<std::path::PathBuf>,
}

/// `seoham serve`.
pub(crate) fn serve(config: &Config, ready_json: bool) -> Result<()> {
    logging::start(&config.log)?;
    let runtimes = Runtimes::start()?;
    let bulk = runtimes.bulk();
    runtimes.run(async {
        let mut terminate = listeners::termination()?;
        let server = Server::start(config, &bulk).await?;
        if ready_json {
            say(&serde_json::to_string(&server.addresses)?);
        }
        tracing::info!(
            api = server.addresses.api,
            bulk = server.addresses.bulk,
            web = server.addresses.web,
            admin = server.addresses.admin,
            "ready"
        );
        terminate.recv().await;
        server.stop().await
    })
}

/// `seoham check`: whatever can be found wrong without starting.
pub(crate) fn check(config: &Config) -> Result<()> {
    listeners::check_exposure(config)?;
    messenger::options(config)?;
    if !config.store.sandbox || config.keys.master_file.is_some() {
        secrets::master_key(config)?;
    }
    Ok(())
}

impl Server {
    /// Opens the store and starts everything; returns when every listener is up.
    pub(crate) async fn start(config: &Config, bulk: &Handle) -> Result<Self> {
        listeners::check_exposure(config)?;
        let tls = listeners::tls(config).await?;
        // PINs are few enough to be guessed from their hashes: the data is its owner's alone.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.store.data)
            .with_context(|| format!("data directory {}", config.store.data.display()))?;
        let store = open_store(config).await?;
        let (admin_token, admin_token_file) = secrets::admin_token(config)?;
        let bound = Bound::all(config)?;
        let addresses = bound.addresses(tls.is_some(), admin_token_file);

        let (reports_in, reports_out) = mpsc::channel::<Report>(10_000);
        let messenger = Messenger::start(config, &store, reports_in)?;
        let box_url = config.web.public_url.clone().unwrap_or_else(|| addresses.web.clone());
        let defaults = WorkerOptions::default();
        // The simulator answers a whole batch at once; a real messenger is not to be flooded.
        let at_once = if messenger.simulator.is_some() {
            defaults.batch
        } else {
            config.notifier.concurrent_messages.clamp(1, 1_000)
        };
        // A batch is held longer than its slowest messages can take, so that none is sent twice.
        let turns = u32::try_from(defaults.batch.div_ceil(at_once)).unwrap_or(u32::MAX);
        let slowest = Duration::from_secs(config.notifier.timeout_seconds.clamp(1, 60)).saturating_mul(turns);
        let lease = defaults.lease.max(slowest.saturating_mul(2));
        let options = WorkerOptions { box_url, concurrent_messages: at_once, lease, ..defaults };
        let stop_worker = CancellationToken::new();
        let worker = Worker::new(Arc::clone(&store), messenger.notifier, options);
        let worker = bulk.spawn(worker.run(stop_worker.clone()));
        let reports = bulk.spawn(Worker::record_reports(Arc::clone(&store), reports_out));

        let gateway = gateway(config, &store)?;
        let handle = seoham_operator::install_metrics().context("metrics")?;
        tokio::spawn(seoham_operator::start_upkeep(handle.clone()));
        let operator =
            Operator::new(OperatorOptions { store: Arc::clone(&store), admin_token, metrics: handle });
        let inbox = Inbox { phones: messenger.simulator.map(|s| Arc::new(Phones(s)) as Arc<_>) };

        let here = Handle::current();
        let public = vec![
            bound.api.serve(seoham_gateway::api_router(&gateway), tls.clone(), &here)?,
            bound.bulk.serve(seoham_gateway::bulk_router(&gateway), tls.clone(), bulk)?,
            bound.web.serve(seoham_inbox::web_router(&inbox), tls.clone(), &here)?,
        ];
        let admin_tls = tls.filter(|_| !config.listen.admin.ip().is_loopback());
        let admin = bound.admin.serve(seoham_operator::admin_router(&operator), admin_tls, &here)?;
        let deadline = Duration::from_secs(config.shutdown.deadline_seconds);
        Ok(Self { addresses, operator, public, admin, stop_worker, worker, reports, deadline })
    }

    /// Goes down in order: not ready, no new requests, running ones finish, then the worker,
    /// then the store.
    pub(crate) async fn stop(self) -> Result<()> {
        tracing::info!("shutting down");
        self.operator.start_draining();
        self.stop_worker.cancel();
        for listener in &self.public {
            listener.stop(self.deadline);
        }
        for listener in self.public {
            listener.ended().await;
        }
        let rest = async {
            let _ = self.worker.await;
            let _ = self.reports.await;
        };
        if tokio::time::timeout(self.deadline, rest).await.is_err() {
            tracing::warn!("deliveries under way were left to the next start");
        }
        self.admin.stop(Duration::from_secs(1));
        self.admin.ended().await;
        tracing::info!("ended");
        Ok(())
    }
}

async fn open_store(config: &Config) -> Result<Arc<dyn Store>> {
    let mode = if config.store.sandbox { Mode::Sandbox } else { Mode::Live };
    let options = Options::new(config.store.data.clone(), mode);
    let vault = Arc::new(Vault::new(&secrets::master_key(config)?));
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&options, vault)).await;
    Ok(Arc::new(opened.context("the store")??))
}

fn gateway(config: &Config, store: &Arc<dyn Store>) -> Result<Gateway> {
    let admission = AdmissionLimits {
        requests: config.admission.requests,
        bytes: config.admission.bytes,
        requests_per_institution: config.admission.requests_per_institution,
        bytes_per_institution: config.admission.bytes_per_institution.unwrap_or(config.admission.bytes / 2),
    };
    let options = GatewayOptions { admission, receipt_secret: config.notifier.secret.clone() };
    match Gateway::new(Arc::clone(store), options) {
        Some(gateway) => Ok(gateway),
        None => bail!("notifier.secret: must be base64, with or without whsec_"),
    }
}

/// The simulated messenger, as the pages show it.
struct Phones(Arc<Simulator>);

impl seoham_inbox::Phones for Phones {
    fn messages(&self) -> Vec<seoham_inbox::PhoneMessage> {
        messenger::shown(&self.0)
    }
}
