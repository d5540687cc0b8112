//! `seoham admin template`: the texts of messages, of the platform's channel and of institutions' own.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Subcommand)]
pub(super) enum TemplateCommand {
    /// Set a template from a file: a text with its variables #{기관명}, #{제목}, #{내용}, #{열람기한}, #{고객센터명},
    /// #{고객센터번호}, #{링크}, or JSON with buttons, a fallback and the codes of providers.
    Set {
        /// INS-…, or `platform`.
        owner: String,
        /// A text, or JSON `{"body","buttons"?,"fallback"?,"providers"?}`.
        file: PathBuf,
        /// What it is about; an institution's is always about an arrived document.
        #[arg(long, value_enum, default_value_t = Kind::DocumentArrived)]
        kind: Kind,
    },
    /// A template.
    Show {
        /// INS-…, or `platform`.
        owner: String,
        /// What it is about.
        #[arg(long, value_enum, default_value_t = Kind::DocumentArrived)]
        kind: Kind,
    },
    /// Remove a template: nothing can be sent under contracts that need it.
    Remove {
        /// INS-…, or `platform`.
        owner: String,
        /// What it is about.
        #[arg(long, value_enum, default_value_t = Kind::DocumentArrived)]
        kind: Kind,
    },
    /// Fill templates with the longest values, and compare them with what the providers approved.
    Check {
        /// INS-…: this institution's alone.
        institution: Option<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Kind {
    DocumentArrived,
    LoginLink,
    PinChanged,
}

fn path(owner: &str, kind: Kind) -> String {
    let kind = match kind {
        Kind::DocumentArrived => "document_arrived",
        Kind::LoginLink => "login_link",
        Kind::PinChanged => "pin_changed",
    };
    match owner {
        "platform" => format!("templates/{kind}"),
        institution => format!("institutions/{institution}/templates/{kind}"),
    }
}

/// The JSON of a file: what it contains, or its text as the body.
fn content(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(json @ Value::Object(_)) => json,
        _ => json!({ "body": text }),
    }
}

impl TemplateCommand {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        match self {
            Self::Set { owner, file, kind } => {
                let text = tokio::fs::read_to_string(&file).await;
                let text = text.with_context(|| file.display().to_string())?;
                // An editor may have added a byte order mark, and ends the last line.
                let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
                let content = content(&text.replace("\r\n", "\n"));
                client.put(&path(&owner, kind), |request| request.json(&content)).await
            }
            Self::Show { owner, kind } => client.get(&path(&owner, kind)).await,
            Self::Remove { owner, kind } => client.delete(&path(&owner, kind)).await,
            Self::Check { institution } => {
                let of = institution.map_or_else(String::new, |id| format!("institutions/{id}/"));
                client.post(&format!("{of}templates/check"), &json!({})).await
            }
        }
    }
}
