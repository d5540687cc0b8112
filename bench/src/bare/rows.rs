//! The documents that the server stored, as one row each: what the bare engine inserts.

use anyhow::{Context, Result};
use seoham_model::{ContractUuid, InstitutionId, ParcelId, UnixSeconds};
use seoham_store::parcel::StoredParcel;
use seoham_store::parcel::head::ParcelHead;
use uuid::Uuid;

/// A document as one row.
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) institution: Uuid,
    pub(super) contract: Uuid,
    pub(super) person: Uuid,
    /// The first document with the same shared text.
    pub(super) content: Option<Uuid>,
    pub(super) sealed: Vec<u8>,
    pub(super) hash: Option<String>,
    pub(super) deadline_at: i64,
    pub(super) sent_at: i64,
    pub(super) received_at: Option<i64>,
}

/// A stored parcel: its id, institution, contract, time, and the columns `head`, `persons` and `parts`.
pub(super) struct Parcel {
    pub(super) id: [u8; 16],
    pub(super) institution: [u8; 16],
    pub(super) contract: [u8; 16],
    pub(super) sent_at: i64,
    pub(super) head: Vec<u8>,
    pub(super) persons: Vec<u8>,
    pub(super) parts: Vec<u8>,
}

impl Parcel {
    /// Its documents, a row each.
    pub(super) fn rows(self) -> Result<Vec<Row>> {
        let parcel = StoredParcel {
            id: ParcelId::from_bytes(self.id),
            institution: InstitutionId::from_bytes(self.institution),
            contract: ContractUuid::from_bytes(self.contract),
            sent_at: UnixSeconds(self.sent_at),
            head: ParcelHead::parse(self.head)?,
            persons: self.persons,
            notices: Vec::new(),
        };
        let count = u8::try_from(parcel.head.count())?;
        let row = |position| {
            let document = parcel.document(parcel.id.document(position), None)?.context("a document")?;
            Ok(Row {
                id: Uuid::from_bytes(*document.id.as_bytes()),
                institution: Uuid::from_bytes(self.institution),
                contract: Uuid::from_bytes(self.contract),
                person: Uuid::from_bytes(*document.person.as_bytes()),
                content: document.text.map(|(n, _)| Uuid::from_bytes(*parcel.id.document(n).as_bytes())),
                sealed: self.parts.get(document.part.start..document.part.end).context("a part")?.to_vec(),
                hash: document.hash,
                deadline_at: document.deadline_at.0,
                sent_at: self.sent_at,
                received_at: document.times.received_at.map(|at| at.0),
            })
        };
        (0..count).map(row).collect()
    }
}
