//! Creates monthly partitions ahead of time, and drops those past the retention time.

use async_trait::async_trait;
use seoham_model::UnixSeconds;
use seoham_store::retention::{RETENTION_DAYS_MIN, Tidied};
use seoham_store::{Result, Retention, StoreError};

use crate::PostgresStore;
use crate::columns::Columns;
use crate::deliveries::parcels::adopt;
use crate::documents::forget;
use crate::failure::Doing;
use crate::locks::PARTITIONS;
use crate::partitions::{Month, TABLES, months};
use crate::session::Session;
use crate::visits;

const DAY_SECONDS: i64 = 24 * 60 * 60;

#[async_trait]
impl Retention for PostgresStore {
    async fn tidy(&self, days: Option<u32>, now: UnixSeconds) -> Result<Tidied> {
        self.make_partitions(now).await?;
        let session = self.inner.sessions.bulk().await?;
        // A machine with a wrong clock must not remove documents that are still needed.
        let now = now.min(database_now(&session, self.inner.clock.advanced_seconds()).await?);
        let forgotten = forget(&session, now).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "forgetting keys");
            false
        });
        if let Err(error) = visits::clear(&session, now).await {
            tracing::warn!(%error, "removing ended links");
        }
        let adopted = adopt(&session).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "packing deliveries");
            false
        });
        let more = adopted || forgotten;
        let Some(days) = days else { return Ok(Tidied { documents: 0, more }) };
        let ended_by = now.plus(-DAY_SECONDS * i64::from(days.max(RETENTION_DAYS_MIN)));
        for month in months(&session, "documents").await? {
            if month.next().begins_at() > ended_by {
                break;
            }
            if !can_be_opened(&session, month, now).await? {
                let documents = drop_month(&session, month, now).await?;
                self.inner.partitions.forget(month);
                tracing::info!(%month, documents, "a month was removed");
                return Ok(Tidied { documents, more: true });
            }
        }
        drop_contents(&session, ended_by).await?;
        Ok(Tidied { documents: 0, more })
    }
}

impl PostgresStore {
    /// Creates partitions for the current month and the next two.
    pub(crate) async fn make_partitions(&self, now: UnixSeconds) -> Result<()> {
        let session = self.inner.sessions.bulk().await?;
        let mut month = Month::of(now);
        for _ in 0..3 {
            self.inner.partitions.make(&session, month).await?;
            month = month.next();
        }
        Ok(())
    }
}

/// The current time by the database's clock, plus the sandbox's advance.
async fn database_now(session: &Session, advanced_seconds: i64) -> Result<UnixSeconds> {
    let sql = "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint AS now";
    let row = session.query_opt(sql, &[]).await?.ok_or(StoreError::damaged("the time"))?;
    Ok(UnixSeconds(row.value::<i64>("now")?).plus(advanced_seconds))
}

/// Whether a document of `month` has a deadline in the future.
async fn can_be_opened(session: &Session, month: Month, now: UnixSeconds) -> Result<bool> {
    let sql = format!("SELECT 1 FROM documents_{month} WHERE deadline_at > {} LIMIT 1", now.0);
    let rows = session.within_long(Doing::Reading, session.client().query(&sql, &[])).await?;
    Ok(!rows.is_empty())
}

/// Drops a month of documents with everything that belongs to them except the shared texts. Returns the number of
/// documents.
async fn drop_month(session: &Session, month: Month, now: UnixSeconds) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM documents_{month}");
    let rows = session.within_long(Doing::Reading, session.client().query(&sql, &[])).await?;
    let count: i64 = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or(0);
    // DROP waits for readers and blocks everybody who comes later, so limit the wait. If several workers try at the
    // same time, one drops the partition and the others find it gone. The deadlines are checked again once nobody can
    // add documents any more.
    let still_open = format!(
        "DO $$ BEGIN IF to_regclass('documents_{month}') IS NOT NULL THEN
           LOCK TABLE documents_{month} IN ACCESS EXCLUSIVE MODE;
           IF EXISTS (SELECT 1 FROM documents_{month} WHERE deadline_at > {}) THEN
             RAISE EXCEPTION 'a month is in use';
           END IF; END IF; END $$;",
        now.0
    );
    let (from, to) = month.ids();
    let mut emptied = ["deliveries", "delivery_retries", "given_up_notices"]
        .map(|queue| format!("DELETE FROM {queue} WHERE document_id >= '{from}' AND document_id < '{to}';"))
        .to_vec();
    // A parcel that spans the end of the month stays. Claiming it skips documents that no longer exist.
    emptied.push(format!(
        "DELETE FROM delivery_parcels WHERE first_id >= '{from}' AND document_ids[cardinality(document_ids)] < '{to}';"
    ));
    let dropped = TABLES.iter().filter(|table| **table != "contents");
    let dropped: Vec<String> =
        dropped.map(|table| format!("DROP TABLE IF EXISTS {table}_{month};")).collect();
    let sql = format!(
        "BEGIN; SET LOCAL lock_timeout = '200ms'; {PARTITIONS}; {still_open} {} {} COMMIT",
        emptied.concat(),
        dropped.concat()
    );
    in_one(session, &sql).await?;
    Ok(count.unsigned_abs())
}

/// Drops months of shared texts, one month later than the documents: a request accepted at the turn of the month may
/// have its text in the first month and documents in the second.
async fn drop_contents(session: &Session, ended_by: UnixSeconds) -> Result<()> {
    let documents = months(session, "documents").await?;
    for month in months(session, "contents").await? {
        let in_use = documents.contains(&month) || documents.contains(&month.next());
        if !in_use && month.next().next().begins_at() <= ended_by {
            let sql = format!(
                "BEGIN; SET LOCAL lock_timeout = '200ms'; DROP TABLE IF EXISTS contents_{month}; COMMIT"
            );
            in_one(session, &sql).await?;
        }
    }
    Ok(())
}

async fn in_one(session: &Session, sql: &str) -> Result<()> {
    let done =
        session.within_long(Doing::Writing("removing a month"), session.client().batch_execute(sql)).await;
    if done.is_err() {
        session.spoil();
    }
    done
}
