//! The id of a document's notification (SPEC 13). It follows from the document's, so it is the
//! same on every retry and needs no table of its own.

use std::fmt;

use crate::ids::BinderId;

/// `NTF-` and the digits of the document's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotificationId(pub BinderId);

const PREFIX: &str = "NTF-";

impl NotificationId {
    /// Reads the form that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        BinderId::parse(&format!("{}{digits}", BinderId::PREFIX)).map(Self)
    }
}

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let document = self.0.to_string();
        write!(f, "{PREFIX}{}", &document[BinderId::PREFIX.len()..])
    }
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
    }
}
