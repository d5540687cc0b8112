//! The deployment's clock, mode and readiness.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};
use seoham_model::{Clock, UnixSeconds};
use seoham_store::deployment::ADVANCED_SECONDS_MAX;
use seoham_store::restore::{WorkOrder, names};
use seoham_store::{Deployment, Health, Lane, Mode, Result};

use crate::SqliteStore;
use crate::open::{deployment_value, set_deployment_value};

#[async_trait]
impl Deployment for SqliteStore {
    fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    fn health(&self) -> &Health {
        &self.inner.health
    }

    fn mode(&self) -> Mode {
        self.inner.mode
    }

    async fn advance_clock(&self, seconds: u32) -> Result<Option<UnixSeconds>> {
        let total = self
            .inner
            .writer
            .interactive(move |connection| {
                let sql = "INSERT INTO deployment (name, value) VALUES ('clock_advanced_seconds', ?1)
                     ON CONFLICT (name) DO UPDATE SET value = value + excluded.value
                     WHERE value + excluded.value <= ?2
                     RETURNING value";
                let values = [i64::from(seconds), ADVANCED_SECONDS_MAX];
                Ok(connection.query_row(sql, values, |row| row.get::<_, i64>(0)).optional()?)
            })
            .await?;
        let Some(total) = total else { return Ok(None) };
        self.inner.clock.set_advanced_seconds(total);
        self.inner.claims.wake();
        Ok(Some(self.inner.clock.now()))
    }

    async fn work_order(&self) -> Result<WorkOrder> {
        let read = |connection: &Connection| {
            let stored: Option<String> = deployment_value(connection, names::WORK_ORDER)?;
            Ok(WorkOrder::from_stored(stored.as_deref()))
        };
        self.inner.readers.read(Lane::Bulk, read).await
    }

    async fn set_work_order(&self, order: WorkOrder) -> Result<()> {
        let write = move |connection: &Connection| {
            match order.to_stored() {
                None => {
                    connection.execute("DELETE FROM deployment WHERE name = ?1", [names::WORK_ORDER])?;
                }
                Some(stored) => set_deployment_value(connection, names::WORK_ORDER, &stored)?,
            }
            Ok(())
        };
        self.inner.writer.interactive(write).await?;
        self.inner.claims.wake();
        Ok(())
    }

    async fn examine(&self) -> Result<()> {
        self.keep_time().await
    }

    async fn confirm_clock(&self) -> Result<UnixSeconds> {
        self.accept_clock().await?;
        Ok(self.inner.clock.now())
    }

    async fn ready(&self) -> Result<()> {
        self.inner.health.check()?;
        let read = self.inner.readers.read(Lane::Interactive, |connection| {
            connection.query_row("SELECT 1 FROM deployment LIMIT 1", [], |_| Ok(())).map_err(Into::into)
        });
        read.await?;
        self.inner.writer.interactive(|_| Ok(())).await
    }
}
