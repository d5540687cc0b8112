//! Two providers, of which one stops responding for a while: how soon the other has the messages, and whether the first gets
//! its share back. In real time, because the weights follow minutes.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use seoham_messenger_fakes::Fakes;

use super::messenger::start;
use crate::Arguments;
use crate::figures::Figure;
use crate::load::{Load, Platform, bodies, drive};

/// Documents a second.
const PER_SECOND: f64 = 100.0;
const MINUTE: Duration = Duration::from_mins(1);
/// Minutes with both, with one of them silent, and with both again.
const MINUTES: [usize; 3] = [2, 6, 14];
const STORE: &str = "SQLite";

/// Measures each minute's share of the provider that falls silent.
pub(crate) async fn measure(arguments: &Arguments) -> Result<Vec<Figure>> {
    let (sound, silent) = (Fakes::start().await?, Fakes::start().await?);
    let directory = tempfile::tempdir()?;
    let providers = [("nhn", &sound), ("solapi", &silent)];
    let node = start(&providers, "timeout_seconds = 5", "at_least_once", directory.path()).await?;
    node.people(arguments.people).await?;
    let targets = [node.institution().await?];
    let platform = Platform { gateways: vec![node], workers: Vec::new() };
    let bodies = bodies(arguments.people, 10);
    let (mut shares, mut accepted) = (Vec::new(), 0);
    for (phase, minutes) in MINUTES.into_iter().enumerate() {
        silent.faults().set_silent(phase == 1);
        for minute in 0..minutes {
            let before = sound.count();
            let mut load = Load::new(&targets, 2, &bodies, MINUTE);
            load.per_second = Some(PER_SECOND);
            let sent = drive(&platform, &load).await?.accepted;
            accepted += sent;
            // What the other has not got went to this one.
            let share = 1.0 - (sound.count() - before) as f64 / sent.max(1) as f64;
            eprintln!("phase {phase}, minute {minute}: {sent} accepted, share of the silent one {share:.2}");
            shares.push(share);
        }
    }
    // What the silent one may have waits until it answers again.
    let mut times: HashMap<String, u64> = HashMap::new();
    for _ in 0..120 {
        times.clear();
        for message in sound.messages().into_iter().chain(silent.messages()) {
            *times.entry(message.link).or_default() += 1;
        }
        if times.len() as u64 >= accepted {
            break;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let twice = times.values().filter(|times| **times > 1).count();
    let fifth_minute = shares[MINUTES[0] + 4];
    let last = shares.last().copied().unwrap_or(0.0);
    let figures = vec![
        Figure::new(STORE, "share of a silent provider in its fifth minute", fifth_minute, "of all")
            .at_most(None, 0.1),
        Figure::new(STORE, "share of the other after it came back", 1.0 - last, "of all").at_most(None, 0.6),
        Figure::new(STORE, "lost", accepted.saturating_sub(times.len() as u64) as f64, "notices")
            .at_most(None, 0.0),
        Figure::new(STORE, "told twice", twice as f64, "notices").at_most(None, 0.0),
    ];
    platform.stop()?;
    Ok(figures)
}
