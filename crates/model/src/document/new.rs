//! A document to send, validated by the same rules as on the platform (SPEC 4).

use std::fmt;

use serde::Serialize;

use super::{CheckContext, check};
use crate::clock::UnixSeconds;
use crate::contract::Product;
use crate::violation::{Rule, Violation};

/// The deadline for opening a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// At this time.
    At(UnixSeconds),
    /// This many seconds after acceptance.
    InSeconds(u32),
}

/// The receiver of a document. Its `Debug` shows no personal data.
#[derive(Clone, Default, Serialize)]
pub struct NewReceiver {
    #[serde(skip_serializing_if = "Option::is_none")]
    ci: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    birthday: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_required_verify_name: bool,
}

impl NewReceiver {
    /// Identified by connecting information (연계정보).
    pub fn by_ci(ci: &str) -> Self {
        Self { ci: Some(ci.to_owned()), ..Self::default() }
    }

    /// Identified by telephone number (10 or 11 digits) and birthday (`YYYYMMDD`).
    pub fn by_phone(phone_number: &str, name: &str, birthday: &str) -> Self {
        Self {
            phone_number: Some(phone_number.to_owned()),
            name: Some(name.to_owned()),
            birthday: Some(birthday.to_owned()),
            ..Self::default()
        }
    }

    /// Adds a name to the identification.
    #[must_use]
    pub fn named(mut self, name: Option<&str>) -> Self {
        self.name = name.map(str::to_owned);
        self
    }

    /// Requires that the name equals the person's registered one.
    #[must_use]
    pub fn verifying_name(mut self) -> Self {
        self.is_required_verify_name = true;
        self
    }
}

impl fmt::Debug for NewReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewReceiver").finish_non_exhaustive()
    }
}

/// A document to send. Its `Debug` shows no personal data.
#[derive(Clone, Serialize)]
pub struct NewDocument {
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_expired_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_expired_sec: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    common_categories: Vec<String>,
    receiver: NewReceiver,
    property: Property,
    #[serde(skip_serializing_if = "Option::is_none")]
    bridge: Option<Bridge>,
}

#[derive(Clone, Serialize)]
struct Bridge {
    content: String,
}

#[derive(Clone, Default, Serialize)]
struct Property {
    link: String,
    cs_number: String,
    cs_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_document_uuid: Option<String>,
}

impl NewDocument {
    /// A document with a title and the institution's page. By default it can be opened for 30 days.
    pub fn new(title: &str, link: &str, receiver: NewReceiver) -> Self {
        Self {
            title: title.to_owned(),
            read_expired_at: None,
            read_expired_sec: Some(2_592_000),
            hash: None,
            common_categories: Vec::new(),
            receiver,
            property: Property { link: link.to_owned(), ..Property::default() },
            bridge: None,
        }
    }

    /// Sets the deadline for opening it.
    #[must_use]
    pub fn deadline(mut self, deadline: Deadline) -> Self {
        (self.read_expired_at, self.read_expired_sec) = match deadline {
            Deadline::At(moment) => (Some(moment.0), None),
            Deadline::InSeconds(seconds) => (None, Some(seconds)),
        };
        self
    }

    /// Sets the customer service's number and name. Required.
    #[must_use]
    pub fn customer_service(mut self, number: &str, name: &str) -> Self {
        number.clone_into(&mut self.property.cs_number);
        name.clone_into(&mut self.property.cs_name);
        self
    }

    /// Sets the institution's own id of it; required in a bulk send.
    #[must_use]
    pub fn external_document_uuid(mut self, id: &str) -> Self {
        self.property.external_document_uuid = Some(id.to_owned());
        self
    }

    /// Sets the institution's hash of the original; required under a certified contract.
    #[must_use]
    pub fn hash(mut self, hash: &str) -> Self {
        self.hash = Some(hash.to_owned());
        self
    }

    /// Adds a category: `BILL`, `BILL_PAY`, `NOTICE`, `CONTRACT`, `REPORT` or `Default`.
    #[must_use]
    pub fn category(mut self, category: &str) -> Self {
        self.common_categories.push(category.to_owned());
        self
    }

    /// Sets the payload, returned unchanged in status; at most 200 characters.
    #[must_use]
    pub fn payload(mut self, payload: &str) -> Self {
        self.property.payload = Some(payload.to_owned());
        self
    }

    /// Sets the message shown in the notification; at most 500 characters.
    #[must_use]
    pub fn message(mut self, message: &str) -> Self {
        self.property.message = Some(message.to_owned());
        self
    }

    /// Sets the text that the box shows under a contract whose notice is `none`; at most 500 characters.
    #[must_use]
    pub fn bridge(mut self, content: &str) -> Self {
        self.bridge = Some(Bridge { content: content.to_owned() });
        self
    }

    /// The document in JSON, if it is valid at `now`. Only the platform knows the contract's
    /// product.
    pub fn check(&self, now: UnixSeconds, bulk: bool) -> Result<String, Vec<Violation>> {
        let unreadable = |_| vec![Violation::new("", Rule::Unreadable)];
        let json = serde_json::to_string(self).map_err(unreadable)?;
        let raw = serde_json::from_str(&json).map_err(unreadable)?;
        check(raw, CheckContext { now, product: Product::default(), bulk }).map(|_| json)
    }
}

impl fmt::Debug for NewDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.property.external_document_uuid;
        f.debug_struct("NewDocument").field("external_document_uuid", id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_795_359_600);

    fn notice() -> NewDocument {
        let receiver = NewReceiver::by_phone("01000000001", "서함시험", "19900101");
        NewDocument::new("고지서", "https://tax.example.kr/notice", receiver)
            .customer_service("02-000-0000", "세무과")
    }

    #[test]
    fn a_document_is_checked_by_the_models_rules() {
        assert!(notice().check(NOW, false).is_ok());
        let members = |document: NewDocument| {
            let broken = document.check(NOW, true).expect_err("broken");
            broken.iter().map(|v| v.member).collect::<Vec<_>>()
        };
        assert_eq!(members(notice()), ["property.external_document_uuid"]);
        let late = notice().deadline(Deadline::At(NOW)).external_document_uuid("A").category("TAX");
        assert_eq!(members(late), ["read_expired_at", "common_categories"]);
    }

    #[test]
    fn nothing_personal_is_in_its_debug() {
        let shown = format!("{:?} {:?}", notice().external_document_uuid("A"), notice().receiver);
        assert!(!shown.contains("010") && !shown.contains("서함시험"), "{shown}");
    }
}
