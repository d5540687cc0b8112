//! Why a file is not usable.

use std::fmt;

use seoham_model::{Lang, Text};

/// An error of a file or of its options, for the user. Never contains cell values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetError(pub(crate) Text);

impl SheetError {
    pub(crate) fn new(ko: &'static str, en: &'static str) -> Self {
        Self(Text::fixed(ko, en))
    }

    pub(crate) fn made(ko: String, en: String) -> Self {
        Self(Text::made(ko, en))
    }

    /// The file cannot be read or written.
    pub(crate) fn io(error: &std::io::Error) -> Self {
        Self::made(
            format!("파일을 읽거나 쓸 수 없습니다: {error}"),
            format!("the file cannot be read or written: {error}"),
        )
    }

    /// The file has changed since it was first read.
    pub fn changed() -> Self {
        Self::new(
            "파일이 발송 중에 바뀌었습니다. 처음 파일로 되돌린 뒤 --resume 해 주십시오",
            "the file was changed while it was being sent; put it back as it was and --resume",
        )
    }

    /// The reader failed unexpectedly.
    pub fn broke_off() -> Self {
        Self::new(
            "파일을 읽는 중에 내부 오류가 발생했습니다. CSV로 다시 저장해 보십시오",
            "reading the file broke off; try to save it as CSV once more",
        )
    }

    /// Rewriting the workbook would lose its other sheets.
    pub fn has_other_sheets() -> Self {
        Self::new(
            "시트가 여럿인 통합 문서에는 상태를 적어 넣지 않습니다(다른 시트가 사라집니다). 결과 시트만 따로 저장해 주십시오",
            "statuses are not written into a workbook of several sheets, which would lose the others; save the result's sheet by itself",
        )
    }

    /// There is no such column.
    pub fn lacks(column: &str) -> Self {
        Self::made(format!("'{column}' 열이 없습니다"), format!("there is no column {column:?}"))
    }

    /// Another error related to the file, with its own message.
    pub fn other(error: &dyn fmt::Display) -> Self {
        Self::made(error.to_string(), error.to_string())
    }

    /// The message.
    pub fn text(&self) -> &Text {
        &self.0
    }
}

impl fmt::Display for SheetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.in_lang(Lang::En))
    }
}

impl std::error::Error for SheetError {}
