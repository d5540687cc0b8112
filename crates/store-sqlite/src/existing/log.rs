//! The write-ahead log that the last process left, verified frame by frame before SQLite reads it.
//!
//! SQLite replays the log up to the first frame that does not verify and silently ignores the rest. That is right for
//! a tail that a crash tore off, but wrong for a sector that was damaged later, with acknowledged documents behind
//! it. What follows the frame tells the two apart: a later transaction proves that the earlier commits were synced.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::OpenError;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The magic number in the header: checksums use little-endian words, or big-endian ones if the lowest bit is set.
const MAGIC: u32 = 0x377f_0682;

/// Frames whose salts are tried when the header is lost.
const FRAMES_TRIED: usize = 3;

/// The result of verifying a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything committed is intact.
    Sound {
        /// Bytes up to the end of the last commit.
        bytes: u64,
    },
    /// Part of a committed transaction does not verify, and later transactions follow it.
    Damaged {
        /// Offset of the first part that does not verify.
        offset: u64,
        /// Number of transactions that follow it.
        later_commits: u64,
    },
    /// The last transaction has its commit frame, but does not verify before that: either the disk damaged it, or
    /// power failed while it was written, before any caller got a reply.
    LastTransactionTorn {
        /// Offset of the first part that does not verify.
        offset: u64,
    },
}

/// Verifies the log at `path`. Returns `None` if there is none or it is empty.
pub(crate) fn verify(path: &Path) -> Result<Option<Verdict>, OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io(source)),
    };
    if file.metadata().map_err(io)?.len() == 0 {
        return Ok(None);
    }
    read(BufReader::with_capacity(1 << 20, file)).map(Some).map_err(io)
}

/// Rewrites the first `bytes` of the log and syncs them. After a failed fsync, pages that exist only in the page
/// cache still read normally, and the next fsync does not report them. Rewriting ensures that the log is on disk
/// before it overwrites the database.
pub(crate) fn write_back(path: &Path, bytes: u64) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let file = File::options().read(true).write(true).open(path).map_err(io)?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < bytes {
        let length = buffer.len().min(usize::try_from(bytes - at).unwrap_or(usize::MAX));
        let part = &mut buffer[..length];
        file.read_exact_at(part, at).and_then(|()| file.write_all_at(part, at)).map_err(io)?;
        at += length as u64;
    }
    file.sync_data().map_err(io)
}

fn read(mut log: impl Read) -> std::io::Result<Verdict> {
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(Verdict::Sound { bytes: 0 });
    }
    let Some(begin) = Header::read(&header) else { return behind_damaged_header(log, &header) };
    let mut frames = Frames { begin, sum: begin.sum, offset: HEADER as u64, frame: begin.frame() };
    let mut bytes = 0;
    let (offset, was_commit) = loop {
        let offset = frames.offset;
        match frames.next(&mut log)? {
            Some(frame) if frame.verified => {
                if frame.commits {
                    bytes = frames.offset;
                }
            }
            // The commit flag can be trusted if the frame's salt is that of this log.
            Some(frame) => break (offset, frame.of_this_log && frame.commits),
            None => return Ok(Verdict::Sound { bytes }),
        }
    };
    let behind = frames.behind(&mut log)?;
    Ok(match (behind.commits, behind.after_commit) {
        (0, _) => Verdict::Sound { bytes },
        (1, false) if !was_commit => Verdict::LastTransactionTorn { offset },
        (later_commits, _) => Verdict::Damaged { offset, later_commits },
    })
}

/// The header does not verify: the log was never started, or it is lost entirely.
fn behind_damaged_header(mut log: impl Read, header: &[u8; HEADER]) -> std::io::Result<Verdict> {
    // The header's page size may be damaged too, so try every size that SQLite supports.
    let mut rest = Vec::new();
    // This much is enough to find a transaction, and a log may be large.
    log.by_ref().take(64 << 20).read_to_end(&mut rest)?;
    for page in (9..=16).map(|shift| 1 << shift) {
        // The first frames may be damaged too, so try the salts of several.
        for at in (0..FRAMES_TRIED).map(|i| i * (FRAME_HEADER + page) + 8) {
            let Some(salts) = rest.get(at..at + 8).and_then(|salts| salts.try_into().ok()) else { break };
            for big_endian in [false, true] {
                let begin = Header { page, big_endian, salts, sum: sum_of(header, big_endian, [0, 0]) };
                let mut frames =
                    Frames { begin, sum: begin.sum, offset: HEADER as u64, frame: begin.frame() };
                let behind = frames.behind(&mut rest.as_slice())?;
                if behind.verified > 0 {
                    return Ok(Verdict::Damaged { offset: 0, later_commits: behind.commits });
                }
            }
        }
    }
    Ok(Verdict::Sound { bytes: 0 })
}

#[derive(Clone, Copy)]
struct Header {
    page: usize,
    big_endian: bool,
    salts: [u8; 8],
    sum: [u32; 2],
}

impl Header {
    /// Returns `None` if it does not verify.
    fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let magic = read_u32(bytes, 0);
        let page = usize::try_from(read_u32(bytes, 8)).ok()?;
        if magic & !1 != MAGIC || !page.is_power_of_two() || !(512..=65_536).contains(&page) {
            return None;
        }
        let big_endian = magic & 1 == 1;
        let sum = sum_of(&bytes[..24], big_endian, [0, 0]);
        let salts = bytes[16..24].try_into().ok()?;
        (sum == [read_u32(bytes, 24), read_u32(bytes, 28)]).then_some(Self { page, big_endian, salts, sum })
    }

    fn frame(&self) -> Vec<u8> {
        vec![0; FRAME_HEADER + self.page]
    }
}

/// An iterator over the frames.
struct Frames {
    begin: Header,
    /// The running checksum before the next frame.
    sum: [u32; 2],
    /// Offset of the next frame.
    offset: u64,
    frame: Vec<u8>,
}

struct Frame {
    /// It belongs to this log, and is not left over from an earlier one.
    of_this_log: bool,
    /// It belongs to this log and its checksum matches.
    verified: bool,
    /// It commits a transaction.
    commits: bool,
}

/// What follows the first frame that does not verify.
#[derive(Default)]
struct Behind {
    verified: u64,
    commits: u64,
    /// A frame verifies after the last commit, or between two.
    after_commit: bool,
}

impl Frames {
    fn next(&mut self, log: &mut impl Read) -> std::io::Result<Option<Frame>> {
        if !fill(log, &mut self.frame)? {
            return Ok(None);
        }
        let (header, page) = self.frame.split_at(FRAME_HEADER);
        let of_this_log = header[8..16] == self.begin.salts;
        let sum = sum_of(&header[..8], self.begin.big_endian, self.sum);
        let sum = sum_of(page, self.begin.big_endian, sum);
        let stored = [read_u32(header, 16), read_u32(header, 20)];
        // Continue with the stored checksum, so that damage does not affect the following frames.
        self.sum = stored;
        self.offset += self.frame.len() as u64;
        // Page numbers start at 1: a frame for page 0 is unwritten space.
        let verified = of_this_log && sum == stored && read_u32(header, 0) != 0;
        Ok(Some(Frame { of_this_log, verified, commits: read_u32(header, 4) != 0 }))
    }

    /// Reads the frames after one that did not verify.
    fn behind(&mut self, log: &mut impl Read) -> std::io::Result<Behind> {
        let mut behind = Behind::default();
        while let Some(frame) = self.next(log)? {
            if !frame.verified {
                continue;
            }
            behind.after_commit |= behind.commits > 0;
            behind.verified += 1;
            behind.commits += u64::from(frame.commits);
        }
        Ok(behind)
    }
}

/// Fills `buffer`. Returns `false` if the file ends first.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// SQLite's checksum of `bytes`, starting from `sum`.
fn sum_of(bytes: &[u8], big_endian: bool, [mut a, mut b]: [u32; 2]) -> [u32; 2] {
    for pair in bytes.chunks_exact(8) {
        let [x, y]: [[u8; 4]; 2] = [pair[..4].try_into().expect("four"), pair[4..].try_into().expect("four")];
        let read = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        a = a.wrapping_add(read(x)).wrapping_add(b);
        b = b.wrapping_add(read(y)).wrapping_add(a);
    }
    [a, b]
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    const PAGE: usize = 4096;
    const FRAME: usize = FRAME_HEADER + PAGE;

    /// A log of `transactions` written by SQLite, several frames each.
    fn log(transactions: usize) -> Vec<u8> {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("a.db");
        let connection = Connection::open(&file).expect("SQLite");
        connection
            .execute_batch(
                "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
                 CREATE TABLE t (b BLOB); PRAGMA wal_checkpoint(TRUNCATE);",
            )
            .expect("a table");
        for _ in 0..transactions {
            connection.execute("INSERT INTO t VALUES (randomblob(9000))", []).expect("written");
        }
        std::fs::read(directory.path().join("a.db-wal")).expect("a log")
    }

    fn of(log: &[u8]) -> Verdict {
        read(log).expect("in memory")
    }

    /// The indexes of the commit frames.
    fn commits(log: &[u8]) -> Vec<usize> {
        let frames = log[HEADER..].chunks_exact(FRAME).enumerate();
        frames.filter(|(_, frame)| read_u32(frame, 4) != 0).map(|(i, _)| i).collect()
    }

    fn damage(log: &mut [u8], frame: usize, from: usize, length: usize) -> u64 {
        let begin = HEADER + frame * FRAME;
        log[begin + from..begin + from + length].iter_mut().for_each(|byte| *byte ^= 0x5a);
        begin as u64
    }

    #[test]
    fn a_log_as_sqlite_wrote_it_is_sound() {
        let log = log(4);
        assert_eq!(of(&log), Verdict::Sound { bytes: log.len() as u64 });
        assert_eq!(of(&[]), Verdict::Sound { bytes: 0 });
    }

    #[test]
    fn a_torn_end_is_sound_up_to_the_last_commit() {
        let log = log(3);
        let ends = commits(&log);
        let kept = (HEADER + (ends[1] + 1) * FRAME) as u64;
        for cut in [1, 100, FRAME, FRAME + 1] {
            assert_eq!(of(&log[..log.len() - cut]), Verdict::Sound { bytes: kept }, "{cut} bytes less");
        }
        let mut torn = log.clone();
        damage(&mut torn, ends[2], 0, FRAME);
        assert_eq!(of(&torn), Verdict::Sound { bytes: kept }, "the last commit never came to the disk");
    }

    #[test]
    fn frames_of_the_log_before_are_no_damage() {
        let mut log = log(3);
        let ends = commits(&log);
        for frame in log[HEADER + (ends[1] + 1) * FRAME..].chunks_exact_mut(FRAME) {
            frame[8] ^= 1;
        }
        assert_eq!(of(&log), Verdict::Sound { bytes: (HEADER + (ends[1] + 1) * FRAME) as u64 });
    }

    #[test]
    fn damage_before_later_transactions_is_found_wherever_it_is() {
        let log = log(5);
        let ends = commits(&log);
        for (frame, from, length) in
            [(0, 0, 24), (0, 512, 512), (ends[1], 0, 512), (ends[1], 3000, 1), (ends[2] + 1, 0, FRAME)]
        {
            let mut damaged = log.clone();
            let at = damage(&mut damaged, frame, from, length);
            let Verdict::Damaged { offset, later_commits } = of(&damaged) else {
                panic!("frame {frame}, {from}: {:?}", of(&damaged));
            };
            assert_eq!(offset, at);
            assert!(later_commits >= 2, "frame {frame}: {later_commits}");
        }
    }

    #[test]
    fn damage_in_the_last_transaction_is_left_to_the_operator() {
        let mut log = log(3);
        let ends = commits(&log);
        let at = damage(&mut log, ends[1] + 1, 700, 64);
        assert_eq!(of(&log), Verdict::LastTransactionTorn { offset: at });
    }

    #[test]
    fn a_lost_header_is_damage() {
        let mut log = log(3);
        log[..HEADER].fill(0);
        assert!(matches!(of(&log), Verdict::Damaged { offset: 0, .. }), "{:?}", of(&log));
        assert_eq!(of(&[0; 8192]), Verdict::Sound { bytes: 0 }, "nothing was ever written");
    }

    #[test]
    fn what_is_written_back_is_the_same() {
        let (log, directory) = (log(3), tempfile::tempdir().expect("a directory"));
        let path = directory.path().join("log");
        std::fs::write(&path, &log).expect("written");
        write_back(&path, log.len() as u64).expect("written back");
        assert_eq!(std::fs::read(&path).expect("read"), log);
    }
}
