//! The log: on standard error, as text or JSON, with ids only.

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// The log level from the environment, or else `usual`.
pub(crate) fn asked(usual: &str) -> String {
    std::env::var("SEOHAM_LOG__LEVEL").unwrap_or_else(|_| usual.to_owned())
}

/// Checks that `log.level` is valid.
pub(crate) fn check(log: &Log) -> Result<EnvFilter> {
    let filter = EnvFilter::builder().parse(&log.level).context("log.level")?;
    // Mutes the migration library's log unless the level names it.
    if log.level.contains("refinery") {
        return Ok(filter);
    }
    let quiet = "refinery_core=warn".parse().context("log.level")?;
    Ok(filter.add_directive(quiet))
}

/// Starts logging. Call it once.
pub(crate) fn start(log: &Log) -> Result<()> {
    let filter = check(log)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| anyhow::anyhow!("log: {e}"))?;
    std::panic::set_hook(Box::new(|panic| {
        // A panic message may contain a value. Its location is enough to find it.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(place, %backtrace, "panic");
    }));
    Ok(())
}
