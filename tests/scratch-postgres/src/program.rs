//! PostgreSQL's programs, and the user that runs them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian installs them, by version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The program directory of the newest version.
pub(crate) fn directory() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).ok().into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    let on_path = std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).find(|directory| directory.join("initdb").exists()));
    found.pop().map(|(_, bin)| bin).or(on_path)
}

/// The user that runs PostgreSQL if we are root, since PostgreSQL refuses to run as root.
pub(crate) fn unprivileged_user() -> Option<&'static str> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    root.then_some("postgres")
}

/// A command that runs `program` as that user.
pub(crate) fn command(program: &Path) -> Command {
    match unprivileged_user() {
        None => Command::new(program),
        Some(user) => {
            // setpriv replaces itself with the program, so that signals sent to it reach the program.
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", user, "--clear-groups", "--"]).arg(program);
            command
        }
    }
}
