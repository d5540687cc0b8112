//! The rows of a job that were or may have been accepted, according to its journal, and so must not be sent
//! by another job.

use seoham_kit::sending::journal::{Journal, JournalError};
use seoham_model::Clock;

use super::batches::number_of;
use super::former::of_ledger;
use super::ledger::Ledger;
use super::of_journal;
use super::table::Table;
use crate::terminal::Outcome;

/// The identities of rows in unanswered requests, by their places.
pub(super) fn unanswered(table: &Table, journal: &Journal) -> Vec<Option<u64>> {
    let open =
        |(place, identity): (u64, &Option<u64>)| identity.filter(|_| !journal.is_answered(number_of(place)));
    (0..).zip(&table.survey.identities).map(open).collect()
}

/// Stores in the ledger the identities of a job's rows that were or may have been accepted: all except those
/// that the platform certainly refused.
pub(super) fn keep_what_may_be_accepted(ledger: &Ledger, table: &Table, journal: &Journal) -> Outcome<()> {
    let identities = may_be_accepted(table, journal).map_err(|error| of_journal(&error))?;
    let head = journal.head();
    ledger
        .keep(&head.job, head.started_at, identities.into_iter(), Clock::default().now())
        .map_err(|error| of_ledger(&error))
}

fn may_be_accepted(table: &Table, journal: &Journal) -> Result<Vec<u64>, JournalError> {
    let survey = &table.survey;
    let identity =
        |place: u64| usize::try_from(place).ok().and_then(|place| *survey.identities.get(place)?);
    let requests = survey.rows.checked_sub(1).map_or(0, |last| number_of(last) + 1);
    let mut kept = Vec::new();
    for no in 0..requests {
        let verdicts = journal.verdicts(no)?;
        let refused = |n: usize| verdicts.as_ref().is_some_and(|v| v.get(n).is_some_and(|v| v.id.is_none()));
        kept.extend(
            survey.sent_of(no).enumerate().filter(|(n, _)| !refused(*n)).filter_map(|(_, p)| identity(p)),
        );
    }
    Ok(kept)
}
