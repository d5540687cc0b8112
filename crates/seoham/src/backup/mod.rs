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
use seoham_institution_cli::terminal::{complain, localized, say};

/// How often to print progress if there is no terminal.
const PRINT_EVERY: Duration = Duration::from_secs(5);

/// `seoham backup FILE`.
pub(crate) fn backup(config: &Config, file: &Path) -> Result<()> {
    logging::start(&config.log)?;
    let bytes = if config.store.database.is_some() {
        postgres::backup(config, file)?
    } else {
        let mut shown = BackupProgress::new(localized("페이지", "pages"))?;
        let copied = seoham_store_sqlite::backup(&config.store.data, file, |progress| {
            shown.update(progress.done, progress.all);
        });
        shown.end();
        copied?
    };
    let name = file.display();
    say(&localized(
        &format!("{name}: {bytes}바이트를 저장하고 확인했습니다."),
        &format!("{name}: {bytes} bytes, synced and checked."),
    ));
    say(&localized(
        "마스터 키는 들어 있지 않으며, 키가 없으면 이 백업은 쓸 수 없습니다. 둘을 서로 다른 곳에 보관해 주십시오.",
        "The master key is not in it, and without the key it is worth nothing: keep both, apart from each other.",
    ));
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
    say(&localized(
        "복원했습니다. 이전의 로그인 링크와 로그인 상태, 일회용 토큰은 모두 무효입니다.",
        "Restored. Sign-in links, sessions and one-time tokens of before are void.",
    ));
    say(&localized(
        "알림은 멈춰 있습니다. 백업에 남아 있던 알림 가운데에는 그 뒤에 이미 나간 것이 있을 수 있으니, 어떻게 할지 정해 \
         주십시오:",
        "Deliveries are held until you decide what is queued in the backup, some of which may have been sent since:",
    ));
    let send = localized("보냅니다", "sends it");
    let drop = localized("문서함에만 넣고 알리지 않습니다", "puts it into the boxes and tells nobody");
    say(&format!("  seoham admin deliveries release --send    {send}"));
    say(&format!("  seoham admin deliveries release --drop    {drop}"));
    if !tokens.is_empty() {
        say(&localized(
            "접근 토큰은 백업할 때 그대로입니다. 그 뒤에 폐기한 토큰은 다시 폐기해 주십시오:",
            "Access tokens are as they were. Revoke those that were revoked after the backup:",
        ));
    }
    for token in tokens {
        let state = token.revoked_at.map_or_else(
            || localized("만료되지 않았으면 유효", "valid unless it has expired"),
            |at| localized(&format!("{} 폐기", seoul_minutes(at)), &format!("revoked {}", seoul_minutes(at))),
        );
        say(&format!("  {}: {} ({state})", token.institution, token.label));
    }
    if sandbox {
        say(&localized(
            "샌드박스입니다. --sandbox를 붙여 시작해 주십시오.",
            "It is a sandbox: start it with --sandbox.",
        ));
    }
}

/// Progress: a progress bar on a terminal, lines of text elsewhere.
struct BackupProgress {
    bar: ProgressBar,
    printed_at: Instant,
    unit: String,
}

impl BackupProgress {
    fn new(unit: String) -> Result<Self> {
        let style =
            ProgressStyle::with_template("{msg:>8} [{bar:40}] {pos}/{len} {eta}").context("progress")?;
        let bar = ProgressBar::new(0).with_style(style.progress_chars("=> ")).with_message(unit.clone());
        Ok(Self { bar, printed_at: Instant::now(), unit })
    }

    fn update(&mut self, done: u64, all: u64) {
        self.bar.set_length(all);
        self.bar.set_position(done);
        if self.bar.is_hidden() && self.printed_at.elapsed() >= PRINT_EVERY {
            self.printed_at = Instant::now();
            complain(&localized(
                &format!("{all}{unit} 가운데 {done}{unit}", unit = self.unit),
                &format!("{done} of {all} {}", self.unit),
            ));
        }
    }

    fn end(self) {
        self.bar.finish_and_clear();
    }
}
