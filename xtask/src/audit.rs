//! The offline dependency audit: checks the source and the licence of every crate, and that no banned crate is used.
//!
//! It does not check advisories, because their database is not reachable from everywhere this runs.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, output, root};

/// Accepted licences of dependencies.
const LICENCES: [&str; 14] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unlicense",
    "Unicode-3.0",
    "MIT-0",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
];

/// Banned crates, and why.
const BANNED: [(&str, &str); 4] = [
    ("openssl-sys", "TLS is rustls over aws-lc"),
    ("native-tls", "TLS is rustls over aws-lc"),
    ("ring", "one provider of cryptography is enough"),
    ("sqlx", "the stores speak SQL through rusqlite and tokio-postgres"),
];

/// The only accepted source of crates, as written in the lock file.
const SOURCE: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

/// Audits the crates from which the workspace is built, on every platform.
pub(crate) fn audit() -> Result<()> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).context("Cargo.lock")?;
    let arguments = ["tree", "--workspace", "--locked", "--target", "all", "--prefix", "none"];
    let mut tree = cargo(&arguments);
    tree.args(["--edges", "normal,build,dev", "--format", "{p}|{l}"]);
    let tree = output(tree)?;
    let crates: BTreeSet<&str> =
        tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    let mut complaints: Vec<String> = crates.iter().filter_map(|line| complaint_about(line)).collect();
    complaints.extend(strange_sources(&lock));
    if !complaints.is_empty() {
        bail!("dependency audit:\n  {}", complaints.join("\n  "));
    }
    println!("\ndependency audit: {} crates, all from crates.io under known licences", crates.len());
    Ok(())
}

/// The complaint about a crate, given as a line `name version|licence`.
fn complaint_about(line: &str) -> Option<String> {
    let (package, licence) = line.split_once('|')?;
    let name = package.split(' ').next().unwrap_or_default();
    if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
        return Some(format!("{package}: banned, {why}"));
    }
    (!is_allowed(licence)).then(|| format!("{package}: licence {licence:?}"))
}

/// Sources in a lock file other than crates.io.
fn strange_sources(lock: &str) -> Vec<String> {
    lock.lines().filter(|l| l.starts_with("source = ") && *l != SOURCE).map(str::to_owned).collect()
}

/// Whether an SPDX expression is acceptable: every part of an AND, some part of an OR.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    expression.split(" AND ").all(|all| all.split(" OR ").any(|one| LICENCES.contains(&one.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_or_not() {
        for good in
            ["MIT", "MIT OR Apache-2.0", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR ISC) AND Unicode-3.0"]
        {
            assert!(is_allowed(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "SSPL-1.0 OR GPL-2.0"] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn strangers_and_banned_crates_are_told() {
        assert_eq!(complaint_about("serde v1.0.0|MIT OR Apache-2.0"), None);
        assert!(complaint_about("ring v0.17.0|MIT").is_some_and(|c| c.contains("banned")));
        assert!(complaint_about("x v1.0.0 (proc-macro)|GPL-3.0").is_some_and(|c| c.contains("licence")));
        let git = "source = \"git+https://example.org/x\"";
        assert_eq!(strange_sources(&format!("[[package]]\n{SOURCE}\n{git}\n")), [git]);
    }
}
