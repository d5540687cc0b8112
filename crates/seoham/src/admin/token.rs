//! `seoham admin token`: an institution's access tokens.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// A new access token; it is shown this once.
    Create {
        /// INS-…
        institution: String,
        #[command(flatten)]
        new: NewTokenArgs,
    },
    /// Give an access token another label, end or networks; the token itself stays.
    Change {
        /// INS-…
        institution: String,
        /// TOK-…
        token: String,
        #[command(flatten)]
        change: TokenChangeArgs,
    },
    /// Revoke an access token at once.
    Revoke {
        /// INS-…
        institution: String,
        /// TOK-…
        token: String,
    },
}

/// A new token.
#[derive(Args)]
pub(super) struct NewTokenArgs {
    /// What it is for.
    #[arg(long, default_value = "default")]
    label: String,
    /// Unix seconds from which on it is no longer valid.
    #[arg(long)]
    expires_at: Option<i64>,
    /// A network that it may be used from, 203.0.113.7/32; several times for several.
    #[arg(long = "network")]
    networks: Vec<String>,
}

impl NewTokenArgs {
    pub(super) fn body(self) -> Value {
        let networks = Some(self.networks).filter(|networks| !networks.is_empty());
        json!({ "label": self.label, "expires_at": self.expires_at, "allowed_networks": networks })
    }
}

/// What changes of a token.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(super) struct TokenChangeArgs {
    /// What it is for.
    #[arg(long = "label")]
    new_label: Option<String>,
    /// Unix seconds from which on it is no longer valid.
    #[arg(long)]
    expires_at: Option<i64>,
    /// It has no end.
    #[arg(long, conflicts_with = "expires_at")]
    no_end: bool,
    /// A network that it may be used from, 203.0.113.7/32; several times for several.
    #[arg(long = "network")]
    networks: Vec<String>,
    /// It may be used from anywhere.
    #[arg(long, conflicts_with = "networks")]
    anywhere: bool,
}

impl TokenChangeArgs {
    pub(super) fn body(self) -> Value {
        let mut body = json!({});
        if let Some(label) = self.new_label {
            body["label"] = label.into();
        }
        if self.no_end || self.expires_at.is_some() {
            body["expires_at"] = self.expires_at.into();
        }
        if self.anywhere || !self.networks.is_empty() {
            body["allowed_networks"] = if self.anywhere { Value::Null } else { self.networks.into() };
        }
        body
    }
}

impl TokenCommand {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        match self {
            Self::Create { institution, new } => {
                client.post(&format!("institutions/{institution}/tokens"), &new.body()).await
            }
            Self::Change { institution, token, change } => {
                client.patch(&format!("institutions/{institution}/tokens/{token}"), &change.body()).await
            }
            Self::Revoke { institution, token } => {
                client.delete(&format!("institutions/{institution}/tokens/{token}")).await
            }
        }
    }
}
