//! The recipient's pages in a real browser: headless Chromium against the built binary.
//!
//! Screenshots of every page stay in `target/screenshots` after a run.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests are documented by their names")]

use seoham_harness as harness;

mod accessible;
mod driver;
mod institution;
mod journeys;
mod scene;
mod states;
