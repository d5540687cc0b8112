//! A few recipients open and read: authentication, redirect, verification, read report.

use anyhow::Result;

use super::client::Client;
use super::journal::Sent;

/// Documents that are read in all, over however many runs.
const READ: usize = 5;

pub(super) async fn read_a_few(client: &Client, sent: &[Sent]) -> Result<()> {
    let statuses = client.statuses(sent).await?;
    let read = statuses.values().filter(|s| s.doc_box_status == "READ").count();
    let waiting = statuses.iter().filter(|(_, s)| s.doc_box_status == "RECEIVED");
    for (id, _) in waiting.take(READ.saturating_sub(read)) {
        let token = client.open(id).await?;
        client.verify(id, &token).await?;
        client.mark_read(id).await?;
    }
    Ok(())
}
