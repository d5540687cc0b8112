//! The requests sent and their results, stored beside the data, so that the next run continues where this one ended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use seoham_kit::client::SendResult;
use serde::{Deserialize, Serialize};

/// The journal: one line per answered request.
pub(super) struct Journal {
    file: File,
    requests: BTreeMap<usize, Vec<SendResult>>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    first: usize,
    results: Vec<SendResult>,
}

impl Journal {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let before = if path.exists() { std::fs::read_to_string(path)? } else { String::new() };
        // A line cut off by a crash was not confirmed, so its request is sent again.
        let whole = before.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let requests = whole.map(|line| (line.first, line.results)).collect();
        let file = File::options().create(true).append(true).open(path);
        let mut file = file.with_context(|| path.display().to_string())?;
        if !before.is_empty() && !before.ends_with('\n') {
            writeln!(file)?;
        }
        Ok(Self { file, requests })
    }

    /// Whether the request that starts with notice `first` was answered.
    pub(super) fn has(&self, first: usize) -> bool {
        self.requests.contains_key(&first)
    }

    pub(super) fn record(&mut self, first: usize, results: Vec<SendResult>) -> Result<()> {
        let line = Line { first, results };
        writeln!(self.file, "{}", serde_json::to_string(&line)?)?;
        self.requests.insert(first, line.results);
        Ok(())
    }

    /// The verdicts on all notices, in order.
    pub(super) fn results(&self, notices: usize) -> Vec<SendResult> {
        let mut results = vec![SendResult::default(); notices];
        for (first, sent) in &self.requests {
            for (place, sent) in results.iter_mut().skip(*first).zip(sent) {
                place.clone_from(sent);
            }
        }
        results
    }
}
