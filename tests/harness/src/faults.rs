//! Injects disk failures and a wrong clock into a server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{Start, binary};

/// The sources of the preload libraries.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../faults");

/// Builds a preload library, once per process.
fn library(name: &str) -> PathBuf {
    let built = binary().with_file_name(format!("{name}.{}.so", std::process::id()));
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&built)
        .arg(Path::new(SOURCES).join(format!("{name}.c")))
        .arg("-ldl")
        .output()
        .expect("a C compiler is installed, as Rust needs one too");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // All tests share one file, even if several build it concurrently.
    let shared = binary().with_file_name(format!("{name}.so"));
    std::fs::rename(&built, &shared).expect("beside it");
    shared
}

/// The disk under a server's files.
pub struct Disk(PathBuf);

impl Disk {
    /// `start` on a disk that can fail on request.
    pub fn under(start: Start) -> (Start, Self) {
        static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
        let library = LIBRARY.get_or_init(|| library("failing_disk"));
        let control = start.directory().join("disk");
        std::fs::write(&control, "").unwrap();
        let start =
            start.env("LD_PRELOAD", library.to_str().unwrap()).env("FAULT_FILE", control.to_str().unwrap());
        (start, Self(control))
    }

    /// Makes `operation` (`sync` or `write`) fail for the file of this name.
    pub fn fail(&self, operation: &str, file: &str) {
        std::fs::write(&self.0, format!("{operation} {file}")).unwrap();
    }

    /// Makes the disk work again.
    pub fn mend(&self) {
        std::fs::write(&self.0, "").unwrap();
    }
}

/// The machine's clock as the server sees it.
pub struct MachineClock(PathBuf);

impl MachineClock {
    /// `start` on a machine whose clock can be set.
    pub fn of(start: Start) -> (Start, Self) {
        static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
        let library = LIBRARY.get_or_init(|| library("shifted_clock"));
        let control = start.directory().join("clock");
        std::fs::write(&control, "0").unwrap();
        let start = start
            .env("LD_PRELOAD", library.to_str().unwrap())
            .env("CLOCK_SHIFT_FILE", control.to_str().unwrap());
        (start, Self(control))
    }

    /// Sets it this many seconds ahead of the correct time.
    pub fn set_ahead(&self, seconds: i64) {
        // Replaced atomically, because the server can read it at any time.
        let new = self.0.with_extension("new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }
}
