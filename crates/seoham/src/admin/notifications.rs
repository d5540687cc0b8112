//! `seoham admin notifications`: lists notifications that the messenger did not accept, and resends them.

use anyhow::Result;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Subcommand)]
pub(super) enum NotificationsCommand {
    /// Those that are tried again: attempts, the last error, the next attempt. Newest first.
    Waiting(ListArgs),
    /// Those that were given up: attempts, the last error. Newest first.
    GivenUp(ListArgs),
    /// Send again: one document's, an institution's, or all.
    SendAgain(SendAgainArgs),
}

#[derive(Args)]
pub(super) struct ListArgs {
    /// INS-…: of one institution alone.
    #[arg(long)]
    institution: Option<String>,
    /// BIN-…: older than this document, as `next_before` of the page before says.
    #[arg(long)]
    before: Option<String>,
}

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["document", "institution", "all"]))]
pub(super) struct SendAgainArgs {
    /// BIN-…: one document's.
    #[arg(long)]
    document: Option<String>,
    /// INS-…: all of an institution.
    #[arg(long)]
    institution: Option<String>,
    /// All of every institution.
    #[arg(long)]
    all: bool,
    /// Which of them.
    #[arg(long, value_enum, default_value_t = List::GivenUp, conflicts_with = "document")]
    list: List,
}

#[derive(Clone, Copy, ValueEnum)]
enum List {
    /// Those that were given up.
    GivenUp,
    /// Those that wait to be tried again.
    Waiting,
}

impl List {
    fn path(self) -> &'static str {
        match self {
            Self::GivenUp => "given-up",
            Self::Waiting => "waiting",
        }
    }
}

impl NotificationsCommand {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        match self {
            Self::Waiting(args) => args.run(client, List::Waiting).await,
            Self::GivenUp(args) => args.run(client, List::GivenUp).await,
            Self::SendAgain(args) => args.run(client).await,
        }
    }
}

impl ListArgs {
    async fn run(self, client: &AdminClient, list: List) -> Result<Value> {
        let path = self.institution.map_or_else(String::new, |id| format!("institutions/{id}/"));
        let before = self.before.map_or_else(String::new, |before| format!("?before={before}"));
        client.get(&format!("{path}notifications/{}{before}", list.path())).await
    }
}

impl SendAgainArgs {
    async fn run(self, client: &AdminClient) -> Result<Value> {
        if let Some(document) = self.document {
            return client.post(&format!("documents/{document}/send-again"), &json!({})).await;
        }
        let mut body = json!({});
        // An agency may ask for its own institutions alone.
        let of = self.institution.map_or_else(String::new, |id| format!("institutions/{id}/"));
        let path = format!("{of}notifications/{}/send-again", self.list.path());
        let mut sent_again = 0;
        loop {
            let page = client.post(&path, &body).await?;
            sent_again += page["sent_again"].as_u64().unwrap_or(0);
            match page.get("next_before") {
                // Every page is older than the previous one, so the loop ends.
                Some(before) => body["before"] = before.clone(),
                None => return Ok(json!({ "sent_again": sent_again })),
            }
        }
    }
}
