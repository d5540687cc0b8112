//! Shared by black-box, browser and chaos tests: a separate server per test, on free ports and in a temporary
//! directory; clients for an institution, an operator and a browser; injected faults. It accesses the
//! platform only through its sockets, and the store only with SQL from a test. It finds the built binary
//! beside the running tests.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "for tests, which fail by panics"
)]

mod backing;
mod browser;
mod client;
mod documents;
mod faults;
mod server;

pub use backing::{Backing, DOCUMENTS, QUEUE_ROWS, QUEUED, private_file};
pub use browser::{Browser, Page};
pub use client::{Answer, Client, http, http_builder};
pub use documents::{bulk, document, documents, member_document};
pub use faults::{Disk, MachineClock};
pub use server::{Server, Start, binary};

use std::time::{Duration, Instant};

/// Waits until `condition` holds; panics if it does not within a minute.
pub async fn eventually<F, T>(what: &str, mut condition: F) -> T
where
    F: AsyncFnMut() -> Option<T>,
{
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < patience, "within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
