//! Injects faults between the caller and the store. The store does not see them.

use std::fmt;
use std::future::Future;

use seoham_store::StoreError;

use crate::chance::Chance;
use crate::{Broken, Found};

/// The number of faults of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The store reported that nothing was written.
    pub refused: u64,
    /// The request was lost; the caller does not know the outcome.
    pub requests_lost: u64,
    /// The reply was lost; the caller does not know the outcome.
    pub replies_lost: u64,
    /// All handles were dropped, and the store was opened again.
    pub crashes: u64,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refused, requests_lost, replies_lost, crashes } = self;
        write!(
            f,
            "{refused} calls refused, {requests_lost} requests and {replies_lost} replies lost, \
             {crashes} crashes"
        )
    }
}

/// The outcome that the caller of a store sees.
pub(crate) enum Answer<T> {
    /// The store replied.
    Given(T),
    /// Certainly not done ([`StoreError::certainly_not_written`]).
    NotDone,
    /// Done or not: [`StoreError::Uncertain`]. Only the test itself knows the contained value.
    Unknown(Option<T>),
}

impl Faults {
    /// Makes a call, possibly with an injected fault.
    pub(crate) async fn between<T>(
        &mut self,
        chance: &mut Chance,
        what: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Found<Answer<T>> {
        let no_answer = |error| Broken(format!("{what}: the store failed by itself: {error}"));
        match chance.below(1_000) {
            0..8 => {
                self.refused += 1;
                Ok(Answer::NotDone)
            }
            8..13 => {
                self.requests_lost += 1;
                Ok(Answer::Unknown(None))
            }
            13..22 => {
                self.replies_lost += 1;
                Ok(Answer::Unknown(Some(work.await.map_err(no_answer)?)))
            }
            _ => Ok(Answer::Given(work.await.map_err(no_answer)?)),
        }
    }
}
