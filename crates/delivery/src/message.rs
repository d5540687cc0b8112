//! What the messenger is asked to say (SPEC 8.1 and 13).

use std::fmt::Write;

use secrecy::SecretString;
use seoham_model::clock::seoul_minutes;
use seoham_model::notification::NotificationId;
use seoham_store::deliveries::Claim;
use serde::Serialize;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A document has come.
    DocumentArrived,
}

/// A message to one person. Its `Debug` shows no personal value.
#[derive(Debug)]
pub struct Message {
    /// The same on every retry.
    pub id: NotificationId,
    /// What it is about.
    pub kind: Kind,
    /// The telephone number.
    pub to: SecretString,
    /// What the person reads. It can name them, so it is no more for a log than the number is.
    pub text: SecretString,
    /// The document box.
    pub link: String,
}

/// The announcement of a document: institution, title, message and deadline, and for one who is
/// no member an invitation to join.
pub(crate) fn document_arrived(claim: &Claim, box_url: &str) -> Message {
    let content = &claim.content;
    let mut text =
        format!("[{}] 전자문서가 도착했습니다.\n제목: {}\n", claim.institution_name, content.title);
    if let Some(message) = &content.message {
        let _ = writeln!(text, "\n{message}\n");
    }
    let _ = writeln!(text, "열람기한: {}까지", seoul_minutes(claim.deadline_at));
    let _ = writeln!(text, "문의: {} {}", content.cs_name, content.cs_number);
    if claim.received {
        let _ = write!(text, "▶ {}", content.categories.button());
    } else {
        text.push_str("▶ 서함에 가입하시면 문서함에서 이 문서를 받아 보실 수 있습니다.");
    }
    Message {
        id: NotificationId(claim.document),
        kind: Kind::DocumentArrived,
        to: claim.phone_number.clone(),
        text: text.into(),
        link: box_url.to_owned(),
    }
}
