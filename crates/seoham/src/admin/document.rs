//! `seoham admin document` and `find-documents`: one document, and finding documents for somebody who asks.

use anyhow::Result;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::client::AdminClient;

#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).args(["phone_number", "ci", "external_id"]))]
pub(super) struct FindArgs {
    /// INS-…
    institution: String,
    /// Why: it is logged, and the institution can read it.
    #[arg(long)]
    reason: String,
    /// The receiver's telephone number.
    #[arg(long)]
    phone_number: Option<String>,
    /// The receiver's ci.
    #[arg(long)]
    ci: Option<String>,
    /// The institution's own id of the document.
    #[arg(long, requires = "from", requires = "to")]
    external_id: Option<String>,
    /// The first day on which it may have been accepted, YYYY-MM-DD.
    #[arg(long)]
    from: Option<String>,
    /// The last day, at most 31 days in all.
    #[arg(long)]
    to: Option<String>,
}

impl FindArgs {
    /// Searches to the end.
    pub(super) async fn run(self, client: &AdminClient) -> Result<Value> {
        let path = format!("institutions/{}/documents/search", self.institution);
        let mut body = match &self.external_id {
            Some(id) => json!({
                "reason": self.reason, "external_document_uuid": id, "from": self.from, "to": self.to
            }),
            None => json!({
                "reason": self.reason, "receiver": { "phone_number": self.phone_number, "ci": self.ci }
            }),
        };
        let mut documents = Vec::new();
        loop {
            let mut page = client.post(&path, &body).await?;
            if let Some(Value::Array(found)) = page.get_mut("documents").map(Value::take) {
                documents.extend(found);
            }
            // Every page is behind the previous one, so the loop ends.
            if let Some(before) = page.get("next_before") {
                body["before"] = before.clone();
            } else if let Some(after) = page.get("next_after") {
                body["after"] = after.clone();
            } else {
                return Ok(json!({ "documents": documents }));
            }
        }
    }
}
