//! A document as an institution hands it over (SPEC 4).

mod canonical;
mod category;
mod checker;
mod item;
mod new;
mod raw;
mod rules;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;

pub use category::{Categories, Category};
pub(crate) use checker::{Checker, StringRule};
pub use item::ReadItem;
pub use new::{Deadline, NewDocument, NewReceiver};
pub(crate) use raw::kind as raw_kind;
pub use rules::{CheckContext, check};

/// A document that keeps every rule of SPEC 4.
#[derive(Debug)]
pub struct Document {
    /// What usually repeats within a request.
    pub content: Content,
    /// What differs from document to document.
    pub own: Own,
    /// The institution's hash of the original, at most 99 characters.
    pub hash: Option<String>,
    /// Until when it can be opened.
    pub deadline_at: UnixSeconds,
    /// Whom it is for.
    pub receiver: Receiver,
}

/// The part of a document that usually is the same for all of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Content {
    /// 1 to 40 characters.
    pub title: String,
    /// At most 500 characters, shown in the notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The institution's page: an absolute http(s) URL of 10 to 100 characters.
    pub link: String,
    /// Customer-service telephone, 1 to 20 characters.
    pub cs_number: String,
    /// Customer-service name, 1 to 10 characters.
    pub cs_name: String,
    /// Selects the button shown in the box.
    #[serde(default, skip_serializing_if = "Categories::is_empty")]
    pub categories: Categories,
}

/// The part of a document that is its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// The institution's id of the document, 1 to 40 characters; always there after a bulk send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_document_uuid: Option<String>,
    /// At most 200 characters, handed back unchanged in status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// Whom a document is for. Its `Debug` shows no personal value.
#[derive(Debug)]
pub struct Receiver {
    /// What identifies the person.
    pub identity: ReceiverIdentity,
    /// The registered name must equal this one; `None` when no check was asked for.
    pub verify_name: Option<SecretString>,
}

/// What identifies a receiver.
#[derive(Debug)]
pub enum ReceiverIdentity {
    /// The connecting information alone (연계정보), 1 to 88 characters.
    Ci(SecretString),
    /// Telephone number and birthday together.
    Phone {
        /// 10 or 11 digits.
        phone_number: SecretString,
        /// `YYYYMMDD`.
        birthday: SecretString,
    },
}
