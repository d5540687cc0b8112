//! What idempotency keys cost an acceptance: pairs of short loads, without and with, so that a machine
//! whose speed drifts does not decide.

#![allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]

use std::time::Duration;

use anyhow::Result;

use crate::load::{Driven, Keys, Platform, drive_with};
use crate::node::Target;

const PAIRS: usize = 7;

/// Medians over the pairs.
pub(crate) struct Keyed {
    pub(crate) accepted: u64,
    pub(crate) pairs: usize,
    pub(crate) plain_per_second: f64,
    pub(crate) keyed_per_second: f64,
    pub(crate) rate_ratio: f64,
    /// Of the server's processor time for each document.
    pub(crate) cpu_ratio: f64,
}

pub(crate) async fn measure(
    platform: &Platform,
    target: &Target,
    bodies: &[String],
    connections: usize,
    seconds: u64,
) -> Result<Keyed> {
    let each = Duration::from_secs(seconds).div_f64(4.0);
    let (mut accepted, mut drained) = (0, platform.delivered().await?);
    let (mut plain, mut keyed, mut rates, mut cpus) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        let order = if pair % 2 == 0 { [Keys::None, Keys::Fresh] } else { [Keys::Fresh, Keys::None] };
        let mut of = [0.0; 2];
        let mut cpu_of = [0.0; 2];
        for keys in order {
            let mut driven = drive_with(keys, platform, target, bodies, connections, each).await?;
            let place = usize::from(keys == Keys::Fresh);
            of[place] = driven.accepted_per_second();
            cpu_of[place] = driven.server_cpu_seconds / driven.accepted.max(1) as f64;
            accepted += driven.accepted;
            drained = wait(&mut driven, platform, drained).await?;
        }
        plain.push(of[0]);
        keyed.push(of[1]);
        rates.push(of[1] / of[0]);
        cpus.push(cpu_of[1] / cpu_of[0]);
    }
    Ok(Keyed {
        accepted,
        pairs: PAIRS,
        plain_per_second: median(plain),
        keyed_per_second: median(keyed),
        rate_ratio: median(rates),
        cpu_ratio: median(cpus),
    })
}

/// Lets what was accepted be delivered, so that each load finds the same server; gives how much was
/// delivered ever.
pub(crate) async fn wait(driven: &mut Driven, platform: &Platform, before: u64) -> Result<u64> {
    let all = before + driven.accepted;
    driven.drain(platform, all).await?;
    Ok(all)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
