//! `seoham backup` and `seoham restore`, on either store.

mod postgres;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use seoham_model::Clock;
use seoham_model::clock::seoul_minutes;
use seoham_store::restore::RestoredToken;

use crate::config::Config;
use crate::logging;
use crate::server::store;
use seoham_institution_cli::terminal::{complain, say};

/// How often progress is printed where there is no terminal to draw it on.
const PRINT_EVERY: Duration = Duration::from_secs(5);

/// `seoham backup FILE`.
pub(crate) fn backup(config: &Config, file: &Path) -> Result<()> {
    logging::start(&config.log)?;
    let bytes = if config.store.database.is_some() {
        postgres::backup(config, file)?
    } else {
        let mut shown = BackupProgress::new("pages")?;
        let copied = seoham_store_sqlite::backup(&config.store.data, file, |progress| {
            shown.update(progress.done, progress.all);
        });
        shown.end();
        copied?
    };
    say(&format!("{}: {bytes} bytes, synced and checked.", file.display()));
    say(
        "The master key is not in it, and without the key it is worth nothing: keep both, apart from each other.",
    );
    Ok(())
}

/// `seoham restore FILE`.
pub(crate) fn restore(config: &Config, file: &Path) -> Result<()> {
    logging::start(&config.log)?;
    let now = Clock::default().now();
    let (tokens, sandbox) = if config.store.database.is_some() {
        postgres::restore(config, file, now)?
    } else {
        let vault = store::vault_of_existing(config)?;
        let restored = seoham_store_sqlite::restore(file, &config.store.data, &vault, now)?;
        (restored.tokens, restored.sandbox)
    };
    report(&tokens, sandbox);
    Ok(())
}

fn report(tokens: &[RestoredToken], sandbox: bool) {
    say("Restored. Sign-in links, sessions and one-time tokens of before are void.");
    say(
        "Deliveries are held until you decide what is queued in the backup, some of which may have been sent since:",
    );
    say("  seoham admin deliveries release --send    sends it");
    say("  seoham admin deliveries release --drop    puts it into the boxes and tells nobody");
    if !tokens.is_empty() {
        say("Access tokens are as they were. Revoke those that were revoked after the backup:");
    }
    for token in tokens {
        let state = token.revoked_at.map_or_else(
            || "valid unless it has expired".to_owned(),
            |at| format!("revoked {}", seoul_minutes(at)),
        );
        say(&format!("  {}: {} ({state})", token.institution, token.label));
    }
    if sandbox {
        say("It is a sandbox: start it with --sandbox.");
    }
}

/// Progress, drawn on a terminal and printed in lines elsewhere.
struct BackupProgress {
    bar: ProgressBar,
    printed_at: Instant,
    unit: &'static str,
}

impl BackupProgress {
    fn new(unit: &'static str) -> Result<Self> {
        let style =
            ProgressStyle::with_template("{msg:>8} [{bar:40}] {pos}/{len} {eta}").context("progress")?;
        let bar = ProgressBar::new(0).with_style(style.progress_chars("=> ")).with_message(unit);
        Ok(Self { bar, printed_at: Instant::now(), unit })
    }

    fn update(&mut self, done: u64, all: u64) {
        self.bar.set_length(all);
        self.bar.set_position(done);
        if self.bar.is_hidden() && self.printed_at.elapsed() >= PRINT_EVERY {
            self.printed_at = Instant::now();
            complain(&format!("{done} of {all} {}", self.unit));
        }
    }

    fn end(self) {
        self.bar.finish_and_clear();
    }
}
