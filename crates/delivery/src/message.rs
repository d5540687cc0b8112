//! The messages that the messengers send (SPEC 8.1 and 13).

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use seoham_model::UnixSeconds;
use seoham_model::clock::seoul_minutes;
use seoham_model::message::{MessageKind, MessageTemplate};
use seoham_model::notification::{FallbackId, NotificationId, arrival_text};
use seoham_model::person::Addresses;
use seoham_model::template::Values;
use seoham_model::token::link_path;
use seoham_store::deliveries::Claim;

/// For how long a link that a person requested can be used.
const LINK_SECONDS: i64 = 10 * 60;

/// Identifies a message; the same on every retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageId {
    /// The notification of a document.
    Document(NotificationId),
    /// The SMS or LMS that is sent instead of a document's notification.
    Fallback(FallbackId),
    /// A link to sign in or to set a new PIN; the id is a random number.
    Login(u128),
    /// The notice that a PIN was changed; the id is a random number.
    PinChanged(u128),
    /// An operator's test; the id is a random number.
    Test(u128),
}

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Document(id) => id.fmt(f),
            Self::Fallback(id) => id.fmt(f),
            Self::Login(number) => write!(f, "LGN-{number:032x}"),
            Self::PinChanged(number) => write!(f, "PIN-{number:032x}"),
            Self::Test(number) => write!(f, "TST-{number:032x}"),
        }
    }
}

/// A message to one person.
#[derive(Clone)]
pub struct Message {
    /// The same on every retry.
    pub id: MessageId,
    /// Its subject.
    pub kind: MessageKind,
    /// How the person can be reached.
    pub to: Addresses,
    /// The text for the person. It can contain their name, so like their addresses it must not be logged.
    pub text: SecretString,
    /// A link into the document box. It signs its bearer in, so it is a secret.
    pub link: String,
    /// The template, unless the text is a built-in one.
    pub template: Option<Arc<MessageTemplate>>,
    /// The variables of the template with their values; all of them with a built-in text.
    pub variables: Vec<(&'static str, String)>,
    /// The buttons: names and addresses.
    pub buttons: Vec<(String, String)>,
    /// The SMS or LMS that is sent if this message cannot be delivered: the sending number, and the text.
    pub fallback: Option<(String, SecretString)>,
    /// The sending number, if this message is such an SMS or LMS.
    pub from: Option<String>,
}

impl Message {
    /// Renders a message from its template, or `built_in` without one.
    pub fn new(
        id: MessageId,
        kind: MessageKind,
        to: Addresses,
        template: Option<Arc<MessageTemplate>>,
        values: &Values<'_>,
        built_in: impl FnOnce() -> String,
    ) -> Self {
        let link = values.link.to_owned();
        let Some(template) = template else {
            return Self {
                id,
                kind,
                to,
                text: built_in().into(),
                link,
                template: None,
                variables: values.all(),
                buttons: Vec::new(),
                fallback: None,
                from: None,
            };
        };
        let addresses = template.buttons.iter().map(|button| &button.address);
        let address =
            |button: &seoham_model::message::Button| (button.name.clone(), button.address.address(values));
        Self {
            id,
            kind,
            to,
            text: template.body.render(values).into(),
            link,
            variables: template.body.variables(addresses, values),
            buttons: template.buttons.iter().map(address).collect(),
            fallback: template
                .fallback
                .as_ref()
                .map(|fallback| (fallback.from.clone(), fallback.body.render(values).into())),
            from: None,
            template: Some(template),
        }
    }

    /// How a provider knows its template; messages with equal keys can go in one call.
    pub(crate) fn template_key(&self, provider: &str) -> Option<(Option<&str>, &str, bool)> {
        let template = self.template.as_ref()?.providers.get(provider)?;
        Some((template.sender_key.as_deref(), &template.template_code, self.fallback.is_some()))
    }

    /// Whether an operator tries a provider with it.
    pub(crate) fn is_test(&self) -> bool {
        matches!(self.id, MessageId::Test(_))
    }

    /// Whether it is our own fallback.
    pub(crate) fn is_fallback(&self) -> bool {
        matches!(self.id, MessageId::Fallback(_))
    }

    /// Our own fallback of a document's notification, or of a test: its text alone, for a provider that sends texts. `None` if
    /// its template has none.
    pub fn into_fallback(self) -> Option<Self> {
        let id = match self.id {
            MessageId::Document(id) => MessageId::Fallback(FallbackId(id.0)),
            MessageId::Test(_) => self.id,
            MessageId::Fallback(_) | MessageId::Login(_) | MessageId::PinChanged(_) => return None,
        };
        let (from, text) = self.fallback?;
        let from = Some(from);
        Some(Self { id, text, from, template: None, buttons: Vec::new(), fallback: None, ..self })
    }

    /// The document that it is about, if it is about one.
    pub fn document(&self) -> Option<seoham_model::BinderId> {
        match self.id {
            MessageId::Document(id) => Some(id.0),
            MessageId::Fallback(id) => Some(id.0),
            MessageId::Login(_) | MessageId::PinChanged(_) | MessageId::Test(_) => None,
        }
    }
}

/// The notification of a document by the template of the channel that notifies, or else the built-in one: institution,
/// title, message and deadline, and for a non-member an invitation to join.
pub(crate) fn document_arrived(claim: &Claim, box_url: &str) -> Message {
    let link = link(box_url, &link_path(claim.link_token.expose_secret()));
    let name = claim.sender.institution_name.as_str();
    let values = Values::of_document(name, &claim.content, claim.deadline_at, &link);
    let id = MessageId::Document(NotificationId(claim.document));
    let to = claim.addresses.clone();
    Message::new(id, MessageKind::DocumentArrived, to, claim.sender.template.clone(), &values, || {
        arrival_text(name, &claim.content, claim.deadline_at, claim.received)
    })
}

/// What messages about a person's box have in common.
#[derive(Clone, Copy)]
pub struct BoxMessage<'a> {
    /// The name of the box.
    pub box_name: &'a str,
    /// Its address.
    pub box_url: &'a str,
    /// The template, if there is one for this kind.
    pub template: Option<&'a Arc<MessageTemplate>>,
    /// Now.
    pub now: UnixSeconds,
}

impl BoxMessage<'_> {
    /// A message with a sign-in link; `path` is the link's path in the box.
    pub fn login_link(self, to: SecretString, path: &SecretString) -> Message {
        self.with_link(
            to,
            path,
            "문서함 로그인 링크입니다. 10분 안에 한 번만 쓸 수 있습니다. 요청하지 않으셨다면 이 메시지를 무시해 주십시오.",
        )
    }

    /// A message with a link to set a new PIN.
    pub fn new_pin_link(self, to: SecretString, path: &SecretString) -> Message {
        self.with_link(
            to,
            path,
            "새 PIN을 만드는 링크입니다. 10분 안에 한 번만 쓸 수 있고, 생년월일을 확인합니다. 요청하지 않으셨다면 이 \
             메시지를 무시해 주십시오. 지금 PIN은 그대로입니다.",
        )
    }

    fn with_link(self, to: SecretString, path: &SecretString, says: &str) -> Message {
        let link = link(self.box_url, path.expose_secret());
        let until = self.now.plus(LINK_SECONDS);
        self.message(MessageId::Login(rand::random()), MessageKind::LoginLink, to, says, until, &link)
    }

    /// A notice that the PIN was changed now.
    pub fn pin_changed(self, to: SecretString) -> Message {
        let says = format!(
            "{}에 PIN이 바뀌었습니다. 직접 바꾸지 않으셨다면 문서함에서 PIN을 다시 만들어 주십시오.",
            seoul_minutes(self.now)
        );
        let (id, link) = (MessageId::PinChanged(rand::random()), link(self.box_url, "/"));
        self.message(id, MessageKind::PinChanged, to, &says, self.now, &link)
    }

    fn message(
        self,
        id: MessageId,
        kind: MessageKind,
        to: SecretString,
        says: &str,
        until: UnixSeconds,
        link: &str,
    ) -> Message {
        // A link that signs in goes to the registered number alone (SPEC 8.8).
        let to = Addresses::of_number(to);
        let values = Values {
            institution_name: self.box_name,
            title: "",
            message: says,
            deadline: seoul_minutes(until),
            cs_name: "",
            cs_number: "",
            link,
        };
        Message::new(id, kind, to, self.template.cloned(), &values, || format!("[{}] {says}", self.box_name))
    }
}

/// The address of a page of the document box.
fn link(box_url: &str, path: &str) -> String {
    format!("{}{path}", box_url.trim_end_matches('/'))
}
