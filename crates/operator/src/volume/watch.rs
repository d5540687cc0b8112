//! Monitors volumes, and raises an alert when an institution's documents on a day exceed the announced and
//! approved number. Nothing is rejected because of it (SPEC 9).

use std::sync::Arc;
use std::time::Duration;

use seoham_model::SeoulDay;
use seoham_store::volumes::VolumeAlert;
use seoham_store::{OperatorStore, Result};
use seoham_webhook::SignedPost;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// The polling interval.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The maximum number of alerts sent per round.
const ALERTS_PER_ROUND: usize = 20;
/// For how long sending an alert is retried.
const RETRY_FOR_SECONDS: i64 = 24 * 60 * 60;
/// Delays after the receiver did not accept an alert: they double up to the maximum.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// How many past days are checked at most.
const DAYS_BACK_MAX: i32 = 31;

/// The configuration of the watch.
pub struct VolumeWatchOptions {
    /// The store.
    pub store: Arc<dyn OperatorStore>,
    /// The number of documents per institution and day from which an alert is raised without an approved plan.
    pub documents_per_day: u64,
    /// The alert receiver, in addition to metrics and log.
    pub webhook: Option<SignedPost>,
}

/// The volume watch; [`VolumeWatch::run`] starts it.
pub struct VolumeWatch(VolumeWatchOptions);

/// The webhook's body.
#[derive(Serialize)]
struct AlertEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: i64,
    data: AlertData<'a>,
}

#[derive(Serialize)]
struct AlertData<'a> {
    institution_id: String,
    institution_name: &'a str,
    day: SeoulDay,
    accepted: u64,
    expected: u64,
}

impl VolumeWatch {
    /// Creates a watch without starting it.
    pub fn new(options: VolumeWatchOptions) -> Self {
        Self(options)
    }

    /// Watches until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = Duration::ZERO;
        let mut since_sent = Duration::ZERO;
        let mut watched_to = None;
        while !stop.is_cancelled() {
            if self.0.store.health().check().is_err() {
                // While the clock is in doubt, no documents are assigned to a day.
            } else if let Err(error) = self.look(&mut watched_to).await {
                tracing::warn!(%error, "could not look at the day's volumes");
            }
            if let Some(webhook) = self.0.webhook.as_ref().filter(|_| since_sent >= pause) {
                since_sent = Duration::ZERO;
                pause = match self.notify(webhook).await {
                    Ok(true) => Duration::ZERO,
                    Ok(false) => (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE),
                    Err(error) => {
                        tracing::warn!(%error, "could not read the alerts to tell");
                        FIRST_PAUSE
                    }
                };
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => {}
            }
            since_sent += LOOK_EVERY;
        }
    }

    /// Checks every day since the last check by any node; `watched_to` is the last checked day known here.
    async fn look(&self, watched_to: &mut Option<SeoulDay>) -> Result<()> {
        let now = self.0.store.clock().now();
        let today = SeoulDay::of(now);
        if watched_to.is_none() {
            *watched_to = self.0.store.watched_to().await?;
        }
        for day in days_to_look_at(*watched_to, today) {
            for alert in self.0.store.raise_alerts(day, self.0.documents_per_day, now).await? {
                let institution = alert.institution.to_string();
                metrics::counter!("seoham_volume_alerts_total", "institution" => institution).increment(1);
                tracing::warn!(
                    institution = %alert.institution, day = %alert.day, accepted = alert.accepted,
                    expected = alert.expected, "more documents than were announced and approved"
                );
            }
        }
        if *watched_to != Some(today) {
            self.0.store.set_watched_to(today).await?;
            *watched_to = Some(today);
        }
        Ok(())
    }

    /// Sends the pending alerts; returns `false` if one was not accepted.
    async fn notify(&self, webhook: &SignedPost) -> Result<bool> {
        let now = self.0.store.clock().now();
        let mut all_taken = true;
        for alert in self.0.store.unsent_alerts(now.plus(-RETRY_FOR_SECONDS), ALERTS_PER_ROUND).await? {
            // The same id on every node and every retry.
            let id = format!("{}-{}", alert.institution, alert.day);
            let answer = webhook.send(&id, payload(&alert)).await;
            if !answer.is_ok_and(|answer| answer.status.is_success()) {
                // Continue with the others: a rejected alert must not block them.
                tracing::warn!(institution = %alert.institution, day = %alert.day, "an alert was not taken");
                all_taken = false;
                continue;
            }
            self.0.store.alert_sent(alert.institution, alert.day, self.0.store.clock().now()).await?;
        }
        Ok(all_taken)
    }
}

/// The days from the last checked one to today, and always yesterday, because its last documents may just
/// have been counted. Days more than a month ago are skipped.
fn days_to_look_at(watched_to: Option<SeoulDay>, today: SeoulDay) -> Vec<SeoulDay> {
    let away = watched_to.map_or(1, |day| today.days_since(day)).clamp(1, DAYS_BACK_MAX);
    (0..=away).rev().map(|back| today.plus_days(-back)).collect()
}

fn payload(alert: &VolumeAlert) -> Vec<u8> {
    let data = AlertData {
        institution_id: alert.institution.to_string(),
        institution_name: &alert.institution_name,
        day: alert.day,
        accepted: alert.accepted,
        expected: alert.expected,
    };
    let event = AlertEvent { kind: "volume.unannounced", timestamp: alert.raised_at.0, data };
    serde_json::to_vec(&event).expect("names and numbers are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_day_is_left_out_when_nobody_looked_for_a_while() {
        let day = |text: &str| SeoulDay::parse(text).expect("a day");
        let today = day("2026-11-26");
        let since = |last: Option<&str>| -> Vec<String> {
            days_to_look_at(last.map(day), today).iter().map(ToString::to_string).collect()
        };
        let both = ["2026-11-25", "2026-11-26"];
        assert_eq!(since(None), both);
        assert_eq!(since(Some("2026-11-26")), both);
        assert_eq!(since(Some("2026-11-25")), both);
        assert_eq!(since(Some("2026-11-23")), ["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26"]);
        assert_eq!(since(Some("2026-12-24")), both, "a clock that was wrong then");
        assert_eq!(since(Some("2020-01-01")).len(), 32);
    }
}
