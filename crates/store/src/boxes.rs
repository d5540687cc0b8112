//! Document boxes: opening what lies in them (SPEC 8).

use async_trait::async_trait;
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_vault::TokenHash;

use crate::Result;

/// What became of opening a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenVerdict {
    /// Open: the token is stored and the recipient may be sent on.
    Opened {
        /// The institution's page.
        link: String,
        /// The institution's id of the document.
        external_document_uuid: Option<String>,
        /// Until when the token is valid.
        token_expires_at: UnixSeconds,
    },
    /// The recipient has not joined the box.
    NotInBox,
    /// The deadline passed unread.
    Expired,
    /// No such document.
    Unknown,
}

/// Document boxes.
#[async_trait]
pub trait Boxes: Send + Sync {
    /// Opens a document of `institution` on behalf of its recipient, who has just authenticated:
    /// records `authenticated_at` and stores the token by its hash.
    async fn open(
        &self,
        institution: InstitutionId,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<OpenVerdict>;
}
