//! Backup and restore of a database with PostgreSQL's own programs, `pg_dump` and `pg_restore`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use seoham_institution_cli::terminal::{localized, spinner};
use seoham_model::UnixSeconds;
use seoham_store::restore::RestoredToken;

use crate::config::Config;
use crate::server::{Runtimes, store};

/// Runs `pg_dump`, which takes a consistent snapshot while nodes keep running. Syncs and verifies the file before
/// renaming it.
pub(super) fn backup(config: &Config, file: &Path) -> Result<u64> {
    if file.exists() {
        let name = file.display();
        bail!(localized(
            &format!("{name}: 이미 있는 파일이라 덮어쓰지 않습니다"),
            &format!("{name}: exists already, and is not written over"),
        ));
    }
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut dump = program(config, "pg_dump")?;
    dump.args(["--format=custom", "--no-owner", "--no-privileges"]).arg("--file").arg(&partial);
    // Readable by the owner only: institutions and times are not sealed in it.
    let made = std::os::unix::fs::OpenOptionsExt::mode(
        File::options().write(true).create(true).truncate(true),
        0o600,
    )
    .open(&partial);
    drop(made.with_context(|| partial.display().to_string())?);
    run(dump, "pg_dump")?;
    let mut list = Command::new("pg_restore");
    list.arg("--list").arg(&partial).stdout(Stdio::null());
    run(list, "pg_restore --list")?;
    let written = File::open(&partial)?;
    written.sync_all()?;
    std::fs::rename(&partial, file)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()?;
    Ok(written.metadata()?.len())
}

/// Runs `pg_restore` into an empty database, atomically.
pub(super) fn restore(config: &Config, file: &Path, now: UnixSeconds) -> Result<(Vec<RestoredToken>, bool)> {
    let (options, vault) = (store::database(config)?, store::vault_of_existing(config)?);
    let runtimes = Runtimes::start()?;
    runtimes.run(seoham_store_postgres::require_empty(&options))?;
    let name =
        seoham_store_postgres::environment(&options)?.into_iter().find(|(name, _)| *name == "PGDATABASE");
    let mut fill = program(config, "pg_restore")?;
    fill.args(["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]);
    fill.arg("--dbname").arg(name.map(|(_, name)| name).unwrap_or_default()).arg(file);
    run(fill, "pg_restore")?;
    Ok(runtimes.run(seoham_store_postgres::reset_after_restore(&options, &vault, now))?)
}

fn program(config: &Config, name: &str) -> Result<Command> {
    let mut command = Command::new(name);
    command.envs(seoham_store_postgres::environment(&store::database(config)?)?);
    Ok(command)
}

/// Runs a program to its end. Its error output becomes our error.
fn run(mut command: Command, name: &str) -> Result<()> {
    let spinner = spinner(name);
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output();
    spinner.finish_and_clear();
    let output = output.with_context(|| {
        localized(
            &format!(
                "{name}: 실행할 수 없습니다. PostgreSQL 클라이언트(postgresql-client)를 설치해 주십시오"
            ),
            &format!("{name}: cannot be run; install PostgreSQL's client programs (postgresql-client)"),
        )
    })?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
