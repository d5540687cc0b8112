//! `seoham admin token`: an institution's access tokens.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// A new access token; it is shown this once.
    Create {
        /// INS-…
        institution: String,
        /// What it is for.
        #[arg(long, default_value = "default")]
        label: String,
        /// Unix seconds from which on it is no longer valid.
        #[arg(long)]
        expires_at: Option<i64>,
    },
    /// Revoke an access token at once.
    Revoke {
        /// INS-…
        institution: String,
        /// TOK-…
        token: String,
    },
}

impl TokenCommand {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        match self {
            Self::Create { institution, label, expires_at } => {
                let mut body = json!({ "label": label });
                if let Some(at) = expires_at {
                    body["expires_at"] = at.into();
                }
                client.post(&format!("institutions/{institution}/tokens"), &body).await
            }
            Self::Revoke { institution, token } => {
                client.delete(&format!("institutions/{institution}/tokens/{token}")).await
            }
        }
    }
}
