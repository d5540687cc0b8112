//! `seoham log`: inspects an exchange log. Neither command writes.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use seoham_kit::exchange::{Head, Record, VerifyOptions, show, verify};
use seoham_model::BinderId;
use seoham_model::clock::{UnixSeconds, seoul_minutes};

use crate::terminal::{complain, say};

/// What can be asked of an exchange log.
#[derive(Subcommand)]
pub enum LogCommand {
    /// Find any record that was changed, removed or moved; 1 if there is one.
    ///
    /// Prints the log's head. Keep it elsewhere: with --head, missing last records are found too.
    Verify {
        /// The exchange log's directory.
        #[arg(long, value_name = "DIRECTORY")]
        log: PathBuf,
        /// A head that was printed before; it must still be in the log.
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Option<Head>,
        /// The number of the first record, if old days were moved elsewhere.
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        first: u64,
    },
    /// Print one document's story; 1 if the log is damaged.
    Show {
        /// The exchange log's directory.
        #[arg(long, value_name = "DIRECTORY")]
        log: PathBuf,
        /// The document.
        #[arg(long, value_name = "BIN-…")]
        document: String,
    },
}

/// Runs the command.
pub fn run(command: LogCommand) -> Result<ExitCode> {
    let damage = match command {
        LogCommand::Verify { log, head, first } => {
            let context = || log.display().to_string();
            let report = verify(&log, &VerifyOptions { first, head }).with_context(context)?;
            let head = report.head.map_or_else(|| "none".to_owned(), |head| head.to_string());
            say(&format!("{} records in {} files, head {head}", report.records, report.files));
            report.damage
        }
        LogCommand::Show { log, document } => {
            if BinderId::parse(&document).is_none() {
                bail!("--document {document}: must be BIN- and 32 lower-case hex digits");
            }
            let story = show(&log, &document).with_context(|| log.display().to_string())?;
            for record in &story.records {
                say(&line(record));
            }
            story.damage
        }
    };
    for damage in &damage {
        complain(&damage.to_string());
    }
    Ok(if damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A record as a readable line.
fn line(record: &Record) -> String {
    let when = seoul_minutes(UnixSeconds(record.at));
    let mut line = format!("{} {when} ({}) {}: {}", record.seq, record.at, record.kind, record.outcome);
    let status = record.status.map(|status| status.to_string());
    let ms = record.ms.map(|ms| format!("{ms} ms"));
    for (name, value) in [
        ("", &record.method),
        ("", &record.path),
        ("status ", &status),
        ("", &ms),
        ("request ", &record.request_id),
        ("visit ", &record.visit),
    ] {
        if let Some(value) = value {
            let _ = write!(line, ", {name}{value}");
        }
    }
    line
}
