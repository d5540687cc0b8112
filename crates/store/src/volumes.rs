//! What institutions announce to send, beside what they send (SPEC 9).

use async_trait::async_trait;
use seoham_model::forms::AnnouncedVolume;
use seoham_model::{InstitutionId, PlanId, SeoulDay, UnixSeconds};

use crate::Result;

/// A volume that an institution announced, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumePlan {
    /// Its id.
    pub id: PlanId,
    /// Whose it is.
    pub institution: InstitutionId,
    /// What is to come.
    pub volume: AnnouncedVolume,
    /// When it was announced.
    pub announced_at: UnixSeconds,
    /// What the operator said.
    pub state: PlanState,
    /// When.
    pub decided_at: Option<UnixSeconds>,
}

/// What the operator says of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanState {
    /// Nothing yet.
    Announced,
    /// It may come.
    Approved,
    /// It is not planned with.
    Declined,
}

impl PlanState {
    const ALL: [(Self, i64, &'static str); 3] =
        [(Self::Announced, 0, "announced"), (Self::Approved, 1, "approved"), (Self::Declined, 2, "declined")];

    /// The number a store keeps.
    pub fn as_number(self) -> i64 {
        Self::ALL.iter().find(|(state, ..)| *state == self).map_or(0, |(_, number, _)| *number)
    }

    /// The state that a store kept as `number`; `None` for one that means nothing here.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.iter().find(|(_, n, _)| *n == number).map(|(state, ..)| *state)
    }

    /// The name that an operator sees.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(state, ..)| *state == self).map_or("announced", |(.., name)| *name)
    }
}

/// What came on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayVolume {
    /// The day.
    pub day: SeoulDay,
    /// Documents accepted, counted as they were accepted.
    pub accepted: u64,
    /// When it was found to be more than was expected, if it was.
    pub alerted_at: Option<UnixSeconds>,
}

/// More came on a day than was announced and approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeAlert {
    /// Who sends.
    pub institution: InstitutionId,
    /// Its name.
    pub institution_name: String,
    /// On which day.
    pub day: SeoulDay,
    /// How much had come when it was found.
    pub accepted: u64,
    /// How much may come without an alert: by the approved plans of the day, or without any.
    pub expected: u64,
    /// When it was found.
    pub raised_at: UnixSeconds,
}

/// Announced and real volumes.
#[async_trait]
pub trait Volumes: Send + Sync {
    /// Adds a plan; `false` when there is no such institution.
    async fn announce_plan(&self, plan: VolumePlan) -> Result<bool>;

    /// Approves or declines a plan of `institution`; the last word counts. `None` when it has no such plan.
    async fn decide_plan(
        &self,
        institution: InstitutionId,
        plan: PlanId,
        state: PlanState,
        now: UnixSeconds,
    ) -> Result<Option<VolumePlan>>;

    /// Plans of `institution`, newest first, at most `limit`.
    async fn plans(&self, institution: InstitutionId, limit: usize) -> Result<Vec<VolumePlan>>;

    /// Plans of all institutions that nothing was said of, oldest first, at most `limit`.
    async fn waiting_plans(&self, limit: usize) -> Result<Vec<VolumePlan>>;

    /// What came from `institution` on each day from `from` to `to` on which anything did.
    async fn volumes(
        &self,
        institution: InstitutionId,
        from: SeoulDay,
        to: SeoulDay,
    ) -> Result<Vec<DayVolume>>;

    /// Records an alert for every institution that has none for `day` and has sent `unannounced` documents
    /// or more on it, and more than its approved plans say together; gives the new ones. Each is given
    /// once, on one node.
    async fn raise_alerts(
        &self,
        day: SeoulDay,
        unannounced: u64,
        now: UnixSeconds,
    ) -> Result<Vec<VolumeAlert>>;

    /// The last day that was looked at for alerts, if any was.
    async fn watched_to(&self) -> Result<Option<SeoulDay>>;

    /// Every day up to `day` was looked at. An earlier day than before is ignored.
    async fn set_watched_to(&self, day: SeoulDay) -> Result<()>;

    /// Alerts since `since` that were not sent yet, oldest first, at most `limit`.
    async fn unsent_alerts(&self, since: UnixSeconds, limit: usize) -> Result<Vec<VolumeAlert>>;

    /// An alert was sent.
    async fn alert_sent(&self, institution: InstitutionId, day: SeoulDay, now: UnixSeconds) -> Result<()>;
}
