//! Announced and actual volumes.

use std::collections::HashSet;

use async_trait::async_trait;
use seoham_model::forms::AnnouncedVolume;
use seoham_model::{InstitutionId, PlanId, SeoulDay, UnixSeconds};
use seoham_store::volumes::{CountedVolume, DayVolume, PlanState, VolumeAlert, VolumePlan};
use seoham_store::{Result, Volumes};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::columns::{Columns, Id, Number};
use crate::session::Param;

#[async_trait]
impl Volumes for PostgresStore {
    async fn announce_plan(&self, plan: VolumePlan) -> Result<bool> {
        let sql =
            "INSERT INTO volume_plans (plan_id, institution_id, name, from_day, to_day, documents_per_day,
                                             expected_tps, purpose, announced_at, state, decided_at)
                   SELECT $1, institution_id, $3, $4, $5, $6, $7, $8, $9, $10, $11
                   FROM institutions WHERE institution_id = $2 RETURNING plan_id";
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 11] = [
            &plan.id.uuid(),
            &plan.institution.uuid(),
            &plan.volume.name,
            &Number(plan.volume.from),
            &Number(plan.volume.to),
            &plan.volume.documents_per_day.cast_signed(),
            &plan.volume.expected_tps.cast_signed(),
            &plan.volume.purpose,
            &plan.announced_at.0,
            &Number(plan.state),
            &plan.decided_at.map(|at| at.0),
        ];
        Ok(!session.write("a volume plan", sql, &params).await?.is_empty())
    }

    async fn decide_plan(
        &self,
        institution: InstitutionId,
        plan: PlanId,
        decided: PlanState,
        now: UnixSeconds,
    ) -> Result<Option<VolumePlan>> {
        let sql = "UPDATE volume_plans SET state = $3, decided_at = $4
                   WHERE plan_id = $1 AND institution_id = $2 RETURNING *";
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 4] = [&plan.uuid(), &institution.uuid(), &Number(decided), &now.0];
        session.write("a volume plan", sql, &params).await?.first().map(plan_row).transpose()
    }

    async fn plans(&self, institution: InstitutionId, limit: usize) -> Result<Vec<VolumePlan>> {
        let sql = "SELECT * FROM volume_plans WHERE institution_id = $1 ORDER BY plan_id DESC LIMIT $2";
        let session = self.inner.sessions.interactive().await?;
        let rows = session.query(sql, &[&institution.uuid(), &most(limit)]).await?;
        rows.iter().map(plan_row).collect()
    }

    async fn waiting_plans(&self, limit: usize) -> Result<Vec<VolumePlan>> {
        let sql = "SELECT * FROM volume_plans WHERE state = 0 ORDER BY plan_id LIMIT $1";
        let session = self.inner.sessions.interactive().await?;
        session.query(sql, &[&most(limit)]).await?.iter().map(plan_row).collect()
    }

    async fn volumes(
        &self,
        institution: InstitutionId,
        from: SeoulDay,
        to: SeoulDay,
    ) -> Result<Vec<DayVolume>> {
        let sql = "SELECT c.day, sum(c.accepted)::bigint AS accepted, max(a.raised_at) AS raised_at
                   FROM daily_counts c LEFT JOIN volume_alerts a USING (institution_id, day)
                   WHERE c.institution_id = $1 AND c.day BETWEEN $2 AND $3 GROUP BY c.day ORDER BY c.day";
        let session = self.inner.sessions.interactive().await?;
        let rows = session.query(sql, &[&institution.uuid(), &Number(from), &Number(to)]).await?;
        let volume = |row: &Row| {
            Ok(DayVolume {
                day: row.number("day")?,
                accepted: row.value::<i64>("accepted")?.unsigned_abs(),
                alerted_at: row.moment("raised_at")?,
            })
        };
        rows.iter().map(volume).collect()
    }

    async fn unalerted_volumes(&self, day: SeoulDay, at_least: u64) -> Result<Vec<CountedVolume>> {
        // Every accepting connection counts a day's documents in a row of its own.
        let sql = "SELECT c.*, i.name, coalesce((
                     SELECT sum(p.documents_per_day) FROM volume_plans p
                     WHERE p.institution_id = c.institution_id AND p.state = $3
                       AND c.day BETWEEN p.from_day AND p.to_day), 0)::bigint AS planned
                   FROM (SELECT institution_id, day, sum(accepted)::bigint AS accepted FROM daily_counts
                         WHERE day = $1 GROUP BY institution_id, day) c
                   JOIN institutions i USING (institution_id)
                   WHERE c.accepted >= $2 AND NOT EXISTS (
                     SELECT 1 FROM volume_alerts a WHERE a.institution_id = c.institution_id AND a.day = c.day)";
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 3] = [&Number(day), &at_least.cast_signed(), &Number(PlanState::Approved)];
        session.query(sql, &params).await?.iter().map(counted).collect()
    }

    async fn add_alerts(&self, mut alerts: Vec<VolumeAlert>) -> Result<Vec<VolumeAlert>> {
        let sql = "INSERT INTO volume_alerts (institution_id, day, accepted, expected, raised_at)
                   SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[])
                   ON CONFLICT DO NOTHING RETURNING institution_id, day";
        let institutions: Vec<Uuid> = alerts.iter().map(|alert| alert.institution.uuid()).collect();
        let days: Vec<Number<SeoulDay>> = alerts.iter().map(|alert| Number(alert.day)).collect();
        let accepted: Vec<i64> = alerts.iter().map(|alert| alert.accepted.cast_signed()).collect();
        let expected: Vec<i64> = alerts.iter().map(|alert| alert.expected.cast_signed()).collect();
        let raised_at: Vec<i64> = alerts.iter().map(|alert| alert.raised_at.0).collect();
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 5] = [&institutions, &days, &accepted, &expected, &raised_at];
        let rows = session.write("volume alerts", sql, &params).await?;
        let key = |row: &Row| Ok((row.id("institution_id")?, row.number("day")?));
        let added: HashSet<(InstitutionId, SeoulDay)> = rows.iter().map(key).collect::<Result<_>>()?;
        alerts.retain(|alert| added.contains(&(alert.institution, alert.day)));
        Ok(alerts)
    }

    async fn watched_to(&self) -> Result<Option<SeoulDay>> {
        let session = self.inner.sessions.bulk().await?;
        let sql = "SELECT value::bigint AS day FROM deployment WHERE name = 'volumes_watched_to'";
        let row = session.query_opt(sql, &[]).await?;
        row.map(|row| row.number("day")).transpose()
    }

    async fn set_watched_to(&self, day: SeoulDay) -> Result<()> {
        let session = self.inner.sessions.bulk().await?;
        let sql = "INSERT INTO deployment (name, value) VALUES ('volumes_watched_to', ($1::bigint)::text)
                   ON CONFLICT (name) DO UPDATE
                   SET value = greatest(deployment.value::bigint, excluded.value::bigint)::text";
        session.write("the watch over volumes", sql, &[&Number(day)]).await.map(drop)
    }

    async fn unsent_alerts(&self, since: UnixSeconds, limit: usize) -> Result<Vec<VolumeAlert>> {
        let sql = "SELECT a.*, i.name FROM volume_alerts a JOIN institutions i USING (institution_id)
                   WHERE a.told_at IS NULL AND a.raised_at >= $1 ORDER BY a.raised_at LIMIT $2";
        let session = self.inner.sessions.interactive().await?;
        session.query(sql, &[&since.0, &most(limit)]).await?.iter().map(alert_row).collect()
    }

    async fn alert_sent(&self, institution: InstitutionId, of: SeoulDay, now: UnixSeconds) -> Result<()> {
        let sql = "UPDATE volume_alerts SET told_at = $3
                   WHERE institution_id = $1 AND day = $2 AND told_at IS NULL";
        let session = self.inner.sessions.interactive().await?;
        session.write("a volume alert", sql, &[&institution.uuid(), &Number(of), &now.0]).await.map(drop)
    }
}

fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn plan_row(row: &Row) -> Result<VolumePlan> {
    Ok(VolumePlan {
        id: row.id("plan_id")?,
        institution: row.id("institution_id")?,
        volume: AnnouncedVolume {
            name: row.value("name")?,
            from: row.number("from_day")?,
            to: row.number("to_day")?,
            documents_per_day: row.value::<i64>("documents_per_day")?.unsigned_abs(),
            expected_tps: row.value::<i32>("expected_tps")?.unsigned_abs(),
            purpose: row.value("purpose")?,
        },
        announced_at: UnixSeconds(row.value("announced_at")?),
        state: row.number("state")?,
        decided_at: row.moment("decided_at")?,
    })
}

fn counted(row: &Row) -> Result<CountedVolume> {
    Ok(CountedVolume {
        institution: row.id("institution_id")?,
        institution_name: row.value("name")?,
        day: row.number("day")?,
        accepted: row.value::<i64>("accepted")?.unsigned_abs(),
        planned: row.value::<i64>("planned")?.unsigned_abs(),
    })
}

fn alert_row(row: &Row) -> Result<VolumeAlert> {
    Ok(VolumeAlert {
        institution: row.id("institution_id")?,
        institution_name: row.value("name")?,
        day: row.number("day")?,
        accepted: row.value::<i64>("accepted")?.unsigned_abs(),
        expected: row.value::<i64>("expected")?.unsigned_abs(),
        raised_at: UnixSeconds(row.value("raised_at")?),
    })
}
