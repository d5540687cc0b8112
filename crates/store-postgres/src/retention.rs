//! Creates monthly partitions ahead of time, and drops those past the retention time.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use seoham_model::UnixSeconds;
use seoham_store::retention::{RETENTION_DAYS_MIN, Tidied, closed_by};
use seoham_store::{Result, Retention, StoreError};

use crate::PostgresStore;
use crate::columns::Columns;
use crate::documents::forget;
use crate::events::{expiries, outbox};
use crate::failure::Doing;
use crate::locks::PARTITIONS;
use crate::partitions::{Month, TABLES, months};
use crate::people::forget_changes;
use crate::session::Session;
use crate::visits;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// How long retention waits for the sequencer. It looks again in its next round.
const NUMBERED_WITHIN: Duration = Duration::from_secs(5);

#[async_trait]
impl Retention for PostgresStore {
    async fn tidy(&self, days: Option<u32>, now: UnixSeconds) -> Result<Tidied> {
        self.make_partitions(now).await?;
        let session = self.inner.sessions.bulk().await?;
        // A machine with a wrong clock must not remove documents that are still needed.
        let now = now.min(database_now(&session, self.inner.clock.advanced_seconds()).await?);
        let forgotten = self.forget_keys(now).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "forgetting keys");
            false
        });
        if let Err(error) = visits::clear(&session, now).await {
            tracing::warn!(%error, "removing ended links");
        }
        let changes_left = forget_changes(&session).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "forgetting changes of people");
            false
        });
        let forgotten = forgotten || changes_left;
        let Some(days) = days else { return Ok(Tidied { documents: 0, more: forgotten }) };
        let ended_by = now.plus(-DAY_SECONDS * i64::from(days.max(RETENTION_DAYS_MIN)));
        let closed_by = closed_by(now, expiries::next_due(&session).await?);
        let months = months(&session, "parcels").await?;
        let ended: Vec<_> = months.into_iter().filter(|month| month.next().begins_at() <= ended_by).collect();
        let Some(last) = ended.last() else { return Ok(Tidied { documents: 0, more: forgotten }) };
        if !self.numbers_before(&session, last.next()).await? {
            tracing::info!("old documents are kept until their last events are numbered");
            return Ok(Tidied { documents: 0, more: forgotten });
        }
        for month in ended {
            let documents = match openness(&session, month, closed_by).await? {
                Openness { open: false, .. } => {
                    let documents = drop_month(&session, month, closed_by).await?;
                    self.inner.partitions.forget(month);
                    tracing::info!(%month, documents, "a month was removed");
                    documents
                }
                // What can still be opened keeps itself, and not the others of its month.
                Openness { closed: true, .. } => remove_closed(&session, month, closed_by).await?,
                Openness { closed: false, .. } => continue,
            };
            remove_blocks(&session).await?;
            return Ok(Tidied { documents, more: true });
        }
        Ok(Tidied { documents: 0, more: forgotten })
    }
}

impl PostgresStore {
    /// Forgets expired keys, on a connection of its own: a transaction that broke off there is not continued here.
    async fn forget_keys(&self, now: UnixSeconds) -> Result<bool> {
        let session = self.inner.sessions.bulk().await?;
        forget(&session, now).await
    }

    /// Waits until every step of documents from before `month` is numbered, which takes their contract from the parcel.
    /// Returns whether they are.
    async fn numbers_before(&self, session: &Session, month: Month) -> Result<bool> {
        let begun = Instant::now();
        while outbox::has_before(session, month).await? {
            if begun.elapsed() > NUMBERED_WITHIN {
                return Ok(false);
            }
            self.inner.signals.wait_for_events(Duration::from_millis(50)).await;
        }
        Ok(true)
    }

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
pub(crate) async fn database_now(session: &Session, advanced_seconds: i64) -> Result<UnixSeconds> {
    let sql = "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint AS now";
    let row = session.query_opt(sql, &[]).await?.ok_or(StoreError::damaged("the time"))?;
    Ok(UnixSeconds(row.value::<i64>("now")?).plus(advanced_seconds))
}

/// Whether documents of a month can be opened.
struct Openness {
    /// Parcels with a document that can still be opened.
    open: bool,
    /// Other parcels.
    closed: bool,
}

async fn openness(session: &Session, month: Month, now: UnixSeconds) -> Result<Openness> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM parcels_{month} WHERE last_deadline_at > {now}),
                EXISTS (SELECT 1 FROM parcels_{month} WHERE last_deadline_at <= {now})",
        now = now.0
    );
    let row = session.within_long(Doing::Reading, session.client().query_one(&sql, &[])).await?;
    Ok(Openness { open: row.get(0), closed: row.get(1) })
}

/// Drops a month with everything that belongs to its documents. Returns the number of documents.
async fn drop_month(session: &Session, month: Month, now: UnixSeconds) -> Result<u64> {
    let sql = format!("SELECT coalesce(sum(octet_length(persons) / 16), 0)::bigint FROM parcels_{month}");
    let rows = session.within_long(Doing::Reading, session.client().query(&sql, &[])).await?;
    let count: i64 = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or(0);
    let (from, to) = month.ids();
    // DROP waits for readers and blocks everybody who comes later, so limit the wait. If several workers try at the
    // same time, one drops the partition and the others find it gone. The deadlines and the outbox are checked again
    // once nobody can add documents or steps any more.
    let still_open = format!(
        "DO $$ BEGIN IF to_regclass('parcels_{month}') IS NOT NULL THEN
           LOCK TABLE parcels_{month}, notices_{month}, marks_{month} IN ACCESS EXCLUSIVE MODE;
           IF EXISTS (SELECT 1 FROM parcels_{month} WHERE last_deadline_at > {})
              OR EXISTS (SELECT 1 FROM outbox WHERE parcel_id >= '{from}' AND parcel_id < '{to}') THEN
             RAISE EXCEPTION 'a month is in use';
           END IF; END IF; END $$;",
        now.0
    );
    let emptied = [
        ("deliveries", "parcel_id"),
        ("box_pending", "parcel_id"),
        ("delivery_retries", "document_id"),
        ("given_up_notices", "document_id"),
        ("uncertain_notices", "document_id"),
        ("fallback_notices", "document_id"),
    ]
    .map(|(table, id)| format!("DELETE FROM {table} WHERE {id} >= '{from}' AND {id} < '{to}';"));
    let dropped = TABLES.map(|table| format!("DROP TABLE IF EXISTS {table}_{month};"));
    let sql = format!(
        "BEGIN; SET LOCAL lock_timeout = '200ms'; {PARTITIONS}; {still_open} {} {} COMMIT",
        emptied.concat(),
        dropped.concat()
    );
    let done =
        session.within_long(Doing::Writing("removing a month"), session.client().batch_execute(&sql)).await;
    done.inspect_err(|_| session.spoil())?;
    Ok(count.unsigned_abs())
}

/// Parcels removed in one step.
const REMOVED_AT_ONCE: u32 = 500;

/// Removes parcels that cannot be opened any more from a month with others that can, and everything that belongs to
/// their documents. Returns the number of documents.
async fn remove_closed(session: &Session, month: Month, now: UnixSeconds) -> Result<u64> {
    let of_documents = |table: &str, name: &str| {
        format!(
            "{name} AS (DELETE FROM {table} t USING removed
               WHERE t.document_id BETWEEN removed.parcel_id AND document_in(removed.parcel_id, 127))"
        )
    };
    let of_parcels = |table: &str, name: &str| {
        format!(
            "{name} AS (DELETE FROM {table} t USING removed WHERE t.parcel_id = ANY (ARRAY[removed.parcel_id]))"
        )
    };
    let sql = format!(
        "WITH closed AS MATERIALIZED (
           SELECT parcel_id FROM parcels_{month} p WHERE last_deadline_at <= {}
             AND NOT EXISTS (SELECT FROM outbox o WHERE o.parcel_id = p.parcel_id)
           LIMIT {REMOVED_AT_ONCE}),
         removed AS (
           DELETE FROM parcels_{month} p USING closed WHERE p.parcel_id = ANY (ARRAY[closed.parcel_id])
           RETURNING p.parcel_id, p.institution_id, octet_length(p.persons) / 16 AS count),
         {}, {}, {}, {}, {}, {}, {},
         unqueued AS (DELETE FROM deliveries t USING removed
           WHERE t.institution_id = ANY (ARRAY[removed.institution_id]) AND t.parcel_id = removed.parcel_id),
         unretried AS (DELETE FROM delivery_retries t USING removed
           WHERE t.institution_id = ANY (ARRAY[removed.institution_id])
             AND t.document_id BETWEEN removed.parcel_id AND document_in(removed.parcel_id, 127))
         SELECT coalesce(sum(count), 0)::bigint AS documents FROM removed",
        now.0,
        of_parcels(&format!("notices_{month}"), "unnoticed"),
        of_parcels("box_pending", "unindexed"),
        of_documents(&format!("marks_{month}"), "unmarked"),
        of_documents(&format!("one_time_tokens_{month}"), "untokened"),
        of_documents("given_up_notices", "forgiven"),
        of_documents("uncertain_notices", "certain"),
        of_documents("fallback_notices", "unfallen"),
    );
    let removing = Doing::Writing("removing old documents");
    let rows = session.within_long(removing, session.client().query(&sql, &[])).await?;
    let documents: i64 = rows.first().map_or(Ok(0), |row| row.value("documents"))?;
    Ok(documents.unsigned_abs())
}

/// Removes blocks of the box index none of whose parcels are left.
async fn remove_blocks(session: &Session) -> Result<()> {
    let sql = "DELETE FROM box_blocks b WHERE NOT EXISTS
                 (SELECT 1 FROM parcels p WHERE p.parcel_id BETWEEN b.first_parcel_id AND b.last_parcel_id)";
    session.write("removing index blocks", sql, &[]).await.map(drop)
}
