//! The confirmation before a send: shows how many documents, to which platform, and the first notification as
//! its recipient sees it.

use std::io::IsTerminal;
use std::ops::ControlFlow;

use seoham_kit::client::Capabilities;
use seoham_model::contract::{Notice, Product};
use seoham_model::document::{CheckContext, Content, Document, check};
use seoham_model::notification::arrival_text;
use seoham_sheets::SheetError;
use serde_json::value::RawValue;

use super::args::SendArgs;
use super::of_sheet;
use super::table::Table;
use crate::product::described;
use crate::profile::Profile;
use crate::terminal::{Failure, Outcome, complain, localized};

/// Shows what is about to be sent, and asks for confirmation unless `--yes` is set.
pub(super) fn confirm(
    args: &SendArgs,
    table: &Table,
    profile: &Profile,
    known: &Capabilities,
) -> Outcome<()> {
    if !args.json {
        show(table, profile, known)?;
    }
    if args.yes {
        return Ok(());
    }
    if args.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::usage(
            "물어볼 터미널이 없어 보내지 않았습니다. 확인한 내용대로 보내려면 --yes를 붙여 주십시오",
            "there is no terminal to ask at, so nothing was sent; give --yes if it is meant",
        ));
    }
    let rows = table.survey.to_send();
    let question = localized(&format!("{rows}건을 보낼까요?"), &format!("Send {rows} documents?"));
    let answer = dialoguer::Confirm::new().with_prompt(question).default(false).interact();
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::usage("보내지 않았습니다", "nothing was sent")),
        Err(error) => Err(Failure::usage(format!("--yes: {error}"), format!("--yes: {error}"))),
    }
}

fn show(table: &Table, profile: &Profile, known: &Capabilities) -> Outcome<()> {
    let rows = table.survey.to_send();
    let whom = known.institution.clone().unwrap_or_else(|| profile.url.clone());
    let (ko, en) = match known.is_sandbox {
        Some(true) => (" · 시험 환경", " · sandbox"),
        Some(false) => (" · 실제 발송", " · live"),
        None => ("", ""),
    };
    complain(&localized(
        &format!("보내는 기관: {whom}{ko} ({})", profile.url),
        &format!("from: {whom}{en} ({})", profile.url),
    ));
    if let Some(product) = known.product {
        complain(&described(product));
    }
    complain(&localized(&format!("보낼 문서: {rows}건"), &format!("to be sent: {rows} documents")));
    if table.survey.later_rows > 0 {
        let later = table.survey.later_rows;
        complain(&localized(
            &format!("나머지 {later}건은 이번에 보내지 않습니다(--first)"),
            &format!("{later} others are not sent now (--first)"),
        ));
    }
    let product = known.product.unwrap_or_default();
    if let Some(document) = first(table, product).map_err(|e| of_sheet(&e))? {
        show_notice(&whom, &document, product.notice);
    }
    Ok(())
}

/// What the recipient of the first document is told, and by whom.
fn show_notice(whom: &str, document: &Document, notice: Notice) {
    let text = match notice {
        Notice::Platform => {
            complain(&localized("첫 알림은 다음과 같습니다.", "the first notification reads:"));
            Some(arrival_text(whom, &document.content, document.deadline_at, true))
        }
        Notice::Institution => {
            complain(&localized(
                "알림은 기관의 채널에서 기관의 템플릿으로 나갑니다.",
                "notifications go out by the institution's own channel and template.",
            ));
            None
        }
        Notice::None => {
            complain(&localized(
                "이 계약은 수신자에게 알리지 않습니다. 첫 문서는 문서함에 이렇게 보입니다.",
                "nobody is notified under this contract; in the box the first document reads:",
            ));
            let Content { title, bridge, .. } = &document.content;
            Some(format!("{title}\n{}", bridge.as_deref().unwrap_or_default()))
        }
    };
    for line in text.as_deref().unwrap_or_default().lines() {
        complain(&format!("  │ {line}"));
    }
}

/// The first document to send.
fn first(table: &Table, product: Product) -> Result<Option<Document>, SheetError> {
    let mut place = 0;
    let mut found = None;
    table.sheet.read(&mut |record| {
        if table.survey.is_good(place) {
            found = table.layout.document(&record, table.now).ok().map(|good| good.json);
            return ControlFlow::Break(());
        }
        place += 1;
        ControlFlow::Continue(())
    })?;
    let context = CheckContext { now: table.now, product, bulk: true };
    let raw = found.and_then(|json| serde_json::from_str::<Box<RawValue>>(&json).ok());
    Ok(raw.and_then(|raw| check(&raw, context).ok()))
}
