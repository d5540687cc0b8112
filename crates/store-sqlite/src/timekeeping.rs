//! The clock of an embedded store. The only reference to compare it with is the times stored before.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use rusqlite::{Connection, OptionalExtension};
use seoham_model::{Clock, Standing, UnixSeconds};
use seoham_store::timekeeping::{Plausibility, plausibility};
use seoham_store::{Health, Mode, Obstacle, Result};

use crate::SqliteStore;
use crate::open::{deployment_value, set_deployment_value};
use crate::writer::{Weight, WriteError};

/// How often to record that the process is running.
const SEEN_EVERY_SECONDS: i64 = 60;
const SEEN: &str = "last_seen_at";

/// What is known about the clock since startup.
#[derive(Default)]
pub(crate) struct Timekeeping {
    /// When the previous process was last seen, while the clock at startup is in doubt.
    doubted_since: AtomicI64,
    is_doubted: AtomicBool,
    /// When this process was last recorded as running.
    seen_at: AtomicI64,
}

impl Timekeeping {
    /// Checks the clock at startup. With `accepted`, it is trusted in any case.
    pub(crate) fn start(
        connection: &Connection,
        clock: &Clock,
        health: &Health,
        mode: Mode,
        accepted: bool,
    ) -> rusqlite::Result<Self> {
        let timekeeping = Self::default();
        let Some(seen) = last_seen(connection)?.filter(|_| !accepted) else { return Ok(timekeeping) };
        let doubt = match plausibility(clock.now(), Some(seen), mode) {
            Plausibility::Plausible => return Ok(timekeeping),
            Plausibility::Behind(seconds) => format!("{seconds} s behind the last time that was stored"),
            Plausibility::Ahead(seconds) => format!("{seconds} s after the last time that was stored"),
        };
        timekeeping.doubted_since.store(seen.0, Ordering::Relaxed);
        timekeeping.is_doubted.store(true, Ordering::Relaxed);
        clock.compare_with(seen.plus(-clock.advanced_seconds()).0.saturating_mul(1000));
        health.hold(Obstacle::ClockJumped, &format!("{doubt}; if it is right: seoham admin clock confirm"));
        Ok(timekeeping)
    }
}

/// The latest stored time: when a process was last seen, or when the last parcel was accepted.
fn last_seen(connection: &Connection) -> rusqlite::Result<Option<UnixSeconds>> {
    let seen: Option<i64> = deployment_value(connection, SEEN)?;
    let sent: Option<i64> = connection
        .query_row("SELECT sent_at FROM parcels ORDER BY parcel_no DESC LIMIT 1", [], |row| row.get(0))
        .optional()?;
    Ok(seen.into_iter().chain(sent).max().map(UnixSeconds))
}

fn write_seen(connection: &Connection, now: UnixSeconds) -> std::result::Result<(), WriteError> {
    Ok(set_deployment_value(connection, SEEN, &now.0)?)
}

impl SqliteStore {
    pub(crate) async fn keep_time(&self) -> Result<()> {
        let (clock, health, times) = (&self.inner.clock, &self.inner.health, &self.inner.timekeeping);
        let standing = clock.follow();
        let apart_millis = match standing {
            Standing::Together => 0,
            Standing::Apart(millis) => millis,
        };
        #[allow(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("seoham_clock_apart_seconds").set(apart_millis as f64 / 1000.0);
        if times.is_doubted.load(Ordering::Relaxed) {
            let seen = UnixSeconds(times.doubted_since.load(Ordering::Relaxed));
            let machine = clock.now().plus(apart_millis / 1000);
            if standing != Standing::Together
                && plausibility(machine, Some(seen), self.inner.mode) == Plausibility::Plausible
            {
                // The process started before the clock was set, as on a machine without a clock battery; now it is
                // set.
                tracing::warn!("the machine's clock was set to a time that is plausible, and is taken");
                return self.accept_clock().await;
            }
            return Ok(());
        }
        match standing {
            Standing::Together => health.release(Obstacle::ClockJumped),
            Standing::Apart(millis) => {
                let by = format!(
                    "the machine's clock was set by {} s; if it is right: seoham admin clock confirm",
                    millis / 1000
                );
                health.hold(Obstacle::ClockJumped, &by);
                return Ok(());
            }
        }
        let now = clock.now();
        if now.seconds_since(UnixSeconds(times.seen_at.load(Ordering::Relaxed))) >= SEEN_EVERY_SECONDS {
            times.seen_at.store(now.0, Ordering::Relaxed);
            let write = move |connection: &Connection| write_seen(connection, now);
            self.inner.writer.background(Weight::rows(1), write).await?;
        }
        Ok(())
    }

    pub(crate) async fn accept_clock(&self) -> Result<()> {
        let (clock, times) = (&self.inner.clock, &self.inner.timekeeping);
        clock.confirm();
        let now = clock.now();
        self.inner.writer.interactive(move |connection| write_seen(connection, now)).await?;
        times.seen_at.store(now.0, Ordering::Relaxed);
        times.is_doubted.store(false, Ordering::Relaxed);
        self.inner.health.release(Obstacle::ClockJumped);
        Ok(())
    }
}
