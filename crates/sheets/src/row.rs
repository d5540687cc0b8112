//! A row of a table, and what it comes to.

use seoham_model::identity::Mending;
use seoham_model::{Lang, Text};

use crate::{Cell, Member};

/// Columns in a table, at most.
pub(crate) const COLUMNS_MAX: usize = 1_000;

/// A row as it was read.
pub struct Record {
    /// Its number as the person sees it who opens the file: rows of a spreadsheet, lines of text.
    pub row: u64,
    /// What stands in it.
    pub content: Content,
    /// Why it cannot be used, where that is a matter of the row as such.
    pub(crate) damage: Option<Text>,
    /// Of a row of text with line breaks within a value: its lines after the first, taken apart as rows.
    pub(crate) lines_within: Vec<Vec<String>>,
    /// It is hidden, by hand or by a filter.
    pub is_hidden: bool,
    /// Columns, from and to, that are merged with other cells, and the range as it is shown.
    pub(crate) merged: Vec<(usize, usize, String)>,
}

/// What stands in a row.
pub enum Content {
    /// Cells, as many as the row has.
    Cells(Vec<Cell>),
    /// A line of JSON.
    Json(String),
}

impl Record {
    pub(crate) fn new(row: u64, content: Content) -> Self {
        Self { row, content, damage: None, lines_within: Vec::new(), is_hidden: false, merged: Vec::new() }
    }

    /// Whether nothing stands in it.
    pub(crate) fn is_blank(&self) -> bool {
        let empty = matches!(&self.content, Content::Cells(cells) if cells.iter().all(Cell::is_empty));
        empty && self.damage.is_none()
    }

    /// The cell of a column as a person reads it; of a line of JSON, its member of that name.
    pub fn shown(&self, column: usize, name: &str) -> String {
        match &self.content {
            Content::Cells(cells) => cells.get(column).map(Cell::shown).unwrap_or_default(),
            Content::Json(line) => {
                let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
                let member = value.as_ref().and_then(|value| value.get(name));
                member.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
            }
        }
    }
}

/// A document made of a row.
pub struct Good {
    /// Its id.
    pub external_document_uuid: String,
    /// It, in JSON.
    pub json: String,
    /// What was mended in it.
    pub repairs: Vec<Repair>,
}

/// What was mended in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repair {
    /// A telephone number got back its leading zero.
    LeadingZero,
    /// Marks within a telephone number were taken out.
    Separators,
    /// A date was written as the contract wants it.
    Date,
    /// Line breaks were written as the contract wants them.
    LineBreaks,
    /// A number was taken as it is shown, which is not as its digits are.
    AsShown,
    /// Characters that nobody sees were taken out.
    Invisible,
    /// Characters in full width were written in half.
    FullWidth,
    /// The century of a birthday comes from the digit behind it.
    CenturyByDigit,
    /// The century of a birthday comes from the rule that was given.
    CenturyByRule,
    /// A link was encoded.
    Link,
}

impl From<Mending> for Repair {
    fn from(mending: Mending) -> Self {
        match mending {
            Mending::Invisible => Self::Invisible,
            Mending::FullWidth => Self::FullWidth,
            Mending::Separators => Self::Separators,
            Mending::LeadingZero => Self::LeadingZero,
            Mending::Date => Self::Date,
            Mending::CenturyByDigit => Self::CenturyByDigit,
            Mending::CenturyByRule => Self::CenturyByRule,
        }
    }
}

impl Repair {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::LeadingZero,
        Self::Separators,
        Self::Date,
        Self::CenturyByDigit,
        Self::CenturyByRule,
        Self::Invisible,
        Self::FullWidth,
        Self::LineBreaks,
        Self::AsShown,
        Self::Link,
    ];

    /// What was done.
    pub fn text(self) -> Text {
        match self {
            Self::LeadingZero => {
                Text::fixed("전화번호 앞자리 0 복원", "leading zero of a telephone number restored")
            }
            Self::Separators => Text::fixed("전화번호 구분 기호 제거", "marks in a telephone number removed"),
            Self::Date => Text::fixed("날짜 형식 변환", "date rewritten"),
            Self::LineBreaks => Text::fixed("줄바꿈 문자 통일", "line breaks rewritten"),
            Self::Invisible => Text::fixed("보이지 않는 문자 제거", "invisible characters removed"),
            Self::FullWidth => {
                Text::fixed("전각 문자를 반각으로 변환", "full-width characters made half-width")
            }
            Self::CenturyByDigit => Text::fixed(
                "6자리 생년월일의 연대를 뒤 첫째 자리로 판단",
                "century of a birthday of six digits told by the digit behind it",
            ),
            Self::CenturyByRule => Text::fixed(
                "6자리 생년월일의 연대를 --birth-century로 판단",
                "century of a birthday of six digits told by --birth-century",
            ),
            Self::Link => Text::fixed("링크의 한글을 퍼센트 인코딩", "Hangul in a link percent-encoded"),
            Self::AsShown => {
                Text::fixed("숫자를 셀에 표시된 그대로 사용", "numbers taken as the cell shows them")
            }
        }
    }
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The column's name in the header; none where it is no single column's.
    pub column: Option<String>,
    /// What is wrong, without the value.
    pub text: Text,
    /// The cell, where its name tells more than its row.
    pub cell: Option<String>,
    pub(crate) member: Option<Member>,
}

impl Problem {
    /// A problem of the row as such.
    pub fn of_row(text: Text) -> Self {
        Self { column: None, text, cell: None, member: None }
    }

    /// What it is about: the column, or what a column of it would be called; none for the row as such.
    pub fn subject(&self, lang: Lang) -> Option<&str> {
        self.column.as_deref().or_else(|| {
            self.member.map(|member| match lang {
                Lang::Ko => member.korean(),
                Lang::En => member.path(),
            })
        })
    }
}
