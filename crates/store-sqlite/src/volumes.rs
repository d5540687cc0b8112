//! Announced and actual volumes.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::forms::AnnouncedVolume;
use seoham_model::{InstitutionId, PlanId, SeoulDay, UnixSeconds};
use seoham_store::volumes::{CountedVolume, DayVolume, PlanState, VolumeAlert, VolumePlan};
use seoham_store::{Lane, Result, Volumes};

use crate::SqliteStore;
use crate::columns::{Id, Number, moment, number};
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
                    Number(plan.volume.from),
                    Number(plan.volume.to),
                    plan.volume.documents_per_day,
                    plan.volume.expected_tps,
                    plan.volume.purpose,
                    plan.announced_at.0,
                    Number(plan.state),
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
            let decided = params![Id(plan), Id(institution), Number(state), now.0];
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
            let rows = statement.query_map(params![Id(institution), Number(from), Number(to)], |row| {
                Ok(DayVolume {
                    day: number::<SeoulDay>(row, 0)?,
                    accepted: row.get(1)?,
                    alerted_at: moment(row, 2)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }

    async fn unalerted_volumes(&self, day: SeoulDay, at_least: u64) -> Result<Vec<CountedVolume>> {
        const SQL: &str = "SELECT c.institution_id, i.name, c.day, c.accepted,
               coalesce((SELECT sum(documents_per_day) FROM volume_plans p
                         WHERE p.institution_id = c.institution_id AND p.state = ?3
                           AND c.day BETWEEN p.from_day AND p.to_day), 0)
             FROM daily_counts c JOIN institutions i USING (institution_id)
             WHERE c.day = ?1 AND c.accepted >= ?2 AND NOT EXISTS (
               SELECT 1 FROM volume_alerts a WHERE a.institution_id = c.institution_id AND a.day = c.day)";
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(SQL)?;
            let params = params![Number(day), at_least, Number(PlanState::Approved)];
            let volumes = statement.query_map(params, |row| {
                Ok(CountedVolume {
                    institution: row.get::<_, Id<InstitutionId>>(0)?.0,
                    institution_name: row.get(1)?,
                    day: number::<SeoulDay>(row, 2)?,
                    accepted: row.get(3)?,
                    planned: row.get(4)?,
                })
            })?;
            Ok(volumes.collect::<rusqlite::Result<_>>()?)
        };
        self.inner.readers.read(Lane::Interactive, read).await
    }

    async fn add_alerts(&self, alerts: Vec<VolumeAlert>) -> Result<Vec<VolumeAlert>> {
        let write = move |connection: &Connection| {
            let mut add = connection.prepare_cached(
                "INSERT INTO volume_alerts (institution_id, day, accepted, expected, raised_at)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            )?;
            let mut added = Vec::new();
            for alert in alerts {
                let (institution, day) = (Id(alert.institution), Number(alert.day));
                let params = params![institution, day, alert.accepted, alert.expected, alert.raised_at.0];
                if add.execute(params)? > 0 {
                    added.push(alert);
                }
            }
            Ok(added)
        };
        self.inner.writer.interactive(write).await
    }

    async fn watched_to(&self) -> Result<Option<SeoulDay>> {
        let read = |connection: &Connection| {
            let day: Option<Number<SeoulDay>> = crate::open::deployment_value(connection, WATCHED)?;
            Ok(day.map(|day| day.0))
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
                .execute(params![WATCHED, Number(day)])?;
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
                .execute(params![Id(institution), Number(day), now.0])?;
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
            from: number::<SeoulDay>(row, 3)?,
            to: number::<SeoulDay>(row, 4)?,
            documents_per_day: row.get(5)?,
            expected_tps: row.get(6)?,
            purpose: row.get(7)?,
        },
        announced_at: UnixSeconds(row.get(8)?),
        state: number::<PlanState>(row, 9)?,
        decided_at: moment(row, 10)?,
    })
}

fn alert_row(row: &Row<'_>) -> rusqlite::Result<VolumeAlert> {
    Ok(VolumeAlert {
        institution: row.get::<_, Id<InstitutionId>>(0)?.0,
        institution_name: row.get(1)?,
        day: number::<SeoulDay>(row, 2)?,
        accepted: row.get(3)?,
        expected: row.get(4)?,
        raised_at: UnixSeconds(row.get(5)?),
    })
}
