//! The identity of a row across files: its external id, or its receiver and text if the table has no ids; as
//! a 64-bit keyed hash that reveals neither.

use std::hash::Hasher;

use seoham_sheets::Good;
use serde_json::Value;
use siphasher::sip::SipHasher13;

/// The hash key of row identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdentityKey(u64, u64);

impl IdentityKey {
    pub(super) const BYTES: usize = 16;

    pub(super) fn random() -> [u8; Self::BYTES] {
        rand::random()
    }

    pub(super) fn of(bytes: [u8; Self::BYTES]) -> Self {
        let whole = u128::from_le_bytes(bytes);
        #[allow(clippy::cast_possible_truncation, reason = "its halves")]
        Self(whole as u64, (whole >> 64) as u64)
    }

    /// The identity of a row. Rows of a table without its own ids are identified by receiver and text,
    /// because their numbers mean nothing in another file.
    pub(super) fn identity(self, good: &Good, has_own_ids: bool) -> u64 {
        let mut hash = SipHasher13::new_with_keys(self.0, self.1);
        if has_own_ids {
            hash.write(b"id\n");
            hash.write(good.external_document_uuid.as_bytes());
        } else {
            let document: Value = serde_json::from_str(&good.json).unwrap_or_default();
            for pointer in ["/receiver", "/title", "/property/message", "/property/payload", "/property/link"]
            {
                let part = document.pointer(pointer).map(Value::to_string).unwrap_or_default();
                hash.write_usize(part.len());
                hash.write(part.as_bytes());
            }
        }
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(id: &str, name: &str) -> Good {
        let json = format!(
            r#"{{"title":"안내","receiver":{{"name":"{name}"}},"property":{{}},"read_expired_sec":5}}"#
        );
        Good { external_document_uuid: id.to_owned(), json, repairs: Vec::new() }
    }

    #[test]
    fn a_row_is_known_by_its_id_or_else_by_whom_and_what() {
        let key = IdentityKey::of([7; IdentityKey::BYTES]);
        let of = |id: &str, name: &str, has_ids: bool| key.identity(&good(id, name), has_ids);
        assert_eq!(of("K-1", "가", true), of("K-1", "나", true), "corrected, it is the same row");
        assert_ne!(of("K-1", "가", true), of("K-2", "가", true));
        assert_eq!(of("ROW-2", "가", false), of("ROW-9", "가", false), "at another place it is the same row");
        assert_ne!(of("ROW-2", "가", false), of("ROW-2", "나", false));
        let other = IdentityKey::of([8; IdentityKey::BYTES]);
        assert_ne!(other.identity(&good("K-1", "가"), true), of("K-1", "가", true), "keyed");
    }
}
