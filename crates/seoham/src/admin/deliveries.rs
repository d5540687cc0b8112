//! `seoham admin deliveries`: whether workers deliver, and what to do with the queue of a restored backup.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Subcommand)]
pub(super) enum DeliveriesCommand {
    /// What workers do with what is queued.
    Show,
    /// Decide what becomes of what was queued in a backup that was restored.
    Release {
        /// Send it: whoever was told since the backup is told again.
        #[arg(long, conflicts_with = "drop", required_unless_present = "drop")]
        send: bool,
        /// Put it into the boxes, and tell nobody.
        #[arg(long)]
        drop: bool,
    },
}

impl DeliveriesCommand {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        match self {
            Self::Show => client.get("deliveries").await,
            Self::Release { drop, .. } => {
                let queued = if drop { "drop" } else { "send" };
                client.post("deliveries/release", &json!({ "queued": queued })).await
            }
        }
    }
}
