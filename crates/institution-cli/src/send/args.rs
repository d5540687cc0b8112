//! Arguments of `seoham send`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use seoham_model::identity::BirthCentury;
use seoham_sheets::{Member, TextEncoding};

use crate::platform::PlatformArgs;
use crate::terminal::localized;

/// What makes rows documents.
#[derive(Args)]
pub struct ColumnArgs {
    /// Which column a member comes from, where its name does not tell: `phone_number=연락처2`.
    #[arg(long = "map", value_name = "MEMBER=COLUMN", value_parser = member_and_text)]
    pub(crate) maps: Vec<(Member, String)>,
    /// One value for a whole column, with {{columns}} in it: `title="{{세목}} 고지서"`.
    #[arg(long = "set", value_name = "MEMBER=VALUE", value_parser = member_and_text)]
    pub(crate) sets: Vec<(Member, String)>,
    /// The workbook's sheet [default: the first that is not empty]
    #[arg(long, value_name = "NAME")]
    pub(crate) sheet: Option<String>,
    /// The encoding of a text file: utf-8, cp949 or utf-16 [default: found out]
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    pub(crate) encoding: Option<String>,
    /// The mark between the values of a text file, or `tab` [default: found out]
    #[arg(long, value_name = "MARK", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,
    /// The century of birthdays of six digits: 1900, 2000, or the last two-digit year of the 2000s (`24`)
    #[arg(long, value_name = "CENTURY", value_parser = birth_century)]
    pub(crate) birth_century: Option<String>,
}

/// The call.
#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct SendArgs {
    /// CSV, XLSX or JSON Lines; `-` for standard input, which needs --result.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    #[command(flatten)]
    pub(crate) columns: ColumnArgs,
    /// Columns and constants that `seoham columns save` keeps under this name; what is given beside it goes before.
    #[arg(long = "columns", value_name = "NAME")]
    pub(crate) saved_columns: Option<String>,
    /// Where the result goes [default: beside the file, NAME.result.EXT]
    #[arg(long, value_name = "FILE")]
    pub(crate) result: Option<PathBuf>,
    /// Read everything, list every problem by row and column, ask the platform what it would refuse, send nothing.
    #[arg(long, conflicts_with_all = ["resume", "again"])]
    pub(crate) check: bool,
    /// With --check, do not ask the platform.
    #[arg(long, requires = "check")]
    pub(crate) offline: bool,
    /// Send without asking: for scripts.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Send the first rows alone, as many as this; --rest sends the others when they arrived well.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "resume")]
    pub(crate) first: Option<u64>,
    /// List every row of each problem instead of ten.
    #[arg(long)]
    pub(crate) all: bool,
    /// Go on with a send of this file that was interrupted: no row is lost or sent twice.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Send a file, or rows, that were accepted before once more: every document is then there twice.
    #[arg(long)]
    pub(crate) again: bool,
    /// Send what is not accepted yet of the result of a send, as it was corrected: rows that have a document's id
    /// are passed over.
    #[arg(long, conflicts_with = "resume")]
    pub(crate) rest: bool,
    /// With --resume or --rest, what to do with rows of which it cannot be known whether they were accepted.
    #[arg(long, value_enum)]
    pub(crate) unknown: Option<Unknown>,
    /// Requests under way at once, at most; fewer if the platform is slow or refuses.
    #[arg(long, value_name = "NUMBER", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) at_once: u16,
    /// Give up after so many seconds in which nothing succeeded; --resume goes on later.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) patience: u64,
    /// Lines of JSON instead of text, for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What becomes of rows whose fate is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unknown {
    /// Leave them, and send the rest.
    Leave,
    /// Send them again, although the platform may then have them twice.
    Send,
}

fn encoding(name: &str) -> Result<String, String> {
    TextEncoding::of_name(name).map(|_| name.to_owned()).ok_or_else(|| {
        localized("utf-8, cp949, utf-16 가운데 하나여야 합니다", "must be utf-8, cp949 or utf-16")
    })
}

fn birth_century(text: &str) -> Result<String, String> {
    let known = BirthCentury::parse(text).map(|_| text.to_owned());
    known.ok_or_else(|| {
        localized(
            "1900, 2000, 또는 2000년대의 마지막 두 자리 연도여야 합니다",
            "must be 1900, 2000 or two digits: the last year of the 2000s",
        )
    })
}

fn delimiter(mark: &str) -> Result<u8, String> {
    match mark.as_bytes() {
        _ if ["tab", "\\t"].contains(&mark) => Ok(b'\t'),
        [mark] if !matches!(mark, b'"' | b'\n' | b'\r') && mark.is_ascii() => Ok(*mark),
        _ => Err(localized(
            "따옴표가 아닌 ASCII 문자 하나 또는 tab이어야 합니다",
            "must be one character of ASCII that is no quotation mark, or tab",
        )),
    }
}

fn member_and_text(argument: &str) -> Result<(Member, String), String> {
    let (member, text) =
        argument.split_once('=').ok_or_else(|| localized("항목=… 꼴이어야 합니다", "must be MEMBER=…"))?;
    let known = Member::of_column(member).ok_or_else(|| {
        let known = Member::ALL.map(|member| format!("{member} ({})", member.korean())).join(", ");
        localized(
            &format!("'{member}' 항목은 없습니다. 항목: {known}"),
            &format!("{member:?} is no member of a document; the members are: {known}"),
        )
    })?;
    Ok((known, text.to_owned()))
}
