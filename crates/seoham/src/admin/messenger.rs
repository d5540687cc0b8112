//! `seoham admin messenger`: the messenger providers, how they fare, and trying them.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Args)]
pub(super) struct MessengerArgs {
    #[command(subcommand)]
    command: Option<MessengerCommand>,
}

#[derive(Subcommand)]
enum MessengerCommand {
    /// Each provider's weight, last success, last error in its own words, and what waits. The default.
    Show,
    /// Send a test message through every provider, or through one.
    Test {
        /// The telephone number or the e-mail address that gets it.
        to: String,
        /// The name of the provider.
        #[arg(long)]
        provider: Option<String>,
    },
    /// Messages for which it could not be found out whether the provider has them, newest first.
    Uncertain {
        /// BIN-…: older than this document, as `next_before` of the page before says.
        #[arg(long)]
        before: Option<String>,
    },
}

impl MessengerArgs {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        match self.command.unwrap_or(MessengerCommand::Show) {
            MessengerCommand::Show => client.get("messenger").await,
            MessengerCommand::Test { to, provider } => {
                let kind = if to.contains('@') { "email" } else { "phone_number" };
                let mut body = json!({ kind: to });
                if let Some(provider) = provider {
                    body["provider"] = provider.into();
                }
                client.post("messenger/test", &body).await
            }
            MessengerCommand::Uncertain { before } => {
                let before = before.map_or_else(String::new, |before| format!("?before={before}"));
                client.get(&format!("messenger/uncertain{before}")).await
            }
        }
    }
}
