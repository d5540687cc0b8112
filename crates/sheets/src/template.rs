//! The value that is set for a whole column: a constant, or text with `{{columns}}` in it.

use crate::names::normalized;
use crate::row::Record;
use crate::{Cell, Member, SheetError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Column(usize),
    /// The row's number, `{{#}}`.
    Row,
}

impl Template {
    /// Parses a template for a table with `header`.
    pub(crate) fn parse(text: &str, header: &[String]) -> Result<Self, SheetError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else {
                return Err(SheetError::made(
                    format!("--set {text}: '{{{{'를 닫는 '}}}}'가 없습니다"),
                    format!("--set {text}: no }}}} after {{{{"),
                ));
            };
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(if name.trim() == "#" { Part::Row } else { Part::Column(column(name, header)?) });
            rest = after;
        }
        parts.push(Part::Literal(rest.to_owned()));
        parts.retain(|part| *part != Part::Literal(String::new()));
        Ok(Self { parts })
    }

    /// The row number after `prefix`.
    pub(crate) fn row_number(prefix: &str) -> Self {
        Self { parts: vec![Part::Literal(prefix.to_owned()), Part::Row] }
    }

    /// Whether it contains the row number.
    pub(crate) fn has_row_number(&self) -> bool {
        self.parts.contains(&Part::Row)
    }

    /// Appends text.
    pub(crate) fn push(&mut self, text: &str) {
        self.parts.push(Part::Literal(text.to_owned()));
    }

    /// Its text, if it is the same for every row.
    pub(crate) fn constant(&self) -> Option<String> {
        match self.parts.as_slice() {
            [] => Some(String::new()),
            [Part::Literal(text)] => Some(text.clone()),
            _ => None,
        }
    }

    /// The columns that it refers to.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column(column) => Some(*column),
            _ => None,
        })
    }

    /// The text for a row. A template of a single column returns its cell unchanged.
    pub(crate) fn cell(&self, record: &Record, cells: &[Cell]) -> Result<Cell, usize> {
        let of = |column: usize| cells.get(column).unwrap_or(&Cell::Empty);
        if let [Part::Column(column)] = self.parts.as_slice() {
            return Ok(of(*column).clone());
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Row => text.push_str(&record.row.to_string()),
                Part::Column(column) => match of(*column) {
                    // A partial text is worse than none.
                    Cell::Empty | Cell::Failed(_) | Cell::Stale => return Err(*column),
                    Cell::Formatted(formatted) if formatted.shown.is_none() => return Err(*column),
                    cell if cell.lost_digits() => return Err(*column),
                    cell => text.push_str(&cell.shown()),
                },
            }
        }
        Ok(Cell::Text(text))
    }
}

/// The column with this name, verbatim or normalised; an ambiguous name is an error.
pub(crate) fn column(name: &str, header: &[String]) -> Result<usize, SheetError> {
    let name = name.trim();
    let places = |matches: &dyn Fn(&String) -> bool| -> Vec<usize> {
        header.iter().enumerate().filter(|(_, column)| matches(column)).map(|(i, _)| i).collect()
    };
    let mut found = places(&|column| column == name);
    if found.is_empty() {
        found = places(&|column| !normalized(name).is_empty() && normalized(column) == normalized(name));
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            let known = shown_header(header);
            Err(SheetError::made(
                format!("'{name}' 열이 없습니다. 있는 열: {known}"),
                format!("there is no column {name:?}; the columns are: {known}"),
            ))
        }
        several => {
            let known = several.iter().map(|i| header[*i].as_str()).collect::<Vec<_>>().join(", ");
            Err(SheetError::made(
                format!("'{name}'에 맞는 열이 여럿입니다: {known}. 열 이름을 서로 다르게 적어 주십시오"),
                format!("several columns match {name:?}: {known}; give them names that differ"),
            ))
        }
    }
}

/// The column names for a message. If no name is known, the first row may be a person's data, so it is not
/// shown.
pub(crate) fn shown_header(header: &[String]) -> String {
    if header.iter().any(|name| Member::of_column(name).is_some()) {
        header.iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>().join(", ")
    } else {
        "?".to_owned()
    }
}
