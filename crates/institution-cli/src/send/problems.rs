//! The problems of a file, grouped by kind: `생년월일 · 200행: … (2–201행)`.

use std::collections::BTreeMap;

use seoham_model::Lang;
use seoham_sheets::Problem;

use crate::terminal::{language, localized};

/// How many rows, or ranges of rows, are listed per kind.
const SHOWN: usize = 10;
/// How many kinds are distinguished; all others are counted together.
const KINDS_MAX: usize = 500;

/// The problems of a file, grouped by kind.
pub(super) struct Problems {
    kinds: BTreeMap<(String, String), Rows>,
    /// List every row.
    all: bool,
}

/// The rows with one problem.
#[derive(Default)]
struct Rows {
    count: u64,
    first: u64,
    /// Ranges of rows, or cells; only as many as are listed.
    runs: Vec<Run>,
}

enum Run {
    Rows(u64, u64),
    Cell(String),
}

impl Problems {
    pub(super) fn new(all: bool) -> Self {
        Self { kinds: BTreeMap::new(), all }
    }

    /// Adds the problems of a row.
    pub(super) fn add(&mut self, row: u64, problems: &[Problem]) {
        let lang = language();
        for problem in problems {
            let kind =
                (problem.subject(lang).unwrap_or_default().to_owned(), problem.text.in_lang(lang).to_owned());
            let kind = if self.kinds.contains_key(&kind) || self.kinds.len() < KINDS_MAX {
                kind
            } else {
                (String::new(), localized("그 밖의 문제", "other problems"))
            };
            let rows = self.kinds.entry(kind).or_default();
            rows.add(row, problem.cell.as_deref(), self.all);
        }
    }

    /// A line for each kind, ordered by first row.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, rows)| rows.first);
        kinds.into_iter().map(|((subject, text), rows)| line(subject, text, rows, language())).collect()
    }
}

impl Rows {
    fn add(&mut self, row: u64, cell: Option<&str>, all: bool) {
        if self.count == 0 {
            self.first = row;
        }
        self.count += 1;
        if let (Some(Run::Rows(_, last)), None) = (self.runs.last_mut(), cell)
            && *last + 1 == row
        {
            *last = row;
            return;
        }
        if all || self.runs.len() < SHOWN {
            self.runs.push(cell.map_or(Run::Rows(row, row), |cell| Run::Cell(cell.to_owned())));
        }
    }
}

fn line(subject: &str, text: &str, rows: &Rows, lang: Lang) -> String {
    let Rows { count, runs, .. } = rows;
    let shown: u64 =
        runs.iter().map(|run| if let Run::Rows(from, to) = run { to - from + 1 } else { 1 }).sum();
    let runs = runs.iter().map(|run| match run {
        Run::Rows(from, to) if from == to => from.to_string(),
        Run::Rows(from, to) => format!("{from}–{to}"),
        Run::Cell(cell) => cell.clone(),
    });
    let are_cells = matches!(rows.runs.first(), Some(Run::Cell(_)));
    let runs = runs.collect::<Vec<_>>().join(", ");
    let subject = if subject.is_empty() { String::new() } else { format!("{subject} · ") };
    let more = count - shown;
    match lang {
        Lang::Ko => {
            let unit = if are_cells { "" } else { "행" };
            let more = if more == 0 { String::new() } else { format!(" 외 {more}행") };
            format!("{subject}{count}행: {text} ({runs}{unit}{more})")
        }
        Lang::En => {
            let rows = if *count == 1 { "row" } else { "rows" };
            let unit = if are_cells { String::new() } else { format!("{rows} ") };
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("{subject}{count} {rows}: {text} ({unit}{runs}{more})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[u64], all: bool) -> Rows {
        let mut found = Rows::default();
        for row in rows {
            found.add(*row, None, all);
        }
        found
    }

    #[test]
    fn rows_are_told_as_runs_and_ten_of_them() {
        let run: Vec<u64> = (2..=201).collect();
        assert_eq!(
            line("생년월일", "6자리입니다", &rows(&run, false), Lang::Ko),
            "생년월일 · 200행: 6자리입니다 (2–201행)"
        );
        assert_eq!(line("", "x", &rows(&[5], false), Lang::En), "1 row: x (row 5)");
        let scattered: Vec<u64> = (1..=30).map(|n| n * 2).collect();
        let shown = line("a", "x", &rows(&scattered, false), Lang::Ko);
        assert_eq!(shown, "a · 30행: x (2, 4, 6, 8, 10, 12, 14, 16, 18, 20행 외 20행)");
        assert!(line("a", "x", &rows(&scattered, true), Lang::Ko).ends_with("58, 60행)"));
        let mut cells = rows(&[], false);
        cells.add(7, Some("D7"), false);
        assert_eq!(line("a", "x", &cells, Lang::Ko), "a · 1행: x (D7)");
    }
}
