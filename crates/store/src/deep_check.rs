//! The deep check of a store's contents, row by row, in the form that both stores export (`transfer`): every
//! sealed value opens, every reference resolves, every number is valid.

use std::collections::{HashMap, HashSet};

use seoham_model::{
    BinderId, ContractUuid, InstitutionId, ParcelId, PersonId, StoredNumber, UnixSeconds, WebhookId,
};
use seoham_vault::{Vault, WrappedKey};

use crate::parcel::blocks::Block;
use crate::parcel::document::PERSON_BYTES;
use crate::parcel::head::ParcelHead;
use crate::parcel::{Column, Slice, Slices, StoredDocument, StoredParcel, notices};
use crate::sealing::PersonPlaintext;
use crate::transfer::{Table, Value};
use crate::volumes::PlanState;
use crate::webhooks::open_secret;

/// Findings listed in full; further ones are only counted.
const MESSAGES_MAX: usize = 100;

/// A check in progress. Rows must come in the order of [`TABLES`](crate::transfer::TABLES).
pub struct DeepCheck<'a> {
    vault: &'a Vault,
    people: HashMap<Vec<u8>, WrappedKey>,
    parcels: HashMap<ParcelId, Parcel>,
    institutions: HashSet<Vec<u8>>,
    contracts: HashSet<Vec<u8>>,
    findings: Findings,
}

/// What is known of a parcel.
#[derive(Clone, Copy)]
struct Parcel {
    documents: u8,
    /// Of them in the box index, or waiting for it.
    indexed: u8,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Rows checked.
    pub rows: u64,
    /// The findings, without personal data.
    pub messages: Vec<String>,
    /// The number of further findings.
    pub more: u64,
}

impl Findings {
    /// Adds a finding.
    pub fn add(&mut self, finding: String) {
        if self.messages.len() < MESSAGES_MAX {
            self.messages.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Whether there are no findings.
    pub fn is_sound(&self) -> bool {
        self.messages.is_empty()
    }
}

impl<'a> DeepCheck<'a> {
    /// A check of data sealed under the keys of `vault`.
    pub fn new(vault: &'a Vault) -> Self {
        Self {
            vault,
            people: HashMap::new(),
            parcels: HashMap::new(),
            institutions: HashSet::new(),
            contracts: HashSet::new(),
            findings: Findings::default(),
        }
    }

    /// Checks a row of `table`.
    pub fn row(&mut self, table: &Table, row: &[Value]) {
        self.findings.rows += 1;
        let row = Row { table, row };
        for finding in self.look(&row) {
            self.findings.add(format!("{} {}: {finding}", table.name, row.name()));
        }
    }

    /// The findings.
    pub fn findings(mut self) -> Findings {
        for (id, parcel) in &self.parcels {
            if parcel.indexed != parcel.documents {
                self.findings.add(format!(
                    "parcels {}: {} documents, and {} of them in the box index",
                    hex::encode(id.as_bytes()),
                    parcel.documents,
                    parcel.indexed
                ));
            }
        }
        self.findings
    }

    fn look(&mut self, row: &Row<'_>) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        match row.table.name {
            "institutions" => {
                self.institutions.extend(row.bytes("institution_id").map(<[u8]>::to_vec));
            }
            "contracts" => {
                self.contracts.extend(row.bytes("contract_id").map(<[u8]>::to_vec));
            }
            "people" => self.look_at_person(row, &mut wrong),
            "parcels" => self.look_at_parcel(row, &mut wrong),
            "notices" => self.look_at_notices(row, &mut wrong),
            "box_pending" => {
                let count = row.bytes("persons").map_or(0, <[u8]>::len) / PERSON_BYTES;
                let parcel = row.id("parcel_id").map(ParcelId::from_bytes);
                if let Some(parcel) = parcel.and_then(|id| self.parcels.get_mut(&id)) {
                    parcel.indexed += u8::try_from(count).unwrap_or(u8::MAX).min(parcel.documents);
                }
            }
            "box_blocks" => self.look_at_block(row, &mut wrong),
            "deliveries" => {
                let parcel = row.id("parcel_id").and_then(|id| self.parcels.get(&ParcelId::from_bytes(id)));
                let positions = row.bytes("positions").unwrap_or_default();
                if parcel.is_some_and(|parcel| positions.iter().any(|position| *position >= parcel.documents))
                {
                    wrong.push("a position of it is beyond its parcel");
                }
            }
            "webhooks" => {
                let id = row.id("webhook_id").map(WebhookId::from_bytes);
                let opens = |column: &str| {
                    let sealed = row.bytes(column);
                    sealed
                        .is_none_or(|sealed| id.is_some_and(|id| open_secret(self.vault, id, sealed).is_ok()))
                };
                if !opens("secret") || !opens("former_secret") {
                    wrong.push("its secret does not open");
                }
            }
            "volume_plans" if row.number("state").is_none_or(|n| PlanState::from_number(n).is_none()) => {
                wrong.push("its state means nothing");
            }
            _ => {}
        }
        for (column, known, what) in [
            ("institution_id", &self.institutions, "its institution is not there"),
            ("contract_id", &self.contracts, "its contract is not there"),
        ] {
            if row.bytes(column).is_some_and(|id| !known.contains(id)) {
                wrong.push(what);
            }
        }
        // Entries of the box index stay when a parcel is removed, and are skipped.
        if row.table.name != "box_blocks" && !self.has_document(row) {
            wrong.push("its document is not there");
        }
        let is_person = row.table.name == "people";
        if !is_person && row.bytes("person_id").is_some_and(|id| !self.people.contains_key(id)) {
            wrong.push("its person is not there");
        }
        wrong
    }

    fn look_at_person(&mut self, row: &Row<'_>, wrong: &mut Vec<&'static str>) {
        let Some((id, key)) = row.id("person_id").zip(row.bytes("wrapped_key")) else {
            wrong.push("its key is not there");
            return;
        };
        let (person, wrapped) = (PersonId::from_bytes(id), WrappedKey(key.to_vec()));
        let opened = self.vault.person_key(person, &wrapped).ok().zip(row.bytes("sealed"));
        match opened.map(|(key, sealed)| PersonPlaintext::open(&key, person, sealed)) {
            None => wrong.push("the data key does not open"),
            Some(Err(_)) => wrong.push("what is sealed of the person does not open"),
            Some(Ok(person)) => {
                let index = person.phone_number.as_deref().map(|number| self.vault.phone_index(number));
                if row.bytes("phone_index") != index.as_ref().map(<[u8; 16]>::as_slice) {
                    wrong.push("it is not found under its telephone number");
                }
            }
        }
        self.people.insert(id.to_vec(), wrapped);
    }

    /// Whether the document or the parcel that a row is about is there, if it is about one.
    fn has_document(&self, row: &Row<'_>) -> bool {
        // Events outlive their documents, and a deadline is looked at after its parcel was removed.
        if matches!(row.table.name, "parcels" | "login_links" | "ledger" | "expiries") {
            return true;
        }
        let document = row.id("document_id").map(BinderId::from_bytes);
        let has_document = document.is_none_or(|id| {
            self.parcels.get(&id.parcel()).is_some_and(|parcel| id.position() < parcel.documents)
        });
        let parcel = row.id("parcel_id").map(ParcelId::from_bytes);
        has_document && parcel.is_none_or(|id| self.parcels.contains_key(&id))
    }

    fn look_at_parcel(&mut self, row: &Row<'_>, wrong: &mut Vec<&'static str>) {
        let (Some(id), Some(institution), Some(contract), Some(sent_at), Some(persons), Some(head)) = (
            row.id("parcel_id"),
            row.id("institution_id"),
            row.id("contract_id"),
            row.number("sent_at"),
            row.bytes("persons"),
            row.bytes("head"),
        ) else {
            wrong.push("a part of it is not there");
            return;
        };
        let Ok(head) = ParcelHead::parse(head.to_vec()) else {
            wrong.push("its head means nothing");
            return;
        };
        let parcel = StoredParcel {
            id: ParcelId::from_bytes(id),
            institution: InstitutionId::from_bytes(institution),
            contract: ContractUuid::from_bytes(contract),
            sent_at: UnixSeconds(sent_at),
            head,
            persons: persons.to_vec(),
            notices: Vec::new(),
        };
        let count = u8::try_from(parcel.head.count()).unwrap_or(u8::MAX);
        self.parcels.insert(parcel.id, Parcel { documents: count, indexed: 0 });
        let last_deadline_at = row.number("last_deadline_at").map(UnixSeconds);
        if parcel.head.last_deadline_at().ok() != last_deadline_at {
            wrong.push("its latest deadline is another than its documents'");
        }
        let mut slices = Slices::default();
        for (column, name) in [(Column::Texts, "texts"), (Column::Parts, "parts")] {
            let bytes = row.bytes(name).unwrap_or_default();
            slices.add(&Slice::new(parcel.id, column, 0..bytes.len()), bytes.to_vec());
        }
        let mut findings = HashSet::new();
        for position in 0..count {
            match parcel.document(parcel.id.document(position), None) {
                Ok(Some(document)) => findings.extend(self.look_at_document(&document, &slices)),
                _ => {
                    findings.insert("a document of it means nothing");
                }
            }
        }
        wrong.extend(findings);
    }

    fn look_at_document(&self, document: &StoredDocument, slices: &Slices) -> Option<&'static str> {
        let Some(key) = self.people.get(document.person.as_bytes().as_slice()) else {
            return Some("a person of it is not there");
        };
        let opened = document.sealed(key, slices).and_then(|sealed| sealed.open(self.vault));
        opened.is_err().then_some("a text of it does not open")
    }

    fn look_at_block(&mut self, row: &Row<'_>, wrong: &mut Vec<&'static str>) {
        let columns = row.bytes("parcels").zip(row.bytes("entries"));
        let Some(Ok(block)) = columns.map(|(parcels, entries)| Block::decode(parcels, entries)) else {
            wrong.push("it is not a block");
            return;
        };
        let tags = block.tags().map(|(first, last)| (first.as_number(), last.as_number()));
        let told = row.number("first_tag").zip(row.number("last_tag"));
        let count = row.number("entry_count").and_then(|count| usize::try_from(count).ok());
        if tags != told || count != Some(block.count()) {
            wrong.push("its tags or its count are others than its entries'");
        }
        for (_, document) in block.documents() {
            // Entries of documents that were removed stay, and are skipped.
            if let Some(parcel) = self.parcels.get_mut(&document.parcel()) {
                parcel.indexed += u8::from(parcel.indexed < parcel.documents);
            }
        }
    }

    fn look_at_notices(&self, row: &Row<'_>, wrong: &mut Vec<&'static str>) {
        let parcel = row.id("parcel_id").and_then(|id| self.parcels.get(&ParcelId::from_bytes(id)));
        let packed = row.bytes("packed").unwrap_or_default();
        let is_sound = parcel.is_none_or(|parcel| {
            (0..parcel.documents).all(|position| notices::notice(packed, position, UnixSeconds(0)).is_ok())
        });
        if !is_sound {
            wrong.push("the state of a notification means nothing");
        }
    }
}

/// A row by the names of its columns.
struct Row<'a> {
    table: &'a Table,
    row: &'a [Value],
}

impl Row<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        let at = self.table.columns.iter().position(|(column, _)| *column == name)?;
        self.row.get(at)
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.value(name)? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn id(&self, name: &str) -> Option<[u8; 16]> {
        self.bytes(name)?.try_into().ok()
    }

    fn number(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The row's first column, which identifies it and contains no personal data.
    fn name(&self) -> String {
        match self.row.first() {
            Some(Value::Bytes(bytes)) => hex::encode(bytes),
            Some(Value::Number(number)) => number.to_string(),
            _ => "?".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use seoham_vault::KeyRing;

    use super::*;
    use crate::transfer::TABLES;

    #[test]
    fn what_does_not_open_or_resolve_is_told() {
        let vault = Vault::new(&KeyRing::generate());
        let mut check = DeepCheck::new(&vault);
        let table = |name: &str| TABLES.iter().find(|table| table.name == name).expect("there");
        let clock = seoham_model::Clock::default();
        let person = PersonId::generate(&clock);
        let (key, wrapped) = vault.new_person_key(person);
        let plaintext = br#"{"phone_number":"01011112222","name":"","birthday":""}"#;
        let sealed = key.seal(&crate::sealing::person_row(person), plaintext);
        let row = |sealed: Vec<u8>, number: &str| {
            let mut row = vec![Value::Null; table("people").columns.len()];
            let mut set = |name: &str, value: Vec<u8>| {
                let at = table("people").columns.iter().position(|(column, _)| *column == name);
                row[at.expect("there")] = Value::Bytes(value);
            };
            set("person_id", person.as_bytes().to_vec());
            set("phone_index", vault.phone_index(number).to_vec());
            set("wrapped_key", wrapped.0.clone());
            set("sealed", sealed);
            row
        };
        check.row(table("people"), &row(sealed.clone(), "01011112222"));
        assert!(check.findings.is_sound(), "{:?}", check.findings);
        let mut damaged = sealed.clone();
        damaged[20] ^= 1;
        check.row(table("people"), &row(damaged, "01011112222"));
        check.row(table("people"), &row(sealed, "01011112223"));
        let nobody = vec![Value::Bytes(vec![7; 16]), Value::Number(0)];
        check.row(table("joins"), &nobody);
        check.row(table("joins"), &[Value::Bytes(person.as_bytes().to_vec()), Value::Number(0)]);
        let findings = check.findings();
        assert_eq!((findings.rows, findings.messages.len()), (5, 3), "{findings:?}");
        assert!(
            findings.messages[0].contains("does not open")
                && findings.messages[1].contains("not found under its telephone number")
                && findings.messages[2].contains("person is not there")
        );
    }

    #[test]
    fn findings_are_bounded() {
        let mut findings = Findings::default();
        (0..250).for_each(|n| findings.add(n.to_string()));
        assert_eq!((findings.messages.len(), findings.more), (100, 150));
    }
}
