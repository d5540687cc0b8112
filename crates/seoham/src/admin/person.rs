//! `seoham admin person` and `import-people`: the people who receive documents.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Subcommand)]
pub(super) enum PersonCommand {
    /// Lift every lock after wrong attempts.
    Unlock {
        /// The telephone number that the person is registered with.
        phone_number: String,
    },
    /// Forget the PIN: the person sets a new one by a link to the telephone and the birthday.
    ForceNewPin {
        /// The telephone number that the person is registered with.
        phone_number: String,
    },
}

impl PersonCommand {
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        let (action, phone_number) = match self {
            Self::Unlock { phone_number } => ("unlock", phone_number),
            Self::ForceNewPin { phone_number } => ("new-pin", phone_number),
        };
        client.post(&format!("people/{action}"), &json!({ "phone_number": phone_number })).await
    }
}

/// Adds or updates people from a file, `-` for standard input.
pub(super) async fn import(client: &AdminClient, file: &Path) -> Result<Value> {
    let body = if file == Path::new("-") {
        reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(tokio::io::stdin()))
    } else {
        let opened = tokio::fs::File::open(file).await;
        opened.with_context(|| file.display().to_string())?.into()
    };
    client.import(body).await
}
