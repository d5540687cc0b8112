//! Faults between the caller and the store. The store itself is never told of them.

use std::fmt;
use std::future::Future;

use seoham_store::StoreError;

use crate::chance::Chance;
use crate::{Broken, Found};

/// How many faults of each kind there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The store said that nothing was written.
    pub refused: u64,
    /// The request was lost on its way, and the caller knows nothing.
    pub requests_lost: u64,
    /// The reply was lost on its way, and the caller knows nothing.
    pub replies_lost: u64,
    /// All handles were dropped and the store was opened anew.
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

/// What the caller of a store learns.
pub(crate) enum Answer<T> {
    /// The store answered.
    Given(T),
    /// Certainly not done ([`StoreError::certainly_not_written`]).
    NotDone,
    /// Done or not: [`StoreError::Uncertain`]. What is in it is known to the test's hand alone.
    Unknown(Option<T>),
}

impl Faults {
    /// Makes a call, or has a fault come between.
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
