//! The ledger: all replies and observations, outside the store, and what must follow from them.

mod boxes;
mod deliveries;
mod document;
mod feeds;
mod moment;
mod retention;
mod token;

use std::collections::{BTreeMap, HashMap};

use seoham_model::{BinderId, SeoulDay, UnixSeconds};
use seoham_store::documents::DocumentStatus;

use crate::people::{Institution, Person};
use crate::{Found, demand};

pub(crate) use boxes::PresentedToken;
pub(crate) use deliveries::Hold;
pub(crate) use document::{Delivery, Document, New};
pub(crate) use feeds::Feed;
pub(crate) use moment::Moment;
pub(crate) use token::{Known, Token};

/// Documents of one request.
pub(crate) struct Batch {
    pub(crate) institution: usize,
    pub(crate) day: SeoulDay,
    pub(crate) documents: Vec<usize>,
    /// Whether they exist; unsure until one of them is queried.
    pub(crate) there: Known,
}

#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) institutions: Vec<Institution>,
    pub(crate) people: Vec<Person>,
    pub(crate) documents: Vec<Document>,
    pub(crate) batches: Vec<Batch>,
    pub(crate) tokens: Vec<Token>,
    by_id: HashMap<BinderId, usize>,
    /// Deliveries that the store reported as dropped because they expired: minimum and maximum.
    pub(crate) dropped: (usize, usize),
    /// Documents that the store reported as removed.
    pub(crate) removed: u64,
}

impl Ledger {
    pub(crate) fn add_person(&mut self, person: Person) -> usize {
        self.people.push(person);
        self.people.len() - 1
    }

    pub(crate) fn document_by_id(&self, id: BinderId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// Documents were sent; `there` is the outcome.
    pub(crate) fn sent(&mut self, institution: usize, new: Vec<New>, there: Known, now: UnixSeconds) {
        let batch = self.batches.len();
        let mut documents = Vec::with_capacity(new.len());
        for new in new {
            let no = self.documents.len();
            self.by_id.insert(new.id, no);
            self.people[new.person].documents.push(no);
            documents.push(no);
            self.documents.push(Document::new(new, institution, batch, now));
        }
        self.batches.push(Batch { institution, day: SeoulDay::of(now), documents, there });
    }

    pub(crate) fn there(&self, no: usize) -> Known {
        self.batches[self.documents[no].batch].there
    }

    /// A document exists whose acceptance may not have been answered.
    fn appeared(&mut self, no: usize) -> Found<()> {
        let document = &mut self.documents[no];
        demand!(!document.gone, "{} was removed and is there again", document.id);
        let there = &mut self.batches[document.batch].there;
        demand!(*there != Known::No, "{} was certainly not accepted, and is there", document.id);
        *there = Known::Yes;
        document.may_be_gone = false;
        Ok(())
    }

    /// Checks the status that the store reports to a document's own institution.
    pub(crate) fn observe(
        &mut self,
        no: usize,
        reported: Option<&DocumentStatus>,
        now: UnixSeconds,
    ) -> Found<()> {
        let Some(reported) = reported else { return self.is_missing(no) };
        self.appeared(no)?;
        let document = &mut self.documents[no];
        document
            .observe(&self.people[document.person], reported, now)
            .map_err(|broken| crate::Broken(format!("{}: {}", document.id, broken.0)))
    }

    fn is_missing(&mut self, no: usize) -> Found<()> {
        let document = &mut self.documents[no];
        let there = &mut self.batches[document.batch].there;
        match *there {
            Known::No => {}
            Known::Unsure => *there = Known::No,
            Known::Yes => {
                demand!(
                    document.gone || document.may_be_gone,
                    "{} was accepted and is not there (sent at {}, deadline {})",
                    document.id,
                    document.sent_at,
                    document.deadline_at
                );
                (document.gone, document.may_be_gone) = (true, false);
            }
        }
        Ok(())
    }

    /// The number of accepted documents per institution and day.
    pub(crate) fn daily(&self) -> BTreeMap<(usize, SeoulDay), u64> {
        let mut daily = BTreeMap::new();
        for batch in self.batches.iter().filter(|batch| batch.there == Known::Yes) {
            *daily.entry((batch.institution, batch.day)).or_default() += batch.documents.len() as u64;
        }
        daily
    }

    pub(crate) fn unsure_batches(&self) -> Vec<usize> {
        let unsure = |(no, batch): (usize, &Batch)| (batch.there == Known::Unsure).then_some(no);
        self.batches.iter().enumerate().filter_map(unsure).collect()
    }

    /// How many requests of an institution were accepted, or not, or may have been.
    pub(crate) fn batches_of(&self, institution: usize, there: Known) -> u64 {
        let of = |batch: &&Batch| batch.institution == institution && batch.there == there;
        self.batches.iter().filter(of).count() as u64
    }

    /// A person joined: their waiting, unexpired documents are in their box, up to the number that one step
    /// moves.
    pub(crate) fn joined(&mut self, person: usize, now: UnixSeconds) {
        /// The minimum number that every store moves in one step.
        const MOVED_AT_ONCE: usize = 500;
        let known = &mut self.people[person];
        if known.member {
            return;
        }
        let unanswered_before = known.joined.is_some();
        known.member = true;
        known.joined.get_or_insert(now);
        let waiting: Vec<usize> = known
            .documents
            .iter()
            .copied()
            .filter(|no| {
                let document = &self.documents[*no];
                document.received.is_none() && document.is_open_at(now) && !document.gone
            })
            .collect();
        if waiting.len() < MOVED_AT_ONCE && !unanswered_before {
            for no in waiting {
                self.documents[no].must_be_received = true;
            }
        } else {
            known.to_be_moved = waiting;
        }
    }

    /// The store has no more documents to move for people who joined.
    pub(crate) fn all_moved(&mut self, now: UnixSeconds) {
        for person in self.people.iter_mut().filter(|person| person.member) {
            for no in std::mem::take(&mut person.to_be_moved) {
                let document = &mut self.documents[no];
                if document.is_open_at(now) {
                    document.must_be_received = true;
                }
            }
        }
    }
}
