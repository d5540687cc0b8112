//! Chooses the messenger from the configuration.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use secrecy::ExposeSecret;
use seoham_delivery::{HttpNotifier, NoMessenger, Notifier, Report, Simulator};
use seoham_inbox::PhoneMessage;
use seoham_model::Text;
use seoham_model::clock::seoul_minutes;
use seoham_store::{Mode, Store};
use seoham_vault::webhook_secret_is_sound;
use seoham_webhook::{SetupError, SignedPostOptions};
use tokio::sync::mpsc;

use crate::config::Config;

/// Number of messages that the simulator's page shows.
const SHOWN: usize = 2_000;

pub(super) struct Messenger {
    pub(super) notifier: Arc<dyn Notifier>,
    pub(super) simulator: Option<Arc<Simulator>>,
}

impl Messenger {
    /// Starts the configured provider. Without one, a sandbox simulates a messenger; with real people, no messages
    /// are sent, rather than recorded as sent without being sent.
    pub(super) fn start(
        config: &Config,
        store: &Arc<dyn Store>,
        reports: mpsc::Sender<Report>,
    ) -> Result<Self> {
        if let Some(options) = options(config)? {
            let notifier = HttpNotifier::new(&options).map_err(|error| match error {
                SetupError::Secret => anyhow!("notifier.secret: must be base64"),
                SetupError::Client => anyhow!("notifier.url: must be an absolute http(s) URL"),
            })?;
            return Ok(Self { notifier: Arc::new(notifier), simulator: None });
        }
        if store.mode() == Mode::Sandbox {
            let simulator = Arc::new(Simulator::new(store.clock().clone(), reports));
            return Ok(Self { notifier: Arc::clone(&simulator) as Arc<_>, simulator: Some(simulator) });
        }
        Ok(Self { notifier: Arc::new(NoMessenger), simulator: None })
    }
}

/// Settings that real people need and that are missing.
pub(super) fn missing(config: &Config) -> Vec<Text> {
    let live = !config.store.sandbox;
    let mut missing = Vec::new();
    if live && config.notifier.url.is_none() {
        missing.push(Text::fixed(
            "메신저가 설정되지 않았습니다(notifier.url). 알림은 기다리다가 24시간 뒤에 포기됩니다",
            "no messenger is configured (notifier.url): notifications wait, and are given up after 24 hours",
        ));
    }
    if live && config.web.public_url.is_none() {
        missing.push(Text::fixed(
            "web.public_url이 없습니다. 알림의 링크가 이 컴퓨터로만 이어집니다",
            "web.public_url is not set: the links in notifications lead to this machine alone",
        ));
    }
    missing
}

/// The HTTP provider's options, if one is configured.
pub(super) fn options(config: &Config) -> Result<Option<SignedPostOptions>> {
    let Some(url) = &config.notifier.url else { return Ok(None) };
    let Some(secret) = config.notifier.secret.clone().filter(webhook_secret_is_sound) else {
        bail!("notifier.secret: a messenger needs a signing secret, base64 of at least 24 bytes");
    };
    let timeout = Duration::from_secs(config.notifier.timeout_seconds.clamp(1, 60));
    Ok(Some(SignedPostOptions { url: url.clone(), secret, timeout }))
}

/// The address of the document box for messages. `web` is the web listener of this process.
pub(super) fn box_url(config: &Config, web: Option<&str>) -> String {
    if let Some(url) = &config.web.public_url {
        return url.clone();
    }
    web.map_or_else(|| format!("http://{}", config.listen.web), str::to_owned)
}

pub(super) fn shown(simulator: &Simulator) -> Vec<PhoneMessage> {
    let show = |message: seoham_delivery::ShownMessage| PhoneMessage {
        to: message.to.expose_secret().to_owned(),
        text: message.text.expose_secret().to_owned(),
        at: seoul_minutes(message.taken_at),
        link: message.link,
        document: message.document,
    };
    simulator.messages().into_iter().take(SHOWN).map(show).collect()
}
