//! What must exist before sending: people, and an institution with its contract and token. Created through the
//! operator API, once per data directory.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::input::PEOPLE;
use crate::admin::AdminClient;
use crate::config::Config;
use crate::server::Server;

/// The demo's institution, as stored between runs.
#[derive(Serialize, Deserialize)]
pub(super) struct Institution {
    pub(super) institution_id: String,
    pub(super) contract_uuid: String,
    pub(super) access_token: String,
}

/// The operator's client.
pub(super) fn admin(config: &Config, server: &Server) -> Result<AdminClient> {
    let token = match (&config.admin.token, &server.addresses.admin_token_file) {
        (Some(token), _) => token.expose_secret().to_owned(),
        (None, Some(file)) => std::fs::read_to_string(file)?,
        (None, None) => bail!("no operator's token"),
    };
    AdminClient::new(&server.addresses.admin, token.trim())
}

/// The institution of this data directory, created in the first run.
pub(super) async fn institution(config: &Config, admin: &AdminClient) -> Result<Institution> {
    let file = config.store.data.join("demo.json");
    if file.exists() {
        let text = std::fs::read_to_string(&file)?;
        return serde_json::from_str(&text).with_context(|| file.display().to_string());
    }
    let made = admin.post("institutions", &json!({ "name": "가상시청" })).await?;
    let institution_id = member(&made, "institution_id")?;
    let path = |what: &str| format!("institutions/{institution_id}/{what}");
    let contract = admin.post(&path("contracts"), &json!({ "authentication": "pin" })).await?;
    let contract_uuid = member(&contract, "contract_uuid")?;
    // Show parts of a bill's payload in the box.
    admin.set_card(&contract_uuid, Some("amount"), Some("due")).await?;
    let token = admin.post(&path("tokens"), &json!({ "label": "demo" })).await?;
    let institution =
        Institution { contract_uuid, access_token: member(&token, "access_token")?, institution_id };
    write_private(&file, &serde_json::to_vec_pretty(&institution)?)?;
    Ok(institution)
}

/// Registers the people of the example. Existing ones are updated with the same values.
pub(super) async fn register(admin: &AdminClient) -> Result<()> {
    let report = admin.import(PEOPLE.into()).await?;
    match report.get("rejected").and_then(Value::as_array) {
        Some(rejected) if rejected.is_empty() => Ok(()),
        _ => bail!("examples/people.ndjson was not taken whole"),
    }
}

fn member(value: &Value, name: &str) -> Result<String> {
    let text = value.get(name).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("the answer has no {name}"))
}

pub(super) fn write_private(file: &Path, bytes: &[u8]) -> Result<()> {
    let mut made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    made.write_all(bytes)?;
    made.sync_all()?;
    Ok(())
}
