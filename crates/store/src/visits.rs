//! A recipient's visits to the box: how they get in, and how they prove to be themselves (SPEC 8).

use ambassador::delegatable_trait;
use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::{BinderId, PersonId, UnixSeconds};
use seoham_vault::{PinHash, TokenHash};

use crate::Result;
pub use crate::attempts::{ATTEMPTS_MAX, LOCKED_SECONDS, Proof, Secret};

/// How long after its document was accepted the link in a notification can be used, in seconds.
pub const NOTIFICATION_LINK_SECONDS: i64 = 3 * 24 * 60 * 60;

/// Whether an attempt may be made.
#[derive(Clone)]
pub enum Attempt {
    /// Not before this moment.
    Locked {
        /// When it may be tried again.
        until: UnixSeconds,
    },
    /// The person has no such secret yet.
    NotSet,
    /// It may: it counts as a wrong one until [`Secrets::attempt_succeeded`].
    Allowed {
        /// What it is compared with.
        hash: PinHash,
        /// How many more are left after it.
        left: u32,
    },
}

/// What became of trying a birthday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BirthdayAttempt {
    /// It is the person's.
    Right,
    /// It is not.
    Wrong {
        /// How many more attempts are left.
        left: u32,
    },
    /// Not before this moment.
    Locked {
        /// When it may be tried again.
        until: UnixSeconds,
    },
}

/// What a link that was asked for is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Signing in once, and on to a document if it is about one.
    SignIn {
        /// The document.
        document: Option<BinderId>,
    },
    /// Setting a new PIN.
    NewPin,
}

/// A link that was asked for.
#[derive(Clone, Copy)]
pub struct LoginLink {
    /// For whom.
    pub person: PersonId,
    /// Its token, by its hash.
    pub token: TokenHash,
    /// What it is good for.
    pub purpose: LinkPurpose,
    /// From when on it is good for nothing.
    pub expires_at: UnixSeconds,
}

/// Whose session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The person.
    pub person: PersonId,
    /// They have joined the box.
    pub member: bool,
}

/// Links that lead into the box (SPEC 8.8 and 8.9).
#[async_trait]
#[delegatable_trait]
pub trait Links: Send + Sync {
    /// Uses the link of a notification; gives whose it is and of which document. The first use
    /// counts, and only in its time.
    async fn use_notification_link(
        &self,
        token: &SecretString,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, BinderId)>>;

    /// A link is asked for by a telephone number, known or not: counted, or when one may be asked for again
    /// ([`LinkRequests`](crate::attempts::LinkRequests)).
    async fn ask_link(
        &self,
        phone_number: &SecretString,
        now: UnixSeconds,
    ) -> Result<std::result::Result<(), UnixSeconds>>;

    /// Whose document the link of a notification is about, used or not, however old, as long as that can still be
    /// opened (SPEC 8.9).
    async fn notified(&self, token: &SecretString, now: UnixSeconds) -> Result<Option<(PersonId, BinderId)>>;

    /// Remembers a link.
    async fn add_login_link(&self, link: LoginLink) -> Result<()>;

    /// Uses a link to sign in by; gives whose it is, and of which document. The first use counts, and only in its time.
    async fn use_login_link(
        &self,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, Option<BinderId>)>>;

    /// Whose link to a new PIN this is, while it can be used.
    async fn new_pin_link(&self, token: TokenHash, now: UnixSeconds) -> Result<Option<PersonId>>;

    /// Uses a link to a new PIN, whose person has proved their birthday: the PIN is set, its lock and that of the
    /// birthday are lifted, and every session and every link that the person asked for ends. `false` when it cannot be
    /// used any more.
    async fn renew_pin(&self, token: TokenHash, hash: PinHash, now: UnixSeconds) -> Result<bool>;
}

/// Sessions of people who are signed in.
#[async_trait]
#[delegatable_trait]
pub trait Sessions: Send + Sync {
    /// Begins a session.
    async fn start_session(
        &self,
        person: PersonId,
        session: TokenHash,
        expires_at: UnixSeconds,
    ) -> Result<()>;

    /// Whose session it is, if it has not ended.
    async fn session(&self, session: TokenHash, now: UnixSeconds) -> Result<Option<Visitor>>;

    /// Ends a session.
    async fn end_session(&self, session: TokenHash) -> Result<()>;

    /// Ends every session of a person.
    async fn end_sessions(&self, person: PersonId) -> Result<()>;
}

/// PINs, certificate passwords and birthdays: attempts, locks, changes (SPEC 8.3).
#[async_trait]
#[delegatable_trait]
pub trait Secrets: Send + Sync {
    /// Sets a secret in the place of the one that was proved, or a first one; `false` when another one stands there
    /// meanwhile. A PIN that was changed ends every session and every link that the person asked for.
    async fn change_secret(
        &self,
        person: PersonId,
        secret: Secret,
        before: Option<PinHash>,
        after: PinHash,
    ) -> Result<bool>;

    /// Sets a PIN for somebody who is still to join; `false` for a member, who has one that must be known to change it,
    /// or gets one by [`Links::renew_pin`].
    async fn set_first_pin(&self, person: PersonId, hash: PinHash) -> Result<bool>;

    /// Whether a person has such a secret.
    async fn has_secret(&self, person: PersonId, secret: Secret) -> Result<bool>;

    /// Begins an attempt. It counts before it is made, so that many at once are no way around the
    /// lock; the fifth locks this secret for [`LOCKED_SECONDS`] from `now` on, and no other one
    /// ([`Tries`](crate::attempts::Tries)).
    async fn begin_attempt(&self, person: PersonId, secret: Secret, now: UnixSeconds) -> Result<Attempt>;

    /// The attempt was right: no attempt at this secret counts any more, and its lock is lifted.
    async fn attempt_succeeded(&self, person: PersonId, secret: Secret) -> Result<()>;

    /// Tries a birthday, `YYYYMMDD`. It counts and locks like a secret; a right one lifts the count.
    async fn try_birthday(
        &self,
        person: PersonId,
        birthday: &SecretString,
        now: UnixSeconds,
    ) -> Result<BirthdayAttempt>;
}

/// An operator's help for a person who is locked out (SPEC 8.8).
#[async_trait]
#[delegatable_trait]
pub trait Unlocking: Send + Sync {
    /// Lifts every lock of a person; with `forget_pin` also forgets the PIN and ends every session and every link that
    /// the person asked for, so that a new one must be set (SPEC 8.8).
    async fn unlock(&self, person: PersonId, forget_pin: bool) -> Result<()>;
}
