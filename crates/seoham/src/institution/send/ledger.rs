//! Which rows were accepted lately, across files: what keeps a corrected file, or the same list under another
//! name, from being sent a second time.
//!
//! A row is known by its external id, or where the table has none by its receiver and its text; kept as a keyed
//! hash of 64 bits, from which neither can be told. One file a job, in the state directory of whoever sends.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::hash::Hasher;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use seoham_kit::sending::job::sha256_of_bytes;
use seoham_model::UnixSeconds;
use seoham_sheets::Good;
use serde_json::Value;
use siphasher::sip::SipHasher13;

use crate::institution::own_files::{user_directory, write_private};
use crate::institution::profile::Profile;
use crate::terminal::{Failure, Outcome};

/// For how long a row is known.
const KEPT_SECONDS: i64 = 90 * 24 * 60 * 60;
const KEY_BYTES: usize = 16;

/// The rows that were accepted from one institution under one contract.
pub(super) struct Ledger {
    directory: PathBuf,
    keys: (u64, u64),
}

/// Rows that were accepted before.
pub(super) struct Before {
    /// How many.
    pub(super) rows: u64,
    /// The place of the first of them.
    pub(super) first_place: u64,
    /// When the job was begun that sent that one.
    pub(super) sent_at: UnixSeconds,
}

impl Ledger {
    /// The ledger of a profile, in `$XDG_STATE_HOME/seoham`, usually `~/.local/state/seoham`; it is made if it is not
    /// there.
    pub(super) fn of(profile: &Profile) -> Outcome<Self> {
        let Some(state) = user_directory("XDG_STATE_HOME", ".local/state") else {
            return Err(Failure::usage(
                "접수 기록을 둘 곳을 알 수 없습니다. HOME 또는 XDG_STATE_HOME을 정해 주십시오",
                "it is not known where accepted rows are kept; set HOME or XDG_STATE_HOME",
            ));
        };
        let whom = format!("{}\n{}", profile.url.trim_end_matches('/'), profile.contract_uuid);
        let directory = state.join("seoham/sent").join(&sha256_of_bytes(whom.as_bytes())[..32]);
        Self::open(directory.clone())
            .map_err(|error| Failure::of_file(&directory, &error, Failure::Unfinished))
    }

    fn open(directory: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let key = directory.join("key");
        let bytes = match fs::read(&key) {
            Ok(bytes) if bytes.len() == KEY_BYTES => bytes,
            Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "damaged key")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes: [u8; KEY_BYTES] = rand::random();
                write_private(&key, |file| file.write_all(&bytes))?;
                bytes.to_vec()
            }
            Err(error) => return Err(error),
        };
        let half = |from: usize| u64::from_le_bytes(bytes[from..from + 8].try_into().unwrap_or_default());
        Ok(Self { directory, keys: (half(0), half(8)) })
    }

    /// What a row is known by. Rows of a table without ids are known by their receiver and their text, since their
    /// numbers say nothing in another file.
    pub(super) fn identity(&self, good: &Good, has_ids: bool) -> u64 {
        let mut hash = SipHasher13::new_with_keys(self.keys.0, self.keys.1);
        if has_ids {
            hash.write(b"id\n");
            hash.write(good.external_document_uuid.as_bytes());
        } else {
            let document: Value = serde_json::from_str(&good.json).unwrap_or_default();
            for pointer in ["/receiver", "/title", "/property/message", "/property/payload", "/property/link"]
            {
                let part = document.pointer(pointer).map(Value::to_string).unwrap_or_default();
                hash.write_usize(part.len());
                hash.write(part.as_bytes());
            }
        }
        hash.finish()
    }

    /// Of `identities`, by the places of their rows, those that were accepted within 90 days before `now`.
    pub(super) fn before(&self, identities: &[Option<u64>], now: UnixSeconds) -> io::Result<Option<Before>> {
        let jobs = self.jobs()?;
        if jobs.is_empty() {
            return Ok(None);
        }
        let mut places: HashMap<u64, u64> = HashMap::with_capacity(identities.len());
        for (place, identity) in identities.iter().enumerate() {
            if let Some(identity) = identity {
                places.entry(*identity).or_insert(place as u64);
            }
        }
        let mut before: Option<Before> = None;
        for (path, sent_at) in jobs {
            if now.seconds_since(sent_at) > KEPT_SECONDS {
                continue;
            }
            let mut file = BufReader::new(File::open(&path)?);
            let mut identity = [0; 8];
            while read_whole(&mut file, &mut identity)? {
                // Each is told once, however often it was sent.
                let Some(place) = places.remove(&u64::from_le_bytes(identity)) else { continue };
                let first = before.get_or_insert(Before { rows: 0, first_place: place, sent_at });
                first.rows += 1;
                if place < first.first_place {
                    (first.first_place, first.sent_at) = (place, sent_at);
                }
            }
        }
        Ok(before)
    }

    /// Keeps the rows of a job that were accepted, in place of what was kept of it before; what is too old goes.
    pub(super) fn keep(
        &self,
        job: &str,
        begun_at: UnixSeconds,
        accepted: impl Iterator<Item = u64>,
        now: UnixSeconds,
    ) -> io::Result<()> {
        let path = self.directory.join(format!("{begun_at}-{job}"));
        write_private(&path, |file| {
            let mut file = BufWriter::new(file);
            for identity in accepted {
                file.write_all(&identity.to_le_bytes())?;
            }
            file.flush()
        })?;
        for (path, sent_at) in self.jobs()? {
            if now.seconds_since(sent_at) > KEPT_SECONDS {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The jobs that are kept, and when they were begun.
    fn jobs(&self) -> io::Result<Vec<(PathBuf, UnixSeconds)>> {
        let mut jobs = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let begun_at = name.split_once('-').filter(|(_, job)| job.len() == 32);
            if let Some(begun_at) = begun_at.and_then(|(seconds, _)| seconds.parse().ok()) {
                jobs.push((path, UnixSeconds(begun_at)));
            }
        }
        Ok(jobs)
    }
}

/// Reads eight bytes; `false` at the end. What a crash cut short is no row.
fn read_whole(file: &mut impl Read, bytes: &mut [u8; 8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    fn good(id: &str, name: &str) -> Good {
        let json = format!(
            r#"{{"title":"안내","receiver":{{"name":"{name}"}},"property":{{}},"read_expired_sec":5}}"#
        );
        Good { external_document_uuid: id.to_owned(), json, repairs: Vec::new() }
    }

    #[test]
    fn rows_are_known_for_ninety_days() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path().join("a")).unwrap();
        let job = "0".repeat(32);
        let sent = NOW.plus(-KEPT_SECONDS);
        ledger.keep(&job, sent, [1, 2, 3].into_iter(), NOW).unwrap();
        let rows = [Some(9), None, Some(3), Some(2)];
        let before = ledger.before(&rows, NOW).unwrap().expect("two are known");
        assert_eq!((before.rows, before.first_place, before.sent_at), (2, 2, sent));
        assert!(ledger.before(&[Some(9)], NOW).unwrap().is_none());
        assert!(ledger.before(&rows, NOW.plus(1)).unwrap().is_none());
        // Kept once more it is in place of what was kept, and goes when it is too old.
        ledger.keep(&job, sent, [1, 2, 3, 9].into_iter(), NOW).unwrap();
        assert_eq!(ledger.before(&rows, NOW).unwrap().map(|before| before.rows), Some(3));
        ledger.keep(&"1".repeat(32), NOW, [7].into_iter(), NOW.plus(1)).unwrap();
        assert_eq!(ledger.jobs().unwrap().len(), 1);
        // Another time it is opened it knows the same.
        let again = Ledger::open(directory.path().join("a")).unwrap();
        assert_eq!(again.keys, ledger.keys);
    }

    #[test]
    fn a_row_is_known_by_its_id_or_else_by_whom_and_what() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path().to_owned()).unwrap();
        let of = |id: &str, name: &str, has_ids: bool| ledger.identity(&good(id, name), has_ids);
        assert_eq!(of("K-1", "가", true), of("K-1", "나", true), "corrected, it is the same row");
        assert_ne!(of("K-1", "가", true), of("K-2", "가", true));
        assert_eq!(of("ROW-2", "가", false), of("ROW-9", "가", false), "at another place it is the same row");
        assert_ne!(of("ROW-2", "가", false), of("ROW-2", "나", false));
        let other = Ledger::open(directory.path().join("other")).unwrap();
        assert_ne!(other.identity(&good("K-1", "가"), true), of("K-1", "가", true), "keyed");
    }
}
