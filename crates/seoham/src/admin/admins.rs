//! `seoham admin operator` and `seoham admin agency`: who administers, and their tokens.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::AdminClient;
use super::token::{NewTokenArgs, TokenChangeArgs};

#[derive(Subcommand)]
pub(super) enum AdminsCommand {
    /// A new one. An operator's first token is shown this once; an agency gets tokens by `token`.
    Create {
        /// Its name.
        name: String,
    },
    /// All of them.
    List,
    /// One with its tokens and their last use.
    Show {
        /// OPR-… or AGC-…
        id: String,
    },
    /// Remove it: its tokens are revoked at once. An agency's institutions stay, and operators administer them.
    Remove {
        /// OPR-… or AGC-…
        id: String,
    },
    /// Its tokens.
    #[command(subcommand)]
    Token(AdminTokenCommand),
}

#[derive(Subcommand)]
pub(super) enum AdminTokenCommand {
    /// A new token; it is shown this once.
    Create {
        /// OPR-… or AGC-…
        id: String,
        #[command(flatten)]
        new: NewTokenArgs,
    },
    /// Give a token another label, end or networks; the token itself stays.
    Change {
        #[command(flatten)]
        which: WhichToken,
        #[command(flatten)]
        change: TokenChangeArgs,
    },
    /// Revoke a token at once.
    Revoke {
        #[command(flatten)]
        which: WhichToken,
    },
}

#[derive(Args)]
pub(super) struct WhichToken {
    /// OPR-… or AGC-…
    id: String,
    /// TOK-…
    token: String,
}

impl AdminsCommand {
    /// Runs it for `operators` or `agencies`.
    pub(super) async fn run(self, client: &AdminClient, path: &'static str) -> Result<Value> {
        match self {
            Self::Create { name } => client.post(path, &json!({ "name": name })).await,
            Self::List => client.all_pages(path, path).await,
            Self::Show { id } => client.get(&format!("{path}/{id}")).await,
            Self::Remove { id } => client.delete(&format!("{path}/{id}")).await,
            Self::Token(AdminTokenCommand::Create { id, new }) => {
                client.post(&format!("{path}/{id}/tokens"), &new.body()).await
            }
            Self::Token(AdminTokenCommand::Change { which: WhichToken { id, token }, change }) => {
                client.patch(&format!("{path}/{id}/tokens/{token}"), &change.body()).await
            }
            Self::Token(AdminTokenCommand::Revoke { which: WhichToken { id, token } }) => {
                client.delete(&format!("{path}/{id}/tokens/{token}")).await
            }
        }
    }
}
