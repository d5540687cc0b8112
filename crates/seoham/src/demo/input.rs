//! The example input, built in so that the demo runs from anywhere.

use anyhow::{Context, Result};
use serde::Deserialize;

/// The people, in the operator's import format.
pub(super) const PEOPLE: &str = include_str!("../../../../examples/people.ndjson");
const NOTICES: &str = include_str!("../../../../examples/notices.jsonl");

/// One of the invented people of the example.
#[derive(Deserialize)]
pub(super) struct Person {
    pub(super) phone_number: String,
    pub(super) name: String,
    pub(super) birthday: String,
    #[serde(default)]
    pub(super) ci: Option<String>,
    pub(super) member: bool,
}

pub(super) fn people() -> Result<Vec<Person>> {
    PEOPLE.lines().map(|line| serde_json::from_str(line).context("examples/people.ndjson")).collect()
}

/// The notices, one JSON document each.
pub(super) fn notices() -> Vec<String> {
    NOTICES.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}
