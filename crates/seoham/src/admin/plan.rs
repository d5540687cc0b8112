//! `seoham admin plan`: announced volumes, compared with the actual ones.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Subcommand)]
pub(super) enum PlanCommand {
    /// Announce a volume: for an institution that expects 500,000 documents or more a day.
    Announce(AnnounceArgs),
    /// An institution's plans, beside what came on each day.
    List {
        /// INS-…
        institution: String,
    },
    /// Plans of all institutions that wait for a decision.
    Waiting,
    /// Approve a plan.
    Approve {
        /// INS-…
        institution: String,
        /// VPL-…
        plan: String,
    },
    /// Decline a plan.
    Decline {
        /// INS-…
        institution: String,
        /// VPL-…
        plan: String,
    },
}

#[derive(Args)]
pub(super) struct AnnounceArgs {
    /// INS-…
    institution: String,
    /// What it is called.
    #[arg(long)]
    name: String,
    /// The first day, YYYY-MM-DD in Seoul.
    #[arg(long)]
    from: String,
    /// The last day.
    #[arg(long)]
    to: String,
    /// Documents on each of these days.
    #[arg(long)]
    documents_per_day: u64,
    /// Requests a second to be expected at most.
    #[arg(long)]
    expected_tps: u32,
    /// What is sent.
    #[arg(long)]
    purpose: String,
}

impl PlanCommand {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        let decide = async |institution: String, plan: String, action: &str| {
            client.post(&format!("institutions/{institution}/volume-plans/{plan}/{action}"), &json!({})).await
        };
        match self {
            Self::Announce(args) => {
                let plan = json!({
                    "name": args.name, "from": args.from, "to": args.to, "purpose": args.purpose,
                    "documents_per_day": args.documents_per_day, "expected_tps": args.expected_tps,
                });
                client.post(&format!("institutions/{}/volume-plans", args.institution), &plan).await
            }
            Self::List { institution } => {
                client.get(&format!("institutions/{institution}/volume-plans")).await
            }
            Self::Waiting => client.get("volume-plans").await,
            Self::Approve { institution, plan } => decide(institution, plan, "approve").await,
            Self::Decline { institution, plan } => decide(institution, plan, "decline").await,
        }
    }
}
