//! Connections that break after the provider took the messages, at each provider: who is told twice, and who is not told.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use seoham_messenger_fakes::Fakes;
use serde_json::json;

use super::messenger::start;
use crate::Arguments;
use crate::figures::Figure;
use crate::load::{Load, Platform, bodies, drive};

/// The longest that a provider may take until nothing is unknown any more.
const AT_MOST: Duration = Duration::from_mins(10);

/// Sends notices through each provider, with what is done where it can neither be asked nor deduplicates.
pub(crate) async fn measure(arguments: &Arguments) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    // One connection in a hundred breaks; where a call has so many messages that this would be hardly any, more.
    for (kind, broken_one_in, unknown) in [
        ("nhn", 10, "at_least_once"),
        ("solapi", 3, "at_least_once"),
        ("bizppurio", 100, "at_least_once"),
        ("sens", 100, "at_most_once"),
        ("aligo", 50, "at_least_once"),
    ] {
        figures.extend(at(kind, broken_one_in, unknown, arguments).await?);
    }
    Ok(figures)
}

async fn at(
    kind: &'static str,
    broken_one_in: u64,
    unknown: &str,
    arguments: &Arguments,
) -> Result<Vec<Figure>> {
    let fakes = Fakes::start().await?;
    fakes.faults().break_one_in(broken_one_in);
    let directory = tempfile::tempdir()?;
    let node = start(&[(kind, &fakes)], "", unknown, directory.path()).await?;
    node.people(arguments.people).await?;
    let target = node.institution().await?;
    let platform = Platform { gateways: vec![node], workers: Vec::new() };
    let (targets, bodies) = ([target.clone()], bodies(arguments.people, 100));
    let began = Instant::now();
    let mut accepted = 0;
    while accepted < arguments.stored {
        let load = Load::new(&targets, 8, &bodies, Duration::from_millis(500));
        accepted += drive(&platform, &load).await?.accepted;
    }
    let node = &platform.gateways[0];
    loop {
        let shown = node.get("messenger").await?;
        let count = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
        let unsettled: u64 =
            shown["providers"].as_array().into_iter().flatten().map(|one| count(&one["unsettled"])).sum();
        eprintln!("{kind}: {} waiting, {unsettled} unsettled, {} taken", shown["waiting"], fakes.count());
        if (count(&shown["waiting"]) == 0 && unsettled == 0) || began.elapsed() > AT_MOST {
            break;
        }
        // Look-ups wait for lists and results to be complete, by the sandbox's clock.
        if count(&shown["waiting"]) == 0 {
            let url = format!("{}/sandbox/v1/clock", node.url("api"));
            let request = node.http.post(url).bearer_auth(&target.access_token);
            request.json(&json!({ "advance_seconds": 60 })).send().await?.error_for_status()?;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let mut times: HashMap<String, u64> = HashMap::new();
    for message in fakes.messages() {
        *times.entry(message.link).or_default() += 1;
    }
    let twice = times.values().filter(|times| **times > 1).count();
    let listed = node.counter("seoham_notifications_total", "uncertain").await?;
    let figure = |what: String, value: u64| Figure::new(kind, what, value as f64, "notices");
    let figures = vec![
        figure(format!("accepted, with {} broken connections", fakes.faults().broken()), accepted),
        figure("not told and not listed".to_owned(), accepted.saturating_sub(times.len() as u64))
            .at_most(None, 0.0),
        figure("told twice and not listed".to_owned(), (twice as u64).saturating_sub(listed))
            .at_most(None, 0.0),
        figure("told twice".to_owned(), twice as u64),
        figure(format!("listed as uncertain ({unknown})"), listed),
    ];
    for figure in &figures {
        eprintln!("{}: {} {:.2} {}", figure.store, figure.what, figure.value, figure.unit);
    }
    platform.stop()?;
    Ok(figures)
}
