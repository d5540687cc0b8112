//! The messages that the messenger sends (SPEC 8.1 and 13).

use secrecy::{ExposeSecret, SecretString};
use seoham_model::UnixSeconds;
use seoham_model::clock::seoul_minutes;
use seoham_model::notification::{NotificationId, arrival_text};
use seoham_model::template::Values;
use seoham_model::token::link_path;
use seoham_store::deliveries::Claim;
use serde::Serialize;

/// The subject of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A document has arrived.
    DocumentArrived,
    /// A link that the person requested, to sign in or to set a new PIN.
    LoginLink,
    /// The person's PIN was changed.
    PinChanged,
}

/// Identifies a message; the same on every retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageId {
    /// The notification of a document.
    Document(NotificationId),
    /// A link to sign in or to set a new PIN; the id is a random number.
    Login(u128),
    /// The notice that a PIN was changed; the id is a random number.
    PinChanged(u128),
}

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Document(id) => id.fmt(f),
            Self::Login(number) => write!(f, "LGN-{number:032x}"),
            Self::PinChanged(number) => write!(f, "PIN-{number:032x}"),
        }
    }
}

/// A message to one person.
pub struct Message {
    /// The same on every retry.
    pub id: MessageId,
    /// Its subject.
    pub kind: Kind,
    /// The telephone number.
    pub to: SecretString,
    /// The text for the person. It can contain their name, so like the number it must not be logged.
    pub text: SecretString,
    /// A link into the document box. It signs its bearer in, so it is a secret.
    pub link: String,
}

/// The notification of a document by the template of the institution, or else the built-in one: institution, title,
/// message and deadline, and for a non-member an invitation to join.
pub(crate) fn document_arrived(claim: &Claim, to: SecretString, box_url: &str) -> Message {
    let link = link(box_url, &link_path(claim.link_token.expose_secret()));
    let institution_name = claim.sender.institution_name.as_str();
    let text = match &claim.sender.template {
        Some(template) => template.render(Values {
            institution_name,
            content: &claim.content,
            deadline_at: claim.deadline_at,
            link: &link,
        }),
        None => arrival_text(institution_name, &claim.content, claim.deadline_at, claim.received),
    };
    Message {
        id: MessageId::Document(NotificationId(claim.document)),
        kind: Kind::DocumentArrived,
        to,
        text: text.into(),
        link,
    }
}

/// A message with a sign-in link; `box_name` is the box's name, `path` the link's path in it.
pub fn login_link(to: SecretString, box_name: &str, box_url: &str, path: &SecretString) -> Message {
    let text = format!(
        "[{box_name}] 문서함 로그인 링크입니다. 10분 안에 한 번만 쓸 수 있습니다. 요청하지 않으셨다면 이 메시지를 \
         무시해 주십시오."
    );
    asked_for(to, text, link(box_url, path.expose_secret()))
}

/// A message with a link to set a new PIN.
pub fn new_pin_link(to: SecretString, box_name: &str, box_url: &str, path: &SecretString) -> Message {
    let text = format!(
        "[{box_name}] 새 PIN을 만드는 링크입니다. 10분 안에 한 번만 쓸 수 있고, 생년월일을 확인합니다. 요청하지 \
         않으셨다면 이 메시지를 무시해 주십시오. 지금 PIN은 그대로입니다."
    );
    asked_for(to, text, link(box_url, path.expose_secret()))
}

fn asked_for(to: SecretString, text: String, link: String) -> Message {
    Message { id: MessageId::Login(rand::random()), kind: Kind::LoginLink, to, text: text.into(), link }
}

/// A notice that the PIN was changed at `at`.
pub fn pin_changed(to: SecretString, box_name: &str, box_url: &str, at: UnixSeconds) -> Message {
    let text = format!(
        "[{box_name}] {}에 PIN이 바뀌었습니다. 직접 바꾸지 않으셨다면 문서함에서 PIN을 다시 만들어 주십시오.",
        seoul_minutes(at)
    );
    Message {
        id: MessageId::PinChanged(rand::random()),
        kind: Kind::PinChanged,
        to,
        text: text.into(),
        link: link(box_url, "/"),
    }
}

/// The address of a page of the document box.
fn link(box_url: &str, path: &str) -> String {
    format!("{}{path}", box_url.trim_end_matches('/'))
}
