//! Builds a provider from its section of the configuration.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use secrecy::SecretString;
use seoham_delivery::{Line, LineOptions, Provider, Sends};
use seoham_messengers::{
    Aligo, AligoOptions, Bizppurio, BizppurioOptions, CallOptions, Http, HttpOptions, Nhn, NhnOptions, Sens,
    SensOptions, Simulator, Smtp, SmtpOptions, Solapi, SolapiOptions,
};
use seoham_vault::{read_private, webhook_secret_is_sound};
use seoham_webhook::{SetupError, SignedPostOptions};

use crate::config::{ProviderKind, ProviderSection, SendsSetting};

/// Calls at the same time, unless the section says otherwise: one message a call needs more, but mail servers limit
/// connections.
const CONCURRENT_CALLS: usize = 4;
const CONCURRENT_SINGLE_CALLS: usize = 32;

/// The provider of a section.
pub(super) fn line(section: &ProviderSection, simulator: Option<&Arc<Simulator>>) -> Result<Line> {
    let options = LineOptions {
        name: section.name.clone(),
        kind: section.kind.name(),
        sends: match section.sends {
            SendsSetting::Messages => Sends::Messages,
            SendsSetting::Fallbacks => Sends::Fallbacks,
        },
        weight: section.weight,
        rate_per_second: section.rate_per_second,
        personal_rate_per_second: section.personal_rate_per_second,
    };
    Ok(Line::new(options, provider(section, simulator)?))
}

fn provider(section: &ProviderSection, simulator: Option<&Arc<Simulator>>) -> Result<Arc<dyn Provider>> {
    let needed = |name: &str, value: &Option<String>| {
        value.clone().with_context(|| format!("messenger.providers: {} needs {name}", section.name))
    };
    let sender_key = || needed("sender_key", &section.sender_key);
    let from = || needed("from", &section.from);
    let bad_url = || anyhow!("messenger.providers: {}: url must be an absolute http(s) URL", section.name);
    Ok(match section.kind {
        ProviderKind::Simulator => {
            let simulator = simulator.cloned();
            simulator.with_context(|| format!("messenger.providers: {} needs a sandbox", section.name))?
        }
        ProviderKind::Http => {
            let url = needed("url", &section.url)?;
            let post = SignedPostOptions { url, secret: secret(section)?, timeout: timeout(section) };
            let concurrent_calls = concurrent_calls(section);
            let name = section.name.clone();
            let batch_max = concurrent_calls.min(1_000);
            let (batch, falls_back) = (section.batch, section.falls_back);
            let options = HttpOptions { name, post, batch, falls_back, batch_max, concurrent_calls };
            let setup = |error: SetupError| setup(&error, &format!("messenger.providers: {}", section.name));
            Arc::new(Http::new(&options).map_err(setup)?)
        }
        ProviderKind::Nhn => Arc::new(
            Nhn::new(NhnOptions {
                call: call(section),
                app_key: needed("app_key", &section.app_key)?,
                secret: secret(section)?,
                sender_key: sender_key()?,
                push_secret: push_secret(section)?,
            })
            .ok_or_else(bad_url)?,
        ),
        ProviderKind::Solapi => Arc::new(
            Solapi::new(SolapiOptions {
                call: call(section),
                api_key: needed("api_key", &section.api_key)?,
                secret: secret(section)?,
                sender_key: sender_key()?,
                from: from()?,
                push_secret: push_secret(section)?,
            })
            .ok_or_else(bad_url)?,
        ),
        ProviderKind::Sens => Arc::new(
            Sens::new(SensOptions {
                call: call(section),
                service_id: needed("service_id", &section.service_id)?,
                access_key: needed("access_key", &section.access_key)?,
                secret: secret(section)?,
                sender_key: sender_key()?,
            })
            .ok_or_else(bad_url)?,
        ),
        ProviderKind::Aligo => Arc::new(
            Aligo::new(AligoOptions {
                call: call(section),
                user_id: needed("user_id", &section.user_id)?,
                secret: secret(section)?,
                sender_key: sender_key()?,
                from: from()?,
            })
            .ok_or_else(bad_url)?,
        ),
        ProviderKind::Bizppurio => Arc::new(
            Bizppurio::new(BizppurioOptions {
                call: call(section),
                account: needed("account", &section.account)?,
                secret: secret(section)?,
                sender_key: sender_key()?,
                from: from()?,
            })
            .ok_or_else(bad_url)?,
        ),
        ProviderKind::Smtp => {
            let password =
                section.user_id.as_ref().map(|user| Ok::<_, anyhow::Error>((user.clone(), secret(section)?)));
            let options = SmtpOptions {
                url: needed("url", &section.url)?,
                credentials: password.transpose()?,
                from: from()?,
                timeout: timeout(section),
                concurrent_calls: concurrent_calls(section),
            };
            let wrong = |error| anyhow!("messenger.providers: {}: {error}", section.name);
            Arc::new(Smtp::new(options).map_err(wrong)?)
        }
    })
}

/// Checks a section without a connection.
pub(super) fn check(section: &ProviderSection) -> Result<()> {
    let name = &section.name;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !(1..=40).contains(&name.len()) || !name.chars().all(is_name) {
        bail!("messenger.providers: a name has 1 to 40 lower-case letters, digits, - and _: {name:?}");
    }
    if !(section.weight > 0.0 && section.weight <= 1_000_000.0) {
        bail!("messenger.providers: {name}: weight must be above 0, at most 1,000,000");
    }
    for rate in [section.rate_per_second, section.personal_rate_per_second].into_iter().flatten() {
        if !(rate > 0.0 && rate <= 1_000_000.0) {
            bail!("messenger.providers: {name}: a rate must be above 0, at most 1,000,000 a second");
        }
    }
    if section.sends == SendsSetting::Fallbacks && section.kind != ProviderKind::Http {
        bail!("messenger.providers: {name}: fallbacks are texts, which only a provider of kind http sends");
    }
    // Outside a sandbox a simulator is refused when it starts.
    if section.kind != ProviderKind::Simulator {
        provider(section, None)?;
    }
    Ok(())
}

fn call(section: &ProviderSection) -> CallOptions {
    CallOptions {
        name: section.name.clone(),
        url: section.url.clone().or(section.kind.public_url().map(str::to_owned)).unwrap_or_default(),
        timeout: timeout(section),
        concurrent_calls: concurrent_calls(section),
        pushes: section.push_secret_file.is_some(),
    }
}

fn concurrent_calls(section: &ProviderSection) -> usize {
    let sends_singly = match section.kind {
        ProviderKind::Bizppurio => true,
        ProviderKind::Http => !section.batch,
        _ => false,
    };
    let usual = if sends_singly { CONCURRENT_SINGLE_CALLS } else { CONCURRENT_CALLS };
    section.concurrent_calls.unwrap_or(usual).clamp(1, 1_000)
}

fn timeout(section: &ProviderSection) -> Duration {
    Duration::from_secs(section.timeout_seconds.clamp(1, 60))
}

/// How long the slowest call of a provider takes.
pub(super) fn slowest_seconds(section: &ProviderSection) -> u64 {
    let waits = if section.kind == ProviderKind::Smtp { Smtp::WAITS.into() } else { 1 };
    timeout(section).as_secs() * waits
}

/// The secret of a provider, from its file.
pub(super) fn secret(section: &ProviderSection) -> Result<SecretString> {
    let file = section.secret_file.as_ref();
    let file = file.with_context(|| format!("messenger.providers: {} needs secret_file", section.name))?;
    let secret = read(file, &section.name)?;
    if section.kind == ProviderKind::Http && !webhook_secret_is_sound(&secret) {
        bail!("messenger.providers: {}: the secret must be base64 of at least 24 bytes", section.name);
    }
    Ok(secret)
}

fn push_secret(section: &ProviderSection) -> Result<Option<SecretString>> {
    section.push_secret_file.as_ref().map(|file| read(file, &section.name)).transpose()
}

fn read(file: &std::path::Path, name: &str) -> Result<SecretString> {
    let text =
        read_private(file).with_context(|| format!("messenger.providers: {name}: {}", file.display()))?;
    let text = text.trim();
    if text.is_empty() {
        bail!("messenger.providers: {name}: {} is empty", file.display());
    }
    Ok(SecretString::from(text.to_owned()))
}

pub(super) fn setup(error: &SetupError, place: &str) -> anyhow::Error {
    match error {
        SetupError::Secret => anyhow!("{place}: the secret must be base64"),
        SetupError::Client => anyhow!("{place}: url must be an absolute http(s) URL"),
    }
}
