//! The workbook: its sheets and its global settings.

use super::package::{Package, Relationship};
use super::xml::Node;
use super::{damaged, twice};
use crate::SheetError;

/// The maximum number of sheets in a workbook.
const SHEETS_MAX: usize = 10_000;

/// A workbook.
pub(super) struct Workbook {
    pub(super) sheets: Vec<SheetPart>,
    /// The part with the shared strings.
    pub(super) strings: Option<String>,
    pub(super) styles: Option<String>,
    /// The date system starts in 1904.
    pub(super) from_1904: bool,
    /// Every formula must be recalculated: the cached values are placeholders.
    pub(super) is_stale: bool,
}

/// A sheet of a workbook.
pub(super) struct SheetPart {
    pub(super) name: String,
    /// The part; `None` for anything but a table, such as a chart or a macro.
    pub(super) part: Option<String>,
    pub(super) is_visible: bool,
}

impl Workbook {
    pub(super) fn read(package: &mut Package) -> Result<Self, SheetError> {
        let main = package.main_part()?;
        let relationships = package.relationships(&main)?;
        let first = |kind: &str| {
            let found = relationships.iter().find(|relationship| relationship.kind == kind);
            found.and_then(|relationship| relationship.part.clone())
        };
        let mut workbook = Self {
            sheets: Vec::new(),
            strings: first("sharedStrings"),
            styles: first("styles"),
            from_1904: false,
            is_stale: false,
        };
        let mut xml = package.held_part(&main)?;
        while let Some(node) = xml.next()? {
            let Node::Start { name, attributes } = node else { continue };
            match name.as_str() {
                "workbookPr" => workbook.from_1904 |= attributes.is_set("date1904"),
                "calcPr" => {
                    workbook.is_stale |= attributes.is_set("fullCalcOnLoad")
                        || attributes
                            .get("calcCompleted")
                            .is_some_and(|value| ["0", "false"].contains(&value));
                }
                "sheet" => {
                    let of = |name: &str| attributes.get(name).unwrap_or_default();
                    let part = part_of(&relationships, of("id"));
                    let is_visible = ["", "visible"].contains(&of("state"));
                    workbook.sheets.push(SheetPart { name: of("name").to_owned(), part, is_visible });
                    if workbook.sheets.len() > SHEETS_MAX {
                        return Err(damaged());
                    }
                }
                _ => {}
            }
        }
        Ok(workbook)
    }

    /// The table with this name.
    pub(super) fn named(&self, wanted: &str) -> Result<&SheetPart, SheetError> {
        let found: Vec<&SheetPart> =
            self.sheets.iter().filter(|sheet| sheet.name.trim() == wanted.trim()).collect();
        match found.as_slice() {
            [sheet] if sheet.part.is_some() => Ok(sheet),
            [_] => Err(SheetError::made(
                format!("'{wanted}' 시트는 표가 아닙니다(차트나 매크로)"),
                format!("the sheet {wanted:?} is no table (a chart or macros)"),
            )),
            [] => {
                let names: Vec<&str> = self.sheets.iter().map(|sheet| sheet.name.as_str()).collect();
                let known = names.join(", ");
                Err(SheetError::made(
                    format!("'{wanted}' 시트가 없습니다. 있는 시트: {known}"),
                    format!("there is no sheet {wanted:?}; the sheets are: {known}"),
                ))
            }
            _ => Err(twice(wanted)),
        }
    }
}

fn part_of(relationships: &[Relationship], id: &str) -> Option<String> {
    let found = relationships.iter().find(|relationship| relationship.id == id)?;
    if found.kind == "worksheet" { found.part.clone() } else { None }
}
