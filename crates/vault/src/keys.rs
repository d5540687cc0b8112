//! The key ring and its file (DESIGN 4: `keys.master_file`).
//!
//! Each line of the file is a key of 32 random bytes in base64. A line without a name is a master key: the first one
//! seals new values, the others open older ones. A line with `index` is the key of the blind indexes, which stays the
//! same when the master key is rotated. A ring without it has a single master key, from which the key of the blind
//! indexes is derived.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

use crate::private::{PrivateFileError, read_private};

/// Maximum number of master keys in one ring.
const MASTERS_MAX: usize = 16;
/// The prefix of the line with the key of the blind indexes.
const INDEX: &str = "index ";

/// 32 random bytes.
pub(crate) struct Key(SecretBox<[u8; 32]>);

/// A deployment's keys. Anyone who has them can read every personal value of the deployment.
pub struct KeyRing {
    current: Key,
    older: Vec<Key>,
    index: Option<Key>,
}

/// Why a key file could not be created or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// An I/O error.
    #[error("key file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is not a valid key ring.
    #[error("key file {path}: {fault}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: RingFault,
    },
    /// It cannot be read, or other users can read it.
    #[error("key file {0}")]
    Unread(#[from] PrivateFileError),
}

/// Why a text is not a valid key ring. Reveals nothing about the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingFault {
    /// The line is not a key.
    #[error("line {0}: must hold 32 bytes in base64")]
    Line(usize),
    /// The same key twice.
    #[error("line {0}: repeats a key")]
    Repeated(usize),
    /// A second key of the blind indexes.
    #[error("line {0}: a second index key; a deployment has one for good")]
    SecondIndex(usize),
    /// There is no master key.
    #[error("must hold a master key: 32 bytes in base64 on a line")]
    NoMaster,
    /// With several master keys, it is unknown which one the blind indexes' key was derived from.
    #[error("several master keys need the index key on a line of its own: index, a space, the key")]
    NoIndex,
    /// More master keys than supported.
    #[error("holds {MASTERS_MAX} master keys, and more cannot be used")]
    TooMany,
}

impl KeyFileError {
    /// The same in Korean.
    pub fn korean(&self) -> String {
        match self {
            Self::Io { path, source } => format!("키 파일 {}: {source}", path.display()),
            Self::Form { path, fault } => format!("키 파일 {}: {}", path.display(), fault.korean()),
            Self::Unread(error) => format!("키 파일 {}", error.korean()),
        }
    }
}

impl RingFault {
    fn korean(self) -> String {
        match self {
            Self::Line(line) => format!("{line}번째 줄: 32바이트를 base64로 적어야 합니다"),
            Self::Repeated(line) => format!("{line}번째 줄: 같은 키가 두 번 있습니다"),
            Self::SecondIndex(line) => {
                format!("{line}번째 줄: index 키가 둘입니다. index 키는 하나이며 바뀌지 않습니다")
            }
            Self::NoMaster => "마스터 키가 없습니다. 32바이트를 base64로 한 줄에 적어야 합니다".to_owned(),
            Self::NoIndex => {
                "마스터 키가 여럿이면 index 키가 있어야 합니다. index, 빈칸, 키를 한 줄에 적어 주십시오"
                    .to_owned()
            }
            Self::TooMany => format!("마스터 키는 {MASTERS_MAX}개까지 둘 수 있습니다"),
        }
    }
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

    /// Reads a key file. Rejects a file that other users can read.
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
            // The index key may equal a master key: in a ring that once had only that key.
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

    /// Writes the ring into a new file of mode 0600, durably. Never changes an existing file.
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

    /// The master keys. The first one seals new values.
    pub(crate) fn masters(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.older)
    }

    /// The key from which the key of the blind indexes is derived.
    pub(crate) fn index(&self) -> &Key {
        self.index.as_ref().unwrap_or(&self.current)
    }

    /// The ring after a rotation: a new master key seals, the previous ones open. The key of the blind indexes stays.
    #[must_use]
    pub fn exchanged(&self) -> Self {
        Self {
            current: Key::generate(),
            older: self.masters().map(Key::copy).collect(),
            index: Some(self.index().copy()),
        }
    }

    /// Rotates the master key in a key file, atomically.
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
        // Before this sync, a crash may undo the rename.
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
