//! `seoham admin statistics`: what happened on each day, by contract, as a table or as a spreadsheet that an agency
//! settles by.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::civil::{Date, Time};
use seoham_institution_cli::terminal::{Failure, complain, language, localized, say};
use seoham_model::{Lang, Text};
use seoham_sheets::{Cell, write_table};
use serde::Deserialize;
use serde_json::Value;

use super::client::AdminClient;

#[derive(Args)]
pub(super) struct StatisticsArgs {
    /// INS-…; every institution that the token may see without it.
    institution: Option<String>,
    /// The first day, YYYY-MM-DD in Seoul [default: 30 days before the last].
    #[arg(long)]
    from: Option<String>,
    /// The last day [default: today].
    #[arg(long)]
    to: Option<String>,
    /// Write a new spreadsheet: a workbook if it is named .xlsx, otherwise CSV.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What the server answers, as far as it is shown.
#[derive(Deserialize)]
struct Statistics {
    institution_id: String,
    name: String,
    days: Vec<Day>,
}

#[derive(Deserialize)]
struct Day {
    day: String,
    #[serde(default)]
    contract_uuid: String,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Clone, Default, Deserialize)]
struct Figures {
    accepted: u64,
    refused: BTreeMap<String, u64>,
    notified: u64,
    read: u64,
    expired: u64,
    withdrawn: u64,
}

/// The columns of refusals, which are always there, so that a month's file has the columns of the month before.
static CODES: [(&str, Text); 4] = [
    ("INVALID_VALUE", Text::fixed("거절: 값 오류", "refused: INVALID_VALUE")),
    ("NOT_FOUND", Text::fixed("거절: 수신자 없음", "refused: NOT_FOUND")),
    ("FORBIDDEN", Text::fixed("거절: 수신거부", "refused: FORBIDDEN")),
    ("INTERNAL_ERROR", Text::fixed("거절: 처리 오류", "refused: INTERNAL_ERROR")),
];
const TOTAL: Text = Text::fixed("합계", "total");

/// A row: where it belongs, and its figures.
struct Row {
    institution: String,
    name: String,
    /// The day and the contract; `None` for the total.
    of: Option<(String, String)>,
    figures: Figures,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.notified += other.notified;
        self.read += other.read;
        self.expired += other.expired;
        self.withdrawn += other.withdrawn;
        for (code, documents) in &other.refused {
            *self.refused.entry(code.clone()).or_default() += documents;
        }
    }

    /// In the order of [`heads`].
    fn numbers(&self) -> Vec<u64> {
        let mut numbers = vec![self.accepted];
        numbers.extend(CODES.iter().map(|(code, _)| self.refused.get(*code).copied().unwrap_or(0)));
        numbers.extend([self.notified, self.read, self.expired, self.withdrawn]);
        numbers
    }
}

fn heads(lang: Lang) -> Vec<&'static str> {
    static PLACES: [Text; 4] = [
        Text::fixed("기관 번호", "institution"),
        Text::fixed("기관", "name"),
        Text::fixed("날짜", "day"),
        Text::fixed("계약", "contract"),
    ];
    static ENDS: [Text; 4] = [
        Text::fixed("알림", "notified"),
        Text::fixed("열람", "read"),
        Text::fixed("만료", "expired"),
        Text::fixed("회수", "withdrawn"),
    ];
    static ACCEPTED: Text = Text::fixed("접수", "accepted");
    let codes = CODES.iter().map(|(_, head)| head);
    PLACES.iter().chain([&ACCEPTED]).chain(codes).chain(&ENDS).map(|head| head.in_lang(lang)).collect()
}

impl StatisticsArgs {
    /// Shows the table and returns nothing more to show; with `json`, returns what the server answers.
    pub(super) async fn run(self, client: &AdminClient, json: bool) -> Result<Value> {
        if let Some(out) = self.out.as_ref().filter(|out| out.exists()) {
            bail!(Failure::file_is_there(out).text().in_lang(language()).to_owned());
        }
        let mut period = Vec::new();
        period.extend(self.from.as_ref().map(|from| format!("from={from}")));
        period.extend(self.to.as_ref().map(|to| format!("to={to}")));
        let institutions = match &self.institution {
            Some(institution) => vec![institution.clone()],
            None => all(client).await?,
        };
        let mut answers = Vec::with_capacity(institutions.len());
        for institution in &institutions {
            let path = format!("institutions/{institution}/statistics?{}", period.join("&"));
            answers.push(client.get(&path).await?);
        }
        if json && self.out.is_none() {
            return Ok(match (&self.institution, answers.pop()) {
                (Some(_), Some(only)) => only,
                (_, last) => answers.into_iter().chain(last).collect(),
            });
        }
        let statistics: Vec<Statistics> =
            answers.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;
        let rows = rows(statistics);
        match self.out {
            Some(out) => {
                write_table(&out, &heads(language()), rows.iter().map(|row| cells(row, language())))?;
                let shown = out.display();
                complain(&localized(
                    &format!("{shown}에 {}행을 적었습니다", rows.len()),
                    &format!("{} rows are in {shown}", rows.len()),
                ));
            }
            None => say(&table(&rows, language())),
        }
        Ok(Value::Null)
    }
}

/// The institutions that the token may see.
async fn all(client: &AdminClient) -> Result<Vec<String>> {
    let list = client.all_pages("institutions", "institutions").await?;
    let institutions = list["institutions"].as_array().into_iter().flatten();
    let ids = institutions.filter_map(|institution| institution["institution_id"].as_str());
    Ok(ids.map(str::to_owned).collect())
}

/// The rows of all institutions, and their total.
fn rows(statistics: Vec<Statistics>) -> Vec<Row> {
    let mut total = Figures::default();
    let mut rows = Vec::new();
    for Statistics { institution_id, name, days } in statistics {
        for Day { day, contract_uuid, figures } in days {
            total.add(&figures);
            let (institution, name) = (institution_id.clone(), name.clone());
            rows.push(Row { institution, name, of: Some((day, contract_uuid)), figures });
        }
    }
    rows.push(Row { institution: String::new(), name: String::new(), of: None, figures: total });
    rows
}

fn cells(row: &Row, lang: Lang) -> Vec<Cell> {
    let (day, contract) = match &row.of {
        Some((day, contract)) => (date(day), Cell::text(contract.as_str())),
        None => (Cell::text(TOTAL.in_lang(lang)), Cell::Empty),
    };
    let mut cells = vec![Cell::text(row.institution.as_str()), Cell::text(row.name.as_str()), day, contract];
    // Exact up to 2^53.
    #[allow(clippy::cast_precision_loss, reason = "a count of documents")]
    cells.extend(row.figures.numbers().into_iter().map(|number| Cell::Number(number as f64)));
    cells
}

fn date(day: &str) -> Cell {
    day.parse::<Date>()
        .map_or_else(|_| Cell::text(day), |date| Cell::Moment(date.to_datetime(Time::midnight())))
}

/// For a terminal: without the institution's number, and without columns of refusals that did not occur.
fn table(rows: &[Row], lang: Lang) -> String {
    let total = rows.last().map(|row| row.figures.numbers()).unwrap_or_default();
    let refusals = 1..=CODES.len();
    let is_shown = |column: usize| !refusals.contains(&column) || total.get(column).is_some_and(|n| *n > 0);
    let (places, numbers) = (&heads(lang)[1..4], &heads(lang)[4..]);
    let heads = numbers.iter().enumerate().filter(|(column, _)| is_shown(*column)).map(|(_, head)| *head);
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(places.iter().copied().chain(heads));
    for row in rows {
        let (day, contract) = match &row.of {
            Some((day, contract)) => (day.clone(), contract.clone()),
            None => (TOTAL.in_lang(lang).to_owned(), String::new()),
        };
        let numbers = row.figures.numbers().into_iter().enumerate();
        let numbers = numbers.filter(|(column, _)| is_shown(*column)).map(|(_, number)| number.to_string());
        table.add_row([row.name.clone(), day, contract].into_iter().chain(numbers));
    }
    table.column_iter_mut().skip(places.len()).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
    table.to_string()
}
