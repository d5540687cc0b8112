//! A chart of the documents' states over time, redrawn after each round.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use seoham_model::Clock;
use seoham_model::clock::seoul_seconds;
use seoham_model::status::DocBoxStatus;
use serde_json::json;

use super::book::{Book, Place};
use crate::terminal::{complain, draws, language, say};

/// The number of rounds shown.
const ROUNDS: usize = 40;
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const SHOWN: [DocBoxStatus; 4] =
    [DocBoxStatus::Sent, DocBoxStatus::Received, DocBoxStatus::Read, DocBoxStatus::Expired];

pub(super) struct Picture {
    json: bool,
    watching: bool,
    bars: Option<(MultiProgress, Vec<ProgressBar>)>,
    history: Vec<[usize; SHOWN.len()]>,
}

impl Picture {
    pub(super) fn new(watching: bool, json: bool) -> Self {
        let bars = (watching && !json && draws()).then(|| {
            let all = MultiProgress::new();
            let style = ProgressStyle::with_template("{prefix:18} [{bar:24}] {pos:>8}  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
            let bar = |status| {
                let bar = all.add(ProgressBar::new(0).with_style(style.clone()));
                bar.set_prefix(Place::Known(status).text().in_lang(language()).to_owned());
                bar
            };
            let bars = SHOWN.map(bar).to_vec();
            (all, bars)
        });
        Self { json, watching, bars, history: Vec::new() }
    }

    /// Adds a round.
    pub(super) fn add(&mut self, book: &Book) {
        let counts = book.counts();
        let count =
            |status| counts.iter().find(|(p, _)| *p == Place::Known(status)).map_or(0, |(_, count)| *count);
        if self.history.len() == ROUNDS {
            self.history.remove(0);
        }
        let now = SHOWN.map(count);
        self.history.push(now);
        if let Some((_, bars)) = &self.bars {
            for (i, bar) in bars.iter().enumerate() {
                bar.set_length(book.len() as u64);
                bar.set_position(now[i] as u64);
                bar.set_message(line(self.history.iter().map(|round| round[i]), book.len()));
            }
            return;
        }
        if !self.watching {
            return;
        }
        let at = Clock::default().now();
        if self.json {
            let line =
                json!({ "event": "round", "at": at, "documents": book.len(), "counts": book.named_counts() });
            say(&line.to_string());
            return;
        }
        let shown: Vec<String> =
            counts.iter().map(|(place, count)| format!("{} {count}", place.name())).collect();
        complain(&format!("{} {}", seoul_seconds(at), shown.join(", ")));
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        for bar in self.bars.iter().flat_map(|(_, bars)| bars) {
            bar.abandon();
        }
    }
}

/// Numbers up to `most` as a line of block characters.
fn line(numbers: impl Iterator<Item = usize>, most: usize) -> String {
    let full = LEVELS.len() - 1;
    numbers
        .map(|number| LEVELS[if number == 0 { 0 } else { (number * full).div_ceil(most.max(1)).min(full) }])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_even_one_of_many() {
        assert_eq!(line([0, 1, 50, 100].into_iter(), 100), " ▁▄█");
        assert_eq!(line([0].into_iter(), 0), " ");
    }
}
