//! A document's notification: its id and its text (SPEC 8.1 and 13). The id is derived from the document's,
//! so it is the same on every retry and needs no table.

use std::fmt::{self, Write};

use crate::UnixSeconds;
use crate::clock::seoul_minutes;
use crate::document::Content;
use crate::ids::BinderId;

/// `NTF-` and the digits of the document's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotificationId(pub BinderId);

/// `FBK-` and the digits of the document's id: the SMS or LMS that Seoham sends itself instead of a notification that did not
/// arrive (SPEC 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FallbackId(pub BinderId);

fn parse(text: &str, prefix: &str) -> Option<BinderId> {
    let digits = text.strip_prefix(prefix)?;
    BinderId::parse(&format!("{}{digits}", BinderId::PREFIX))
}

fn write(f: &mut fmt::Formatter<'_>, prefix: &str, document: BinderId) -> fmt::Result {
    write!(f, "{prefix}{}", &document.to_string()[BinderId::PREFIX.len()..])
}

impl NotificationId {
    const PREFIX: &str = "NTF-";

    /// Parses the form that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        parse(text, Self::PREFIX).map(Self)
    }
}

impl FallbackId {
    const PREFIX: &str = "FBK-";

    /// Parses the form that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        parse(text, Self::PREFIX).map(Self)
    }
}

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, Self::PREFIX, self.0)
    }
}

impl fmt::Display for FallbackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, Self::PREFIX, self.0)
    }
}

/// The text about an arrived document; `received` says whether the document is in the recipient's box.
pub fn arrival_text(
    institution_name: &str,
    content: &Content,
    deadline_at: UnixSeconds,
    received: bool,
) -> String {
    let mut text = format!("[{institution_name}] 전자문서가 도착했습니다.\n제목: {}\n", content.title);
    if let Some(message) = &content.message {
        let _ = writeln!(text, "\n{message}\n");
    }
    let _ = writeln!(text, "열람기한: {}까지", seoul_minutes(deadline_at));
    let _ = writeln!(text, "문의: {} {}", content.cs_name, content.cs_number);
    if received {
        let _ = write!(text, "▶ {}", content.categories.button());
    } else {
        text.push_str("▶ 가입하시면 문서함에서 이 문서를 받아 보실 수 있습니다.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn it_leads_back_to_its_document() {
        let id = NotificationId(BinderId::generate(&Clock::default()));
        assert_eq!(NotificationId::parse(&id.to_string()), Some(id));
        assert_eq!(NotificationId::parse("NTF-1"), None);
        assert_eq!(NotificationId::parse(&id.0.to_string()), None);
        let fallback = FallbackId(id.0);
        assert_eq!(FallbackId::parse(&fallback.to_string()), Some(fallback));
        assert_eq!(NotificationId::parse(&fallback.to_string()), None, "another message");
    }
}
