//! `seoham columns`: named column settings for recurring lists.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use seoham_sheets::Member;
use serde::{Deserialize, Serialize};

use super::own_files::{user_directory, write_settings};
use super::send::{ColumnArgs, Settings};
use crate::terminal::{Failure, Outcome, language, localized, say};

/// What is done with them.
#[derive(Subcommand)]
pub enum ColumnsCommand {
    /// Keep the columns and constants of a list under a name, for `seoham send --columns NAME`.
    Save {
        /// What the list is called.
        name: String,
        /// The columns.
        #[command(flatten)]
        columns: ColumnArgs,
    },
    /// The names under which columns are kept.
    List,
    /// What is kept under a name.
    Show {
        /// The name.
        name: String,
    },
    /// Forget what is kept under a name.
    Remove {
        /// The name.
        name: String,
    },
}

/// The settings saved under a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sheet: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delimiter: Option<char>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    birth_century: Option<String>,
    /// The column of each member.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    map: BTreeMap<String, String>,
    /// The constants for all rows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    set: BTreeMap<String, String>,
}

/// All saved settings: a file beside the profiles, which users may edit.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedColumns {
    #[serde(default)]
    columns: BTreeMap<String, Saved>,
}

/// Runs the command.
pub fn run(command: &ColumnsCommand) -> Outcome {
    let file = file()?;
    let mut all = SavedColumns::read(&file)?;
    match command {
        ColumnsCommand::Save { name, columns } => {
            let saved = Saved::of(columns);
            if saved == Saved::default() {
                return Err(Failure::usage(
                    "저장할 것이 없습니다. --map, --set 등을 함께 적어 주십시오",
                    "there is nothing to keep; give --map, --set or the like",
                ));
            }
            all.columns.insert(name.clone(), saved);
            all.write(&file)?;
            say(&localized(
                &format!("저장했습니다. 보낼 때: seoham send 파일 --columns {name}"),
                &format!("kept; to send: seoham send FILE --columns {name}"),
            ));
        }
        ColumnsCommand::List => {
            for name in all.columns.keys() {
                say(name);
            }
        }
        ColumnsCommand::Show { name } => {
            let saved = all.columns.get(name).ok_or_else(|| unknown(name, &all))?;
            say(saved.shown().trim_end());
        }
        ColumnsCommand::Remove { name } => {
            if all.columns.remove(name).is_none() {
                return Err(unknown(name, &all));
            }
            all.write(&file)?;
            say(&localized(&format!("{name}: 지웠습니다"), &format!("{name}: forgotten")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings saved under a name, for a send.
pub(super) fn settings(name: &str) -> Outcome<Settings> {
    let all = SavedColumns::read(&file()?)?;
    let Saved { sheet, encoding, delimiter, birth_century, map, set } =
        all.columns.get(name).cloned().ok_or_else(|| unknown(name, &all))?;
    let pairs = |pairs: BTreeMap<String, String>| -> Outcome<Vec<(String, String)>> {
        let known = |(member, text): (String, String)| {
            let known = Member::of_column(&member).ok_or_else(|| {
                Failure::usage(
                    format!("저장된 '{name}': '{member}'라는 항목은 없습니다"),
                    format!("columns {name:?}: {member:?} is no member of a document"),
                )
            })?;
            Ok((known.path().to_owned(), text))
        };
        pairs.into_iter().map(known).collect()
    };
    Ok(Settings {
        maps: pairs(map)?,
        sets: pairs(set)?,
        sheet,
        encoding,
        delimiter: delimiter.and_then(|mark| u8::try_from(mark).ok()),
        birth_century,
        ..Settings::default()
    })
}

fn file() -> Outcome<PathBuf> {
    let directory = user_directory("XDG_CONFIG_HOME", ".config").ok_or_else(|| {
        Failure::usage(
            "열 설정을 둘 곳을 알 수 없습니다. HOME 또는 XDG_CONFIG_HOME을 정해 주십시오",
            "it is not known where columns are kept; set HOME or XDG_CONFIG_HOME",
        )
    })?;
    Ok(directory.join("seoham/columns.toml"))
}

fn unknown(name: &str, all: &SavedColumns) -> Failure {
    let known = all.columns.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    Failure::usage(
        format!("'{name}'(으)로 저장된 열 설정이 없습니다. 저장된 것: {known}"),
        format!("no columns are kept as {name:?}; there are: {known}"),
    )
}

impl Saved {
    fn of(columns: &ColumnArgs) -> Self {
        let pairs = |pairs: &[(Member, String)]| {
            pairs.iter().map(|(member, text)| (member.path().to_owned(), text.clone())).collect()
        };
        Self {
            sheet: columns.sheet.clone(),
            encoding: columns.encoding.clone(),
            delimiter: columns.delimiter.map(char::from),
            birth_century: columns.birth_century.clone(),
            map: pairs(&columns.maps),
            set: pairs(&columns.sets),
        }
    }

    /// Formatted as the options of `seoham send`.
    fn shown(&self) -> String {
        let mut lines = Vec::new();
        let named = |member: &String| match Member::of_column(member) {
            Some(member) if language() == seoham_model::Lang::Ko => member.korean().to_owned(),
            _ => member.clone(),
        };
        lines.extend(self.map.iter().map(|(member, column)| format!("--map {}={column}", named(member))));
        lines.extend(self.set.iter().map(|(member, text)| format!("--set {}={text}", named(member))));
        let mark = self.delimiter.map(|mark| if mark == '\t' { "tab".to_owned() } else { mark.to_string() });
        for (option, value) in [
            ("--sheet", &self.sheet),
            ("--encoding", &self.encoding),
            ("--delimiter", &mark),
            ("--birth-century", &self.birth_century),
        ] {
            lines.extend(value.iter().map(|value| format!("{option} {value}")));
        }
        lines.join("\n")
    }
}

impl SavedColumns {
    fn read(file: &Path) -> Outcome<Self> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::of_file(file, &error, Failure::Usage)),
        };
        toml::from_str(&text).map_err(|error| {
            let text = format!("{}: {}", file.display(), error.message());
            Failure::usage(text.clone(), text)
        })
    }

    fn write(&self, file: &Path) -> Outcome<()> {
        write_settings(file, self).map_err(|error| Failure::of_file(file, &error, Failure::Unfinished))
    }
}
