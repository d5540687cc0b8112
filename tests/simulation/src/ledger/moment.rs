//! A time that is set once, as far as it is known from outside.

use seoham_model::UnixSeconds;

use crate::{Found, demand};

#[derive(Default)]
pub(crate) struct Moment {
    seen: Option<UnixSeconds>,
    /// The possible values, if it is set: the times of the calls that may have set it.
    possible: Vec<UnixSeconds>,
    certain: bool,
}

impl Moment {
    /// A call that sets it was acknowledged.
    pub(crate) fn happened(&mut self, at: UnixSeconds) {
        self.may_have_happened(at);
        self.certain = true;
    }

    /// A call that sets it was not answered.
    pub(crate) fn may_have_happened(&mut self, at: UnixSeconds) {
        if !self.certain {
            self.possible.push(at);
        }
    }

    pub(crate) fn is_certain(&self) -> bool {
        self.certain
    }

    /// The value that the store reported.
    pub(crate) fn seen(&self) -> Option<UnixSeconds> {
        self.seen
    }

    pub(crate) fn is_possible(&self) -> bool {
        !self.possible.is_empty()
    }

    /// Checks the value that the store reports.
    pub(crate) fn observe(&mut self, what: &str, reported: Option<UnixSeconds>) -> Found<()> {
        if let Some(seen) = self.seen {
            demand!(reported == Some(seen), "{what} was {seen} and is now {reported:?}");
            return Ok(());
        }
        let possible = &self.possible;
        if let Some(at) = reported {
            demand!(possible.contains(&at), "{what} is {at}, and can only be one of {possible:?}");
            *self = Self { seen: reported, possible: vec![at], certain: true };
        } else {
            demand!(!self.certain, "{what} was acknowledged at {possible:?} and is not there");
            // No call is in progress, so none has set it.
            self.possible.clear();
        }
        Ok(())
    }
}
