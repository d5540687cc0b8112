//! A recipient's visits to the box: signing in and authenticating (SPEC 8).

use ambassador::delegatable_trait;
use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::{BinderId, PersonId, UnixSeconds};
use seoham_vault::{PinHash, TokenHash};

use crate::Result;
pub use crate::attempts::{ATTEMPTS_MAX, LOCKED_SECONDS, Proof, Secret};

/// How long after the document's acceptance the link in a notification is valid, in seconds.
pub const NOTIFICATION_LINK_SECONDS: i64 = 3 * 24 * 60 * 60;

/// Until when the link in the notification of a document that was accepted at `sent_at` signs its bearer in; `None`
/// if at `now` it does not. Links of documents accepted until one of the times `void_until` are void: until the
/// backup that was restored, or until the person's telephone number changed, since they went to the former one.
pub fn notification_link_end(
    sent_at: UnixSeconds,
    void_until: [Option<UnixSeconds>; 2],
    now: UnixSeconds,
) -> Option<UnixSeconds> {
    let ends_at = sent_at.plus(NOTIFICATION_LINK_SECONDS);
    let is_void = void_until.into_iter().flatten().any(|time| sent_at <= time);
    (!is_void && now < ends_at).then_some(ends_at)
}

/// Whether an attempt is allowed.
#[derive(Clone)]
pub enum Attempt {
    /// Not before this time.
    Locked {
        /// When it may be tried again.
        until: UnixSeconds,
    },
    /// The person has no such secret yet.
    NotSet,
    /// Allowed: it counts as failed until [`Secrets::attempt_succeeded`].
    Allowed {
        /// The hash to compare with.
        hash: PinHash,
        /// The attempts left after it.
        left: u32,
    },
}

/// The result of checking a birthday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BirthdayAttempt {
    /// It is correct.
    Right,
    /// It is wrong.
    Wrong {
        /// The attempts left.
        left: u32,
    },
    /// Not before this time.
    Locked {
        /// When it may be tried again.
        until: UnixSeconds,
    },
}

/// The purpose of a requested link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Sign in once, and continue to a document if there is one.
    SignIn {
        /// The document.
        document: Option<BinderId>,
    },
    /// Set a new PIN.
    NewPin,
}

/// A requested link.
#[derive(Clone)]
pub struct LoginLink {
    /// The person.
    pub person: PersonId,
    /// The telephone number that it is sent to.
    pub phone_number: SecretString,
    /// Its token, by its hash.
    pub token: TokenHash,
    /// Its purpose.
    pub purpose: LinkPurpose,
    /// When it expires.
    pub expires_at: UnixSeconds,
}

/// The person of a session.
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
    /// Uses the link of a notification; returns its person and document. Only the first use succeeds, and
    /// only while the link is valid.
    async fn use_notification_link(
        &self,
        token: &SecretString,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, BinderId)>>;

    /// Counts a link request of a telephone number, known or not; or returns when one may be requested again
    /// ([`LinkRequests`](crate::attempts::LinkRequests)).
    async fn ask_link(
        &self,
        phone_number: &SecretString,
        now: UnixSeconds,
    ) -> Result<std::result::Result<(), UnixSeconds>>;

    /// The person and document of a notification's link, used or not and of any age, as long as the document
    /// can be opened (SPEC 8.9).
    async fn notified(&self, token: &SecretString, now: UnixSeconds) -> Result<Option<(PersonId, BinderId)>>;

    /// Stores a link; `false` if its telephone number is no longer the person's.
    async fn add_login_link(&self, link: LoginLink) -> Result<bool>;

    /// Uses a sign-in link; returns its person and document. Only the first use succeeds, and only while the
    /// link is valid.
    async fn use_login_link(
        &self,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, Option<BinderId>)>>;

    /// The person of a new-PIN link, while it is valid.
    async fn new_pin_link(&self, token: TokenHash, now: UnixSeconds) -> Result<Option<PersonId>>;

    /// Uses a new-PIN link whose person has proved their birthday: sets the PIN, lifts its lock and that of
    /// the birthday, and ends every session and every requested link of the person. `false` if the link is no
    /// longer valid.
    async fn renew_pin(&self, token: TokenHash, hash: PinHash, now: UnixSeconds) -> Result<bool>;
}

/// Sessions of signed-in people.
#[async_trait]
#[delegatable_trait]
pub trait Sessions: Send + Sync {
    /// Starts a session of a person who proved at `proved_at` who they are; `false` if their telephone number changed
    /// since: the link that proved it went to the former one.
    async fn start_session(
        &self,
        person: PersonId,
        session: TokenHash,
        proved_at: UnixSeconds,
        expires_at: UnixSeconds,
    ) -> Result<bool>;

    /// The person of a session, if it has not ended and the person has a telephone number.
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
    /// Replaces the verified secret, or sets a first one; `false` if the stored secret has changed meanwhile.
    /// A changed PIN ends every session and every requested link of the person.
    async fn change_secret(
        &self,
        person: PersonId,
        secret: Secret,
        before: Option<PinHash>,
        after: PinHash,
    ) -> Result<bool>;

    /// Sets a PIN for a person who has not joined yet; `false` for a member, who must know the current PIN to
    /// change it or use [`Links::renew_pin`].
    async fn set_first_pin(&self, person: PersonId, hash: PinHash) -> Result<bool>;

    /// Whether a person has such a secret.
    async fn has_secret(&self, person: PersonId, secret: Secret) -> Result<bool>;

    /// Starts an attempt. It counts before it is made, so that concurrent attempts do not bypass the lock;
    /// the fifth locks only this secret, for [`LOCKED_SECONDS`] from `now`
    /// ([`Tries`](crate::attempts::Tries)).
    async fn begin_attempt(&self, person: PersonId, secret: Secret, now: UnixSeconds) -> Result<Attempt>;

    /// The attempt succeeded: resets the count of this secret and lifts its lock.
    async fn attempt_succeeded(&self, person: PersonId, secret: Secret) -> Result<()>;

    /// Checks a birthday, `YYYYMMDD`. It counts and locks like a secret; a correct one resets the count.
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
    /// Lifts every lock of a person. With `forget_pin` it also deletes the PIN and ends every session and
    /// every requested link of the person, so that the person must set a new PIN (SPEC 8.8).
    async fn unlock(&self, person: PersonId, forget_pin: bool) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_signs_in_for_three_days_unless_it_is_void() {
        let at = |second| Some(UnixSeconds(second));
        let end = 1_000 + NOTIFICATION_LINK_SECONDS;
        let cases = [
            ([None, None], 1_000, at(end)),
            ([None, None], end - 1, at(end)),
            ([None, None], end, None),
            ([at(999), at(999)], 1_000, at(end)),
            ([at(1_000), None], 1_000, None),
            ([at(5), at(1_000)], 2_000, None),
        ];
        for (void_until, now, expected) in cases {
            assert_eq!(notification_link_end(UnixSeconds(1_000), void_until, UnixSeconds(now)), expected);
        }
    }
}
