//! Self-authenticating links.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use seoham_model::BinderId;

use crate::Vault;

impl Vault {
    /// The link token for a document's recipient: the document's id and a 128-bit code that only this
    /// deployment can compute. Deterministic.
    pub fn document_link(&self, document: BinderId) -> SecretString {
        let code = self.blind_index(b"document link", &[document.as_bytes()]);
        URL_SAFE_NO_PAD.encode([&document.as_bytes()[..], &code].concat()).into()
    }

    /// The document of a link token, if the code is valid; compared in constant time.
    pub fn document_of_link(&self, link: &SecretString) -> Option<BinderId> {
        let bytes = URL_SAFE_NO_PAD.decode(link.expose_secret()).ok()?;
        let (id, code) = bytes.split_at_checked(16)?;
        let document = BinderId::from_bytes(id.try_into().ok()?);
        let right = self.blind_index(b"document link", &[document.as_bytes()]);
        aws_lc_rs::constant_time::verify_slices_are_equal(code, &right).ok()?;
        Some(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyRing;
    use seoham_model::Clock;

    #[test]
    fn a_link_leads_back_and_cannot_be_guessed() {
        let vault = Vault::new(&KeyRing::generate());
        let document = BinderId::generate(&Clock::default());
        let link = vault.document_link(document);
        assert_eq!(link.expose_secret(), vault.document_link(document).expose_secret());
        assert_eq!(vault.document_of_link(&link), Some(document));
        let other = Vault::new(&KeyRing::generate());
        assert_eq!(other.document_of_link(&link), None);
        for wrong in ["", "AAAA", &link.expose_secret()[1..], &format!("{}A", link.expose_secret())] {
            assert_eq!(vault.document_of_link(&SecretString::from(wrong)), None, "{wrong}");
        }
    }
}
