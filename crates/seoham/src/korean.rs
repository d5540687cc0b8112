//! The institution's commands in Korean, for whoever has a Korean locale.

use clap::Command;
use seoham_model::Lang;

/// What a command and its arguments are called in Korean.
struct Page {
    command: &'static str,
    about: &'static str,
    after: &'static str,
    arguments: &'static [(&'static str, &'static str)],
}

const PLATFORM: [(&str, &str); 7] = [
    ("profile", "seoham init으로 만든 프로필 [기본값: default]"),
    ("config", "프로필 파일 [기본값: ~/.config/seoham/profiles.toml]"),
    ("url", "플랫폼 주소(프로필 대신)"),
    ("bulk_url", "대량 요청을 받는 주소가 따로 있으면 그 주소"),
    ("token_file", "기관의 접근 토큰이 든 파일(프로필 대신)"),
    ("contract", "계약 번호 CON-…(프로필 대신)"),
    ("log", "플랫폼과 주고받은 모든 요청을 이 교환 기록에 남깁니다"),
];

const PAGES: [Page; 3] = [
    Page {
        command: "init",
        about: "기관이 보낼 곳을 정합니다: 주소, 접근 토큰, 계약을 확인하고 프로필로 저장합니다",
        after: "예:\n  seoham init\n  seoham init --profile test --url https://sandbox.example.kr --token-file token --contract CON-…",
        arguments: &[("untested", "플랫폼에 확인하지 않고 저장합니다")],
    },
    Page {
        command: "send",
        about: "스프레드시트나 JSON Lines를 보냅니다. 한 행도 잃지 않고 두 번 보내지 않습니다",
        after: "예:
  seoham send 고지서.xlsx --check
  seoham send 고지서.csv --set 제목='{{세목}} 고지서' --set 열람일수=30 \\
    --set 링크=https://tax.example.kr/notice --set 문의전화=02-000-0000 --set 문의처=세무과
  seoham send --resume 고지서.csv

종료 코드: 0 모두 접수, 1 일부 거절, 2 끝나지 않음(--resume으로 이어서), 64 잘못된 명령이나 파일",
        arguments: &[
            ("file", "CSV, XLSX, JSON Lines 파일. -는 표준 입력(--result 필요)"),
            ("maps", "열 이름으로 알 수 없을 때 항목이 든 열: 전화번호=연락처2"),
            ("sets", "모든 행에 쓸 값. {{열이름}}을 넣을 수 있습니다: 제목=\"{{세목}} 고지서\""),
            ("sheet", "통합 문서의 시트 [기본값: 내용이 있는 첫 시트]"),
            ("encoding", "텍스트 파일의 인코딩: utf-8, cp949, utf-16 [기본값: 자동]"),
            ("delimiter", "텍스트 파일에서 값을 나누는 기호, 탭은 tab [기본값: 자동]"),
            (
                "birth_century",
                "6자리 생년월일의 연대: 1900, 2000, 또는 2000년대의 마지막 두 자리 연도(예: 24는 00~24년이 2000년대)",
            ),
            ("result", "결과 파일 [기본값: 파일 옆의 이름.result.확장자]"),
            (
                "check",
                "모두 읽고 문제를 알려 줍니다. 받는 사람도 플랫폼에 확인하지만 아무것도 보내지 않습니다",
            ),
            ("resume", "중단된 발송을 이어서 합니다. 잃거나 두 번 보내는 행이 없습니다"),
            ("again", "이미 접수된 파일이나 행을 다시 보냅니다. 모든 문서가 한 번 더 접수됩니다"),
            ("offline", "--check에서 플랫폼에는 묻지 않습니다"),
            ("yes", "묻지 않고 보냅니다(스크립트용)"),
            ("first", "앞에서부터 이 수만큼만 보냅니다. 잘 도착했으면 나머지는 --rest로 보냅니다"),
            ("all", "문제마다 10행이 아니라 모든 행을 알려 줍니다"),
            (
                "rest",
                "고친 결과 파일에서 아직 접수되지 않은 행만 보냅니다. 문서함 번호가 있는 행은 건너뜁니다",
            ),
            (
                "unknown",
                "--resume이나 --rest에서 접수되었는지 알 수 없는 행을 어떻게 할지: leave(남겨 둠), send(다시 보냄)",
            ),
            ("at_once", "동시에 보내는 요청의 최대 수. 서버가 느리거나 거절하면 줄입니다"),
            ("patience", "이 시간(초) 동안 아무것도 접수되지 않으면 멈춥니다. 나중에 --resume"),
            ("json", "사람 대신 프로그램이 읽을 JSON 줄로 알려 줍니다"),
        ],
    },
    Page {
        command: "status",
        about: "문서가 어디까지 갔는지 조회합니다. 한 번, 또는 모두 끝날 때까지",
        after: "예:\n  seoham status 고지서.result.csv --watch --csv 시각.csv\n  seoham status BIN-0123456789abcdef0123456789abcdef\n\n종료 코드: 0 조회함(--watch: 모두 끝남), 2 끝나지 않음, 64 잘못된 명령이나 파일",
        arguments: &[
            ("targets", "발송 결과 파일, 또는 문서함 번호 BIN-…"),
            ("watch", "모두 끝날 때까지 다시 조회하며 그림으로 보여 줍니다"),
            ("until", "끝난 것으로 볼 상태: received(문서함에 들어감), read(열람 또는 기한 지남)"),
            ("every", "조회 간격(초). 플랫폼은 5초 이상을 요구합니다"),
            ("csv", "문서함 번호, 상태, 시각을 한국어 Excel에서 바로 열리는 CSV로도 씁니다"),
            ("json", "사람 대신 프로그램이 읽을 JSON 줄로 알려 줍니다"),
        ],
    },
];

/// The command line in `lang`; what has no Korean stays as it is.
pub(crate) fn in_language(mut command: Command, lang: Lang) -> Command {
    if lang == Lang::En {
        return command;
    }
    for Page { command: name, about, after, arguments } in PAGES {
        command = command.mut_subcommand(name, |mut page| {
            page = page.about(about).long_about(about).after_help(after);
            for (id, help) in arguments.iter().chain(&PLATFORM) {
                page = page.mut_arg(id, |argument| argument.help(*help).long_help(*help));
            }
            page
        });
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_argument_of_an_institution_is_in_korean() {
        let mut command = in_language(crate::cli::Cli::command(), Lang::Ko);
        command.build();
        for page in PAGES {
            let command = command.find_subcommand(page.command).expect("there");
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                if ["help", "version"].contains(&id) {
                    continue;
                }
                let help = argument.get_help().expect("described").to_string();
                assert!(!help.is_ascii(), "{} {id}: {help}", page.command);
            }
        }
    }
}
