//! The report as a table, for people.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::figures::Figure;

pub(crate) fn print(figures: &[Figure]) {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(170)
        .set_header(["store", "", "figure", "", "beside", "ratio", "demanded", "limited by"]);
    for figure in figures {
        let beside = figure.beside.as_ref();
        let demanded = figure.demanded.as_ref();
        table.add_row([
            figure.store.to_owned(),
            figure.what.clone(),
            number(figure.value),
            figure.unit.to_owned(),
            beside.map_or_else(String::new, |b| format!("{}: {}", b.what, number(b.value))),
            beside.map_or_else(String::new, |b| format!("{:.2}", b.ratio)),
            demanded.map_or_else(String::new, |d| {
                format!("{}: {}", d.text, if d.holds { "holds" } else { "DOES NOT HOLD" })
            }),
            figure.limit.clone(),
        ]);
    }
    for column in [2, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
    let missed = figures.iter().filter(|f| f.demanded.as_ref().is_some_and(|d| !d.holds)).count();
    println!("{missed} of what is demanded does not hold in this run");
}

fn number(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
