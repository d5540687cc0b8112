//! `seoham events`: prints the institution's feed (SPEC 15).

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use seoham_kit::client::{CallError, Client, Event, EventReader, FeedError, Position};
use seoham_model::clock::seoul_seconds;
use seoham_model::{EventType, NamedNumber, Text};

use crate::platform::{PlatformArgs, stopped, why};
use crate::terminal::{Failure, Outcome, complain, language, localized, termination};

/// How long one call waits for events.
const WAIT: Duration = Duration::from_secs(25);

/// The call.
#[derive(Args)]
pub struct EventsArgs {
    #[command(flatten)]
    platform: PlatformArgs,
    /// Go on printing what happens, until interrupted.
    #[arg(long)]
    follow: bool,
    /// Events after this number; with --position only as long as its file is not there.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Begin after the event at which the last run stopped, and keep that in this file.
    #[arg(long, value_name = "FILE")]
    position: Option<PathBuf>,
    /// Only of these types, such as document.read, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "TYPE", value_parser = event_type)]
    types: Vec<EventType>,
    /// Lines of JSON instead of text, for machines: each event as the platform answers it.
    #[arg(long)]
    json: bool,
}

fn event_type(name: &str) -> Result<EventType, String> {
    let names = || EventType::all().map(EventType::name).collect::<Vec<_>>().join(", ");
    EventType::from_name(name).ok_or_else(|| {
        localized(&format!("다음 중 하나여야 합니다: {}", names()), &format!("one of {}", names()))
    })
}

/// Runs the command.
pub async fn run(args: &EventsArgs) -> Outcome {
    let kept = args.position.as_deref().map(kept).transpose()?.flatten();
    let begin = kept.unwrap_or(Position { through: args.after.unwrap_or(0), epoch: None });
    let client = args.platform.client(&args.platform.resolve()?)?;
    let names: Vec<&str> = args.types.iter().map(|event_type| event_type.name()).collect();
    let mut reader = client.events(begin).of_types(&names);
    if kept.is_none() && args.after.is_none() {
        reader = from_the_oldest(&client, reader).await?.of_types(&names);
    }
    let Ok(mut terminate) = termination() else { return follow(args, &mut reader).await };
    tokio::select! {
        outcome = follow(args, &mut reader) => outcome,
        _ = terminate.recv() => Ok(ExitCode::SUCCESS),
    }
}

/// A reader that never read anything begins with the oldest event that is kept.
async fn from_the_oldest(client: &Client, reader: EventReader) -> Outcome<EventReader> {
    match reader.clone().limit(1).next_page(Duration::ZERO).await {
        Err(FeedError::Call(CallError::Gone { oldest })) => {
            complain(&localized(
                &format!("{oldest}번보다 앞의 이벤트는 보관 기간이 지나 {oldest}번부터 읽습니다"),
                &format!("the events before number {oldest} are no longer kept; reading begins there"),
            ));
            Ok(client.events(Position { through: oldest.saturating_sub(1), epoch: None }))
        }
        _ => Ok(reader),
    }
}

async fn follow(args: &EventsArgs, reader: &mut EventReader) -> Outcome {
    let wait = if args.follow { WAIT } else { Duration::ZERO };
    let mut is_interrupted = false;
    loop {
        let page = match reader.next_page(wait).await {
            Ok(page) => page,
            // The position is kept, and the call has no effect: whoever follows goes on.
            Err(FeedError::Call(error)) if args.follow && error.is_passing() => {
                if !is_interrupted {
                    let (ko, en) = why(&error);
                    complain(&localized(&format!("{ko}. 다시 연결합니다"), &format!("{en}; trying again")));
                }
                is_interrupted = true;
                let pause = error.retry_after().unwrap_or(Duration::from_secs(5));
                tokio::time::sleep(pause).await;
                continue;
            }
            Err(error) => return Err(failed(&error)),
        };
        is_interrupted = false;
        // Before the position is kept: what nobody took must come again.
        if let Err(error) = print(args, &page.events) {
            let is_closed = error.kind() == std::io::ErrorKind::BrokenPipe;
            return if is_closed && args.position.is_none() {
                Ok(ExitCode::SUCCESS)
            } else {
                Err(Failure::unfinished(
                    format!(
                        "표준 출력에 쓸 수 없어 멈춥니다. 쓰지 못한 이벤트는 다음에 다시 나옵니다: {error}"
                    ),
                    format!("standard output takes no more; what was not written comes again: {error}"),
                ))
            };
        }
        if let Some(file) = &args.position {
            keep(file, page.position)?;
        }
        if !args.follow && !page.more {
            complain(&localized(
                &format!("{}번까지 읽었습니다", page.position.through),
                &format!("read through number {}", page.position.through),
            ));
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn print(args: &EventsArgs, events: &[Event]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for event in events {
        writeln!(out, "{}", if args.json { event.json.to_string() } else { line(event) })?;
    }
    out.flush()
}

fn line(event: &Event) -> String {
    let (binder, external) = (&event.document_binder_uuid, &event.external_document_uuid);
    let text = EventType::from_name(&event.event_type).map_or_else(|| event.event_type.clone(), said);
    let mut line = format!("{}  {}  {text}", event.seq, seoul_seconds(event.at));
    for id in [binder, external].into_iter().flatten() {
        line.push_str("  ");
        line.push_str(id);
    }
    line
}

/// What happened, in the user's language.
fn said(event_type: EventType) -> String {
    let text = match event_type {
        EventType::Accepted => Text::fixed("접수", "accepted"),
        EventType::Received => Text::fixed("문서함 도착", "received"),
        EventType::Notified => Text::fixed("알림 도착", "notified"),
        EventType::NoticeFailed => Text::fixed("알림 실패", "notice failed"),
        EventType::Authenticated => Text::fixed("본인확인", "authenticated"),
        EventType::Opened => Text::fixed("처음 열람", "opened"),
        EventType::TokenUsed => Text::fixed("토큰 사용", "token used"),
        EventType::Read => Text::fixed("열람", "read"),
        EventType::Expired => Text::fixed("기한 지남", "expired"),
        EventType::Withdrawn => Text::fixed("회수", "withdrawn"),
        EventType::RecipientRefused => Text::fixed("수신거부", "a recipient refused"),
        EventType::RecipientAccepted => Text::fixed("수신거부 해제", "a recipient accepted again"),
        EventType::WebhookDisabled => Text::fixed("웹훅 정지", "a webhook was disabled"),
    };
    text.in_lang(language()).to_owned()
}

fn failed(error: &FeedError) -> Failure {
    match error {
        FeedError::Call(CallError::Gone { oldest }) => {
            let after = oldest.saturating_sub(1);
            Failure::unfinished(
                format!(
                    "읽던 곳의 이벤트는 보관 기간이 지났습니다. 끝나지 않은 문서의 상태를 조회해 빠진 것을 확인하고, 위치 파일을 \
                     지운 뒤 --after {after}로 이어서 읽으십시오"
                ),
                format!(
                    "the events at this position are no longer kept. Ask for the statuses of your open documents, remove \
                     the position file, and read on with --after {after}"
                ),
            )
        }
        FeedError::Call(error) => stopped(error),
        FeedError::EpochChanged { from, to } => Failure::unfinished(
            format!(
                "플랫폼이 백업에서 복원되어 이벤트 번호가 새로 매겨졌습니다(epoch {from} → {to}). 문서 상태를 조회해 비교하고, \
                 위치 파일을 지워 처음부터 읽으십시오"
            ),
            error.to_string(),
        ),
    }
}

/// The position in a file; `None` if there is none yet.
fn kept(file: &Path) -> Outcome<Option<Position>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::of_file(file, &error, Failure::Usage)),
    };
    serde_json::from_str(&text).map(Some).map_err(|_| {
        let shown = file.display();
        Failure::usage(
            format!("{shown}: 위치 파일이 아닙니다"),
            format!("{shown} does not hold the position of a reader"),
        )
    })
}

/// Replaces the file, so that it holds one position or the other at any time.
fn keep(file: &Path, position: Position) -> Outcome<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut next = tempfile::NamedTempFile::new_in(directory)?;
        serde_json::to_writer(&mut next, &position)?;
        next.flush()?;
        next.as_file().sync_all()?;
        next.persist(file).map_err(|error| error.error)
    };
    write().map(drop).map_err(|error: std::io::Error| Failure::of_file(file, &error, Failure::Unfinished))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_kept_and_read_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("position");
        assert_eq!(kept(&file).expect("none yet"), None);
        let position = Position { through: 42, epoch: Some(1) };
        keep(&file, position).expect("kept");
        assert_eq!(kept(&file).expect("there"), Some(position));
        std::fs::write(&file, "42").expect("written");
        assert!(kept(&file).is_err());
    }

    #[test]
    fn every_type_is_said() {
        assert!(EventType::all().all(|event_type| !said(event_type).is_empty()));
    }
}
