//! Reads the cells of a sheet, row by row.

use std::io::Read;

use super::display::Display;
use super::package::Package;
use super::strings::{Strings, rich_text, unescaped};
use super::styles::Styles;
use super::xml::{Attributes, Node, Xml};
use super::{ROWS_OF_EXCEL, Row, cell_name, damaged, place_of, too_far_right, twice, twice_in};
use crate::row::COLUMNS_MAX;
use crate::{Cell, SheetError};

/// How many array formulas are remembered at once: if a workbook is stale, all of their cells are.
const ARRAYS_MAX: usize = 10_000;

/// A sheet being read.
pub(super) struct Cells<R: Read> {
    xml: Xml<R>,
    /// The last row read, counted from one; 0 before the first.
    last: u32,
    /// The ranges of array formulas.
    arrays: Vec<((u32, u32), (u32, u32))>,
    /// The end of the cell table was reached.
    ended: bool,
}

impl<'a> Cells<Box<dyn Read + 'a>> {
    pub(super) fn open(package: &'a mut Package, part: &str) -> Result<Self, SheetError> {
        let mut xml = package.long_part(part)?;
        loop {
            match xml.next()?.ok_or_else(damaged)? {
                Node::Start { name, .. } if name == "sheetData" => break,
                _ => {}
            }
        }
        Ok(Self { xml, last: 0, arrays: Vec::new(), ended: false })
    }
}

/// The data that the cells of a sheet refer to.
pub(super) struct Context {
    pub(super) strings: Strings,
    pub(super) styles: Styles,
    /// The date system starts in 1904.
    pub(super) from_1904: bool,
    /// Every formula must be recalculated: the cached values are placeholders.
    pub(super) is_stale: bool,
}

impl<R: Read> Cells<R> {
    /// Whether any cell has a value.
    pub(super) fn has_any(mut self) -> Result<bool, SheetError> {
        let mut in_cell = false;
        loop {
            match self.xml.next()?.ok_or_else(damaged)? {
                Node::Start { name, .. } if name == "c" => in_cell = true,
                Node::Start { .. } if in_cell => return Ok(true),
                Node::End { name } if name == "c" => in_cell = false,
                Node::End { name } if name == "sheetData" => return Ok(false),
                _ => {}
            }
        }
    }

    /// The next row with values; `None` after the last.
    pub(super) fn next_row(&mut self, context: &Context) -> Result<Option<Row>, SheetError> {
        while !self.ended {
            match self.xml.next()? {
                None => return Err(damaged()),
                Some(Node::Start { name, attributes }) if name == "row" => {
                    let row = self.row(&attributes, context)?;
                    if !row.cells.is_empty() {
                        return Ok(Some(row));
                    }
                }
                Some(Node::Start { .. }) => self.xml.skip()?,
                Some(Node::End { .. }) => {
                    self.ended = true;
                    self.refuse_a_second_table()?;
                }
                Some(Node::Text(_)) => {}
            }
        }
        Ok(None)
    }

    fn refuse_a_second_table(&mut self) -> Result<(), SheetError> {
        while let Some(node) = self.xml.next()? {
            if matches!(&node, Node::Start { name, .. } if name == "sheetData") {
                return Err(twice("sheetData"));
            }
        }
        Ok(())
    }

    fn row(&mut self, attributes: &Attributes, context: &Context) -> Result<Row, SheetError> {
        let number = match attributes.get("r") {
            Some(number) => number.trim().parse().map_err(|_| damaged())?,
            None => self.last + 1,
        };
        if number == self.last {
            return Err(twice_in(&format!("{number}행"), &format!("row {number}")));
        }
        if number < self.last || number > ROWS_OF_EXCEL {
            return Err(out_of_order(self.last));
        }
        self.last = number;
        let number = number - 1;
        let mut row = Row { number, cells: Vec::new(), is_hidden: attributes.is_set("hidden") };
        let mut next_column = 0;
        loop {
            match self.xml.next()?.ok_or_else(damaged)? {
                Node::Start { name, attributes } if name == "c" => {
                    let column = match attributes.get("r") {
                        None => next_column,
                        Some(name) => match place_of(name) {
                            Some((of_row, column)) if of_row == number => column,
                            _ => return Err(damaged()),
                        },
                    };
                    if column < next_column {
                        return Err(twice(&cell_name((number, column))));
                    }
                    next_column = column + 1;
                    let cell = self.cell((number, column), &attributes, context)?;
                    if cell.is_empty() {
                        continue;
                    }
                    let column = column as usize;
                    if column >= COLUMNS_MAX {
                        return Err(too_far_right(number));
                    }
                    row.cells.resize(column + 1, Cell::Empty);
                    row.cells[column] = cell;
                }
                Node::Start { .. } => self.xml.skip()?,
                Node::End { .. } => return Ok(row),
                Node::Text(_) => {}
            }
        }
    }

    fn cell(
        &mut self,
        place: (u32, u32),
        attributes: &Attributes,
        context: &Context,
    ) -> Result<Cell, SheetError> {
        let (mut value, mut inline): (Option<String>, Option<String>) = (None, None);
        // For a formula: whether its own value is stale.
        let mut formula: Option<bool> = None;
        loop {
            match self.xml.next()?.ok_or_else(damaged)? {
                Node::Start { name, attributes } => match name.as_str() {
                    "v" if value.is_none() => value = Some(self.xml.text()?),
                    "is" if inline.is_none() => inline = Some(rich_text(&mut self.xml)?),
                    "f" if formula.is_none() => formula = Some(self.formula(&attributes)?),
                    "v" | "is" | "f" => return Err(twice(&cell_name(place))),
                    _ => self.xml.skip()?,
                },
                Node::End { .. } => break,
                Node::Text(_) => {}
            }
        }
        let kind = attributes.get("t").unwrap_or("n");
        let is_calculated = formula.is_some() || self.is_in_array(place);
        // A formula with a non-text result has a non-empty value.
        let is_missing = match &value {
            None => inline.is_none(),
            Some(value) => kind != "str" && value.trim().is_empty(),
        };
        let is_stale = formula == Some(true) || (is_calculated && (context.is_stale || is_missing));
        if is_stale {
            return Ok(Cell::Stale);
        }
        let display = || context.styles.of_cell(attributes.get("s"));
        let text = |text: &str| of_text(text, &display());
        Ok(match kind {
            "inlineStr" => match inline {
                Some(inline) => text(&inline),
                // It claims an inline text, but has its value elsewhere.
                None if value.is_some() => Cell::unreadable(),
                None => Cell::Empty,
            },
            _ if value.is_none() => Cell::Empty,
            "s" => match context.strings.get(value.as_deref().unwrap_or_default()) {
                Some(shared) => text(shared),
                None => Cell::unreadable(),
            },
            "str" => text(&unescaped(value.as_deref().unwrap_or_default())),
            "b" => match value.as_deref().map(str::trim) {
                Some("1" | "true") => Cell::Flag(true),
                Some("0" | "false") => Cell::Flag(false),
                _ => Cell::unreadable(),
            },
            "e" => {
                Cell::Failed(value.unwrap_or_default().trim().chars().take(ERROR_CHARACTERS_MAX).collect())
            }
            "d" => value
                .as_deref()
                .and_then(|value| value.trim().trim_end_matches('Z').parse().ok())
                .map_or_else(Cell::unreadable, Cell::Moment),
            "n" => match value.as_deref().map(str::trim) {
                None | Some("") => Cell::Empty,
                Some(number) => number
                    .parse::<f64>()
                    .ok()
                    .filter(|number| number.is_finite())
                    .map_or_else(Cell::unreadable, |number| display().number(number, context.from_1904)),
            },
            _ => Cell::unreadable(),
        })
    }

    /// Skips a formula; returns whether its own value is stale.
    fn formula(&mut self, attributes: &Attributes) -> Result<bool, SheetError> {
        if let Some((from, to)) = attributes.get("ref").and_then(|range| range.split_once(':'))
            && attributes.get("t").is_some_and(|kind| kind != "shared")
            && let (Some(from), Some(to)) = (place_of(from), place_of(to))
        {
            self.arrays.retain(|(_, to)| to.0 + 1 >= self.last);
            if self.arrays.len() >= ARRAYS_MAX {
                return Err(damaged());
            }
            self.arrays.push((from, to));
        }
        self.xml.skip()?;
        // "Calculate cell": the cached value may be outdated, such as today's date.
        Ok(attributes.is_set("ca"))
    }

    fn is_in_array(&self, (row, column): (u32, u32)) -> bool {
        let holds = |(from, to): &((u32, u32), (u32, u32))| {
            (from.0..=to.0).contains(&row) && (from.1..=to.1).contains(&column)
        };
        self.arrays.iter().any(holds)
    }
}

/// The maximum length kept of an error name.
const ERROR_CHARACTERS_MAX: usize = 20;

fn of_text(text: &str, display: &Display) -> Cell {
    match Cell::of_text(text) {
        Cell::Text(text) => display.text(&text).map_or_else(Cell::unreadable, Cell::Text),
        cell => cell,
    }
}

fn out_of_order(row: u32) -> SheetError {
    SheetError::made(
        format!("{row}행 다음에 앞의 행이 다시 나옵니다. 손상된 파일입니다"),
        format!("an earlier row follows row {row}: the file is damaged"),
    )
}
