//! The known facts about one document.

use seoham_model::status::DocBoxStatus;
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::documents::DocumentStatus;
use seoham_store::personas::JOINS_LATER_SECONDS;

use super::Moment;
use crate::people::Person;
use crate::{Found, demand};

/// The state of its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Waiting,
    Again { not_before: UnixSeconds },
    Taken,
    GivenUp,
}

impl Delivery {
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Taken | Self::GivenUp)
    }
}

#[allow(clippy::struct_excessive_bools, reason = "each of them is known by itself")]
pub(crate) struct Document {
    pub(crate) id: BinderId,
    pub(crate) institution: usize,
    pub(crate) person: usize,
    pub(crate) batch: usize,
    pub(crate) sent_at: UnixSeconds,
    pub(crate) deadline_at: UnixSeconds,
    pub(crate) title: String,
    pub(crate) payload: Option<String>,
    pub(crate) external: String,
    /// It was accepted for a member.
    pub(crate) for_member: bool,

    pub(crate) received: Option<UnixSeconds>,
    /// It is certainly in the box.
    pub(crate) must_be_received: bool,
    pub(crate) authenticated: Moment,
    pub(crate) token_used: Moment,
    pub(crate) read: Moment,
    pub(crate) notified: Moment,
    pub(crate) withdrawn_at: Option<UnixSeconds>,
    last_status: DocBoxStatus,

    pub(crate) delivery: Delivery,
    /// A finish of it was never answered.
    pub(crate) delivery_unsure: bool,
    /// The ticket of its current claim.
    pub(crate) held: Option<u64>,
    pub(crate) attempts: u32,
    pub(crate) first_attempt_at: Option<UnixSeconds>,
    pub(crate) may_be_given_up: bool,
    pub(crate) reported_failed: bool,

    /// It was old enough for removal when the store last tidied, and was not checked since.
    pub(crate) may_be_gone: bool,
    pub(crate) gone: bool,
}

/// The data of a new document.
pub(crate) struct New {
    pub(crate) id: BinderId,
    pub(crate) person: usize,
    pub(crate) deadline_at: UnixSeconds,
    pub(crate) title: String,
    pub(crate) payload: Option<String>,
    pub(crate) external: String,
    pub(crate) for_member: bool,
}

impl Document {
    pub(crate) fn new(new: New, institution: usize, batch: usize, sent_at: UnixSeconds) -> Self {
        let New { id, person, deadline_at, title, payload, external, for_member } = new;
        Self {
            id,
            institution,
            person,
            batch,
            sent_at,
            deadline_at,
            title,
            payload,
            external,
            for_member,
            received: None,
            must_be_received: for_member,
            authenticated: Moment::default(),
            token_used: Moment::default(),
            read: Moment::default(),
            notified: Moment::default(),
            withdrawn_at: None,
            last_status: DocBoxStatus::Sent,
            delivery: Delivery::Waiting,
            delivery_unsure: false,
            held: None,
            attempts: 0,
            first_attempt_at: None,
            may_be_given_up: false,
            reported_failed: false,
            may_be_gone: false,
            gone: false,
        }
    }

    pub(crate) fn is_open_at(&self, now: UnixSeconds) -> bool {
        now < self.deadline_at && self.withdrawn_at.is_none()
    }

    /// Checks the status that the store reports.
    pub(crate) fn observe(
        &mut self,
        person: &Person,
        reported: &DocumentStatus,
        now: UnixSeconds,
    ) -> Found<()> {
        let times = &reported.times;
        demand!(times.sent_at == self.sent_at, "sent at {} and told {}", self.sent_at, times.sent_at);
        demand!(
            reported.deadline_at == self.deadline_at,
            "deadline {}, told {:?}",
            self.deadline_at,
            reported
        );
        demand!(reported.payload == self.payload, "payload {:?}, told {:?}", self.payload, reported.payload);
        self.observe_received(person, times.received_at, now)?;
        self.authenticated.observe("authenticated_at", times.authenticated_at)?;
        self.token_used.observe("token_used_at", times.token_used_at)?;
        self.read.observe("read_at", times.read_at)?;
        self.notified.observe("user_notified_at", times.notified_at)?;
        let withdrawn = self.withdrawn_at;
        demand!(times.withdrawn_at == withdrawn, "withdrawn at {withdrawn:?}, told {times:?}");
        demand!(times.opened_at == times.authenticated_at, "opened and authenticated apart: {times:?}");
        demand!(withdrawn.is_none() || times.opened_at.is_none(), "opened and withdrawn: {times:?}");
        let all = [
            times.received_at,
            times.authenticated_at,
            times.token_used_at,
            times.read_at,
            times.notified_at,
        ];
        for at in all.into_iter().flatten() {
            demand!(self.sent_at <= at && at <= now, "a time of {at}: sent at {}, now {now}", self.sent_at);
        }
        demand!(
            times.read_at.is_none() || times.token_used_at.is_some_and(|used| Some(used) <= times.read_at),
            "read without a verified token: {times:?}"
        );
        demand!(
            times.token_used_at.is_none()
                || times.authenticated_at.is_some_and(|opened| Some(opened) <= times.token_used_at),
            "a token without an authentication: {times:?}"
        );
        self.observe_status(times.status(reported.deadline_at, now), now)
    }

    fn observe_received(
        &mut self,
        person: &Person,
        reported: Option<UnixSeconds>,
        now: UnixSeconds,
    ) -> Found<()> {
        let Some(at) = reported else {
            demand!(!self.must_be_received, "it stood in the box and does not now");
            return Ok(());
        };
        if let Some(seen) = self.received {
            demand!(seen == at, "received_at was {seen} and is now {at}");
            return Ok(());
        }
        let earliest = if self.for_member {
            Some(self.sent_at)
        } else if person.later {
            Some(self.sent_at.plus(JOINS_LATER_SECONDS))
        } else {
            person.joined.map(|joined| joined.max(self.sent_at))
        };
        demand!(
            earliest.is_some_and(|earliest| earliest <= at && at <= now),
            "received at {at}, and the earliest moment for that is {earliest:?}, now {now}"
        );
        demand!(!self.for_member || at == self.sent_at, "a member's document received only at {at}");
        demand!(at < self.deadline_at, "put into the box at {at}, after its deadline {}", self.deadline_at);
        self.received = reported;
        self.must_be_received = true;
        Ok(())
    }

    fn observe_status(&mut self, status: DocBoxStatus, now: UnixSeconds) -> Found<()> {
        use DocBoxStatus::{Expired, Read, Received, Sent};
        let last = self.last_status;
        let forward = match last {
            Sent => true,
            Received => status != Sent,
            Expired => matches!(status, Expired | Read),
            Read => status == Read,
        };
        demand!(forward, "went from {last:?} to {status:?}");
        demand!(status != Expired || !self.is_open_at(now), "expired before its deadline");
        self.last_status = status;
        Ok(())
    }
}
