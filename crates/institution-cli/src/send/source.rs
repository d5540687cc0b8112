//! The input file, and the files beside it: the result and the journal.

use std::path::{Path, PathBuf};

use super::args::SendArgs;
use crate::own_files::write_private;
use crate::terminal::{Failure, Outcome};

pub(super) struct Source {
    pub(super) file: PathBuf,
    pub(super) result: PathBuf,
    pub(super) journal: PathBuf,
    /// The file is our copy of standard input.
    kept_input: bool,
}

impl Source {
    /// The files of a call. Standard input is first copied to a file beside the result, because it must be
    /// read several times, and again after an interruption.
    pub(super) fn of(args: &SendArgs) -> Outcome<Self> {
        if args.file != Path::new("-") {
            if !args.file.is_file() {
                let shown = args.file.display();
                return Err(Failure::usage(
                    format!("{shown}: 파일이 없습니다"),
                    format!("{shown}: no such file"),
                ));
            }
            let usual = if args.rest { next_beside } else { beside };
            let result = args.result.clone().unwrap_or_else(|| usual(&args.file));
            return Ok(Self::new(args.file.clone(), result, false));
        }
        let Some(result) = args.result.clone() else {
            return Err(Failure::usage(
                "표준 입력을 보내려면 --result로 결과 파일을 정해 주십시오",
                "standard input needs --result",
            ));
        };
        if args.resume || args.rest {
            return Err(Failure::usage(
                "표준 입력은 이어서 보낼 수 없습니다. 보관된 입력 파일로 --resume 해 주십시오",
                "standard input cannot be resumed; give the file in which it was kept",
            ));
        }
        let input = PathBuf::from(format!("{}.input", result.display()));
        let source = Self::new(input, result, true);
        source.keep_input().map_err(|error| {
            let shown = source.file.display();
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                return Failure::usage(
                    format!("{shown}: 끝나지 않은 발송의 입력입니다. seoham send --resume {shown}"),
                    format!(
                        "{shown} is the input of a send that is not finished: seoham send --resume {shown}"
                    ),
                );
            }
            Failure::of_file(&source.file, &error, Failure::Usage)
        })?;
        Ok(source)
    }

    fn new(file: PathBuf, result: PathBuf, kept_input: bool) -> Self {
        // A send that is resumed from another directory writes its result to the original place.
        let result = std::path::absolute(&result).unwrap_or(result);
        let journal = PathBuf::from(format!("{}.seoham-journal", file.display()));
        Self { file, result, journal, kept_input }
    }

    fn keep_input(&self) -> std::io::Result<()> {
        // An existing copy belongs to an unfinished send. It is written atomically, so it is complete.
        if self.file.exists() {
            return Err(std::io::ErrorKind::AlreadyExists.into());
        }
        write_private(&self.file, |file| std::io::copy(&mut std::io::stdin().lock(), file).map(drop))
    }

    /// Everything was sent, or nothing: the copy of standard input is no longer needed.
    pub(super) fn done_with(&self) {
        if self.kept_input {
            let _ = std::fs::remove_file(&self.file);
        }
    }
}

/// The result of `고지서.csv` is `고지서.result.csv`.
fn beside(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = match file.extension() {
        Some(extension) => format!("{stem}.result.{}", extension.to_string_lossy()),
        None => format!("{stem}.result"),
    };
    file.with_file_name(name)
}

/// The result of sending the rest of `고지서.result.csv` is `고지서.result.2.csv`, and so on.
fn next_beside(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let (name, number) = match stem.rsplit_once('.') {
        Some((name, "result")) => (name, 2),
        Some((before, number)) => match (before.strip_suffix(".result"), number.parse::<u32>()) {
            (Some(name), Ok(number)) => (name, number.saturating_add(1)),
            _ => return beside(file),
        },
        None => return beside(file),
    };
    let extension = file.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    file.with_file_name(format!("{name}.result.{number}{}", extension.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_lies_beside_its_file() {
        for (file, result) in [
            ("a/고지서.csv", "a/고지서.result.csv"),
            ("b.2026.xlsx", "b.2026.result.xlsx"),
            ("c", "c.result"),
        ] {
            assert_eq!(beside(Path::new(file)), Path::new(result));
        }
        for (file, result) in [
            ("a/고지서.result.csv", "a/고지서.result.2.csv"),
            ("고지서.result.2.csv", "고지서.result.3.csv"),
            ("b.2026.result.xlsx", "b.2026.result.2.xlsx"),
            ("b.2026.xlsx", "b.2026.result.xlsx"),
            ("c.result", "c.result.result"),
        ] {
            assert_eq!(next_beside(Path::new(file)), Path::new(result));
        }
    }
}
