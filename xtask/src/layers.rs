//! Checks the dependencies between our crates (ARCHITECTURE, "Crates") against a table of allowed ones.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, output};

/// A crate, and those of our crates that it may depend on outside of tests.
const LAYERS: [(&str, &[&str]); 25] = [
    ("model", &[]),
    ("vault", &["model"]),
    ("store", &["model", "vault"]),
    ("store-sqlite", &["model", "vault", "store"]),
    ("store-postgres", &["model", "vault", "store"]),
    ("store-contract", &["model", "vault", "store"]),
    ("http", &["model", "store"]),
    ("pages", &["model"]),
    ("sheets", &["model"]),
    ("kit", &["model", "pages"]),
    ("webhook", &[]),
    ("gateway", &["model", "vault", "store", "http"]),
    ("events", &["model", "store", "webhook"]),
    ("operator", &["model", "vault", "store", "http", "webhook"]),
    ("inbox", &["model", "vault", "store", "http", "pages"]),
    ("delivery", &["model", "store"]),
    ("messengers", &["model", "store", "webhook", "delivery"]),
    ("messenger-fakes", &[]),
    ("institution-cli", &["model", "vault", "kit", "sheets"]),
    ("scratch-postgres", &[]),
    ("harness", &["scratch-postgres"]),
    ("simulation", &["model", "vault", "store", "store-sqlite", "store-postgres", "scratch-postgres"]),
    ("bench", &["model", "scratch-postgres", "store", "messenger-fakes"]),
    ("xtask", &[]),
    (
        "seoham",
        &[
            "model",
            "vault",
            "store",
            "store-sqlite",
            "store-postgres",
            "pages",
            "kit",
            "webhook",
            "gateway",
            "events",
            "operator",
            "inbox",
            "delivery",
            "messengers",
            "messenger-fakes",
            "institution-cli",
            "sheets",
        ],
    ),
];

/// Checks that no crate of the workspace has a dependency that is not allowed.
pub(crate) fn check() -> Result<()> {
    let arguments =
        ["tree", "--workspace", "--locked", "--offline", "--edges", "normal,build", "--depth", "1"];
    let mut tree = cargo(&arguments);
    tree.args(["--prefix", "depth", "--format", "{p}"]);
    let complaints = complaints(&output(tree)?)?;
    if !complaints.is_empty() {
        bail!("dependencies between our crates:\n  {}", complaints.join("\n  "));
    }
    println!("\ndependencies between our crates: as in docs/ARCHITECTURE.md");
    Ok(())
}

/// The violations in the output of `cargo tree --prefix depth --depth 1`.
fn complaints(tree: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut current: Option<(&str, &[&str])> = None;
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (depth, package) = line.split_at(1);
        let name = package.split(' ').next().context("a package has a name")?;
        // A dependency may be a foreign crate such as `http`; ours have a prefix.
        let ours = name.strip_prefix("seoham-").unwrap_or(if depth == "0" { name } else { "" });
        match (depth, LAYERS.iter().find(|(name, _)| *name == ours)) {
            ("0", Some(layer)) => {
                seen.insert(layer.0);
                current = Some(*layer);
            }
            ("0", None) => found.push(format!("{ours}: not in the table of layers")),
            (_, Some((used, _))) => {
                let (user, allowed) = current.context("a crate is named before what it uses")?;
                if !allowed.contains(used) {
                    found.push(format!("{user} must not depend on {used}"));
                }
            }
            _ => {}
        }
    }
    found.extend(
        LAYERS.iter().filter(|(name, _)| !seen.contains(name)).map(|(name, _)| format!("{name}: gone")),
    );
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_upwards_is_found() {
        let tree = "0seoham-vault v0.1.0 (/x)\n1seoham-model v0.1.0\n1serde v1.0.0\n0seoham-model v0.1.0\n1seoham-store v0.1.0\n";
        let found = complaints(tree).expect("a tree");
        assert_eq!(found[0], "model must not depend on store");
        assert!(found.iter().any(|complaint| complaint == "gateway: gone"));
        assert!(complaints("0seoham-new v0.1.0\n").expect("a tree")[0].contains("not in the table"));
    }

    #[test]
    fn the_workspace_keeps_to_the_table() {
        check().expect("as the table says");
    }
}
