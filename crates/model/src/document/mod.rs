//! A document as an institution sends it (SPEC 4).

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

/// A document that complies with SPEC 4.
#[derive(Debug)]
pub struct Document {
    /// The content, which usually repeats within a request.
    pub content: Content,
    /// The members that differ from document to document.
    pub own: Own,
    /// The institution's hash of the original, at most 99 characters.
    pub hash: Option<String>,
    /// The deadline for opening it.
    pub deadline_at: UnixSeconds,
    /// The recipient.
    pub receiver: Receiver,
}

/// The part of a document that is usually the same for all documents of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Content {
    /// 1 to 40 characters.
    pub title: String,
    /// At most 500 characters, shown in the notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `bridge.content`: at most 500 characters, shown in the box under a contract whose notice is `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<String>,
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

/// The individual part of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// The institution's id of the document, 1 to 40 characters; always present in a bulk send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_document_uuid: Option<String>,
    /// At most 200 characters, returned unchanged in status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// The receiver of a document. Its `Debug` shows no personal data.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// What identifies the person.
    pub identity: ReceiverIdentity,
    /// The registered name must equal this one; `None` if no check was requested.
    pub verify_name: Option<SecretString>,
}

/// What identifies a receiver.
#[derive(Clone, Debug)]
pub enum ReceiverIdentity {
    /// Only the connecting information (연계정보), 1 to 88 characters.
    Ci(SecretString),
    /// Telephone number and birthday together.
    Phone {
        /// 10 or 11 digits.
        phone_number: SecretString,
        /// `YYYYMMDD`.
        birthday: SecretString,
    },
}
