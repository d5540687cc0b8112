//! One process: the store opened, its roles started, the listeners up, and a graceful shutdown that drains them in
//! order.

mod brand;
pub(crate) mod certificate;
pub(crate) mod connections;
mod delivery_role;
mod feeds;
mod health_check;
pub(crate) mod listeners;
mod message_sender;
mod messenger;
mod runtimes;
pub(crate) mod secrets;
pub(crate) mod store;
mod volume_watch;
mod webhooks;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use seoham_events::FeedHub;
use seoham_gateway::{AdmissionLimits, Gateway, GatewayOptions};
use seoham_inbox::{Inbox, InboxOptions};
use seoham_messengers::Simulator;
use seoham_model::Lang;
use seoham_operator::{ActionLog, Operator, OperatorOptions};
use seoham_store::Store;
use seoham_vault::webhook_secret_is_sound;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::logging;
use certificate::Certificate;
use delivery_role::DeliveryTask;
use feeds::WaitedFeeds;
use health_check::HealthCheckTask;
use listeners::{Bound, Running};
use message_sender::{MessageSender, SenderParts};
use messenger::{Messenger, OperatingMessengers, Pushes};
pub(crate) use runtimes::{BulkThreads, Runtimes};
use seoham_institution_cli::terminal::{complain, language, localized, say};
use volume_watch::VolumeWatchTask;
use webhooks::{Pings, WebhookTask};

/// A running process.
pub(crate) struct Server {
    /// The addresses of its listeners.
    pub(crate) addresses: Addresses,
    store: Arc<dyn Store>,
    operator: Operator,
    public: Vec<Running>,
    admin: Running,
    delivery_role: Option<DeliveryTask>,
    volume_watch: Option<VolumeWatchTask>,
    webhooks: Option<WebhookTask>,
    health_check: HealthCheckTask,
    /// Ends the waits of readers of events.
    stop_waiting: CancellationToken,
    deadline: Duration,
}

/// The line that `--ready-json` prints: the listeners of the process's role.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Addresses {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bulk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) web: Option<String>,
    pub(crate) admin: String,
    /// Absent if the token was set by the environment or the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin_token_file: Option<std::path::PathBuf>,
}

/// How long running requests may take after the store has failed.
const FAILED_DEADLINE: Duration = Duration::from_secs(1);
/// The exit status when the store failed: `EX_IOERR` of sysexits.h.
const STORE_FAILED: u8 = 74;

/// `seoham serve`.
pub(crate) fn serve(config: &Config, ready_json: bool) -> Result<ExitCode> {
    logging::start(&config.log)?;
    let runtimes = Runtimes::start()?;
    let bulk = runtimes.bulk();
    runtimes.run(async {
        let mut terminate = seoham_institution_cli::terminal::termination()?;
        let server = Server::start(config, &bulk).await?;
        if ready_json {
            say(&serde_json::to_string(&server.addresses)?);
        }
        let Addresses { api, bulk, web, admin, .. } = &server.addresses;
        tracing::info!(role = %config.node.role, api, bulk, web, admin, "ready");
        let failed = tokio::select! {
            _ = terminate.recv() => false,
            () = server.store.health().failed() => true,
        };
        // Without a receiver, a second signal ends the process at once.
        drop(terminate);
        server.stop().await?;
        Ok(if failed { ExitCode::from(STORE_FAILED) } else { ExitCode::SUCCESS })
    })
}

/// `seoham init-store`.
pub(crate) fn init_store(config: &Config) -> Result<()> {
    logging::start(&config.log)?;
    store::check(config)?;
    let mut config = config.clone();
    config.store.create = true;
    let runtimes = Runtimes::start()?;
    runtimes.run(async {
        store::refuse_existing(&config).await?;
        let opened = store::open(&config, &Handle::current()).await?;
        drop(opened);
        let place = if config.store.database.is_some() {
            localized("데이터베이스", "the database")
        } else {
            config.store.data.display().to_string()
        };
        say(&localized(
            &format!(
                "{place}: 새 저장소를 만들었습니다. 이제 `seoham serve`를 --create 없이 시작하실 수 있습니다."
            ),
            &format!("{place}: a new store. `seoham serve` starts on it without --create."),
        ));
        Ok(())
    })
}

/// `seoham check`: finds all problems that can be found without starting.
pub(crate) fn check(config: &Config) -> Result<()> {
    check_all(config)?;
    logging::check(&config.log)?;
    let runtimes = Runtimes::start()?;
    runtimes.run(listeners::tls(config)).map(drop)?;
    if !config.store.sandbox || config.store.database.is_some() || config.keys.master_file.is_some() {
        secrets::key_ring(config)?;
    }
    for missing in messenger::missing(config) {
        complain(&format!("seoham: {}", missing.in_lang(language())));
    }
    Ok(())
}

/// `seoham check --deep`: checks everything in the store.
pub(crate) fn check_deep(config: &Config) -> Result<ExitCode> {
    logging::start(&config.log)?;
    store::check(config)?;
    let vault = store::vault_of_existing(config)?;
    let findings = if config.store.database.is_some() {
        let options = store::database(config)?;
        Runtimes::start()?.run(seoham_store_postgres::deep_check(&options, &vault))?
    } else {
        seoham_store_sqlite::deep_check(&config.store.data, &vault)?
    };
    for finding in &findings.messages {
        say(finding);
    }
    if findings.more > 0 {
        let more = findings.more;
        say(&localized(&format!("그 밖에 {more}건이 더 있습니다"), &format!("and {more} more")));
    }
    if findings.is_sound() {
        let rows = findings.rows;
        say(&localized(
            &format!("{rows}행을 읽었습니다. 모든 페이지와 암호화된 값, 참조에 이상이 없습니다."),
            &format!("{rows} rows were read: every page, every sealed value and every reference is sound."),
        ));
        return Ok(ExitCode::SUCCESS);
    }
    say(&localized(
        "백업을 복원하시거나(`seoham restore`), 무엇이든 해 보기 전에 지금 데이터의 사본을 남겨 주십시오.",
        "Restore a backup (`seoham restore`), or keep a copy of the data as it is before anything is tried on it.",
    ));
    Ok(ExitCode::FAILURE)
}

fn check_all(config: &Config) -> Result<()> {
    listeners::check_exposure(config)?;
    store::check(config)?;
    messenger::check(config)?;
    volume_watch::webhook(config)?;
    webhooks::receivers(config)?;
    brand::brand(config)?;
    if !(1..=1_000_000_000).contains(&config.volume.documents_per_day) {
        bail!("volume.documents_per_day: must be 1 to 1,000,000,000");
    }
    // The secret is the only protection of the path for reports: a weak one would let anybody forge them.
    if config.notifier.secret.as_ref().is_some_and(|secret| !webhook_secret_is_sound(secret)) {
        bail!("notifier.secret: must be base64 of at least 24 bytes, with or without whsec_");
    }
    Ok(())
}

impl Server {
    /// Opens the store and starts the tasks of the role. Returns when every listener is up.
    pub(crate) async fn start(config: &Config, bulk: &BulkThreads) -> Result<Self> {
        Self::start_with(config, bulk, None).await
    }

    /// The same, where `phones` shows the messages of a messenger other than the simulator.
    pub(crate) async fn start_with(
        config: &Config,
        bulk: &BulkThreads,
        phones: Option<Arc<dyn seoham_inbox::Phones>>,
    ) -> Result<Self> {
        check_all(config)?;
        let certificate = listeners::tls(config).await?;
        let tls = certificate.as_ref().map(Certificate::config);
        let store = store::open(config, &bulk.work).await?;
        let health_check = HealthCheckTask::start(&store);
        let (admin_token, admin_token_file) = secrets::admin_token(config)?;
        let bound = Bound::all(config)?;
        let addresses = bound.addresses(tls.is_some(), admin_token_file);

        let (reports_in, reports) = mpsc::channel(10_000);
        for missing in messenger::missing(config) {
            tracing::warn!("{}", missing.in_lang(Lang::En));
        }
        let messenger = Messenger::start(config, &store, reports_in)?;
        let box_url = messenger::box_url(config, addresses.web.as_deref());
        let delivers = config.node.role.delivers();
        let delivery_role =
            delivers.then(|| DeliveryTask::start(config, &store, &messenger, reports, &box_url, &bulk.work));
        let volume_watch = delivers.then(|| VolumeWatchTask::start(config, &store)).transpose()?;
        let receivers = webhooks::receivers(config)?;
        let webhooks = delivers.then(|| WebhookTask::start(&store, receivers.clone(), &bulk.work));
        let metrics = seoham_operator::install_metrics().context("metrics")?;
        tokio::spawn(seoham_operator::start_upkeep(metrics.clone()));
        let pushes = Pushes { lines: messenger.lines.clone(), store: store.clone() };
        let stop_waiting = CancellationToken::new();
        let feeds = FeedHub::start(store.clone(), stop_waiting.clone());
        let ports = GatewayPorts { feeds, pushes, pings: Pings(receivers) };
        let gateway = gateway(config, &store, ports, &bulk.work)?;
        let brand = Arc::new(brand::brand(config)?);
        let inbox = Inbox::new(InboxOptions {
            store: store.clone(),
            phones: phones.or_else(|| messenger.simulator.clone().map(|s| Arc::new(Phones(s)) as Arc<_>)),
            secure: box_url.starts_with("https://"),
            behind_proxy: config.listen.behind_tls_proxy,
            messages: Arc::new(MessageSender::start(SenderParts {
                lines: messenger.lines.clone(),
                store: store.clone(),
                brand: Arc::clone(&brand),
                box_url: box_url.clone(),
                unknown: messenger::policy(config.messenger.unknown_personal),
            })),
            brand,
        });
        let operator = Operator::new(OperatorOptions {
            store: store.clone(),
            admin_token,
            messengers: Arc::new(OperatingMessengers {
                lines: messenger.lines.clone(),
                store: store.clone(),
                box_url: box_url.clone(),
            }),
            metrics,
            behind_proxy: config.listen.behind_tls_proxy,
            actions: ActionLog::new(
                config.log.actions.clone().unwrap_or_else(|| config.store.data.join("actions.log")),
            ),
        });

        certificate::follow(certificate)?;
        let here = Handle::current();
        let mut public = Vec::new();
        if let Some(socket) = bound.api {
            public.push(socket.serve(seoham_gateway::api_router(&gateway), tls.clone(), &here)?);
        }
        if let Some(socket) = bound.bulk {
            public.push(socket.serve(seoham_gateway::bulk_router(&gateway), tls.clone(), &bulk.gate)?);
        }
        if let Some(socket) = bound.web {
            public.push(socket.serve(seoham_inbox::web_router(&inbox), tls.clone(), &here)?);
        }
        let admin_tls = tls.filter(|_| !config.listen.admin.ip().is_loopback());
        let admin = bound.admin.serve(seoham_operator::admin_router(&operator), admin_tls, &here)?;
        let deadline = Duration::from_secs(config.shutdown.deadline_seconds);
        Ok(Self {
            addresses,
            store,
            operator,
            public,
            admin,
            delivery_role,
            volume_watch,
            webhooks,
            health_check,
            stop_waiting,
            deadline,
        })
    }

    /// Shuts down in order: readiness off, no new requests, running requests and deliveries finish, then the store
    /// closes. One deadline applies to all of it.
    pub(crate) async fn stop(self) -> Result<()> {
        tracing::info!("shutting down");
        // Running requests cannot be written any more. They fail, so there is no point in waiting.
        let failed = self.store.health().failure().is_some();
        let deadline = if failed { self.deadline.min(FAILED_DEADLINE) } else { self.deadline };
        let until = Instant::now() + deadline;
        self.operator.start_draining();
        // Readers that wait for events are answered now.
        self.stop_waiting.cancel();
        if let Some(delivery_role) = &self.delivery_role {
            delivery_role.stop();
        }
        if let Some(volume_watch) = &self.volume_watch {
            volume_watch.stop();
        }
        if let Some(webhooks) = &self.webhooks {
            webhooks.stop();
        }
        for listener in &self.public {
            listener.stop(deadline);
        }
        for listener in self.public {
            tell_end(listener.ended().await);
        }
        if let Some(volume_watch) = self.volume_watch {
            volume_watch.ended().await;
        }
        if let Some(webhooks) = self.webhooks
            && tokio::time::timeout_at(until.into(), webhooks.ended()).await.is_err()
        {
            tracing::warn!("deliveries to webhooks were left to the next start");
        }
        if let Some(delivery_role) = self.delivery_role
            && tokio::time::timeout_at(until.into(), delivery_role.ended()).await.is_err()
        {
            tracing::warn!("deliveries under way were left to the next start");
        }
        self.health_check.stop().await;
        self.admin.stop(Duration::from_secs(1));
        tell_end(self.admin.ended().await);
        tracing::info!("ended");
        Ok(())
    }
}

/// Logs how a listener ended, so that a failed one does not disturb the shutdown of the rest.
fn tell_end(ended: Result<()>) {
    if let Err(error) = ended {
        tracing::error!(error = format!("{error:#}"), "at the end");
    }
}

/// What the institution API reaches through its ports.
struct GatewayPorts {
    feeds: FeedHub,
    pushes: Pushes,
    pings: Pings,
}

fn gateway(config: &Config, store: &Arc<dyn Store>, ports: GatewayPorts, bulk: &Handle) -> Result<Gateway> {
    let admission = AdmissionLimits {
        requests: config.admission.requests,
        bytes: config.admission.bytes,
        requests_per_institution: config.admission.requests_per_institution,
        bytes_per_institution: config.admission.bytes_per_institution.unwrap_or(config.admission.bytes / 2),
    };
    let options = GatewayOptions {
        admission,
        receipt_secrets: messenger::receipt_secrets(config)?,
        has_own_fallback: messenger::has_own_fallback(config),
        pushed_reports: Some(Arc::new(ports.pushes)),
        feeds: Arc::new(WaitedFeeds(ports.feeds)),
        pings: Arc::new(ports.pings),
        behind_proxy: config.listen.behind_tls_proxy,
        bulk_threads: bulk.clone(),
    };
    match Gateway::new(store.clone(), options) {
        Some(gateway) => Ok(gateway),
        None => bail!("the secret of an HTTP provider must be base64, with or without whsec_"),
    }
}

/// The simulated messenger, as the pages use it.
struct Phones(Arc<Simulator>);

impl seoham_inbox::Phones for Phones {
    fn messages(&self) -> Vec<seoham_inbox::PhoneMessage> {
        messenger::shown(&self.0)
    }
}
