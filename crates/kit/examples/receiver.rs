//! A receiver of webhooks: prints what happens. Put it behind your own https, and register its address:
//! `SEOHAM_WEBHOOK_SECRET=whsec_… cargo run -p seoham-kit --example receiver`

#![allow(clippy::print_stdout, reason = "an example")]

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use seoham_kit::webhook::{Delivery, WebhookError, WebhookVerifier};

async fn take(State(verifier): State<Arc<WebhookVerifier>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    match verifier.read(&headers, &body) {
        Ok(Delivery::Ping) => StatusCode::NO_CONTENT,
        Ok(Delivery::Events { epoch, events, .. }) => {
            // Keep the epoch and the last number with what you do, and skip what you have: a delivery can come again. In
            // another epoch, the same numbers are other events.
            for event in events {
                println!("{epoch}/{} {} {:?}", event.seq, event.event_type, event.external_document_uuid);
            }
            StatusCode::NO_CONTENT
        }
        Err(WebhookError::Unsigned) => StatusCode::UNAUTHORIZED,
        Err(WebhookError::Malformed) => StatusCode::BAD_REQUEST,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = std::env::var("SEOHAM_WEBHOOK_SECRET")?;
    let verifier =
        WebhookVerifier::new(&secret.into()).ok_or("SEOHAM_WEBHOOK_SECRET is no secret of a webhook")?;
    let router = axum::Router::new().route("/seoham", post(take)).with_state(Arc::new(verifier));
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:9000").await?, router).await?;
    Ok(())
}
