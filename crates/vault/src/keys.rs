//! The key ring and its file (DESIGN 4: `keys.master_file`).
//!
//! A line of the file is a key of 32 random bytes in base64. A line without a name is a master key; the first of them
//! seals what is new, the others open what was sealed before. `index` names the key of the blind indexes, which stays
//! the same when a master key is exchanged; without it a ring has one master key, and the blind indexes' key derives
//! from that.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

use crate::private::{PrivateFileError, read_private};

/// Master keys in one ring.
const MASTERS_MAX: usize = 16;
/// What the line of the blind indexes' key begins with.
const INDEX: &str = "index ";

/// 32 random bytes.
pub(crate) struct Key(SecretBox<[u8; 32]>);

/// A deployment's keys. Whoever has them can read every personal value of the deployment.
pub struct KeyRing {
    current: Key,
    older: Vec<Key>,
    index: Option<Key>,
}

/// Why a key file could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file system refused.
    #[error("key file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no key ring.
    #[error("key file {path}: {fault}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: RingFault,
    },
    /// It cannot be read, or others can read it too.
    #[error("key file {0}")]
    Unread(#[from] PrivateFileError),
}

/// Why a text is no key ring. It says nothing of what the text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingFault {
    /// Something other than a key.
    #[error("line {0}: must hold 32 bytes in base64")]
    Line(usize),
    /// The same key again.
    #[error("line {0}: repeats a key")]
    Repeated(usize),
    /// A second key of the blind indexes.
    #[error("line {0}: a second index key; a deployment has one for good")]
    SecondIndex(usize),
    /// Nothing to seal with.
    #[error("must hold a master key: 32 bytes in base64 on a line")]
    NoMaster,
    /// It is unknown which of several keys the blind indexes were made under.
    #[error("several master keys need the index key on a line of its own: index, a space, the key")]
    NoIndex,
    /// More than are looked through.
    #[error("holds {MASTERS_MAX} master keys, and more cannot be used")]
    TooMany,
}

impl Key {
    fn generate() -> Self {
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system's random source answers");
        Self(SecretBox::new(Box::new(bytes)))
    }

    fn parse(base64: &str) -> Option<Self> {
        let bytes = STANDARD.decode(base64).map(Zeroizing::new).ok()?;
        Some(Self(SecretBox::new(Box::new(bytes.as_slice().try_into().ok()?))))
    }

    fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.bytes()))
    }

    fn copy(&self) -> Self {
        Self(SecretBox::new(Box::new(*self.bytes())))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

impl KeyRing {
    /// A new ring of two random keys.
    pub fn generate() -> Self {
        Self { current: Key::generate(), older: Vec::new(), index: Some(Key::generate()) }
    }

    /// Reads a key file; one that others can read is refused.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let text = read_private(path)?;
        Self::parse(&text).map_err(|fault| KeyFileError::Form { path: path.to_owned(), fault })
    }

    fn parse(text: &str) -> Result<Self, RingFault> {
        let (mut masters, mut index): (Vec<Key>, Option<Key>) = (Vec::new(), None);
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let named = line.strip_prefix(INDEX);
            let key = Key::parse(named.unwrap_or(line).trim()).ok_or(RingFault::Line(number))?;
            // The index key may be a master key's equal: of a ring that once had that key alone.
            match named {
                Some(_) if index.is_some() => return Err(RingFault::SecondIndex(number)),
                Some(_) => index = Some(key),
                None if masters.iter().any(|other| other.bytes() == key.bytes()) => {
                    return Err(RingFault::Repeated(number));
                }
                None => masters.push(key),
            }
        }
        match masters.len() {
            0 => return Err(RingFault::NoMaster),
            2.. if index.is_none() => return Err(RingFault::NoIndex),
            n if n > MASTERS_MAX => return Err(RingFault::TooMany),
            _ => {}
        }
        let older = masters.split_off(1);
        let current = masters.pop().ok_or(RingFault::NoMaster)?;
        Ok(Self { current, older, index })
    }

    /// Writes the ring into a new file of mode 0600, durably; an existing file is never touched.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyFileError> {
        let io = |source| KeyFileError::Io { path: path.to_owned(), source };
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        file.write_all(self.to_text().as_bytes()).and_then(|()| file.sync_all()).map_err(io)
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(128 * (self.older.len() + 2)));
        for key in self.masters() {
            text.push_str(&key.to_base64());
            text.push('\n');
        }
        if let Some(index) = &self.index {
            text.push_str(INDEX);
            text.push_str(&index.to_base64());
            text.push('\n');
        }
        text
    }

    /// The master keys; the first seals what is new.
    pub(crate) fn masters(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.older)
    }

    /// What the blind indexes' key derives from.
    pub(crate) fn index(&self) -> &Key {
        self.index.as_ref().unwrap_or(&self.current)
    }

    /// The ring after the exchange of its master key: a new one seals, the others open. The blind indexes' key stays.
    #[must_use]
    pub fn exchanged(&self) -> Self {
        Self {
            current: Key::generate(),
            older: self.masters().map(Key::copy).collect(),
            index: Some(self.index().copy()),
        }
    }

    /// Exchanges the master key in a key file, which is whole at every moment.
    pub fn exchange_in(path: &Path) -> Result<(), KeyFileError> {
        let ring = Self::read(path)?;
        if ring.masters().count() == MASTERS_MAX {
            return Err(KeyFileError::Form { path: path.to_owned(), fault: RingFault::TooMany });
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".new");
        let partial = PathBuf::from(partial);
        ring.exchanged().write_new(&partial)?;
        let io = |source| KeyFileError::Io { path: path.to_owned(), source };
        std::fs::rename(&partial, path).map_err(io)?;
        // Until then a crash may undo it.
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all()).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_reads_back_as_it_was_written() {
        let ring = KeyRing::generate();
        let text = ring.to_text();
        assert_eq!(KeyRing::parse(&text).expect("reads").to_text(), text);
        let exchanged = ring.exchanged();
        let text = exchanged.to_text();
        let read = KeyRing::parse(&text).expect("reads");
        assert_eq!((read.older.len(), read.to_text()), (1, text));
    }

    #[test]
    fn one_line_is_a_ring() {
        let key = Key::generate().to_base64();
        let ring = KeyRing::parse(&format!("\n {} \n", *key)).expect("reads");
        assert_eq!(ring.index().bytes(), ring.current.bytes());
    }

    #[test]
    fn what_is_no_ring_says_where() {
        let [a, b, c] = [(); 3].map(|()| Key::generate().to_base64());
        let (a, b, c) = (a.as_str(), b.as_str(), c.as_str());
        let many =
            (0..=MASTERS_MAX).map(|_| Key::generate().to_base64().to_string() + "\n").collect::<String>();
        for (text, fault) in [
            (String::new(), RingFault::NoMaster),
            (format!("index {a}"), RingFault::NoMaster),
            (format!("{a}\nnothing"), RingFault::Line(2)),
            (format!("{a}\n\nindex"), RingFault::Line(3)),
            (format!("{a}\n{}", &b[1..]), RingFault::Line(2)),
            (format!("{a}\n{b}"), RingFault::NoIndex),
            (format!("{a}\nindex {b}\n{a}"), RingFault::Repeated(3)),
            (format!("{a}\nindex {b}\nindex {c}"), RingFault::SecondIndex(3)),
            (format!("{many}index {a}"), RingFault::TooMany),
        ] {
            assert_eq!(KeyRing::parse(&text).err(), Some(fault), "{fault:?}");
        }
    }
}
