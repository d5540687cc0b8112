//! The dependency audit that works offline: where every crate comes from, under which licence,
//! and that nothing is there that we decided against.
//!
//! Advisories are not looked up: their database is not reachable from everywhere this runs.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{cargo, output};

/// Licences that a dependency may be taken under.
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

/// Crates that must not come in, and why.
const BANNED: [(&str, &str); 4] = [
    ("openssl-sys", "TLS is rustls over aws-lc"),
    ("native-tls", "TLS is rustls over aws-lc"),
    ("ring", "one provider of cryptography is enough"),
    ("sqlx", "the stores speak SQL through rusqlite and tokio-postgres"),
];

/// Audits the lock file's crates.
pub(crate) fn audit() -> Result<()> {
    let metadata = output(cargo(&["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let mut complaints = Vec::new();
    for package in packages {
        complaints.extend(complaints_about(package));
    }
    if !complaints.is_empty() {
        bail!("dependency audit:\n  {}", complaints.join("\n  "));
    }
    println!("\ndependency audit: {} crates, all from crates.io under known licences", packages.len());
    Ok(())
}

fn complaints_about(package: &Value) -> Vec<String> {
    let text = |member: &str| package[member].as_str().unwrap_or("");
    let (name, version) = (text("name"), text("version"));
    let mut complaints = Vec::new();
    let source = text("source");
    let own = package["source"].is_null();
    if !own && !source.starts_with("registry+https://github.com/rust-lang/crates.io-index") {
        complaints.push(format!("{name} {version}: comes from {source}"));
    }
    if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
        complaints.push(format!("{name} {version}: banned, {why}"));
    }
    let licence = text("license");
    if !is_allowed(licence) {
        complaints.push(format!("{name} {version}: licence {licence:?}"));
    }
    complaints
}

/// Whether an SPDX expression can be met: every part of an AND, some part of an OR.
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
        let package = |name: &str, source: Value, licence: &str| serde_json::json!({ "name": name, "version": "1.0.0", "source": source, "license": licence });
        let crates_io = Value::from("registry+https://github.com/rust-lang/crates.io-index");
        assert!(complaints_about(&package("serde", crates_io.clone(), "MIT")).is_empty());
        assert_eq!(complaints_about(&package("sqlx", crates_io, "MIT")).len(), 1);
        assert_eq!(complaints_about(&package("x", "git+https://example.org".into(), "GPL-3.0")).len(), 2);
    }
}
