//! Delivery: whether it keeps up with acceptance, and its rate alone.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Run;
use crate::figures::Figure;
use crate::load::{Load, drive};
use crate::probe::Probe;

/// The share of the peak acceptance rate at which delivery must keep up.
const SHARE: f64 = 0.7;

pub(crate) async fn measure(run: &mut Run<'_>, peak: f64) -> Result<()> {
    let probe = Probe::start(&run.platform, &run.engine).await?;
    let mut load = Load::new(&run.targets[..1], 16, &run.bodies, run.duration());
    load.per_second = Some(peak * SHARE);
    let looking = async {
        let mut oldest = 0.0_f64;
        loop {
            oldest = oldest.max(run.platform.queue().await?.1);
            tokio::time::sleep(Duration::from_millis(100)).await;
            if probe.seconds() > run.arguments.seconds as f64 {
                return anyhow::Ok(oldest);
            }
        }
    };
    let (driven, oldest) = futures_util::future::try_join(drive(&run.platform, &load), looking).await?;
    let delivered = run.platform.delivered().await?;
    let draining = Instant::now();
    run.platform.settle().await?;
    let (drained, seconds) = (run.platform.delivered().await? - delivered, draining.elapsed().as_secs_f64());
    let seen = probe.end(&run.platform).await?;
    let what = format!("accepted a second at {SHARE} of the peak, while delivering");
    run.add(Figure::new(run.store(), what, driven.per_second(), "documents/s").beside("the peak", peak));
    let age = Figure::new(run.store(), "age of the oldest that waits, at 0.7 of the peak", oldest, "s");
    run.add(age.at_most(None, 2.0).limited_by(seen.limit()));
    if drained > 10_000 {
        run.add(Figure::new(
            run.store(),
            "what was left, delivered",
            drained as f64 / seconds,
            "documents/s",
        ));
    }
    Ok(())
}

/// Delivers the backlog of acceptance at full speed.
pub(crate) async fn alone(run: &mut Run<'_>, peak: f64) -> Result<()> {
    let load = Load::new(&run.targets[..1], 32, &run.bodies, run.duration());
    drive(&run.platform, &load).await?;
    let (delivered, started) = (run.platform.delivered().await?, Instant::now());
    let probe = Probe::start(&run.platform, &run.engine).await?;
    run.platform.settle().await?;
    let seconds = started.elapsed().as_secs_f64();
    let drained = run.platform.delivered().await? - delivered;
    let seen = probe.end(&run.platform).await?;
    if drained < 10_000 {
        eprintln!("nothing was left behind: delivery kept up with acceptance at its peak");
        return Ok(());
    }
    let figure =
        Figure::new(run.store(), "delivered a second, alone", drained as f64 / seconds, "documents/s");
    run.add(figure.beside("the peak of acceptance", peak).limited_by(seen.limit()));
    Ok(())
}
