//! Sends the notices in requests of 100, several concurrently.

use anyhow::{Context, Result};
use futures_util::StreamExt;
use indicatif::ProgressBar;

use super::client::Client;
use super::journal::Journal;

const REQUEST: usize = 100;
const REQUESTS_AT_ONCE: usize = 4;

pub(super) async fn send(
    client: &Client,
    notices: &[String],
    journal: &mut Journal,
    bar: &ProgressBar,
) -> Result<()> {
    let mut missing = Vec::new();
    for (i, request) in notices.chunks(REQUEST).enumerate() {
        if journal.has(i * REQUEST) {
            bar.inc(request.len() as u64);
        } else {
            missing.push((i * REQUEST, request));
        }
    }
    let mut answers = futures_util::stream::iter(missing)
        .map(|(first, request)| async move { (first, client.send(request).await) })
        .buffer_unordered(REQUESTS_AT_ONCE);
    while let Some((first, answer)) = answers.next().await {
        let results = answer.with_context(|| format!("the request from notice {first} on"))?;
        bar.inc(results.len() as u64);
        journal.record(first, results)?;
    }
    Ok(())
}
