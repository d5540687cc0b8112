//! The settings that convert rows to documents.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use seoham_model::identity::BirthCentury;
use seoham_sheets::{Layout, Member, Sheet, SheetError, SheetOptions, TextEncoding};
use serde::{Deserialize, Serialize};

use super::args::{ColumnArgs, SendArgs, Unknown};

/// The settings that convert rows to documents; stored in the journal, so that a resumed job uses the same
/// ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) maps: Vec<(String, String)>,
    pub(crate) sets: Vec<(String, String)>,
    pub(crate) sheet: Option<String>,
    #[serde(default)]
    pub(crate) encoding: Option<String>,
    #[serde(default)]
    pub(crate) delimiter: Option<u8>,
    #[serde(default)]
    pub(crate) birth_century: Option<String>,
    /// Send only this many rows.
    #[serde(default)]
    pub(crate) first: Option<u64>,
    /// The file is the result of a send, whose rest is sent.
    #[serde(default)]
    pub(crate) rest: bool,
    /// Rows of a result with an unknown outcome are sent again.
    #[serde(default)]
    pub(crate) repeats_unknown: bool,
    pub(crate) result: PathBuf,
}

impl Settings {
    pub(super) fn of(args: &SendArgs, result: PathBuf) -> Self {
        let ColumnArgs { maps, sets, sheet, encoding, delimiter, birth_century } = &args.columns;
        let named = |pairs: &[(Member, String)]| {
            pairs.iter().map(|(member, text)| (member.path().to_owned(), text.clone())).collect()
        };
        Self {
            maps: named(maps),
            sets: named(sets),
            sheet: sheet.clone(),
            encoding: encoding.clone(),
            delimiter: *delimiter,
            birth_century: birth_century.clone(),
            first: args.first,
            rest: args.rest,
            repeats_unknown: args.rest && args.unknown == Some(Unknown::Send),
            result,
        }
    }

    /// Completes the settings for the rest of a send: any member that is not set again keeps its earlier
    /// setting.
    pub(super) fn completed_by(self, before: Self) -> Self {
        let mut given: HashSet<String> =
            self.maps.iter().chain(&self.sets).map(|(member, _)| member.clone()).collect();
        // A document has one deadline, in any of these forms.
        let deadlines = [Member::ReadExpiredAt, Member::ReadExpiredSec, Member::ReadExpiredDays];
        if deadlines.iter().any(|member| given.contains(member.path())) {
            given.extend(deadlines.map(|member| member.path().to_owned()));
        }
        let completed = |given_now: Vec<(String, String)>, before: Vec<(String, String)>| {
            let kept = before.into_iter().filter(|(member, _)| !given.contains(member));
            kept.chain(given_now).collect()
        };
        Self {
            maps: completed(self.maps, before.maps),
            sets: completed(self.sets, before.sets),
            birth_century: self.birth_century.or(before.birth_century),
            ..self
        }
    }

    /// Completes the settings with saved columns, where nothing else is given.
    pub(super) fn with_columns(self, saved: Self) -> Self {
        // A result has its own file format.
        let (encoding, delimiter) =
            if self.rest { (None, None) } else { (saved.encoding.clone(), saved.delimiter) };
        Self {
            sheet: self.sheet.clone().or(saved.sheet.clone()),
            encoding: self.encoding.clone().or(encoding),
            delimiter: self.delimiter.or(delimiter),
            ..self.completed_by(saved)
        }
    }

    /// Whether the settings given here match those in `other`; settings that are not given match anything.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        let pairs = |given: &[(String, String)], known: &[(String, String)]| {
            given.iter().all(|pair| known.contains(pair))
        };
        pairs(&self.maps, &other.maps)
            && pairs(&self.sets, &other.sets)
            && (self.sheet.is_none() || self.sheet == other.sheet)
            && (self.encoding.is_none() || self.encoding == other.encoding)
            && (self.delimiter.is_none() || self.delimiter == other.delimiter)
            && (self.birth_century.is_none() || self.birth_century == other.birth_century)
    }

    fn members(pairs: &[(String, String)]) -> Vec<(Member, String)> {
        let member = |(name, text): &(String, String)| Some((Member::of_column(name)?, text.clone()));
        pairs.iter().filter_map(member).collect()
    }

    /// The sheet, and the layout for its rows.
    pub(super) fn open(&self, path: &Path) -> Result<(Sheet, Layout), SheetError> {
        let maps = Self::members(&self.maps);
        let known_columns = maps.iter().map(|(_, column)| column.clone()).collect();
        let options = SheetOptions {
            sheet: self.sheet.clone(),
            known_columns,
            encoding: self.encoding.as_deref().and_then(TextEncoding::of_name),
            delimiter: self.delimiter,
        };
        let sheet = Sheet::open(path, &options)?;
        let sets = Self::members(&self.sets);
        let layout = if self.rest {
            Layout::of_result(&sheet, &maps, &sets)?
        } else {
            Layout::new(&sheet, &maps, &sets)?
        };
        let birth_century = self.birth_century.as_deref().and_then(BirthCentury::parse);
        Ok((sheet, layout.with_birth_century(birth_century)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_anew_replaces_what_was_given_for_the_same_member_alone() {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(member, text)| ((*member).to_owned(), (*text).to_owned())).collect::<Vec<_>>()
        };
        let before = Settings {
            maps: pairs(&[("name", "성명"), ("title", "제목")]),
            sets: pairs(&[("link", "https://a.kr"), ("cs_name", "세정과")]),
            ..Settings::default()
        };
        let now = Settings {
            maps: pairs(&[("cs_name", "담당")]),
            sets: pairs(&[("title", "안내")]),
            ..Settings::default()
        };
        let settings = now.completed_by(before);
        assert_eq!(settings.maps, pairs(&[("name", "성명"), ("cs_name", "담당")]));
        assert_eq!(settings.sets, pairs(&[("link", "https://a.kr"), ("title", "안내")]));
        let days = Settings { sets: pairs(&[(Member::ReadExpiredDays.path(), "30")]), ..Settings::default() };
        let until = Settings { sets: pairs(&[("read_expired_at", "2026-12-31")]), ..Settings::default() };
        assert_eq!(until.clone().completed_by(days).sets, until.sets, "a document has one deadline");
    }
}
