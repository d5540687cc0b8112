//! NHN's pushes: repeated, and out of order.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ledger::Result;
use crate::nhn;
use crate::server::{SECRET, Shared};

const EVERY: Duration = Duration::from_millis(100);
const TOGETHER: usize = 500;

/// Pushes results for as long as it runs.
pub(crate) async fn push(shared: Shared) {
    let client = reqwest::Client::new();
    let mut pushed: HashSet<(String, usize)> = HashSet::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(url) = shared.push_to.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            continue;
        };
        let messages = shared.ledger.lock().clone();
        let done = messages.iter().filter(|message| {
            shared.ledger.result(message) != Result::Pending
                && !pushed.contains(&(message.call_id.clone(), message.place))
        });
        let done: Vec<_> = done.take(TOGETHER).cloned().collect();
        if done.is_empty() {
            continue;
        }
        let hooks: Vec<Value> =
            done.iter().rev().map(|message| nhn::outcome(&shared, message, true)).collect();
        let body = json!({"event": "MESSAGE_RESULT_UPDATE", "hooks": hooks});
        let mut was_taken = true;
        for _ in 0..2 {
            let request = client.post(&url).header("x-toast-webhook-signature", SECRET).json(&body);
            was_taken &= request.send().await.is_ok_and(|answer| answer.status().is_success());
        }
        if was_taken {
            pushed.extend(done.into_iter().map(|message| (message.call_id, message.place)));
        }
    }
}
