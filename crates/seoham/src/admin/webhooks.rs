//! `seoham admin webhooks`: every institution's webhooks.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::client::AdminClient;

#[derive(Args)]
pub(super) struct WebhooksArgs {
    /// WHK-…: after this one, as `next_after` of the page before says.
    #[arg(long)]
    after: Option<String>,
}

impl WebhooksArgs {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        let after = self.after.map_or_else(String::new, |after| format!("?after={after}"));
        client.get(&format!("webhooks{after}")).await
    }
}
