//! A row of a table, and the document made from it.

use seoham_model::identity::Mending;
use seoham_model::{Lang, Text};

use crate::{Cell, Member};

/// The maximum number of columns in a table.
pub(crate) const COLUMNS_MAX: usize = 1_000;

/// A row as read from the file.
pub struct Record {
    /// Its number as users see it: spreadsheet rows, lines of text.
    pub row: u64,
    /// Its content.
    pub content: Content,
    /// Why the row as a whole is not usable.
    pub(crate) damage: Option<Text>,
    /// For a text row with line breaks within a value: the lines after the first, parsed as separate rows.
    pub(crate) lines_within: Vec<Vec<String>>,
    /// Hidden, manually or by a filter.
    pub is_hidden: bool,
    /// Merged cells: first and last column, and the displayed range.
    pub(crate) merged: Vec<(usize, usize, String)>,
}

/// The content of a row.
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

    /// Whether it is empty.
    pub(crate) fn is_blank(&self) -> bool {
        let empty = matches!(&self.content, Content::Cells(cells) if cells.iter().all(Cell::is_empty));
        empty && self.damage.is_none()
    }

    /// The displayed cell of a column; for JSON Lines, the member `name`.
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

/// A document made from a row.
pub struct Good {
    /// Its id.
    pub external_document_uuid: String,
    /// The document in JSON.
    pub json: String,
    /// The repairs made.
    pub repairs: Vec<Repair>,
}

/// A repair in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repair {
    /// The leading zero of a telephone number was restored.
    LeadingZero,
    /// Separators in a telephone number were removed.
    Separators,
    /// A date was converted to the contract's format.
    Date,
    /// Line breaks were converted to the contract's form.
    LineBreaks,
    /// A number was read in its displayed form, which differs from its digits.
    AsShown,
    /// Invisible characters were removed.
    Invisible,
    /// Full-width characters were converted to half width.
    FullWidth,
    /// The century of a birthday was taken from the digit after it.
    CenturyByDigit,
    /// The century of a birthday was taken from the given rule.
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
    /// All repairs.
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

    /// A description of the repair.
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

/// An error in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The column's name in the header; `None` if it concerns no single column.
    pub column: Option<String>,
    /// The description, without the value.
    pub text: Text,
    /// The cell, if it is more specific than the row.
    pub cell: Option<String>,
    pub(crate) member: Option<Member>,
}

impl Problem {
    /// An error of the row as a whole.
    pub fn of_row(text: Text) -> Self {
        Self { column: None, text, cell: None, member: None }
    }

    /// Its subject: the column, or the usual name of such a column; `None` for the row as a whole.
    pub fn subject(&self, lang: Lang) -> Option<&str> {
        self.column.as_deref().or_else(|| {
            self.member.map(|member| match lang {
                Lang::Ko => member.korean(),
                Lang::En => member.path(),
            })
        })
    }
}
