//! What one request stores.

use seoham_model::{ContractUuid, InstitutionId, UnixSeconds};
use seoham_vault::Vault;

use super::sealed::SealedParcel;
use crate::Result;
use crate::documents::Acceptance;
use crate::idempotency::Record;
use crate::statistics::Refusals;

/// What a row takes beside its columns of bytes, roughly.
const ROW_BYTES: usize = 200;

/// What one request stores: a parcel, an idempotency record, counts of refused documents, or all of them.
pub struct Batch {
    /// The sender.
    pub institution: InstitutionId,
    /// The contract.
    pub contract: ContractUuid,
    /// When it is accepted.
    pub accepted_at: UnixSeconds,
    /// Its documents.
    pub parcel: Option<SealedParcel>,
    /// Its idempotency record (SPEC 10).
    pub record: Option<Record>,
    /// Its refused documents.
    pub refused: Refusals,
}

impl Batch {
    /// Seals an acceptance, at about a microsecond per document.
    pub fn seal(vault: &Vault, acceptance: &Acceptance) -> Result<Self> {
        Ok(Self {
            institution: acceptance.institution,
            contract: acceptance.contract,
            accepted_at: acceptance.accepted_at,
            parcel: SealedParcel::seal(vault, acceptance)?,
            record: acceptance.remember.as_ref().map(|remember| Record::of(vault, remember)),
            refused: acceptance.refused.clone(),
        })
    }

    /// The number of its documents.
    pub fn documents(&self) -> usize {
        self.parcel.as_ref().map_or(0, |parcel| usize::from(parcel.count))
    }

    /// About how many bytes it adds to a queue.
    pub fn bytes(&self) -> usize {
        let record = self.record.as_ref().map_or(0, |record| record.verdicts.len());
        record + self.parcel.as_ref().map_or(0, |parcel| parcel.bytes() + ROW_BYTES)
    }
}
