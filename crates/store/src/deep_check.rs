//! The deep check of a store's contents, row by row, in the form that both stores export (`transfer`): every
//! sealed value opens, every reference resolves, every number is valid.

use std::collections::{HashMap, HashSet};

use seoham_model::{BinderId, PersonId, StoredNumber};
use seoham_vault::{Vault, WrappedKey};

use crate::documents::Notification;
use crate::sealing::{self, PersonPlaintext, SealedContent, StoredText};
use crate::transfer::{Table, Value};
use crate::volumes::PlanState;

/// Findings listed in full; further ones are only counted.
const MESSAGES_MAX: usize = 100;

/// A check in progress. Rows must come in the order of [`TABLES`](crate::transfer::TABLES).
pub struct DeepCheck<'a> {
    vault: &'a Vault,
    people: HashMap<Vec<u8>, WrappedKey>,
    contents: HashSet<Vec<u8>>,
    institutions: HashSet<Vec<u8>>,
    contracts: HashSet<Vec<u8>>,
    findings: Findings,
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
            contents: HashSet::new(),
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
    pub fn findings(self) -> Findings {
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
            "contents" => {
                let opened = row.id("content_id").zip(row.bytes("sealed")).map(|(id, sealed)| {
                    let content = SealedContent { id: BinderId::from_bytes(id), sealed: sealed.to_vec() };
                    sealing::open_content(self.vault, &content)
                });
                if !matches!(opened, Some(Ok(_))) {
                    wrong.push("the shared text does not open");
                }
                self.contents.extend(row.bytes("content_id").map(<[u8]>::to_vec));
            }
            "people" => self.look_at_person(row, &mut wrong),
            "documents" => self.look_at_document(row, &mut wrong),
            "volume_plans" if row.number("state").is_none_or(|n| PlanState::from_number(n).is_none()) => {
                wrong.push("its state means nothing");
            }
            _ => {}
        }
        for (column, known, what) in [
            ("institution_id", &self.institutions, "its institution is not there"),
            ("contract_id", &self.contracts, "its contract is not there"),
            ("content_id", &self.contents, "its shared text is not there"),
        ] {
            if row.bytes(column).is_some_and(|id| !known.contains(id)) {
                wrong.push(what);
            }
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
            Some(Ok(_)) => {}
        }
        self.people.insert(id.to_vec(), wrapped);
    }

    fn look_at_document(&mut self, row: &Row<'_>, wrong: &mut Vec<&'static str>) {
        if row.number("notification").is_none_or(|n| Notification::from_number(n).is_none()) {
            wrong.push("the state of its notification means nothing");
        }
        let (Some(id), Some(person), Some(sealed)) =
            (row.id("document_id"), row.id("person_id"), row.bytes("sealed"))
        else {
            wrong.push("a part of it is not there");
            return;
        };
        let Some(key) = self.people.get(&person[..]) else { return };
        let (id, person) = (BinderId::from_bytes(id), PersonId::from_bytes(person));
        let is_shared = row.bytes("content_id").is_some();
        let opens = if is_shared {
            sealing::open_own(self.vault, person, key, id, sealed).is_ok()
        } else {
            let stored = StoredText { id, person, key: key.clone(), sealed: sealed.to_vec(), content: None };
            sealing::open(self.vault, &stored).is_ok()
        };
        if !opens {
            wrong.push("its text does not open");
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
        let sealed = key.seal(&sealing::person_row(person), plaintext);
        let row = |sealed: Vec<u8>| {
            let mut row = vec![Value::Null; table("people").columns.len()];
            row[0] = Value::Bytes(person.as_bytes().to_vec());
            row[5] = Value::Bytes(wrapped.0.clone());
            row[6] = Value::Bytes(sealed);
            row
        };
        check.row(table("people"), &row(sealed.clone()));
        assert!(check.findings.is_sound(), "{:?}", check.findings);
        let mut damaged = sealed;
        damaged[20] ^= 1;
        check.row(table("people"), &row(damaged));
        let nobody = vec![Value::Bytes(vec![7; 16]), Value::Number(0)];
        check.row(table("joins"), &nobody);
        check.row(table("joins"), &[Value::Bytes(person.as_bytes().to_vec()), Value::Number(0)]);
        let findings = check.findings();
        assert_eq!((findings.rows, findings.messages.len()), (4, 2), "{findings:?}");
        assert!(
            findings.messages[0].contains("does not open")
                && findings.messages[1].contains("person is not there")
        );
    }

    #[test]
    fn findings_are_bounded() {
        let mut findings = Findings::default();
        (0..250).for_each(|n| findings.add(n.to_string()));
        assert_eq!((findings.messages.len(), findings.more), (100, 150));
    }
}
