//! `seoham admin clock`: compares the process's clock with the machine's.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Subcommand)]
pub(super) enum ClockCommand {
    /// The process's clock beside the machine's.
    Show,
    /// The machine's clock is right: take it, and serve again.
    Confirm,
}

impl ClockCommand {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        match self {
            Self::Show => client.get("clock").await,
            Self::Confirm => client.post("clock/confirm", &json!({})).await,
        }
    }
}
