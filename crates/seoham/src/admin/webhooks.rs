//! `seoham admin webhooks`: every institution's webhooks, and removing one.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::AdminClient;

#[derive(Args)]
pub(super) struct WebhooksArgs {
    /// WHK-…: after this one, as `next_after` of the page before says.
    #[arg(long)]
    after: Option<String>,
    #[command(subcommand)]
    command: Option<WebhooksCommand>,
}

#[derive(Subcommand)]
enum WebhooksCommand {
    /// Remove a webhook that its institution does not look after any more.
    Remove {
        /// INS-…
        institution: String,
        /// WHK-…
        webhook: String,
    },
}

impl WebhooksArgs {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        if let Some(WebhooksCommand::Remove { institution, webhook }) = self.command {
            return client.delete(&format!("institutions/{institution}/webhooks/{webhook}")).await;
        }
        let after = self.after.map_or_else(String::new, |after| format!("?after={after}"));
        client.get(&format!("webhooks{after}")).await
    }
}
