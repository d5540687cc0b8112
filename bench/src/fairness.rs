//! One institution's backlog, and how long another's request waits behind it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::load::{Keys, Platform, send};
use crate::node::{Node, Target};

/// How a request of a hundred did.
pub(crate) struct Fairness {
    pub(crate) backlog: u64,
    pub(crate) seconds: f64,
}

/// Has `small` send one request while `backlog` documents of another wait; waits until its last
/// recipient is told.
pub(crate) async fn measure(
    platform: &Platform,
    small: &Target,
    body: &str,
    accepted: u64,
) -> Result<Fairness> {
    let backlog = accepted.saturating_sub(platform.delivered().await?);
    let gateway = &platform.gateways[0];
    let started = Instant::now();
    let Some(ids) = send(gateway, small, body, Keys::None).await? else { bail!("refused") };
    while !all_notified(gateway, small, &ids).await? {
        if started.elapsed() > Duration::from_secs(120) {
            bail!("not delivered within two minutes");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(Fairness { backlog, seconds: started.elapsed().as_secs_f64() })
}

async fn all_notified(gateway: &Node, target: &Target, ids: &[String]) -> Result<bool> {
    let answer = gateway
        .http
        .post(format!("{}/v1/documents/bulk/status", gateway.url("bulk")))
        .bearer_auth(&target.access_token)
        .header("contract-uuid", &target.contract_uuid)
        .header("content-type", "application/json")
        .body(json!({ "document_binder_uuids": ids }).to_string())
        .send()
        .await?;
    let answer: Value = answer.error_for_status()?.json().await?;
    let notified = |d: &Value| d["status_data"]["user_notified_at"].is_i64();
    Ok(answer["documents"].as_array().is_some_and(|all| all.iter().all(notified)))
}
