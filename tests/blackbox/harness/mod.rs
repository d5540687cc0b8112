//! A server of its own for each test, on free ports and a directory that goes with it.

mod backing;
mod browser;
mod client;
mod documents;
mod faults;
mod server;

pub(crate) use backing::{Backing, private_file};
pub(crate) use browser::{Browser, Page};
pub(crate) use client::{Answer, Client, http};
pub(crate) use documents::{bulk, document, documents, member_document};
pub(crate) use faults::{Disk, MachineClock};
pub(crate) use server::{Server, Start, binary};

use std::time::{Duration, Instant};

/// Waits until `condition` holds; fails loudly when it does not within a minute.
pub(crate) async fn eventually<F, T>(what: &str, mut condition: F) -> T
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
