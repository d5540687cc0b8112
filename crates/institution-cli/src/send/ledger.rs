//! The ledger of recently accepted rows, across files: it prevents sending a corrected file, or the same list
//! under another name, a second time.
//!
//! One file per job with the identities of its rows (`identity`), in the user's state directory. Every row
//! that may be accepted is recorded before the job's first request, and removed once it is known to be
//! refused.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use seoham_kit::sending::job::sha256_of_bytes;
use seoham_model::UnixSeconds;

use super::identity::IdentityKey;
use crate::own_files::{user_directory, write_private};
use crate::profile::Profile;
use crate::terminal::{Failure, Outcome};

/// How long a row is kept.
const KEPT_SECONDS: i64 = 90 * 24 * 60 * 60;

/// The accepted rows of one institution under one contract.
pub(super) struct Ledger {
    directory: PathBuf,
    pub(super) key: IdentityKey,
}

/// A query of the ledger.
pub(super) struct LedgerQuery<'a> {
    /// The identity of each row to send, by its place.
    pub(super) identities: &'a [Option<u64>],
    /// Identities of rows that explain ledger entries: each occurrence here cancels one occurrence in the
    /// ledger.
    pub(super) accounted: &'a [u64],
    /// The job itself; its entries are ignored.
    pub(super) own_job: Option<&'a str>,
    /// Jobs started before this time are ignored.
    pub(super) since: UnixSeconds,
}

/// Rows that were accepted earlier.
pub(super) struct Before {
    /// Their number.
    pub(super) rows: u64,
    /// The place of the first.
    pub(super) first_place: u64,
    /// When the job that sent the first one was started.
    pub(super) sent_at: UnixSeconds,
}

impl Ledger {
    /// The ledger of a profile, in `$XDG_STATE_HOME/seoham`, usually `~/.local/state/seoham`; created if
    /// needed.
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
        let path = directory.join("key");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes = IdentityKey::random();
                write_private(&path, |file| file.write_all(&bytes))?;
                bytes.to_vec()
            }
            Err(error) => return Err(error),
        };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "damaged key");
        let key = IdentityKey::of(bytes.try_into().map_err(|_| damaged())?);
        Ok(Self { directory, key })
    }

    /// The queried rows that were or may have been accepted within 90 days before `now`.
    pub(super) fn before(&self, asked: &LedgerQuery<'_>, now: UnixSeconds) -> io::Result<Option<Before>> {
        let LedgerQuery { identities, accounted, own_job, since } = asked;
        let mut jobs = self.jobs()?;
        jobs.retain(|job| Some(job.name.as_str()) != *own_job && job.begun_at >= *since);
        if jobs.is_empty() {
            return Ok(None);
        }
        let mut places: HashMap<u64, u64> = HashMap::with_capacity(identities.len());
        for (place, identity) in identities.iter().enumerate() {
            if let Some(identity) = identity {
                places.entry(*identity).or_insert(place as u64);
            }
        }
        let mut already: HashMap<u64, u64> = HashMap::with_capacity(accounted.len());
        for identity in *accounted {
            *already.entry(*identity).or_default() += 1;
        }
        let mut before: Option<Before> = None;
        for Kept { path, begun_at: sent_at, .. } in jobs {
            if now.seconds_since(sent_at) > KEPT_SECONDS {
                continue;
            }
            let mut file = BufReader::new(File::open(&path)?);
            let mut identity = [0; 8];
            while read_whole(&mut file, &mut identity)? {
                let identity = u64::from_le_bytes(identity);
                if let Some(times) = already.get_mut(&identity).filter(|times| **times > 0) {
                    *times -= 1;
                    continue;
                }
                // Each is counted once, however often it was sent.
                let Some(place) = places.remove(&identity) else { continue };
                let first = before.get_or_insert(Before { rows: 0, first_place: place, sent_at });
                first.rows += 1;
                if place < first.first_place {
                    (first.first_place, first.sent_at) = (place, sent_at);
                }
            }
        }
        Ok(before)
    }

    /// Stores the rows of a job that were or may have been accepted, replacing its earlier entries; removes
    /// expired jobs.
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
        for Kept { path, begun_at, .. } in self.jobs()? {
            if now.seconds_since(begun_at) > KEPT_SECONDS {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Prevents other processes from starting a job until the returned lock is dropped, because the query and
    /// the recording of a new job must be atomic.
    pub(super) fn lock(&self) -> io::Result<File> {
        let file = File::options().create(true).append(true).mode(0o600).open(self.directory.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// The stored jobs.
    fn jobs(&self) -> io::Result<Vec<Kept>> {
        let mut jobs = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some((begun_at, job)) = name.split_once('-').filter(|(_, job)| job.len() == 32) else {
                continue;
            };
            if let Ok(begun_at) = begun_at.parse().map(UnixSeconds) {
                let name = job.to_owned();
                jobs.push(Kept { path, name, begun_at });
            }
        }
        Ok(jobs)
    }
}

/// The entries of a job.
struct Kept {
    path: PathBuf,
    name: String,
    begun_at: UnixSeconds,
}

/// Reads eight bytes; `false` at the end. A partial entry after a crash is ignored.
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

    fn asked(identities: &[Option<u64>]) -> LedgerQuery<'_> {
        LedgerQuery { identities, accounted: &[], own_job: None, since: UnixSeconds(0) }
    }

    #[test]
    fn rows_are_known_for_ninety_days() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path().join("a")).unwrap();
        let job = "0".repeat(32);
        let sent = NOW.plus(-KEPT_SECONDS);
        ledger.keep(&job, sent, [1, 2, 3].into_iter(), NOW).unwrap();
        let rows = [Some(9), None, Some(3), Some(2)];
        let before = ledger.before(&asked(&rows), NOW).unwrap().expect("two are known");
        assert_eq!((before.rows, before.first_place, before.sent_at), (2, 2, sent));
        assert!(ledger.before(&asked(&[Some(9)]), NOW).unwrap().is_none());
        assert!(ledger.before(&asked(&rows), NOW.plus(1)).unwrap().is_none());
        // Storing it again replaces its entries, which then expire.
        ledger.keep(&job, sent, [1, 2, 3, 9].into_iter(), NOW).unwrap();
        assert_eq!(ledger.before(&asked(&rows), NOW).unwrap().map(|before| before.rows), Some(3));
        ledger.keep(&"1".repeat(32), NOW, [7].into_iter(), NOW.plus(1)).unwrap();
        assert_eq!(ledger.jobs().unwrap().len(), 1);
        // The same after reopening.
        let again = Ledger::open(directory.path().join("a")).unwrap();
        assert_eq!(again.key, ledger.key);
    }

    #[test]
    fn a_job_is_asked_of_others_and_of_rows_that_are_not_told_of_yet() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path().to_owned()).unwrap();
        let (first, second) = ("0".repeat(32), "1".repeat(32));
        ledger.keep(&first, NOW, [5].into_iter(), NOW).unwrap();
        let rows = [Some(5)];
        let before = |asked: LedgerQuery<'_>| ledger.before(&asked, NOW).unwrap().map(|before| before.rows);
        assert_eq!(before(LedgerQuery { own_job: Some(&first), ..asked(&rows) }), None, "it is its own");
        assert_eq!(before(LedgerQuery { own_job: Some(&second), ..asked(&rows) }), Some(1));
        assert_eq!(before(LedgerQuery { since: NOW.plus(1), ..asked(&rows) }), None, "it was begun before");
        // Two identical rows: one of them was accepted, and is in the file.
        assert_eq!(before(LedgerQuery { accounted: &[5], ..asked(&rows) }), None);
        ledger.keep(&second, NOW, [5].into_iter(), NOW).unwrap();
        assert_eq!(before(LedgerQuery { accounted: &[5], ..asked(&rows) }), Some(1), "both of them were");
    }
}
