//! The messenger providers of the configuration.

mod build;
mod operating;
mod pushed;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use secrecy::{ExposeSecret, SecretString};
use seoham_delivery::{Line, LineOptions, Lines, NoMessenger, Report, Sends, UnknownPolicy};
use seoham_inbox::PhoneMessage;
use seoham_messengers::{Http, HttpOptions, ShownMessage, Simulator};
use seoham_model::Text;
use seoham_model::clock::seoul_minutes;
use seoham_store::{Mode, Store};
use seoham_vault::webhook_secret_is_sound;
use seoham_webhook::SignedPostOptions;
use tokio::sync::mpsc;

use crate::config::{Config, ProviderKind, SendsSetting, Unknown};

pub(super) use operating::OperatingMessengers;
pub(super) use pushed::Pushes;

/// Number of messages that the simulator's page shows.
const SHOWN: usize = 2_000;

pub(super) struct Messenger {
    pub(super) lines: Lines,
    pub(super) simulator: Option<Arc<Simulator>>,
}

impl Messenger {
    /// Starts the configured providers. Without any, a sandbox simulates a messenger; with real people, no messages
    /// are sent, rather than recorded as sent without being sent.
    pub(super) fn start(
        config: &Config,
        store: &Arc<dyn Store>,
        reports: mpsc::Sender<Report>,
    ) -> Result<Self> {
        let is_sandbox = store.mode() == Mode::Sandbox;
        let simulates = config.messenger.providers.iter().any(|one| one.kind == ProviderKind::Simulator);
        let is_alone = config.notifier.url.is_none() && config.messenger.providers.is_empty();
        if simulates && !is_sandbox {
            bail!("messenger.providers: a simulator delivers nothing; it is for a sandbox only");
        }
        let simulator = ((is_alone || simulates) && is_sandbox)
            .then(|| Arc::new(Simulator::new(store.clock().clone(), reports)));
        let mut lines = Vec::new();
        if let Some(line) = notifier(config)? {
            lines.push(line);
        }
        for provider in &config.messenger.providers {
            lines.push(build::line(provider, simulator.as_ref())?);
        }
        if lines.is_empty() {
            lines.push(match &simulator {
                Some(simulator) => Line::new(options("simulator"), Arc::clone(simulator) as Arc<_>),
                None => Line::new(options("none"), Arc::new(NoMessenger)),
            });
        }
        Ok(Self { lines: Lines::new(lines), simulator })
    }
}

/// The only provider of a kind, whose name is that kind.
pub(super) fn options(kind: &'static str) -> LineOptions {
    LineOptions {
        name: kind.to_owned(),
        kind,
        sends: Sends::Messages,
        weight: 1.0,
        rate_per_second: None,
        personal_rate_per_second: None,
    }
}

/// The HTTP provider of the section `notifier`.
fn notifier(config: &Config) -> Result<Option<Line>> {
    let Some(post) = post_options(config)? else { return Ok(None) };
    let section = &config.notifier;
    let concurrent_calls = section.concurrent_messages.clamp(1, 1_000);
    let timeout_seconds = section.timeout_seconds.clamp(1, 60);
    // A claim contains as many messages as can be sent in half a lease, each at the timeout, so that none outlasts it.
    let turns = lease_seconds(config) / 2 / timeout_seconds;
    let batch_max = 1_000.min(concurrent_calls * usize::try_from(turns).unwrap_or(1).max(1));
    let (name, batch, falls_back) = ("http".to_owned(), false, false);
    let options_of = HttpOptions { name, post, batch, falls_back, batch_max, concurrent_calls };
    let provider = Http::new(&options_of).map_err(|error| build::setup(&error, "notifier"))?;
    Ok(Some(Line::new(options("http"), Arc::new(provider))))
}

/// The lease of a claim outlasts the slowest call, so that nothing is sent twice.
pub(super) fn lease_seconds(config: &Config) -> u64 {
    let calls = config.messenger.providers.iter().map(build::slowest_seconds);
    let notifier = config.notifier.url.as_ref().map(|_| config.notifier.timeout_seconds.clamp(1, 60));
    let slowest = calls.chain(notifier).max().unwrap_or(10);
    config.delivery.lease_seconds.max(2 * slowest)
}

/// What happens to a message whose outcome stays unknown.
pub(super) fn policy(unknown: Unknown) -> UnknownPolicy {
    match unknown {
        Unknown::AtLeastOnce => UnknownPolicy::AtLeastOnce,
        Unknown::AtMostOnce => UnknownPolicy::AtMostOnce,
    }
}

/// Settings that real people need and that are missing.
pub(super) fn missing(config: &Config) -> Vec<Text> {
    let live = !config.store.sandbox;
    let mut missing = Vec::new();
    if live && config.notifier.url.is_none() && config.messenger.providers.is_empty() {
        missing.push(Text::fixed(
            "메신저가 설정되지 않았습니다(messenger.providers 또는 notifier.url). 알림은 기다리다가 24시간 뒤에 포기됩니다",
            "no messenger is configured (messenger.providers or notifier.url): notifications wait, and are given up \
             after 24 hours",
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

/// Checks the providers without starting them.
pub(super) fn check(config: &Config) -> Result<()> {
    post_options(config)?;
    let mut names = std::collections::HashSet::new();
    if config.notifier.url.is_some() {
        names.insert("http");
    }
    for provider in &config.messenger.providers {
        build::check(provider)?;
        if !names.insert(&provider.name) {
            bail!("messenger.providers: there are two of the name {}", provider.name);
        }
    }
    check_fallbacks(config)
}

/// Checks the providers of our own fallbacks together with the others: a fallback is sent in one place.
fn check_fallbacks(config: &Config) -> Result<()> {
    if !has_own_fallback(config) {
        return Ok(());
    }
    let sends = |sends| config.messenger.providers.iter().filter(move |one| one.sends == sends);
    if config.notifier.url.is_none() && sends(SendsSetting::Messages).next().is_none() {
        bail!("messenger.providers: one must send messages, besides those that send fallbacks");
    }
    if sends(SendsSetting::Fallbacks).count() > 1 {
        bail!("messenger.providers: one provider at most can have sends = \"fallbacks\"");
    }
    if let Some(both) = config.messenger.providers.iter().find(|one| one.falls_back) {
        bail!(
            "messenger.providers: {}: falls_back and another provider with sends = \"fallbacks\" exclude each other",
            both.name
        );
    }
    Ok(())
}

/// Whether a provider sends our own fallbacks.
pub(super) fn has_own_fallback(config: &Config) -> bool {
    config.messenger.providers.iter().any(|one| one.sends == SendsSetting::Fallbacks)
}

/// The signing secrets of HTTP providers, for their reports.
pub(super) fn receipt_secrets(config: &Config) -> Result<Vec<SecretString>> {
    let mut secrets: Vec<SecretString> = config.notifier.secret.iter().cloned().collect();
    for provider in config.messenger.providers.iter().filter(|one| one.kind == ProviderKind::Http) {
        secrets.push(build::secret(provider)?);
    }
    Ok(secrets)
}

/// Where the section `notifier` posts to, if it is set.
fn post_options(config: &Config) -> Result<Option<SignedPostOptions>> {
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
    let show = |message: ShownMessage| PhoneMessage {
        to: message.to.expose_secret().to_owned(),
        text: message.text.expose_secret().to_owned(),
        at: seoul_minutes(message.taken_at),
        link: message.link,
        document: message.document,
    };
    simulator.messages().into_iter().take(SHOWN).map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fallback_is_sent_in_one_place() {
        let section = |name: &str, more: &str| {
            format!("[[messenger.providers]]\nname = \"{name}\"\nkind = \"http\"\n{more}\n")
        };
        let checked = |sections: &[String]| {
            check_fallbacks(&toml::from_str(&sections.concat()).expect("a configuration"))
                .map_err(|error| error.to_string())
        };
        let (bridge, texts) = (section("bridge", ""), section("texts", "sends = \"fallbacks\""));
        let both = section("both", "falls_back = true");
        assert_eq!(checked(&[bridge.clone(), both.clone()]), Ok(()));
        assert_eq!(checked(&[bridge.clone(), texts.clone()]), Ok(()));
        assert!(
            checked(std::slice::from_ref(&texts)).expect_err("no messages").contains("must send messages")
        );
        assert!(
            checked(&[bridge.clone(), texts.clone(), texts.clone()])
                .expect_err("two")
                .contains("one provider")
        );
        assert!(checked(&[bridge, texts, both]).expect_err("twice").contains("both: falls_back"));
    }
}
