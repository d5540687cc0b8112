//! The rows of the queue. Each holds documents of one institution that were accepted together.

use std::collections::BTreeMap;

use seoham_model::InstitutionId;
use seoham_store::Result;
use uuid::Uuid;

use crate::columns::Id;
use crate::session::{Param, Session};

/// Maximum number of documents per row: the maximum size of a request. The row fits into its page.
const DOCUMENTS_MAX: usize = 100;

/// Adds parcels to the queue.
pub(crate) const INSERT: &str = "INSERT INTO delivery_parcels (institution_id, first_id, document_ids)
    SELECT institution_id, ($4::uuid[])[first], ($4::uuid[])[first:last]
    FROM unnest($1::uuid[], $2::integer[], $3::integer[]) AS parcel (institution_id, first, last)";

/// The parameters of [`INSERT`].
pub(crate) struct Parcels {
    institutions: Vec<Uuid>,
    /// The first and last index of each parcel in `documents`, starting from one.
    firsts: Vec<i32>,
    lasts: Vec<i32>,
    documents: Vec<Uuid>,
}

impl Parcels {
    /// Packs documents into parcels, one institution per parcel, oldest first.
    pub(crate) fn of(documents: impl Iterator<Item = (InstitutionId, Uuid)>) -> Self {
        let mut of_institutions: BTreeMap<InstitutionId, Vec<Uuid>> = BTreeMap::new();
        for (institution, document) in documents {
            of_institutions.entry(institution).or_default().push(document);
        }
        let mut parcels =
            Self { institutions: Vec::new(), firsts: Vec::new(), lasts: Vec::new(), documents: Vec::new() };
        let place = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        for (institution, mut documents) in of_institutions {
            documents.sort_unstable();
            for parcel in documents.chunks(DOCUMENTS_MAX) {
                parcels.institutions.push(institution.uuid());
                parcels.firsts.push(place(parcels.documents.len() + 1));
                parcels.documents.extend_from_slice(parcel);
                parcels.lasts.push(place(parcels.documents.len()));
            }
        }
        parcels
    }

    pub(crate) fn params(&self) -> [Param<'_>; 4] {
        [&self.institutions, &self.firsts, &self.lasts, &self.documents]
    }
}

/// Rows adopted in one statement.
const ADOPTED_AT_ONCE: i64 = 10_000;

/// Adopts rows that nodes of the previous version, or another store, queued document by document.
///
/// The documents of a parcel share a minute, as do documents accepted together: parcels are looked up by that.
const ADOPT: &str = include_str!("adopt.sql");

/// Packs rows that were queued document by document into parcels. Returns `true` if there may be more.
pub(crate) async fn adopt(session: &Session) -> Result<bool> {
    if session.query_opt("SELECT 1 FROM deliveries LIMIT 1", &[]).await?.is_none() {
        return Ok(false);
    }
    let size = i64::try_from(DOCUMENTS_MAX).unwrap_or(i64::MAX);
    let packed = session.write("packing deliveries", ADOPT, &[&ADOPTED_AT_ONCE, &size]).await?;
    Ok(!packed.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use seoham_model::Clock;

    #[test]
    fn what_is_accepted_together_is_packed_together() {
        let clock = Clock::default();
        let mut institutions = [InstitutionId::generate(&clock), InstitutionId::generate(&clock)];
        institutions.sort();
        let [one, other] = institutions;
        let documents: Vec<Uuid> = (1..=253u128).map(Uuid::from_u128).collect();
        let of = |n: usize| if n.is_multiple_of(2) { one } else { other };
        let backwards = documents.iter().enumerate().rev().map(|(n, id)| (of(n), *id));
        let parcels = Parcels::of(backwards);
        assert_eq!(parcels.firsts, [1, 101, 128, 228]);
        assert_eq!(parcels.lasts, [100, 127, 227, 253]);
        assert_eq!(parcels.institutions, [one, one, other, other].map(|id| id.uuid()));
        assert!(parcels.documents[..127].is_sorted() && parcels.documents[127..].is_sorted());
        assert!(Parcels::of(std::iter::empty()).firsts.is_empty());
    }
}
