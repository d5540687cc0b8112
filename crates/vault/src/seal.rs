//! Sealing with AES-256-GCM-SIV. The id of the key and the identity of the row are associated
//! data: a sealed value put into another row, or opened under another key, does not open.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use seoham_model::PersonId;
use zeroize::Zeroizing;

use crate::Vault;

const TAG_LEN: usize = 16;
const KEY_ID_LEN: usize = 4;

/// A sealed value does not open: another key, another row, or changed bytes.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value does not open under this key")]
pub struct SealError;

/// A person's data key, sealed under the deployment's; destroying it erases the person.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WrappedKey(pub Vec<u8>);

/// A person's data key, ready for use.
pub struct PersonKey {
    key: LessSafeKey,
    key_id: [u8; KEY_ID_LEN],
}

impl Vault {
    /// A new data key for a person.
    pub fn new_person_key(&self, person: PersonId) -> (PersonKey, WrappedKey) {
        let mut bytes = Zeroizing::new([0u8; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut()).expect("the system's random source answers");
        let wrapped = seal(&self.wrapping, self.key_id, person.as_bytes(), &bytes[..]);
        (PersonKey { key: aead_key(&bytes), key_id: self.key_id }, WrappedKey(wrapped))
    }

    /// A person's data key, from what the store keeps of it.
    pub fn person_key(&self, person: PersonId, wrapped: &WrappedKey) -> Result<PersonKey, SealError> {
        let bytes = open(&self.wrapping, self.key_id, person.as_bytes(), &wrapped.0)?;
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(bytes.as_slice().try_into().map_err(|_| SealError)?);
        Ok(PersonKey { key: aead_key(&bytes), key_id: self.key_id })
    }

    /// Seals what several people share, into the row `row`.
    pub fn seal_shared(&self, row: &[u8], plaintext: &[u8]) -> Vec<u8> {
        seal(&self.content, self.key_id, row, plaintext)
    }

    /// Opens what [`Vault::seal_shared`] sealed into the same row.
    pub fn open_shared(&self, row: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        open(&self.content, self.key_id, row, sealed)
    }
}

impl PersonKey {
    /// Seals a value of this person's into the row `row`.
    pub fn seal(&self, row: &[u8], plaintext: &[u8]) -> Vec<u8> {
        seal(&self.key, self.key_id, row, plaintext)
    }

    /// Opens what [`PersonKey::seal`] sealed into the same row.
    pub fn open(&self, row: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        open(&self.key, self.key_id, row, sealed)
    }
}

pub(crate) fn aead_key(bytes: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, bytes).expect("the key has 32 bytes"))
}

fn associated(key_id: [u8; KEY_ID_LEN], row: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([&key_id[..], row].concat())
}

/// Key id, nonce, ciphertext, tag. A random nonce is safe here: under GCM-SIV a repeated one
/// would tell only that two equal values are equal.
fn seal(key: &LessSafeKey, key_id: [u8; KEY_ID_LEN], row: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut nonce = [0u8; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).expect("the system's random source answers");
    let mut sealed = Vec::with_capacity(KEY_ID_LEN + NONCE_LEN + plaintext.len() + TAG_LEN);
    sealed.extend_from_slice(&key_id);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            associated(key_id, row),
            &mut sealed[KEY_ID_LEN + NONCE_LEN..],
        )
        .expect("the value is far below the cipher's limit");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

fn open(
    key: &LessSafeKey,
    key_id: [u8; KEY_ID_LEN],
    row: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (head, rest) = sealed.split_at_checked(KEY_ID_LEN).ok_or(SealError)?;
    let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(SealError)?;
    if head != key_id {
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
    use crate::MasterKey;
    use seoham_model::Clock;

    #[test]
    fn a_value_opens_in_its_own_row_alone() {
        let vault = Vault::new(&MasterKey::generate());
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
        let (a, b) = (Vault::new(&MasterKey::generate()), Vault::new(&MasterKey::generate()));
        let person = PersonId::generate(&Clock::default());
        let (_, wrapped) = a.new_person_key(person);
        assert!(b.person_key(person, &wrapped).is_err());
        assert!(b.open_shared(b"c", &a.seal_shared(b"c", b"x")).is_err());
        assert_ne!(a.key_check(), b.key_check());
    }
}
