//! The templates of messages: the platform's, and those of institutions' own channels (SPEC 13 and 14).

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::InstitutionId;
use seoham_model::message::{MessageKind, MessageTemplate};

use crate::{Result, StoreError};

/// Whose template it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TemplateOwner {
    /// The platform's channel.
    Platform,
    /// An institution's own channel.
    Institution(InstitutionId),
}

/// A template, with what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedTemplate {
    /// Whose it is.
    pub owner: TemplateOwner,
    /// The kind of message.
    pub kind: MessageKind,
    /// The template.
    pub template: MessageTemplate,
}

/// The maximum number of templates that [`Templates::templates`] returns.
pub const LISTED_MAX: u32 = 10_000;

/// The templates of messages.
#[async_trait]
#[delegatable_trait]
pub trait Templates: Send + Sync {
    /// Sets or removes a template; `false` if the institution is unknown.
    async fn set_template(
        &self,
        owner: TemplateOwner,
        kind: MessageKind,
        template: Option<MessageTemplate>,
    ) -> Result<bool>;

    /// A template, if there is one.
    async fn template(&self, owner: TemplateOwner, kind: MessageKind) -> Result<Option<MessageTemplate>>;

    /// All templates, the platform's first; at most [`LISTED_MAX`].
    async fn templates(&self) -> Result<Vec<OwnedTemplate>>;
}

/// Decodes a stored template.
pub fn stored(content: &str) -> Result<MessageTemplate> {
    MessageTemplate::stored(content).ok_or(StoreError::damaged("a template"))
}

/// Decodes a row of the list: whose, of which kind, and the template.
pub fn stored_row(institution: Option<InstitutionId>, kind: &str, content: &str) -> Result<OwnedTemplate> {
    Ok(OwnedTemplate {
        owner: institution.map_or(TemplateOwner::Platform, TemplateOwner::Institution),
        kind: MessageKind::from_name(kind).ok_or(StoreError::damaged("a template's kind"))?,
        template: stored(content)?,
    })
}
