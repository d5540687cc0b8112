//! The measurements, one file each.

pub(crate) mod acceptance;
pub(crate) mod delivery;
pub(crate) mod document_box;
pub(crate) mod fairness;
pub(crate) mod feed;
pub(crate) mod growth;
pub(crate) mod institution;
pub(crate) mod keys;
pub(crate) mod lost_answers;
pub(crate) mod messenger;
pub(crate) mod overload;
pub(crate) mod peers;
pub(crate) mod provider_failover;
pub(crate) mod status;

use std::time::Duration;

use anyhow::Result;

use crate::Arguments;
use crate::engine::Engine;
use crate::figures::Figure;
use crate::load::{Body, Platform};
use crate::node::Target;

/// One run on one store.
pub(crate) struct Run<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) engine: Engine,
    pub(crate) platform: Platform,
    pub(crate) targets: Vec<Target>,
    /// With a hundred items each.
    pub(crate) bodies: Vec<Body>,
    pub(crate) figures: Vec<Figure>,
}

impl Run<'_> {
    pub(crate) fn store(&self) -> &'static str {
        self.engine.name()
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.arguments.seconds)
    }

    /// Waits until everything is delivered, if anything delivers, so that the next measurement has the
    /// machine to itself.
    pub(crate) async fn quiet(&self) -> Result<()> {
        if self.engine.delivers_with(&self.platform) {
            self.platform.settle().await?;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        eprintln!("{}: {} {:.2} {}", figure.store, figure.what, figure.value, figure.unit);
        self.figures.push(figure);
    }
}
