//! The stored form of a hand-over's documents.

use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_vault::Vault;

use super::{Awaited, Handed, HandoverId};
use crate::sealing::row;
use crate::{Result, StoreError};

/// The stored form of documents without an outcome: 44 bytes each.
pub fn encode_handed(handed: &[Handed]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(handed.len() * HANDED_BYTES);
    for one in handed {
        bytes.extend_from_slice(one.document.as_bytes());
        bytes.extend_from_slice(one.institution.as_bytes());
        bytes.extend_from_slice(&one.attempts.to_le_bytes());
        bytes.extend_from_slice(&one.first_attempt_at.map_or(0, |at| at.0).to_le_bytes());
    }
    bytes
}

const HANDED_BYTES: usize = 16 + 16 + 4 + 8;

/// Reads what [`encode_handed`] wrote.
pub fn decode_handed(bytes: &[u8]) -> Result<Vec<Handed>> {
    let (chunks, []) = bytes.as_chunks::<HANDED_BYTES>() else {
        return Err(StoreError::damaged("a hand-over"));
    };
    let read = |chunk: &[u8; HANDED_BYTES]| {
        let (document, rest) = chunk.split_first_chunk::<16>()?;
        let (institution, rest) = rest.split_first_chunk::<16>()?;
        let (attempts, rest) = rest.split_first_chunk::<4>()?;
        let first = i64::from_le_bytes(*rest.first_chunk::<8>()?);
        Some(Handed {
            document: BinderId::from_bytes(*document),
            institution: InstitutionId::from_bytes(*institution),
            attempts: u32::from_le_bytes(*attempts),
            first_attempt_at: (first != 0).then_some(UnixSeconds(first)),
        })
    };
    chunks.iter().map(|chunk| read(chunk).ok_or(StoreError::damaged("a hand-over"))).collect()
}

/// Seals the awaited documents of a hand-over: a reference may contain a telephone number.
pub fn seal_awaited(vault: &Vault, id: HandoverId, awaited: &[Awaited]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for one in awaited {
        bytes.extend_from_slice(one.document.as_bytes());
        let reference = one.reference.as_bytes();
        let length = u16::try_from(reference.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&reference[..usize::from(length)]);
    }
    vault.seal_shared(&row(b'H', id.0.as_bytes()), &bytes)
}

/// Opens what [`seal_awaited`] sealed.
pub fn open_awaited(vault: &Vault, id: HandoverId, sealed: &[u8]) -> Result<Vec<Awaited>> {
    let damaged = || StoreError::damaged("a hand-over");
    let opened = vault.open_shared(&row(b'H', id.0.as_bytes()), sealed).map_err(StoreError::from)?;
    let mut rest: &[u8] = &opened;
    let mut awaited = Vec::new();
    while !rest.is_empty() {
        let (document, after) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        let (length, after) = after.split_first_chunk::<2>().ok_or_else(damaged)?;
        let (reference, after) =
            after.split_at_checked(u16::from_le_bytes(*length).into()).ok_or_else(damaged)?;
        awaited.push(Awaited {
            document: BinderId::from_bytes(*document),
            reference: String::from_utf8(reference.to_vec()).map_err(|_| damaged())?,
        });
        rest = after;
    }
    Ok(awaited)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::settlement::tests::handed;
    use super::*;

    #[test]
    fn documents_read_back_as_they_were_kept() {
        let all = handed(3);
        assert_eq!(decode_handed(&encode_handed(&all)).expect("reads"), all);
        assert!(decode_handed(&[0; 45]).is_err());
        let vault = Vault::new(&seoham_vault::KeyRing::generate());
        let id = HandoverId(Uuid::now_v7());
        let awaited: Vec<_> = all
            .iter()
            .map(|one| Awaited { document: one.document, reference: format!("R-{}", one.attempts) })
            .collect();
        let sealed = seal_awaited(&vault, id, &awaited);
        assert_eq!(open_awaited(&vault, id, &sealed).expect("opens"), awaited);
        assert!(open_awaited(&vault, HandoverId(Uuid::now_v7()), &sealed).is_err(), "of another row");
    }
}
