//! Sealing with AES-256-GCM-SIV. A sealed value starts with the id of its key. That id and the identity of the row
//! are associated data, so a sealed value does not open in another row or under another key.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use seoham_model::PersonId;
use zeroize::Zeroizing;

use crate::Vault;

const TAG_LEN: usize = 16;
const KEY_LEN: usize = 32;

/// A sealed value does not open: its key is missing, it belongs to another row, or its bytes were changed.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value does not open under the keys that are there")]
pub struct SealError;

/// The id of a key: four bytes that reveal nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub(crate) [u8; Self::LEN]);

impl KeyId {
    const LEN: usize = 4;

    /// Parses the output of [`fmt::Display`].
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; Self::LEN];
        hex::decode_to_slice(text, &mut id).ok().map(|()| Self(id))
    }

    /// The key of a sealed value.
    fn of_sealed(sealed: &[u8]) -> Result<Self, SealError> {
        sealed.first_chunk().map(|id| Self(*id)).ok_or(SealError)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A person's data key, sealed under the deployment's wrapping key. Destroying it erases the person's data.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WrappedKey(pub Vec<u8>);

/// A person's data key, ready for use.
pub struct PersonKey {
    key: LessSafeKey,
    id: KeyId,
}

impl Vault {
    /// A new data key for a person.
    pub fn new_person_key(&self, person: PersonId) -> (PersonKey, WrappedKey) {
        // The key, followed by its id.
        let mut bytes = Zeroizing::new([0u8; KEY_LEN + KeyId::LEN]);
        aws_lc_rs::rand::fill(bytes.as_mut()).expect("the system's random source answers");
        let master = self.current();
        let wrapped = seal(&master.wrapping, master.id, person.as_bytes(), &bytes[..]);
        let key = PersonKey::of(&bytes[..], master.id).expect("it has this length");
        (key, WrappedKey(wrapped))
    }

    /// A person's data key, unwrapped from its stored form.
    pub fn person_key(&self, person: PersonId, wrapped: &WrappedKey) -> Result<PersonKey, SealError> {
        let master = self.master(KeyId::of_sealed(&wrapped.0)?).ok_or(SealError)?;
        let bytes = open(&master.wrapping, master.id, person.as_bytes(), &wrapped.0)?;
        PersonKey::of(&bytes, master.id)
    }

    /// Seals data shared by several people, bound to the row `row`.
    pub fn seal_shared(&self, row: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let master = self.current();
        seal(&master.content, master.id, row, plaintext)
    }

    /// Opens data that [`Vault::seal_shared`] sealed for the same row.
    pub fn open_shared(&self, row: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let master = self.master(KeyId::of_sealed(sealed)?).ok_or(SealError)?;
        open(&master.content, master.id, row, sealed)
    }
}

impl PersonKey {
    /// Parses a key followed by its id. A key made before keys had ids uses the id of its master key.
    fn of(bytes: &[u8], master: KeyId) -> Result<Self, SealError> {
        let (key, id) = bytes.split_first_chunk::<KEY_LEN>().ok_or(SealError)?;
        let id = if id.is_empty() { master } else { KeyId(id.try_into().map_err(|_| SealError)?) };
        Ok(Self { key: aead_key(key), id })
    }

    /// Seals a value of this person, bound to the row `row`.
    pub fn seal(&self, row: &[u8], plaintext: &[u8]) -> Vec<u8> {
        seal(&self.key, self.id, row, plaintext)
    }

    /// Opens data that [`PersonKey::seal`] sealed for the same row.
    pub fn open(&self, row: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        open(&self.key, self.id, row, sealed)
    }
}

pub(crate) fn aead_key(bytes: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, bytes).expect("the key has 32 bytes"))
}

fn associated(key_id: KeyId, row: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([&key_id.0[..], row].concat())
}

/// Key id, nonce, ciphertext, tag. A random nonce is safe here: under GCM-SIV a repeated nonce only reveals
/// that two equal values are equal.
fn seal(key: &LessSafeKey, key_id: KeyId, row: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut nonce = [0u8; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).expect("the system's random source answers");
    let mut sealed = Vec::with_capacity(KeyId::LEN + NONCE_LEN + plaintext.len() + TAG_LEN);
    sealed.extend_from_slice(&key_id.0);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            associated(key_id, row),
            &mut sealed[KeyId::LEN + NONCE_LEN..],
        )
        .expect("the value is far below the cipher's limit");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

fn open(
    key: &LessSafeKey,
    key_id: KeyId,
    row: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (head, rest) = sealed.split_first_chunk().ok_or(SealError)?;
    let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(SealError)?;
    if KeyId(*head) != key_id {
        return Err(SealError);
    }
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
    let mut plaintext = Zeroizing::new(body.to_vec());
    let length =
        key.open_in_place(nonce, associated(key_id, row), &mut plaintext).map_err(|_| SealError)?.len();
    plaintext.truncate(length);
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyRing;
    use seoham_model::Clock;

    #[test]
    fn a_value_opens_in_its_own_row_alone() {
        let vault = Vault::new(&KeyRing::generate());
        let person = PersonId::generate(&Clock::default());
        let (key, wrapped) = vault.new_person_key(person);
        let sealed = key.seal(b"row 1", "홍길동".as_bytes());
        assert!(!sealed.windows(3).any(|w| w == &"홍".as_bytes()[..3]));

        let again = vault.person_key(person, &wrapped).expect("the key unwraps");
        assert_eq!(again.open(b"row 1", &sealed).expect("opens")[..], *"홍길동".as_bytes());
        assert!(again.open(b"row 2", &sealed).is_err());
        let mut changed = sealed.clone();
        *changed.last_mut().expect("not empty") ^= 1;
        assert!(again.open(b"row 1", &changed).is_err());
        assert!(again.open(b"row 1", &sealed[..10]).is_err());
    }

    #[test]
    fn another_master_key_opens_nothing() {
        let (a, b) = (Vault::new(&KeyRing::generate()), Vault::new(&KeyRing::generate()));
        let person = PersonId::generate(&Clock::default());
        let (_, wrapped) = a.new_person_key(person);
        assert!(b.person_key(person, &wrapped).is_err());
        assert!(b.open_shared(b"c", &a.seal_shared(b"c", b"x")).is_err());
        assert_ne!(a.key_check(), b.key_check());
    }

    #[test]
    fn an_exchanged_master_key_opens_what_it_sealed_and_seals_nothing_more() {
        let ring = KeyRing::generate();
        let before = Vault::new(&ring);
        let person = PersonId::generate(&Clock::default());
        let (key, wrapped) = before.new_person_key(person);
        let (own, shared) = (key.seal(b"row", b"own"), before.seal_shared(b"row", b"shared"));

        let after = Vault::new(&ring.exchanged());
        let opened = after.person_key(person, &wrapped).expect("unwraps").open(b"row", &own);
        assert_eq!(opened.expect("opens")[..], *b"own");
        assert_eq!(after.open_shared(b"row", &shared).expect("opens")[..], *b"shared");
        assert_eq!(
            after.phone_index("01012345678"),
            before.phone_index("01012345678"),
            "people are still found"
        );
        assert_eq!(after.key_check(), before.key_check());

        let new = after.seal_shared(b"row", b"new");
        assert!(before.open_shared(b"row", &new).is_err(), "under the new key");
        assert_ne!(after.sealing_key(), before.sealing_key());
        assert!(after.has_key(before.sealing_key()) && !before.has_key(after.sealing_key()));
        assert_eq!(KeyId::parse(&after.sealing_key().to_string()), Some(after.sealing_key()));
    }

    #[test]
    fn a_persons_values_name_the_persons_key() {
        let vault = Vault::new(&KeyRing::generate());
        let person = PersonId::generate(&Clock::default());
        let ((one, wrapped), (two, _)) = (vault.new_person_key(person), vault.new_person_key(person));
        let sealed = one.seal(b"row", b"x");
        assert_ne!(sealed[..4], two.seal(b"row", b"x")[..4]);
        assert_ne!(sealed[..4], wrapped.0[..4], "not the master key's");
        assert!(two.open(b"row", &sealed).is_err());
    }

    #[test]
    fn a_key_without_an_id_goes_by_its_master_keys() {
        let vault = Vault::new(&KeyRing::generate());
        let person = PersonId::generate(&Clock::default());
        let master = vault.current();
        let wrapped = WrappedKey(seal(&master.wrapping, master.id, person.as_bytes(), &[7; KEY_LEN]));
        let sealed = seal(&aead_key(&[7; KEY_LEN]), master.id, b"row", b"before");
        let key = vault.person_key(person, &wrapped).expect("unwraps");
        assert_eq!(key.open(b"row", &sealed).expect("opens")[..], *b"before");
    }
}
