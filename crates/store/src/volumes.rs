//! Announced and actual volumes of institutions (SPEC 9).

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::forms::AnnouncedVolume;
use seoham_model::{InstitutionId, NamedNumber, PlanId, SeoulDay, UnixSeconds};

use crate::Result;

/// An announced volume and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumePlan {
    /// Its id.
    pub id: PlanId,
    /// The institution.
    pub institution: InstitutionId,
    /// The announced volume.
    pub volume: AnnouncedVolume,
    /// When it was announced.
    pub announced_at: UnixSeconds,
    /// The operator's decision.
    pub state: PlanState,
    /// When it was decided.
    pub decided_at: Option<UnixSeconds>,
}

/// The state of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanState {
    /// Not decided yet.
    Announced,
    /// Approved.
    Approved,
    /// Declined: the plan does not count.
    Declined,
}

impl NamedNumber for PlanState {
    const ALL: &'static [(Self, i64, &'static str)] = &[
        (Self::Announced, 0, "announced"),
        (Self::Approved, 1, "approved"),
        (Self::Declined, 2, "declined"),
    ];
}

/// The volume of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayVolume {
    /// The day.
    pub day: SeoulDay,
    /// Documents accepted, counted on acceptance.
    pub accepted: u64,
    /// When the alert was raised, if any.
    pub alerted_at: Option<UnixSeconds>,
}

/// An alert: a day's volume exceeds the announced and approved number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeAlert {
    /// Who sends.
    pub institution: InstitutionId,
    /// Its name.
    pub institution_name: String,
    /// On which day.
    pub day: SeoulDay,
    /// The volume when the alert was raised.
    pub accepted: u64,
    /// The volume that is allowed without an alert: the sum of the day's approved plans, or the default.
    pub expected: u64,
    /// When the alert was raised.
    pub raised_at: UnixSeconds,
}

/// An institution's volume on a day, and the planned volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedVolume {
    /// Who sends.
    pub institution: InstitutionId,
    /// Its name.
    pub institution_name: String,
    /// On which day.
    pub day: SeoulDay,
    /// Documents accepted.
    pub accepted: u64,
    /// The sum of the day's approved plans.
    pub planned: u64,
}

/// The alert that is due for a volume, if any (SPEC 9): the volume is at least `unannounced` and above the
/// approved plans.
pub fn due_alert(volume: CountedVolume, unannounced: u64, raised_at: UnixSeconds) -> Option<VolumeAlert> {
    let CountedVolume { institution, institution_name, day, accepted, planned } = volume;
    let expected = unannounced.max(planned);
    let is_due = accepted >= unannounced && accepted > planned;
    is_due.then_some(VolumeAlert { institution, institution_name, day, accepted, expected, raised_at })
}

/// Announced and actual volumes.
#[async_trait]
#[delegatable_trait]
pub trait Volumes: Send + Sync {
    /// Adds a plan; `false` when there is no such institution.
    async fn announce_plan(&self, plan: VolumePlan) -> Result<bool>;

    /// Approves or declines a plan of `institution`; the last decision counts. `None` if it has no such plan.
    async fn decide_plan(
        &self,
        institution: InstitutionId,
        plan: PlanId,
        state: PlanState,
        now: UnixSeconds,
    ) -> Result<Option<VolumePlan>>;

    /// Plans of `institution`, newest first, at most `limit`.
    async fn plans(&self, institution: InstitutionId, limit: usize) -> Result<Vec<VolumePlan>>;

    /// Undecided plans of all institutions, oldest first, at most `limit`.
    async fn waiting_plans(&self, limit: usize) -> Result<Vec<VolumePlan>>;

    /// The volumes of `institution` from `from` to `to`, only days with documents.
    async fn volumes(
        &self,
        institution: InstitutionId,
        from: SeoulDay,
        to: SeoulDay,
    ) -> Result<Vec<DayVolume>>;

    /// Institutions that sent at least `at_least` documents on `day` and have no alert for it, with the sum
    /// of their approved plans for the day.
    async fn unalerted_volumes(&self, day: SeoulDay, at_least: u64) -> Result<Vec<CountedVolume>>;

    /// Adds alerts, at most one per institution and day; returns the new ones. Each is returned once, on one
    /// node.
    async fn add_alerts(&self, alerts: Vec<VolumeAlert>) -> Result<Vec<VolumeAlert>>;

    /// Raises every alert that is due for `day`, see [`due_alert`]; returns the new ones. A plan that is approved
    /// in the same moment may come too late for it.
    async fn raise_alerts(
        &self,
        day: SeoulDay,
        unannounced: u64,
        now: UnixSeconds,
    ) -> Result<Vec<VolumeAlert>> {
        let counted = self.unalerted_volumes(day, unannounced).await?;
        let due: Vec<_> = counted.into_iter().filter_map(|c| due_alert(c, unannounced, now)).collect();
        // Usually there is nothing to write.
        if due.is_empty() { Ok(due) } else { self.add_alerts(due).await }
    }

    /// The last day that was checked for alerts, if any.
    async fn watched_to(&self) -> Result<Option<SeoulDay>>;

    /// Records that every day up to `day` was checked. A day before the stored one is ignored.
    async fn set_watched_to(&self, day: SeoulDay) -> Result<()>;

    /// Unsent alerts since `since`, oldest first, at most `limit`.
    async fn unsent_alerts(&self, since: UnixSeconds, limit: usize) -> Result<Vec<VolumeAlert>>;

    /// Records that an alert was sent.
    async fn alert_sent(&self, institution: InstitutionId, day: SeoulDay, now: UnixSeconds) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use seoham_model::Clock;

    use super::*;

    #[test]
    fn an_alert_is_due_from_the_bound_on_and_beyond_the_plans() {
        let clock = Clock::stopped_at(UnixSeconds(1_800_000_000));
        let now = clock.now();
        let institution = InstitutionId::generate(&clock);
        // Accepted, planned, the limit; the expected value if an alert is due.
        for (accepted, planned, unannounced, expected) in [
            (9, 0, 10, None),
            (10, 0, 10, Some(10)),
            (10, 9, 10, Some(10)),
            (10, 10, 10, None),
            (20, 20, 10, None),
            (21, 20, 10, Some(20)),
            (5, 3, 10, None),
        ] {
            let volume = CountedVolume {
                institution,
                institution_name: "가상시청".to_owned(),
                day: SeoulDay::of(now),
                accepted,
                planned,
            };
            let alert = due_alert(volume, unannounced, now);
            assert_eq!(alert.as_ref().map(|alert| alert.expected), expected, "{accepted} {planned}");
            assert!(alert.is_none_or(|alert| (alert.accepted, alert.raised_at) == (accepted, now)));
        }
    }
}
