//! `seoham admin institution`: institutions and their marks, the pictures that recipients see.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Subcommand)]
pub(super) enum InstitutionCommand {
    /// A new institution.
    Create {
        /// Its name, as recipients see it.
        name: String,
        /// Whom to ask about it.
        #[arg(long)]
        contact: Option<String>,
        /// AGC-…: the agency that administers it. An agency's own institutions are its own without it.
        #[arg(long)]
        agency: Option<String>,
    },
    /// Give an institution another name, as recipients see it.
    Rename {
        /// INS-…
        institution: String,
        /// The new name.
        name: String,
    },
    /// Whom to ask about an institution.
    Contact {
        /// INS-…
        institution: String,
        /// A person, an office, a number.
        #[arg(required_unless_present = "remove")]
        contact: Option<String>,
        /// Nobody.
        #[arg(long, conflicts_with = "contact")]
        remove: bool,
    },
    /// Refuse what an institution sends from now on. Opening, status and everything else goes on.
    Suspend {
        /// INS-…
        institution: String,
    },
    /// Take what a suspended institution sends again.
    Resume {
        /// INS-…
        institution: String,
    },
    /// All institutions.
    List,
    /// One institution with its contracts, its tokens and what it sent today.
    Show {
        /// INS-…
        institution: String,
    },
    /// Set the picture by which recipients know an institution.
    Mark {
        /// INS-…
        institution: String,
        /// A PNG of at most 64 KiB.
        #[arg(required_unless_present = "remove")]
        file: Option<PathBuf>,
        /// Take the picture away: letters of the name take its place.
        #[arg(long, conflicts_with = "file")]
        remove: bool,
    },
}

impl InstitutionCommand {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        match self {
            Self::Create { name, contact, agency } => {
                let body = json!({ "name": name, "contact": contact, "agency_id": agency });
                client.post("institutions", &body).await
            }
            Self::Show { institution } => client.get(&format!("institutions/{institution}")).await,
            Self::Mark { institution, file, remove: _ } => {
                let path = format!("institutions/{institution}/mark");
                let Some(file) = file else { return client.delete(&path).await };
                let picture = tokio::fs::read(&file).await.with_context(|| file.display().to_string())?;
                client.put(&path, |request| request.header("content-type", "image/png").body(picture)).await
            }
            Self::List => client.all_pages("institutions", "institutions").await,
            Self::Rename { institution, name } => {
                client.patch(&format!("institutions/{institution}"), &json!({ "name": name })).await
            }
            Self::Contact { institution, contact, remove: _ } => {
                client.patch(&format!("institutions/{institution}"), &json!({ "contact": contact })).await
            }
            Self::Suspend { institution } => {
                client.post(&format!("institutions/{institution}/suspend"), &json!({})).await
            }
            Self::Resume { institution } => {
                client.post(&format!("institutions/{institution}/resume"), &json!({})).await
            }
        }
    }
}
