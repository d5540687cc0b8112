//! NHN's pushes: repeated, and out of order.

use std::sync::PoisonError;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ledger::{Message, RESULT_AFTER, Result};
use crate::nhn;
use crate::server::{SECRET, Shared};

const EVERY: Duration = Duration::from_millis(100);
const TOGETHER: usize = 500;

/// Pushes results for as long as it runs.
pub(crate) async fn push(shared: Shared) {
    let client = reqwest::Client::new();
    // Results come in the order of the messages.
    let mut next = 0;
    loop {
        let done: Vec<Message> = {
            let messages = shared.ledger.lock();
            let is_due = |message: &&Message| message.taken_at.elapsed() >= RESULT_AFTER;
            messages.iter().skip(next).take(TOGETHER).take_while(is_due).cloned().collect()
        };
        let url = shared.push_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(url) = url.filter(|_| !done.is_empty()) else {
            tokio::time::sleep(EVERY).await;
            continue;
        };
        let count = done.len();
        let done = done.into_iter().filter(|message| message.result() != Result::Pending);
        let done: Vec<Message> = done.collect();
        let hooks: Vec<Value> = done.iter().rev().map(|message| nhn::outcome(message, true)).collect();
        let body = json!({"event": "MESSAGE_RESULT_UPDATE", "hooks": hooks}).to_string();
        let mut was_taken = true;
        for _ in 0..2 {
            let request = client.post(&url).header("x-toast-webhook-signature", SECRET);
            let request = request.header("content-type", "application/json").body(body.clone());
            was_taken &= request.send().await.is_ok_and(|answer| answer.status().is_success());
        }
        if was_taken {
            next += count;
        } else {
            tokio::time::sleep(EVERY).await;
        }
    }
}
