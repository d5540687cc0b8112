//! `seoham admin template`: the text by which an institution's own channel announces documents.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Subcommand)]
pub(super) enum TemplateCommand {
    /// Set the text, with its variables #{기관명}, #{제목}, #{내용}, #{열람기한}, #{고객센터명}, #{고객센터번호}, #{링크}.
    Set {
        /// INS-…
        institution: String,
        /// A text file.
        file: PathBuf,
    },
    /// The text.
    Show {
        /// INS-…
        institution: String,
    },
    /// Remove the text: nothing can be sent under contracts that need it.
    Remove {
        /// INS-…
        institution: String,
    },
}

impl TemplateCommand {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        let path = |institution: &str| format!("institutions/{institution}/templates/document_arrived");
        match self {
            Self::Set { institution, file } => {
                let text = tokio::fs::read_to_string(&file).await;
                let text = text.with_context(|| file.display().to_string())?;
                // An editor may have added a byte order mark, and ends the last line.
                let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']).to_owned();
                client.put(&path(&institution), |request| request.json(&json!({ "body": text }))).await
            }
            Self::Show { institution } => client.get(&path(&institution)).await,
            Self::Remove { institution } => client.delete(&path(&institution)).await,
        }
    }
}
