//! Idempotency keys: stores the results of the items of a keyed send, and replays them (SPEC 10). The same in
//! every store.
//!
//! The record of one request is one row: an acceptance costs one insertion per request, not one per document.
//! Items are identified by keyed hashes, so that the record contains no personal data.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::{Buf, BufMut};
use seoham_model::{BinderId, ErrorCode, Text};
use seoham_vault::{BlindIndex, Vault};

use crate::{Result, StoreError};

/// How long a key is valid, from each item's first verdict: 7 days.
pub const REMEMBERED_SECONDS: i64 = 7 * 24 * 60 * 60;

/// How long records are kept: a day longer than they are valid, and all records of a key as long as its
/// youngest. A record's number must not become free while another request may still refer to it.
pub const KEPT_SECONDS: i64 = REMEMBERED_SECONDS + 24 * 60 * 60;

/// The maximum number of items per key.
pub const ITEMS_MAX: usize = 10_000;

/// The maximum size of a key's records; beyond it the key accepts no more items. Refused items are stored
/// with their messages, and recalling a key reads all of them.
pub const BYTES_MAX: usize = 2 * 1024 * 1024;

/// The value of an `Idempotency-Key` header: 1 to 64 printable ASCII characters. Clients may put confidential
/// data into it, so its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl std::fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdempotencyKey")
    }
}

impl IdempotencyKey {
    /// Parses a header's value.
    pub fn parse(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|b| (0x20..=0x7e).contains(&b));
        (printable && (1..=64).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// The blind index of the key; the key itself is not stored.
    pub fn tag(&self, vault: &Vault) -> BlindIndex {
        vault.key_tag(self.0.as_bytes())
    }
}

/// An item of a keyed send. It contains personal data, so it has no `Debug`.
pub struct KeyedItem {
    /// Its external id; empty when a single document has none.
    pub external_document_uuid: String,
    /// Its canonical form (`ReadItem::canonical` of the model), and the contract.
    pub content: Vec<u8>,
}

/// The decision on an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted under this id.
    Accepted(BinderId),
    /// Refused with this message.
    Refused(ErrorCode, Text),
}

/// The recorded decision on an item of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriorOutcome {
    /// The same item had this verdict.
    Same(Verdict),
    /// The external id was used for a different item.
    Different,
}

/// The history of a key.
#[derive(Clone, Debug, Default)]
pub struct KeyHistory {
    /// One per requested item, in order; `None` if the item is new under the key.
    pub prior_outcomes: Vec<Option<PriorOutcome>>,
    /// The number of items under the key.
    pub items: usize,
    /// The size of its records in bytes.
    pub bytes: usize,
    /// The number of the key's next record.
    pub next: i32,
}

/// The idempotency record to store with an acceptance.
#[derive(Clone)]
pub struct Remember {
    /// The key.
    pub key: IdempotencyKey,
    /// [`KeyHistory::next`]; 0 for a key that is assumed to be new.
    pub next: i32,
    /// The items and their verdicts.
    pub items: Vec<(Arc<KeyedItem>, Verdict)>,
}

/// A record, ready to be stored.
pub struct Record {
    /// The blind index of the key.
    pub key_tag: BlindIndex,
    /// Its number under the key; unique per key.
    pub seq: i32,
    /// Items and verdicts.
    pub verdicts: Vec<u8>,
}

impl Record {
    /// The record of `remember`.
    pub fn of(vault: &Vault, remember: &Remember) -> Self {
        let key_tag = remember.key.tag(vault);
        let tags = vault.item_tags(key_tag);
        let mut verdicts = Vec::with_capacity(remember.items.len() * 40);
        verdicts.put_u8(FORM);
        for (item, verdict) in &remember.items {
            verdicts.put_slice(&tags.external_id(item.external_document_uuid.as_bytes()));
            verdicts.put_slice(&tags.content(&item.content));
            put_verdict(&mut verdicts, verdict);
        }
        Self { key_tag, seq: remember.next, verdicts }
    }
}

/// A stored row of a key.
pub struct StoredRecord {
    /// Its number.
    pub seq: i32,
    /// It is older than [`REMEMBERED_SECONDS`].
    pub forgotten: bool,
    /// [`Record::verdicts`].
    pub verdicts: Vec<u8>,
}

/// The history of a key's rows for `items`.
pub fn key_history(
    vault: &Vault,
    key_tag: BlindIndex,
    rows: &[StoredRecord],
    items: &[Arc<KeyedItem>],
) -> Result<KeyHistory> {
    let tags = vault.item_tags(key_tag);
    let asked: Vec<[u8; 8]> =
        items.iter().map(|item| tags.external_id(item.external_document_uuid.as_bytes())).collect();
    let wanted: HashSet<[u8; 8]> = asked.iter().copied().collect();
    let mut known: HashMap<[u8; 8], ([u8; 8], Verdict)> = HashMap::new();
    let mut count = 0;
    for row in rows.iter().filter(|row| !row.forgotten) {
        let damaged = || StoreError::damaged("an idempotency record");
        let (form, mut rest) = row.verdicts.split_first().ok_or_else(damaged)?;
        if *form != FORM {
            return Err(damaged());
        }
        while !rest.is_empty() {
            let item = take_item(&mut rest).ok_or_else(damaged)?;
            count += 1;
            if wanted.contains(&item.external) && !known.contains_key(&item.external) {
                known.insert(item.external, (item.content, item.verdict().ok_or_else(damaged)?));
            }
        }
    }
    let first = |(item, external_id): (&Arc<KeyedItem>, &[u8; 8])| {
        known.get(external_id).map(|(content, verdict)| {
            if *content == tags.content(&item.content) {
                PriorOutcome::Same(verdict.clone())
            } else {
                PriorOutcome::Different
            }
        })
    };
    Ok(KeyHistory {
        prior_outcomes: items.iter().zip(&asked).map(first).collect(),
        items: count,
        bytes: rows.iter().map(|row| row.verdicts.len()).sum(),
        next: rows.iter().map(|row| row.seq + 1).max().unwrap_or(0),
    })
}

/// The format version of records, their first byte.
const FORM: u8 = 1;
const ACCEPTED: u8 = 0;
/// The error codes of refused items, by their number in a record.
const CODES: [(u8, ErrorCode); 3] =
    [(1, ErrorCode::InvalidValue), (2, ErrorCode::NotFound), (3, ErrorCode::Forbidden)];

fn put_verdict(record: &mut Vec<u8>, verdict: &Verdict) {
    match verdict {
        Verdict::Accepted(id) => {
            record.put_u8(ACCEPTED);
            record.put_slice(id.as_bytes());
        }
        Verdict::Refused(code, text) => {
            let number = CODES.iter().find(|(_, known)| known == code).map_or(1, |(number, _)| *number);
            record.put_u8(number);
            for lang in [seoham_model::Lang::Ko, seoham_model::Lang::En] {
                let text = text.in_lang(lang).as_bytes();
                record.put_u16(u16::try_from(text.len()).expect("a message has at most 500 characters"));
                record.put_slice(text);
            }
        }
    }
}

/// An item of a record whose verdict is not parsed yet.
struct StoredItem<'a> {
    external: [u8; 8],
    content: [u8; 8],
    number: u8,
    /// The id, or the two message texts.
    payload: (&'a [u8], &'a [u8]),
}

impl StoredItem<'_> {
    fn verdict(&self) -> Option<Verdict> {
        if self.number == ACCEPTED {
            return Some(Verdict::Accepted(BinderId::from_bytes(self.payload.0.try_into().ok()?)));
        }
        let code = CODES.iter().find(|(known, _)| *known == self.number)?.1;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Verdict::Refused(code, Text::made(text(self.payload.0)?, text(self.payload.1)?)))
    }
}

fn take_item<'a>(rest: &mut &'a [u8]) -> Option<StoredItem<'a>> {
    let external = take::<8>(rest)?;
    let content = take::<8>(rest)?;
    let number = rest.try_get_u8().ok()?;
    let payload = if number == ACCEPTED {
        (take_bytes(rest, 16)?, &[][..])
    } else {
        (take_text(rest)?, take_text(rest)?)
    };
    Some(StoredItem { external, content, number, payload })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

fn take_bytes<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (bytes, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(bytes)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(rest.try_get_u16().ok()?);
    take_bytes(rest, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seoham_model::Clock;
    use seoham_vault::KeyRing;

    fn item(external: &str, content: &str) -> Arc<KeyedItem> {
        let external_document_uuid = external.to_owned();
        Arc::new(KeyedItem { external_document_uuid, content: content.as_bytes().to_vec() })
    }

    #[test]
    fn keys_are_1_to_64_printable_characters() {
        for good in ["a", "2026-11 (2)", "\"quoted\"", &"k".repeat(64)] {
            assert!(IdempotencyKey::parse(good).is_some(), "{good}");
        }
        for bad in ["", "열쇠", "a\tb", "a\u{7f}", &"k".repeat(65)] {
            assert!(IdempotencyKey::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_record_is_read_back() {
        let vault = Vault::new(&KeyRing::generate());
        let id = BinderId::generate(&Clock::default());
        let accepted = Verdict::Accepted(id);
        let text = Text::made("documents[1].receiver: 없음".to_owned(), "none".to_owned());
        let refused = Verdict::Refused(ErrorCode::NotFound, text);
        let key = IdempotencyKey::parse("k").expect("a key");
        let items = vec![(item("A", "1"), accepted.clone()), (item("B", "2"), refused.clone())];
        let record = Record::of(&vault, &Remember { key, next: 4, items });
        let row = |forgotten| StoredRecord { seq: 4, forgotten, verdicts: record.verdicts.clone() };
        let asked = [item("B", "2"), item("A", "x"), item("C", "1"), item("A", "1")];

        let found = key_history(&vault, record.key_tag, &[row(false)], &asked).expect("sound");
        let same = |verdict: Verdict| Some(PriorOutcome::Same(verdict));
        assert_eq!(
            found.prior_outcomes,
            [same(refused), Some(PriorOutcome::Different), None, same(accepted)]
        );
        assert_eq!((found.items, found.next), (2, 5));

        let forgotten = key_history(&vault, record.key_tag, &[row(true)], &asked).expect("sound");
        assert_eq!(forgotten.prior_outcomes, [None, None, None, None]);
        assert_eq!((forgotten.items, forgotten.next), (0, 5), "its number is not used again");

        let torn = StoredRecord { verdicts: record.verdicts[..30].to_vec(), ..row(false) };
        assert!(key_history(&vault, record.key_tag, &[torn], &asked).is_err());
    }
}
