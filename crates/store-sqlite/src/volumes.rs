//! Announced and real volumes.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::forms::AnnouncedVolume;
use seoham_model::{InstitutionId, PlanId, SeoulDay, UnixSeconds};
use seoham_store::volumes::{DayVolume, PlanState, VolumeAlert, VolumePlan};
use seoham_store::{Lane, Result, Volumes};

use crate::SqliteStore;
use crate::columns::{Id, known, moment};
use crate::writer::Weight;

const WATCHED: &str = "volumes_watched_to";

const PLAN: &str =
    "plan_id, institution_id, name, from_day, to_day, documents_per_day, expected_tps, purpose,
                    announced_at, state, decided_at";

#[async_trait]
impl Volumes for SqliteStore {
    async fn announce_plan(&self, plan: VolumePlan) -> Result<bool> {
        let work = move |connection: &Connection| {
            let added = connection
                .prepare_cached(
                    "INSERT INTO volume_plans (plan_id, institution_id, name, from_day, to_day, documents_per_day,
                                               expected_tps, purpose, announced_at, state, decided_at)
                     SELECT ?1, institution_id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
                     FROM institutions WHERE institution_id = ?2",
                )?
                .execute(params![
                    Id(plan.id),
                    Id(plan.institution),
                    plan.volume.name,
                    plan.volume.from.as_number(),
                    plan.volume.to.as_number(),
                    plan.volume.documents_per_day,
                    plan.volume.expected_tps,
                    plan.volume.purpose,
                    plan.announced_at.0,
                    plan.state.as_number(),
                    plan.decided_at.map(|at| at.0),
                ])?;
            Ok(added == 1)
        };
        self.inner.writer.interactive(work).await
    }

    async fn decide_plan(
        &self,
        institution: InstitutionId,
        plan: PlanId,
        state: PlanState,
        now: UnixSeconds,
    ) -> Result<Option<VolumePlan>> {
        let work = move |connection: &Connection| {
            let sql = format!(
                "UPDATE volume_plans SET state = ?3, decided_at = ?4
                 WHERE plan_id = ?1 AND institution_id = ?2 RETURNING {PLAN}"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let decided = params![Id(plan), Id(institution), state.as_number(), now.0];
            Ok(statement.query_row(decided, plan_row).optional()?)
        };
        self.inner.writer.interactive(work).await
    }

    async fn plans(&self, institution: InstitutionId, limit: usize) -> Result<Vec<VolumePlan>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = format!(
                "SELECT {PLAN} FROM volume_plans WHERE institution_id = ?1 ORDER BY plan_id DESC LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![Id(institution), limit], plan_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }

    async fn waiting_plans(&self, limit: usize) -> Result<Vec<VolumePlan>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = format!("SELECT {PLAN} FROM volume_plans WHERE state = 0 ORDER BY plan_id LIMIT ?1");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([limit], plan_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }

    async fn volumes(
        &self,
        institution: InstitutionId,
        from: SeoulDay,
        to: SeoulDay,
    ) -> Result<Vec<DayVolume>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT c.day, c.accepted, a.raised_at
                 FROM daily_counts c LEFT JOIN volume_alerts a USING (institution_id, day)
                 WHERE c.institution_id = ?1 AND c.day BETWEEN ?2 AND ?3 ORDER BY c.day",
            )?;
            let rows =
                statement.query_map(params![Id(institution), from.as_number(), to.as_number()], |row| {
                    Ok(DayVolume {
                        day: known(0, SeoulDay::from_number(row.get(0)?))?,
                        accepted: row.get(1)?,
                        alerted_at: moment(row, 2)?,
                    })
                })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }

    async fn raise_alerts(
        &self,
        day: SeoulDay,
        unannounced: u64,
        now: UnixSeconds,
    ) -> Result<Vec<VolumeAlert>> {
        const FOUND: &str =
            "SELECT c.institution_id, i.name, c.day, c.accepted, max(?2, c.planned), ?3 FROM (
               SELECT institution_id, day, accepted,
                 coalesce((SELECT sum(documents_per_day) FROM volume_plans p
                           WHERE p.institution_id = d.institution_id AND p.state = 1
                             AND d.day BETWEEN p.from_day AND p.to_day), 0) AS planned
               FROM daily_counts d WHERE day = ?1) c
             JOIN institutions i USING (institution_id)
             WHERE c.accepted >= ?2 AND c.accepted > c.planned AND NOT EXISTS (
               SELECT 1 FROM volume_alerts a WHERE a.institution_id = c.institution_id AND a.day = c.day)";
        // Looked for beside the writer: mostly there is nothing to write.
        let asked = move |connection: &Connection| -> rusqlite::Result<Vec<VolumeAlert>> {
            let mut statement = connection.prepare_cached(FOUND)?;
            statement.query_map(params![day.as_number(), unannounced, now.0], alert_row)?.collect()
        };
        let found =
            self.inner.readers.read(Lane::Interactive, move |connection| Ok(asked(connection)?)).await?;
        if found.is_empty() {
            return Ok(found);
        }
        let work = move |connection: &Connection| {
            let found = asked(connection)?;
            for alert in &found {
                connection
                    .prepare_cached(
                        "INSERT INTO volume_alerts (institution_id, day, accepted, expected, raised_at)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![
                        Id(alert.institution),
                        alert.day.as_number(),
                        alert.accepted,
                        alert.expected,
                        now.0
                    ])?;
            }
            Ok(found)
        };
        self.inner.writer.interactive(work).await
    }

    async fn watched_to(&self) -> Result<Option<SeoulDay>> {
        let read = |connection: &Connection| {
            let day: Option<i64> = crate::open::deployment_value(connection, WATCHED)?;
            Ok(day.map(|day| known(0, SeoulDay::from_number(day))).transpose()?)
        };
        self.inner.readers.read(Lane::Interactive, read).await
    }

    async fn set_watched_to(&self, day: SeoulDay) -> Result<()> {
        let write = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT INTO deployment (name, value) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
                )?
                .execute(params![WATCHED, day.as_number()])?;
            Ok(())
        };
        self.inner.writer.background(Weight::rows(1), write).await
    }

    async fn unsent_alerts(&self, since: UnixSeconds, limit: usize) -> Result<Vec<VolumeAlert>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT a.institution_id, i.name, a.day, a.accepted, a.expected, a.raised_at
                 FROM volume_alerts a JOIN institutions i USING (institution_id)
                 WHERE a.told_at IS NULL AND a.raised_at >= ?1 ORDER BY a.raised_at LIMIT ?2",
            )?;
            let rows = statement.query_map(params![since.0, limit], alert_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }

    async fn alert_sent(&self, institution: InstitutionId, day: SeoulDay, now: UnixSeconds) -> Result<()> {
        let work = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "UPDATE volume_alerts SET told_at = ?3
                     WHERE institution_id = ?1 AND day = ?2 AND told_at IS NULL",
                )?
                .execute(params![Id(institution), day.as_number(), now.0])?;
            Ok(())
        };
        self.inner.writer.interactive(work).await
    }
}

fn plan_row(row: &Row<'_>) -> rusqlite::Result<VolumePlan> {
    Ok(VolumePlan {
        id: row.get::<_, Id<PlanId>>(0)?.0,
        institution: row.get::<_, Id<InstitutionId>>(1)?.0,
        volume: AnnouncedVolume {
            name: row.get(2)?,
            from: known(3, SeoulDay::from_number(row.get(3)?))?,
            to: known(4, SeoulDay::from_number(row.get(4)?))?,
            documents_per_day: row.get(5)?,
            expected_tps: row.get(6)?,
            purpose: row.get(7)?,
        },
        announced_at: UnixSeconds(row.get(8)?),
        state: known(9, PlanState::from_number(row.get(9)?))?,
        decided_at: moment(row, 10)?,
    })
}

fn alert_row(row: &Row<'_>) -> rusqlite::Result<VolumeAlert> {
    Ok(VolumeAlert {
        institution: row.get::<_, Id<InstitutionId>>(0)?.0,
        institution_name: row.get(1)?,
        day: known(2, SeoulDay::from_number(row.get(2)?))?,
        accepted: row.get(3)?,
        expected: row.get(4)?,
        raised_at: UnixSeconds(row.get(5)?),
    })
}
