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
            Self::Create { name } => client.post("institutions", &json!({ "name": name })).await,
            Self::Show { institution } => client.get(&format!("institutions/{institution}")).await,
            Self::Mark { institution, file, remove: _ } => {
                let path = format!("institutions/{institution}/mark");
                let Some(file) = file else { return client.delete(&path).await };
                let picture = tokio::fs::read(&file).await.with_context(|| file.display().to_string())?;
                client.put(&path, |request| request.header("content-type", "image/png").body(picture)).await
            }
            Self::List => {
                let mut all = Vec::new();
                let mut path = "institutions".to_owned();
                loop {
                    let mut page = client.get(&path).await?;
                    if let Some(Value::Array(found)) = page.get_mut("institutions").map(Value::take) {
                        all.extend(found);
                    }
                    match page.get("next_after").and_then(Value::as_str) {
                        Some(after) => path = format!("institutions?after={after}"),
                        None => return Ok(json!({ "institutions": all })),
                    }
                }
            }
        }
    }
}
