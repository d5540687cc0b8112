//! `seoham admin contract`: an institution's contracts.

use std::io::IsTerminal;

use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};
use seoham_institution_cli::terminal::localized;
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Subcommand)]
pub(super) enum ContractCommand {
    /// A new contract.
    Create {
        /// INS-…
        institution: String,
        /// How recipients authenticate.
        #[arg(long, value_enum, default_value_t = Authentication::Pin)]
        authentication: Authentication,
        /// Documents need a hash of their original.
        #[arg(long)]
        certified: bool,
        /// Who notifies recipients: the platform, the institution's own channel and template, or nobody.
        #[arg(long, value_enum, default_value_t = Notice::Platform)]
        notice: Notice,
    },
    /// Say which members of a JSON payload the box shows on a document's card; neither: nothing of it.
    Card {
        /// CON-…
        contract: String,
        /// The member with the amount in won.
        #[arg(long)]
        amount: Option<String>,
        /// The member with the day until which it is to be paid.
        #[arg(long)]
        due: Option<String>,
    },
    /// Close a contract for good; asks first.
    Close {
        /// It is meant: do not ask.
        #[arg(long)]
        yes: bool,
        /// INS-…
        institution: String,
        /// CON-…
        contract: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Authentication {
    Pin,
    Certificate,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Notice {
    Platform,
    Institution,
    None,
}

impl ContractCommand {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        match self {
            Self::Create { institution, authentication, certified, notice } => {
                let authentication = match authentication {
                    Authentication::Pin => "pin",
                    Authentication::Certificate => "certificate",
                    Authentication::None => "none",
                };
                let notice = match notice {
                    Notice::Platform => "platform",
                    Notice::Institution => "institution",
                    Notice::None => "none",
                };
                let terms =
                    json!({ "authentication": authentication, "certified": certified, "notice": notice });
                client.post(&format!("institutions/{institution}/contracts"), &terms).await
            }
            Self::Card { contract, amount, due } => {
                client.set_card(&contract, amount.as_deref(), due.as_deref()).await
            }
            Self::Close { institution, contract, yes } => {
                if !yes {
                    confirm(&contract)?;
                }
                client.delete(&format!("institutions/{institution}/contracts/{contract}")).await
            }
        }
    }
}

/// Asks whether to close a contract, which cannot be undone. Without a terminal, refuses.
fn confirm(contract: &str) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!(localized(
            &format!("{contract}: 해지하면 되돌릴 수 없습니다. 해지하시려면 --yes를 붙여 주십시오"),
            &format!("{contract}: closing cannot be undone; give --yes if it is meant"),
        ));
    }
    let question = localized(
        &format!("{contract}: 해지할까요? 되돌릴 수 없습니다"),
        &format!("Close {contract} for good?"),
    );
    if dialoguer::Confirm::new().with_prompt(question).default(false).interact()? {
        return Ok(());
    }
    bail!(localized(&format!("{contract}: 해지하지 않았습니다"), &format!("{contract}: left open")))
}
