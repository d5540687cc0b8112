//! A few recipients open and read: authentication, redirect, verification, read report.

use anyhow::Result;
use seoham_kit::client::SendResult;
use seoham_model::status::DocBoxStatus;

use super::client::Client;

/// Number of documents to read in total, over all runs.
const READ: usize = 5;

pub(super) async fn read_a_few(client: &Client, sent: &[SendResult]) -> Result<()> {
    let statuses = client.statuses(sent).await?;
    let read = statuses.values().filter(|s| s.doc_box_status == DocBoxStatus::Read).count();
    let waiting = statuses.iter().filter(|(_, s)| s.doc_box_status == DocBoxStatus::Received);
    for (id, _) in waiting.take(READ.saturating_sub(read)) {
        let token = client.open(id).await?;
        client.kit.verify(id, &token).await?;
        client.kit.mark_read(id).await?;
    }
    Ok(())
}
