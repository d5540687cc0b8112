//! `seoham move`: moves a stopped embedded data directory into an empty database, atomically.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use seoham_model::Clock;
use seoham_store::Mode;
use seoham_store::transfer::{Fingerprint, TABLES, Table};
use seoham_store_postgres::Target;
use seoham_store_sqlite::Source;
use seoham_vault::Vault;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::logging;
use crate::server::{Runtimes, secrets, store};
use seoham_institution_cli::terminal::{localized, say};

/// Maximum number of rows buffered between the two stores: a block of the box index has up to 1.5 MB.
const UNDER_WAY: usize = 32;

/// `seoham move`.
pub(crate) fn run(config: &Config) -> Result<()> {
    logging::start(&config.log)?;
    let own_key = config.store.data.join("master.key");
    let key = config.keys.master_file.as_ref().unwrap_or(&own_key);
    let vault = Vault::new(&secrets::read_key_ring(key)?);
    let source = Source::open(&config.store.data, &vault)?;
    let mode = source.mode;
    let to = seoham_store_postgres::address(&store::database(config)?)?;
    let source = Arc::new(Mutex::new(source));
    Runtimes::start()?.run(move_all(config, &source, &vault))?;
    let noted = source.lock().unwrap_or_else(PoisonError::into_inner).leave_note(&to, Clock::default().now());
    noted.with_context(|| {
        localized(
            "모두 데이터베이스로 옮겼지만 옮겼다는 표시를 데이터 디렉터리에 남기지 못했습니다. 그 디렉터리로는 다시 \
             서버를 시작하지 마십시오",
            "everything is in the database, but the note that it is could not be left in the data directory: never \
             serve that directory again",
        )
    })?;
    let (key, directory) = (key.display(), config.store.data.display());
    let command = format!(
        "SEOHAM_KEYS__MASTER_FILE={key} seoham serve{} --database …",
        if mode == Mode::Sandbox { " --sandbox" } else { "" }
    );
    say(&localized(
        &format!(
            "모두 옮겼고, 내용이 같은지 확인했습니다. 같은 마스터 키로 노드를 시작해 주십시오: {command}\n{directory}에는 옮겼다는 \
             표시만 더했습니다. 이제 `seoham serve`는 이 디렉터리로 시작하지 않습니다."
        ),
        &format!(
            "Everything is there, and is the same. Start the nodes with the same master key: {command}\n{directory} is as it was \
             but for a note in it that it was moved: `seoham serve` refuses it from now on."
        ),
    ));
    Ok(())
}

async fn move_all(config: &Config, source: &Arc<Mutex<Source>>, vault: &Vault) -> Result<()> {
    let (options, span, counts, documents, sealing_keys, advanced_seconds, feed_epoch) = {
        let source = source.lock().unwrap_or_else(PoisonError::into_inner);
        let options = seoham_store_postgres::Options { mode: source.mode, ..store::database(config)? };
        let counts = TABLES.iter().map(|table| source.count(table)).collect::<Result<Vec<_>, _>>()?;
        let (documents, keys) = (source.documents()?, source.sealing_keys.clone());
        (options, source.span()?, counts, documents, keys, source.advanced_seconds, source.feed_epoch)
    };
    let target = Target::open(&options, vault, &sealing_keys, advanced_seconds, feed_epoch).await?;
    if let Some((first, last)) = span {
        target.make_months(first, last).await?;
    }
    let bar = bar(counts.iter().sum())?;
    let mut moved = Vec::new();
    for table in &TABLES {
        bar.set_message(table.name);
        moved.push((table, move_one(source, &target, table, &bar).await?));
    }
    bar.set_message(localized("확인", "checking"));
    for ((table, there), count) in moved.into_iter().zip(counts) {
        let here = target.fingerprint(table).await?;
        if here != there || here.rows != count {
            let (name, read, found) = (table.name, there.rows, here.rows);
            bail!(localized(
                &format!(
                    "{name}: 읽은 {read}행과 옮겨진 {found}행이 서로 다릅니다. 아무것도 옮기지 않았습니다"
                ),
                &format!(
                    "{name}: {read} rows were read and {found} stand there, or they differ; nothing was moved"
                ),
            ));
        }
        bar.suspend(|| say(&format!("{:>18}  {:>12}", table.name, here.rows)));
    }
    // A row of parcels has many of them.
    bar.suspend(|| say(&format!("{:>18}  {documents:>12}", localized("문서", "documents"))));
    target.commit().await.with_context(|| {
        localized(
            "마지막 단계: 방금 데이터베이스와 연결이 끊어졌다면 모두 옮겨졌을 수도 있으니 확인해 주십시오",
            "the last step: if the database was lost just now, everything may have been moved all the same; look at it",
        )
    })?;
    bar.finish_and_clear();
    Ok(())
}

async fn move_one(
    source: &Arc<Mutex<Source>>,
    target: &Target,
    table: &'static Table,
    bar: &ProgressBar,
) -> Result<Fingerprint> {
    let (rows_in, mut rows_out) = mpsc::channel(UNDER_WAY);
    let (source, counted) = (Arc::clone(source), bar.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let source = source.lock().unwrap_or_else(PoisonError::into_inner);
        source.read(table, |row| {
            counted.inc(1);
            rows_in.blocking_send(row).is_ok()
        })
    });
    let filled = target.fill(table, &mut rows_out).await?;
    reading.await.context("reading")??;
    Ok(filled)
}

fn bar(rows: u64) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg:>18} [{bar:40}] {pos}/{len} {per_sec}")?;
    Ok(ProgressBar::new(rows).with_style(style.progress_chars("=> ")))
}
