//! `seoham withdraw`: withdraws documents that were not opened yet (SPEC 16).

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use dialoguer::Confirm;
use futures_util::StreamExt;
use seoham_kit::client::{CallError, Client};
use seoham_sheets::SheetError;
use serde_json::json;

use crate::platform::{PlatformArgs, stopped};
use crate::result_file::ids_in;
use crate::terminal::{
    Failure, Outcome, SOME_REFUSED, UNFINISHED, complain, draws, localized, say, termination,
};
use crate::{quiet_readers, reading};

/// The maximum number of concurrent calls.
const AT_ONCE: usize = 8;

/// The call.
#[derive(Args)]
pub struct WithdrawArgs {
    /// The result file of a send, or documents' ids, BIN-….
    #[arg(required = true, value_name = "FILE|BIN-…")]
    targets: Vec<String>,
    #[command(flatten)]
    platform: PlatformArgs,
    /// Withdraw without asking.
    #[arg(long)]
    yes: bool,
    /// Lines of JSON instead of text, for machines.
    #[arg(long)]
    json: bool,
}

/// What became of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Withdrawn,
    Opened,
    Unknown,
}

/// Runs the command.
pub async fn run(args: &WithdrawArgs) -> Outcome {
    quiet_readers();
    let ids = targets(&args.targets)?;
    let count = ids.len();
    let client = args.platform.client(&args.platform.resolve()?)?;
    // Afterwards a refusal is about a document, and not about the token or the contract.
    client.capabilities().await.map_err(|error| stopped(&error))?;
    confirm(args, count)?;
    let mut interrupted = termination().ok();
    let mut verdicts = futures_util::stream::iter(ids)
        .map(|id| async { (withdraw(&client, &id).await, id) })
        .buffer_unordered(AT_ONCE);
    let (mut withdrawn, mut opened, mut unknown) = (0_usize, 0_usize, 0_usize);
    let failure = loop {
        let interruption = async {
            match &mut interrupted {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        let next = tokio::select! {
            next = verdicts.next() => next,
            _ = interruption => break Some(None),
        };
        match next {
            None => break None,
            Some((Ok(verdict), id)) => {
                match verdict {
                    Verdict::Withdrawn => withdrawn += 1,
                    Verdict::Opened => opened += 1,
                    Verdict::Unknown => unknown += 1,
                }
                show(args, &id, verdict);
            }
            Some((Err(error), _)) => break Some(Some(error)),
        }
    };
    let open = count - withdrawn - opened - unknown;
    complain(&localized(
        &format!(
            "회수 {withdrawn}건, 이미 열어 회수하지 못함 {opened}건, 없는 문서 {unknown}건, 남음 {open}건"
        ),
        &format!("{withdrawn} withdrawn, {opened} opened before, {unknown} unknown, {open} left"),
    ));
    match failure {
        Some(Some(error)) => Err(stopped(&error)),
        Some(None) => Ok(ExitCode::from(UNFINISHED)),
        None if opened + unknown > 0 => Ok(ExitCode::from(SOME_REFUSED)),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The ids, each once.
fn targets(given: &[String]) -> Outcome<Vec<String>> {
    let mut ids = match given {
        [file] if !file.starts_with("BIN-") => {
            let read = reading(|| ids_in(Path::new(file)));
            read.map_err(|error: SheetError| Failure::Usage(error.text().clone()))?.0
        }
        ids => {
            if let Some(wrong) = ids.iter().find(|id| !id.starts_with("BIN-")) {
                return Err(Failure::usage(
                    format!("{wrong}: 파일 하나 또는 BIN-… 여러 개여야 합니다"),
                    format!("{wrong}: must be one file, or any number of BIN-…"),
                ));
            }
            ids.to_vec()
        }
    };
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    if ids.is_empty() {
        return Err(Failure::usage("회수할 문서가 없습니다", "there is no document to withdraw"));
    }
    Ok(ids)
}

/// A withdrawal cannot be taken back, so a person is asked, and a script must say it.
fn confirm(args: &WithdrawArgs, count: usize) -> Outcome<()> {
    if args.yes {
        return Ok(());
    }
    if !draws() {
        return Err(Failure::usage(
            format!("문서 {count}건을 회수합니다. 되돌릴 수 없으므로 --yes를 함께 주십시오"),
            format!("this withdraws {count} documents for good; give --yes too"),
        ));
    }
    let question = localized(
        &format!("문서 {count}건을 회수합니다. 되돌릴 수 없습니다. 계속하시겠습니까?"),
        &format!("Withdraw {count} documents? This cannot be undone."),
    );
    match Confirm::new().with_prompt(question).default(false).interact() {
        Ok(true) => Ok(()),
        _ => Err(Failure::usage("회수하지 않았습니다", "nothing was withdrawn")),
    }
}

async fn withdraw(client: &Client, id: &str) -> Result<Verdict, CallError> {
    match client.withdraw(id).await {
        Ok(()) => Ok(Verdict::Withdrawn),
        Err(CallError::Refused { status: 403, code, .. }) if code == "FORBIDDEN" => Ok(Verdict::Opened),
        Err(CallError::Refused { status: 404, code, .. }) if code == "NOT_FOUND" => Ok(Verdict::Unknown),
        Err(error) => Err(error),
    }
}

fn show(args: &WithdrawArgs, id: &str, verdict: Verdict) {
    let name = match verdict {
        Verdict::Withdrawn => "withdrawn",
        Verdict::Opened => "opened",
        Verdict::Unknown => "unknown",
    };
    if args.json {
        say(&json!({ "document_binder_uuid": id, "result": name }).to_string());
        return;
    }
    let text = match verdict {
        Verdict::Withdrawn => return,
        Verdict::Opened => localized("이미 연 문서라 회수하지 못했습니다", "opened before, not withdrawn"),
        Verdict::Unknown => {
            localized("이 기관의 문서가 아니거나 없는 문서입니다", "no such document of this institution")
        }
    };
    say(&format!("{id}  {text}"));
}
