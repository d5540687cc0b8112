//! The health of a process: temporary obstacles, and the permanent failure of its store.
//!
//! A store and its monitors report here; readiness, the listeners and the workers check it. An obstacle can
//! disappear (when a clock is right again). A failure is permanent: the process exits, and the next one reads
//! the data again (DESIGN "Disk errors are fatal").

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use seoham_model::Text;
use tokio::sync::watch;

use crate::{Result, StoreError};

/// Why a process is temporarily unhealthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The machine's clock was set, and the new time is not confirmed yet.
    ClockJumped,
    /// The machine's clock and the database's differ.
    ClockDiffers,
    /// The database may lose committed data.
    NotDurable,
    /// The database role lacks privileges that the program needs.
    NoRights,
    /// The database allows fewer connections than the process is configured to open.
    FewConnections,
}

impl Obstacle {
    /// All obstacles.
    pub const ALL: [Self; 5] =
        [Self::ClockJumped, Self::ClockDiffers, Self::NotDurable, Self::NoRights, Self::FewConnections];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClockJumped => "clock_jumped",
            Self::ClockDiffers => "clock_differs",
            Self::NotDurable => "not_durable",
            Self::NoRights => "no_rights",
            Self::FewConnections => "few_connections",
        }
    }

    /// The readiness message. The log has more details.
    pub fn text(self) -> Text {
        match self {
            Self::ClockJumped => Text::fixed(
                "서버의 시계가 갑자기 바뀌어 확인을 기다리고 있습니다",
                "the machine's clock was set and the new time is not confirmed yet",
            ),
            Self::ClockDiffers => Text::fixed(
                "서버의 시계가 데이터베이스의 시계와 10초 넘게 다릅니다",
                "the machine's clock differs from the database's by more than ten seconds",
            ),
            Self::NotDurable => Text::fixed(
                "데이터베이스의 내구성 설정(fsync, full_page_writes, synchronous_commit)이 꺼져 있습니다",
                "fsync, full_page_writes or synchronous_commit is off in the database",
            ),
            Self::NoRights => Text::fixed(
                "데이터베이스 역할에 필요한 권한이 없습니다",
                "the database role lacks rights that the program needs",
            ),
            Self::FewConnections => Text::fixed(
                "데이터베이스가 허용하는 연결 수가 설정보다 적습니다",
                "the database allows fewer connections than the process is set to open",
            ),
        }
    }
}

/// The health of one process. Clones share it.
#[derive(Clone, Default)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    failure: OnceLock<String>,
    failed: watch::Sender<bool>,
    obstacles: Mutex<BTreeMap<Obstacle, String>>,
    /// Whether there is a failure or an obstacle: the only thing that a request reads.
    hindered: AtomicBool,
}

impl Health {
    /// The store failed permanently while `doing` something: it accepts no more writes, and the process must
    /// exit. Only the first failure is logged, because later ones follow from it.
    pub fn fail(&self, doing: &'static str, error: &dyn std::fmt::Display) {
        let mut is_first = false;
        self.inner.failure.get_or_init(|| {
            is_first = true;
            format!("{doing}: {error}")
        });
        self.inner.hindered.store(true, Ordering::Release);
        if is_first {
            tracing::error!(doing, %error, "the store failed; nothing more is written and the process ends");
            metrics::counter!("seoham_store_failures_total").increment(1);
            self.inner.failed.send_replace(true);
        }
    }

    /// The failure that ended the store, if any.
    pub fn failure(&self) -> Option<&str> {
        self.inner.failure.get().map(String::as_str)
    }

    /// Waits until the store has failed permanently.
    pub async fn failed(&self) {
        let mut failed = self.inner.failed.subscribe();
        // This value owns the sender, so the channel stays open.
        let _ = failed.wait_for(|failed| *failed).await;
    }

    /// Sets an obstacle that makes the process unhealthy; `detail` is for the log.
    pub fn hold(&self, obstacle: Obstacle, detail: &str) {
        let mut obstacles = self.obstacles();
        if obstacles.insert(obstacle, detail.to_owned()).is_none() {
            tracing::warn!(obstacle = obstacle.name(), detail, "not ready");
        }
        metrics::gauge!("seoham_obstacle", "kind" => obstacle.name()).set(1.0);
        self.inner.hindered.store(true, Ordering::Release);
    }

    /// Removes `obstacle`, if it is set.
    pub fn release(&self, obstacle: Obstacle) {
        let mut obstacles = self.obstacles();
        if obstacles.remove(&obstacle).is_some() {
            tracing::warn!(obstacle = obstacle.name(), "no longer in the way");
            self.inner.hindered.store(self.failure().is_some() || !obstacles.is_empty(), Ordering::Release);
        }
        metrics::gauge!("seoham_obstacle", "kind" => obstacle.name()).set(0.0);
    }

    /// The first obstacle, if there is any.
    pub fn obstacle(&self) -> Option<Obstacle> {
        self.obstacles().keys().next().copied()
    }

    /// Checks that the process is healthy.
    pub fn check(&self) -> Result<()> {
        if !self.inner.hindered.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(failure) = self.failure() {
            return Err(StoreError::Unavailable(format!("it failed: {failure}")));
        }
        match self.obstacle() {
            Some(obstacle) => Err(StoreError::Unavailable(obstacle.name().to_owned())),
            None => Ok(()),
        }
    }

    fn obstacles(&self) -> MutexGuard<'_, BTreeMap<Obstacle, String>> {
        self.inner.obstacles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_obstacle_goes_away_and_a_failure_does_not() {
        let health = Health::default();
        assert!(health.check().is_ok());
        health.hold(Obstacle::ClockJumped, "60 days");
        health.hold(Obstacle::NotDurable, "fsync is off");
        assert!(health.check().is_err());
        health.release(Obstacle::ClockJumped);
        assert_eq!(health.obstacle(), Some(Obstacle::NotDurable), "the other one is still there");
        assert!(health.check().is_err());
        health.release(Obstacle::NotDurable);
        assert!(health.check().is_ok());

        health.fail("a checkpoint", &"EIO");
        health.fail("a commit", &"later");
        health.hold(Obstacle::ClockJumped, "60 days");
        health.release(Obstacle::ClockJumped);
        assert!(health.check().is_err());
        assert_eq!(health.failure(), Some("a checkpoint: EIO"));
    }

    #[tokio::test]
    async fn who_waits_for_a_failure_hears_of_one_that_was_before() {
        let health = Health::default();
        health.fail("a commit", &"EIO");
        health.clone().failed().await;
    }
}
