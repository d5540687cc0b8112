//! The same measurements with many documents in the store.

use std::time::Duration;

use anyhow::Result;

use super::{Run, acceptance, document_box, status};
use crate::figures::Figure;
use crate::load::{Load, drive};

const LEAST: f64 = 0.95;
const START_SECONDS_MAX: f64 = 1.0;

/// The measurements with a nearly empty store.
pub(crate) struct Before {
    pub(crate) accepted: f64,
    pub(crate) statuses: f64,
    /// Pages of boxes.
    pub(crate) boxes: f64,
}

/// Sends until `stored` documents exist, as institutions do.
pub(crate) async fn fill(run: &Run<'_>, stored: u64) -> Result<()> {
    let mut sent = 0;
    while sent < stored {
        let load = Load::new(&run.targets[..1], 16, &run.bodies, Duration::from_secs(5));
        sent += drive(&run.platform, &load).await?.accepted;
        eprintln!("{}: {sent} of {stored} documents to fill it with", run.store());
    }
    run.platform.settle().await
}

pub(crate) async fn measure(run: &mut Run<'_>, before: &Before) -> Result<()> {
    let millions = run.arguments.stored as f64 / 1e6;
    let (driven, seen) = acceptance::sixteen_by_hundred(run).await?;
    run.platform.settle().await?;
    let what = format!("accepted a second with {millions} million documents stored");
    let figure = Figure::new(run.store(), what, driven.per_second(), "documents/s");
    run.add(figure.beside("an empty store", before.accepted).ratio_at_least(LEAST).limited_by(seen.limit()));
    let statuses = status::measure(run, &driven.ids).await?;
    let what = format!("statuses a second with {millions} million documents stored");
    let figure = Figure::new(run.store(), what, statuses, "documents/s");
    run.add(figure.beside("an empty store", before.statuses).ratio_at_least(LEAST));
    document_box::measure(run, before.boxes, millions, LEAST).await
}

/// Restarts the platform on its data.
pub(crate) fn start_again(run: &mut Run<'_>) -> Result<()> {
    let platform = std::mem::replace(
        &mut run.platform,
        crate::load::Platform { gateways: Vec::new(), workers: Vec::new() },
    );
    platform.stop()?;
    run.platform = run.engine.start_all()?;
    let seconds = run.platform.gateways[0].start_seconds;
    let figure = Figure::new(run.store(), "start to ready with all of that stored", seconds, "s");
    run.add(figure.at_most(None, START_SECONDS_MAX));
    Ok(())
}
