//! The result file of a send: the ids of its documents.

use std::ops::ControlFlow;
use std::path::Path;

use seoham_model::Lang;
use seoham_sheets::{Format, Record, ResultColumn, Sheet, SheetError, SheetOptions};

use crate::terminal::language;

/// The ids of the documents in a result file, in the order of its rows, and the file.
pub(crate) fn ids_in(file: &Path) -> Result<(Vec<String>, Sheet), SheetError> {
    let both = ResultColumn::OF_SEND
        .into_iter()
        .flat_map(|column| [Lang::Ko, Lang::En].map(|lang| column.name(lang)));
    let known_columns = both.map(str::to_owned).collect();
    let sheet = Sheet::open(file, &SheetOptions { known_columns, ..SheetOptions::default() })?;
    if matches!(sheet.format(), Format::Xlsx { others: 1.., .. }) {
        return Err(SheetError::has_other_sheets());
    }
    let column = sheet.header().iter().position(|name| ResultColumn::of(name) == Some(ResultColumn::Binder));
    if column.is_none() && !sheet.header().is_empty() {
        return Err(SheetError::lacks(ResultColumn::Binder.name(language())));
    }
    let mut ids = Vec::new();
    sheet.read(&mut |record| {
        let id = id_of(&record, column.unwrap_or(0));
        if !id.is_empty() {
            ids.push(id);
        }
        ControlFlow::Continue(())
    })?;
    Ok((ids, sheet))
}

/// The document's id in a row; for JSON Lines by the column's name in either language.
pub(crate) fn id_of(record: &Record, column: usize) -> String {
    let in_lang = |lang| record.shown(column, ResultColumn::Binder.name(lang));
    let id = in_lang(Lang::En);
    if id.is_empty() { in_lang(Lang::Ko) } else { id }
}
