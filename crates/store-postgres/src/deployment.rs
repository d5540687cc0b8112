//! The deployment's clock, mode and readiness.

use async_trait::async_trait;
use seoham_model::{Clock, UnixSeconds};
use seoham_store::deployment::ADVANCED_SECONDS_MAX;
use seoham_store::restore::WorkOrder;
use seoham_store::{Deployment, Health, Mode, Obstacle, Result, StoreError};

use crate::columns::Columns;
use crate::{PostgresStore, clock};

#[async_trait]
impl Deployment for PostgresStore {
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
        let session = self.inner.sessions.interactive().await?;
        let rows =
            session.write("the clock", clock::ADVANCE, &[&i64::from(seconds), &ADVANCED_SECONDS_MAX]).await?;
        let Some(advanced) = rows.first() else { return Ok(None) };
        self.inner.clock.set_advanced_seconds(advanced.value("value")?);
        drop(session);
        self.inner.signals.clock_moved().await;
        self.inner.signals.wake();
        Ok(Some(self.inner.clock.now()))
    }

    async fn work_order(&self) -> Result<WorkOrder> {
        let session = self.inner.sessions.bulk().await?;
        let sql = "SELECT value FROM deployment WHERE name = 'work_order'";
        let stored: Option<String> =
            session.query_opt(sql, &[]).await?.map(|row| row.value("value")).transpose()?;
        Ok(WorkOrder::from_stored(stored.as_deref()))
    }

    async fn set_work_order(&self, order: WorkOrder) -> Result<()> {
        let session = self.inner.sessions.interactive().await?;
        match order.to_stored() {
            None => {
                session.write("a work order", "DELETE FROM deployment WHERE name = 'work_order'", &[]).await?
            }
            Some(stored) => {
                let sql = "INSERT INTO deployment (name, value) VALUES ('work_order', $1)
                           ON CONFLICT (name) DO UPDATE SET value = excluded.value";
                session.write("a work order", sql, &[&stored]).await?
            }
        };
        drop(session);
        self.inner.signals.wake();
        Ok(())
    }

    async fn examine(&self) -> Result<()> {
        self.examine_database().await
    }

    async fn confirm_clock(&self) -> Result<UnixSeconds> {
        self.inner.clock.confirm();
        self.inner.health.release(Obstacle::ClockJumped);
        self.inner.health.release(Obstacle::ClockDiffers);
        // The database's clock decides.
        self.inner.examination.look_again();
        self.examine_database().await?;
        Ok(self.inner.clock.now())
    }

    async fn ready(&self) -> Result<()> {
        self.inner.health.check()?;
        let session = self.inner.sessions.interactive().await?;
        let row = session.query_opt("SELECT pg_is_in_recovery() AS standby", &[]).await?;
        match row.map(|row| row.value("standby")).transpose()? {
            Some(false) => Ok(()),
            _ => Err(StoreError::Unavailable("the database is a standby".to_owned())),
        }
    }
}
