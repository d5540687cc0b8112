//! A database filled from a backup, and the environment for PostgreSQL's own backup programs.

use secrecy::ExposeSecret;
use std::path::Path;

use seoham_model::UnixSeconds;
use seoham_store::deep_check::{DeepCheck, Findings};
use seoham_store::restore::{RestoredToken, WorkOrder, names};
use seoham_store::transfer::TABLES;
use seoham_vault::Vault;

use crate::connect::Connector;
use crate::events::raise_epoch;
use crate::open::{self, OpenError, Options};
use crate::{migrations, transfer};

/// How PostgreSQL's own programs reach the database: environment variables, which other users of the machine cannot
/// see.
pub fn environment(options: &Options) -> Result<Vec<(&'static str, String)>, OpenError> {
    let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
    let mut environment = connector.environment();
    // The programs do not use the system's certificate authorities by default.
    let system = Path::new("/etc/ssl/certs/ca-certificates.crt");
    let file = options.ca_file.as_deref().or_else(|| system.exists().then_some(system));
    environment.extend(file.map(|file| ("PGSSLROOTCERT", file.display().to_string())));
    Ok(environment)
}

/// Checks that the database is empty, as required before filling it.
pub async fn require_empty(options: &Options) -> Result<(), OpenError> {
    let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
    let client = open::connect(&connector).await?;
    match migrations::state(&client).await? {
        migrations::State::Empty => Ok(()),
        _ => Err(OpenError::NotEmpty),
    }
}

/// Turns a database that was just filled from a backup into a restored store: its workers are held, and links,
/// sessions and one-time tokens issued before no longer work. Returns the access tokens, which are unchanged, and
/// whether it is a sandbox.
pub async fn reset_after_restore(
    options: &Options,
    vault: &Vault,
    now: UnixSeconds,
) -> Result<(Vec<RestoredToken>, bool), OpenError> {
    let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
    let mut client = open::connect(&connector).await?;
    open::lock(&client).await?;
    open::validate(&client, options, None, vault).await?;
    let transaction = client.transaction().await?;
    let set = "INSERT INTO deployment (name, value) VALUES ($1, $2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    let held = WorkOrder::Held.to_stored().unwrap_or_default();
    for (name, value) in [
        (names::GENERATION, uuid::Uuid::now_v7().to_string()),
        (names::WORK_ORDER, held),
        (names::LINKS_VOID_BEFORE, now.0.to_string()),
    ] {
        transaction.execute(set, &[&name, &value]).await?;
    }
    raise_epoch(&transaction, now).await?;
    transaction
        .batch_execute("DELETE FROM login_links; DELETE FROM new_pin_links; DELETE FROM sessions")
        .await?;
    // One second before `now`, so that the tokens have already expired.
    let void = "UPDATE one_time_tokens SET expires_at = least(expires_at, $1) WHERE used_at IS NULL";
    transaction.execute(void, &[&(now.0 - 1)]).await?;
    let sql =
        "SELECT i.name, t.label, t.revoked_at FROM access_tokens t JOIN institutions i USING (institution_id)
               ORDER BY i.name, t.token_id";
    let token = |row: &tokio_postgres::Row| {
        Ok(RestoredToken {
            institution: row.try_get(0)?,
            label: row.try_get(1)?,
            revoked_at: row.try_get::<_, Option<i64>>(2)?.map(UnixSeconds),
        })
    };
    let rows = transaction.query(sql, &[]).await?;
    let tokens = rows.iter().map(token).collect::<Result<_, tokio_postgres::Error>>()?;
    let mode = transaction.query_opt("SELECT value FROM deployment WHERE name = 'mode'", &[]).await?;
    let sandbox = mode.is_some_and(|row| row.get::<_, &str>(0) == "sandbox");
    transaction.commit().await?;
    // The restore is complete even if this fails.
    if let Err(error) = disconnect_others(&client).await {
        tracing::warn!(%error, "other connections to the database could not be ended; restart every node that uses it");
    }
    Ok((tokens, sandbox))
}

/// Ends every other connection of our role to the database. A node still running on the old store may have connected,
/// under the old generation, while the backup was being loaded. It sees the new generation when it reconnects, and
/// stops.
async fn disconnect_others(client: &tokio_postgres::Client) -> Result<(), tokio_postgres::Error> {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";
    client.query(sql, &[]).await.map(drop)
}

/// Reads everything in the database as it is now, while nodes use it. Changes nothing.
pub async fn deep_check(options: &Options, vault: &Vault) -> Result<Findings, OpenError> {
    let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
    let client = open::connect(&connector).await?;
    open::validate(&client, options, None, vault).await?;
    migrations::check(&client).await?;
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    client.batch_execute("SET idle_in_transaction_session_timeout = 0").await?;
    let mut check = DeepCheck::new(vault);
    for table in &TABLES {
        transfer::read_rows(&client, table, |row| check.row(table, &row)).await?;
    }
    let findings = check.findings();
    client.batch_execute("COMMIT").await?;
    Ok(findings)
}
