//! What makes rows documents.

use std::path::{Path, PathBuf};

use seoham_model::identity::BirthCentury;
use seoham_sheets::{Layout, Member, Sheet, SheetError, SheetOptions, TextEncoding};
use serde::{Deserialize, Serialize};

use super::args::SendArgs;

/// What makes rows documents; kept in the journal, since a job goes on the way it was begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) maps: Vec<(String, String)>,
    pub(super) sets: Vec<(String, String)>,
    pub(super) sheet: Option<String>,
    #[serde(default)]
    pub(super) encoding: Option<String>,
    #[serde(default)]
    pub(super) delimiter: Option<u8>,
    #[serde(default)]
    pub(super) birth_century: Option<String>,
    /// Only so many of the rows are sent.
    #[serde(default)]
    pub(super) first: Option<u64>,
    /// The file is the result of a send, of which the rest is sent.
    #[serde(default)]
    pub(super) rest: bool,
    pub(super) result: PathBuf,
}

impl Settings {
    pub(super) fn of(args: &SendArgs, result: PathBuf) -> Self {
        let named = |pairs: &[(Member, String)]| {
            pairs.iter().map(|(member, text)| (member.path().to_owned(), text.clone())).collect()
        };
        Self {
            maps: named(&args.maps),
            sets: named(&args.sets),
            sheet: args.sheet.clone(),
            encoding: args.encoding.clone(),
            delimiter: args.delimiter,
            birth_century: args.birth_century.clone(),
            first: args.first,
            rest: args.rest,
            result,
        }
    }

    /// The same for the rest of a send: what is not given anew is as it was.
    pub(super) fn completed_by(self, before: Self) -> Self {
        let or_before = |given: Vec<(String, String)>, before| if given.is_empty() { before } else { given };
        Self {
            maps: or_before(self.maps, before.maps),
            sets: or_before(self.sets, before.sets),
            birth_century: self.birth_century.or(before.birth_century),
            ..self
        }
    }

    fn members(pairs: &[(String, String)]) -> Vec<(Member, String)> {
        let member = |(name, text): &(String, String)| Some((Member::of_column(name)?, text.clone()));
        pairs.iter().filter_map(member).collect()
    }

    /// The sheet, and how its rows become documents.
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
