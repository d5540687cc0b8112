//! The cost of idempotency keys on acceptance: pairs of short loads, without and with keys, so that a drift
//! in the machine's speed cancels out.

use std::time::Duration;

use anyhow::Result;

use super::Run;
use crate::figures::Figure;
use crate::load::{Keys, Load, drive};

const PAIRS: usize = 7;

pub(crate) async fn measure(run: &mut Run<'_>) -> Result<()> {
    let each = Duration::from_secs(run.arguments.seconds).div_f64(4.0);
    let (mut plain, mut keyed, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        let order = if pair % 2 == 0 { [Keys::None, Keys::Fresh] } else { [Keys::Fresh, Keys::None] };
        let mut of = [0.0; 2];
        for keys in order {
            let mut load = Load::new(&run.targets[..1], 16, &run.bodies, each);
            load.keys = keys;
            of[usize::from(keys == Keys::Fresh)] = drive(&run.platform, &load).await?.per_second();
            // Each load starts with the same server state.
            run.platform.settle().await?;
        }
        plain.push(of[0]);
        keyed.push(of[1]);
        ratios.push(of[1] / of[0]);
    }
    let what = format!("accepted a second under keys (median of {PAIRS} pairs; ratio {:.2})", median(ratios));
    let figure = Figure::new(run.store(), what, median(keyed), "documents/s");
    run.add(figure.beside("without", median(plain)));
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
