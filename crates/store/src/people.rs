//! People: registration, identification, joining and refusing (SPEC 4, 8, 11).

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::document::Receiver;
use seoham_model::person::{Behaviour, PersonRecord};
use seoham_model::{InstitutionId, PersonId, SeoulDay, UnixSeconds};
use seoham_vault::{PersonKey, PinHash, WrappedKey};

use crate::{Lane, Result};

/// A person to add or update, with the PIN already hashed.
#[derive(Clone)]
pub struct Registration {
    /// The person; its `pin` is ignored.
    pub person: PersonRecord,
    /// The hash of the PIN to set, if any.
    pub pin: Option<PinHash>,
}

/// The result of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// Added as a new person.
    Added,
    /// A known person was updated.
    Updated,
    /// Added or updated, and the telephone number moved from another person, who now has none.
    NumberMoved {
        /// The former owner.
        from: PersonId,
    },
    /// Refused: the telephone number belongs to a person with another birthday or another ci.
    NumberTaken {
        /// Since this day.
        since: SeoulDay,
    },
    /// Refused: the person has another number, which was assigned later.
    NumberOutdated {
        /// On this day.
        since: SeoulDay,
    },
}

/// A person found as the recipient of a document.
#[derive(Clone)]
pub struct Recipient {
    /// The person.
    pub person: PersonId,
    /// Their data key, which seals their data.
    pub key: Arc<PersonKey>,
    /// They were a member of the box at the lookup. Membership is never revoked, so `true` stays valid.
    pub member: bool,
}

/// The result of identifying a receiver.
#[derive(Clone)]
pub enum Identified {
    /// One person matches, and accepts documents from the institution.
    Found(Recipient),
    /// No person matches.
    NotFound,
    /// The person refuses the institution.
    Refused,
    /// Sending to this person fails: for one sandbox person by design (SPEC 12), and for anyone whose data
    /// key does not open.
    Breaks,
}

/// What is stored of a person, still sealed, as far as documents need it.
#[derive(Clone)]
pub struct StoredPerson {
    /// Their wrapped data key.
    pub key: WrappedKey,
    /// Their sealed row ([`PersonPlaintext`](crate::sealing::PersonPlaintext)).
    pub sealed: Vec<u8>,
    /// How they behave; all but some sandbox people are ordinary.
    pub behaviour: Behaviour,
    /// When they became a member of the box.
    pub member_since: Option<UnixSeconds>,
}

/// A person, looked up by the operator or the sandbox.
#[derive(Debug)]
pub struct PersonView {
    /// 10 or 11 digits; `None` if it passed on to another person.
    pub phone_number: Option<SecretString>,
    /// As registered.
    pub name: SecretString,
    /// When the person became a member of the box.
    pub member_since: Option<UnixSeconds>,
}

/// A text that a person agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The full text.
    pub text: String,
    /// When.
    pub agreed_at: UnixSeconds,
}

/// People.
#[async_trait]
pub trait People: Send + Sync {
    /// Adds or updates people, one verdict each, in order.
    ///
    /// Who a registration is about, and when a number moves to its next owner, is decided by
    /// [`registering::decide`](crate::registering::decide). Membership is granted, never revoked.
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

    /// The person with a ci.
    async fn person_by_ci(&self, ci: &SecretString) -> Result<Option<PersonId>>;

    /// The registered telephone number of a person, if they have one.
    async fn phone_number(&self, person: PersonId) -> Result<Option<SecretString>>;

    /// Records that a person agreed to `texts`; only the first agreement to the same text is stored.
    async fn agreed(&self, person: PersonId, texts: Vec<String>, now: UnixSeconds) -> Result<()>;

    /// The texts that a person agreed to, with times, oldest first.
    async fn agreements(&self, person: PersonId) -> Result<Vec<Agreement>>;

    /// Makes the person a member: all unexpired waiting documents enter their box. Documents that do not fit
    /// into one step are moved by the delivery worker ([`crate::Deliveries::join_due`]).
    async fn join(&self, person: PersonId, now: UnixSeconds) -> Result<()>;

    /// Refuses an institution's documents from the next send on, or accepts them again.
    async fn set_refusal(
        &self,
        person: PersonId,
        institution: InstitutionId,
        refused: bool,
        now: UnixSeconds,
    ) -> Result<()>;
}
