//! Merged ranges, in row order.

use super::package::Package;
use super::xml::Node;
use super::{cell_name, place_of};
use crate::SheetError;

/// The maximum number of merged ranges in a sheet; more are not plausible.
const RANGES_MAX: usize = 1_000_000;

#[derive(Clone, Copy)]
struct Range {
    from: (u32, u32),
    to: (u32, u32),
}

/// The merged ranges of a sheet.
pub(super) struct Merged {
    to_come: std::vec::IntoIter<Range>,
    next: Option<Range>,
    open: Vec<Range>,
}

impl Merged {
    pub(super) fn read(package: &mut Package, part: &str) -> Result<Self, SheetError> {
        let mut xml = package.long_part(part)?;
        let mut ranges = Vec::new();
        while let Some(node) = xml.next()? {
            let Node::Start { name, attributes } = node else { continue };
            if name == "sheetData" {
                xml.skip()?;
            }
            if name != "mergeCell" {
                continue;
            }
            let range = attributes.get("ref").and_then(|name| {
                let (from, to) = name.split_once(':')?;
                Some(Range { from: place_of(from)?, to: place_of(to)? })
            });
            if let Some(range) = range.filter(|range| range.from != range.to) {
                ranges.push(range);
            }
            if ranges.len() > RANGES_MAX {
                return Err(super::damaged());
            }
        }
        ranges.sort_by_key(|range| range.from);
        let mut to_come = ranges.into_iter();
        let next = to_come.next();
        Ok(Self { to_come, next, open: Vec::new() })
    }

    /// The merged columns of a row. Rows must be queried in order.
    pub(super) fn in_row(&mut self, row: u32) -> Vec<(usize, usize, String)> {
        while let Some(range) = self.next.filter(|range| range.from.0 <= row) {
            self.open.push(range);
            self.next = self.to_come.next();
        }
        self.open.retain(|range| range.to.0 >= row);
        let columns = |range: &Range| {
            let shown = format!("{}:{}", cell_name(range.from), cell_name(range.to));
            (range.from.1 as usize, range.to.1 as usize, shown)
        };
        self.open.iter().map(columns).collect()
    }
}
