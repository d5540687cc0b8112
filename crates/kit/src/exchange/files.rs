//! The directory: the log files, their order, and their lines.

use std::fs::{DirBuilder, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use seoham_model::SeoulDay;

/// No valid record comes near this; a longer line is damage, and must not fill the memory.
const LINE_MAX: u64 = 64 * 1024;

/// The name of a day's file.
pub(super) fn name_of(day: SeoulDay) -> String {
    let n = day.as_yyyymmdd();
    format!("{:04}-{:02}-{:02}.jsonl", n / 10_000, n / 100 % 100, n % 100)
}

/// The log's files, oldest first.
pub(super) fn list(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for item in std::fs::read_dir(directory)? {
        if let Ok(name) = item?.file_name().into_string()
            && is_days(&name)
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn is_days(name: &str) -> bool {
    let Some(day) = name.strip_suffix(".jsonl") else { return false };
    day.len() == 10
        && day.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() })
}

/// The name of the file that keeps the torn end which record `seq` reports.
pub(super) fn cut_name(seq: u64) -> String {
    format!("{seq:012}.cut")
}

/// The lock file, which admits one process at a time.
pub(super) fn lock_path(directory: &Path) -> PathBuf {
    directory.join("exchange.lock")
}

/// Creates the directory, accessible only to its owner, and syncs its parent.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    sync(directory)
}

/// Makes created and removed directory entries survive a power loss.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// A line of the file.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Its byte offset.
    pub(super) offset: u64,
    /// Its bytes, including the newline if there is one.
    pub(super) bytes: Vec<u8>,
}

/// A file's lines.
pub(super) struct Lines {
    file: BufReader<File>,
    number: u64,
    offset: u64,
}

impl Lines {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufReader::with_capacity(256 * 1024, File::open(path)?), number: 0, offset: 0 })
    }
}

impl Iterator for Lines {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        match (&mut self.file).take(LINE_MAX).read_until(b'\n', &mut bytes) {
            Err(error) => Some(Err(error)),
            Ok(0) => None,
            Ok(read) => {
                self.number += 1;
                let line = Line { number: self.number, offset: self.offset, bytes };
                self.offset += read as u64;
                Some(Ok(line))
            }
        }
    }
}
