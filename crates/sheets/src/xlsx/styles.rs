//! The number formats of a workbook's styles, by index.

use std::collections::HashMap;

use super::damaged;
use super::display::Display;
use super::package::Package;
use super::xml::Node;
use crate::SheetError;

/// The maximum number of styles in a workbook: Excel allows 65,490.
const STYLES_MAX: usize = 100_000;

/// The styles of a workbook.
#[derive(Default)]
pub(super) struct Styles(Vec<Display>);

impl Styles {
    pub(super) fn read(package: &mut Package, part: &str) -> Result<Self, SheetError> {
        let mut xml = package.held_part(part)?;
        let (mut codes, mut formats): (HashMap<u32, Option<String>>, Vec<u32>) = Default::default();
        let mut in_cells = false;
        while let Some(node) = xml.next()? {
            match node {
                Node::Start { name, attributes } => {
                    let id = attributes.get("numFmtId").and_then(|id| id.trim().parse::<u32>().ok());
                    match (name.as_str(), id) {
                        ("cellXfs", _) => in_cells = true,
                        ("xf", id) if in_cells => formats.push(id.unwrap_or(0)),
                        // Number formats here do not apply to cells.
                        ("dxfs" | "extLst", _) => xml.skip()?,
                        ("numFmt", Some(id)) => {
                            let code = attributes.get("formatCode").unwrap_or_default().to_owned();
                            let known = codes.entry(id).or_insert_with(|| Some(code.clone()));
                            // If two definitions differ, neither is certain.
                            if known.as_ref() != Some(&code) {
                                *known = None;
                            }
                        }
                        _ => {}
                    }
                    if formats.len() > STYLES_MAX || codes.len() > STYLES_MAX {
                        return Err(damaged());
                    }
                }
                Node::End { name } if name == "cellXfs" => in_cells = false,
                _ => {}
            }
        }
        let mut known: HashMap<u32, Display> = HashMap::new();
        let display = |id: u32| {
            let display = known.entry(id).or_insert_with(|| match codes.get(&id) {
                Some(Some(code)) => Display::of_code(code),
                Some(None) => Display::UNKNOWN,
                None => Display::built_in(id),
            });
            display.clone()
        };
        Ok(Self(formats.into_iter().map(display).collect()))
    }

    /// The display of a cell; a cell without a style uses the first one.
    pub(super) fn of_cell(&self, style: Option<&str>) -> Display {
        match style.map(|style| style.trim().parse::<usize>()) {
            None | Some(Ok(0)) if self.0.is_empty() => Display::GENERAL,
            None => self.0.first().cloned().unwrap_or(Display::GENERAL),
            Some(Ok(place)) => self.0.get(place).cloned().unwrap_or(Display::UNKNOWN),
            Some(Err(_)) => Display::UNKNOWN,
        }
    }
}
