//! People: their registration, how they are identified, joining and refusing (SPEC 4, 8, 11).

use std::sync::Arc;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::document::Receiver;
use seoham_model::person::PersonRecord;
use seoham_model::{InstitutionId, PersonId, UnixSeconds};
use seoham_vault::{PersonKey, PinHash};

use crate::{Lane, Result};

/// A person to be added or updated, with the PIN already hashed.
#[derive(Clone)]
pub struct Registration {
    /// The person; its `pin` is not looked at.
    pub person: PersonRecord,
    /// The PIN's hash, when one is to be set.
    pub pin: Option<PinHash>,
}

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// Added as a new person.
    Added,
    /// A known person was updated.
    Updated,
    /// Refused: the telephone number belongs to a person with another birthday or another ci.
    NumberTaken,
}

/// A person found as the recipient of a document.
#[derive(Clone)]
pub struct Recipient {
    /// The person.
    pub person: PersonId,
    /// Their data key, under which what is theirs is sealed.
    pub key: Arc<PersonKey>,
    /// They were a member of the box when they were looked up. Membership is never taken away, so
    /// `true` stays true.
    pub member: bool,
}

/// What became of identifying a receiver.
#[derive(Clone)]
pub enum Identified {
    /// One person matches and takes documents from the institution.
    Found(Recipient),
    /// Nobody matches.
    NotFound,
    /// The person refuses the institution.
    Refused,
    /// Nothing can be sent to this person: every item fails for one person of the sandbox
    /// (SPEC 12), and for anybody whose data key does not open.
    Breaks,
}

/// A person, looked up by the operator or the sandbox.
#[derive(Debug)]
pub struct PersonView {
    /// 10 or 11 digits.
    pub phone_number: SecretString,
    /// As registered.
    pub name: SecretString,
    /// Since when the person is a member of the box.
    pub member_since: Option<UnixSeconds>,
}

/// A text that a person agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Word for word.
    pub text: String,
    /// When.
    pub agreed_at: UnixSeconds,
}

/// People.
#[async_trait]
#[delegatable_trait]
pub trait People: Send + Sync {
    /// Adds or updates people, one verdict each, in order.
    ///
    /// A ci that is known names the person to update; else the telephone number does, provided
    /// that the birthday is the same and no other ci is known: a number that passed to another
    /// person must never open the first one's box. Membership is given, never taken away.
    async fn register(&self, people: Vec<Registration>, now: UnixSeconds) -> Result<Vec<Registered>>;

    /// Identifies receivers for `institution`, one verdict each, in order (SPEC 4).
    async fn identify(
        &self,
        lane: Lane,
        institution: InstitutionId,
        receivers: Vec<Receiver>,
    ) -> Result<Vec<Identified>>;

    /// The person with a telephone number.
    async fn person_by_phone(&self, phone_number: &SecretString) -> Result<Option<PersonId>>;

    /// The telephone number that a person is registered with.
    async fn phone_number(&self, person: PersonId) -> Result<Option<SecretString>>;

    /// Keeps that a person agreed to `texts`, word for word; to the same text for the first time.
    async fn agreed(&self, person: PersonId, texts: Vec<String>, now: UnixSeconds) -> Result<()>;

    /// What a person agreed to, and when, the oldest first.
    async fn agreements(&self, person: PersonId) -> Result<Vec<Agreement>>;

    /// Makes the person a member: all that waits for them unexpired comes into their box. What
    /// one step cannot move is moved by the delivery worker ([`crate::Deliveries::join_due`]).
    async fn join(&self, person: PersonId, now: UnixSeconds) -> Result<()>;

    /// Refuses an institution's documents from the next send on, or takes them again.
    async fn set_refusal(&self, person: PersonId, institution: InstitutionId, refused: bool) -> Result<()>;
}
