//! The results compared with the expected ones, and instructions for going on.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use seoham_kit::client::{SendResult, StatusData};
use seoham_model::status::DocBoxStatus;
use seoham_model::{Lang, Text};

use super::expectation::Expected;
use super::setup::Institution;
use crate::server::Server;
use seoham_institution_cli::terminal::say;

/// Prints the table. Returns whether both columns agree.
pub(super) fn table(
    lang: Lang,
    expected: &[Expected],
    results: &[SendResult],
    statuses: &BTreeMap<String, StatusData>,
) -> bool {
    let mut rows: BTreeMap<(u8, &str), (usize, usize)> = BTreeMap::new();
    for (expected, result) in expected.iter().zip(results) {
        let verdict = match (&result.document_binder_uuid, &result.error_code) {
            (Some(_), _) => "accepted",
            (None, Some(code)) => code.as_str(),
            (None, None) => "unanswered",
        };
        rows.entry(key(expected.verdict)).or_default().0 += 1;
        rows.entry(key(verdict)).or_default().1 += 1;

        let status = result.document_binder_uuid.as_ref().and_then(|id| statuses.get(id));
        if let Some(status) = status {
            // A read document was in the box before. The input says no more about it.
            let read = status.doc_box_status == DocBoxStatus::Read && expected.received;
            let due = if read || status.doc_box_status == DocBoxStatus::Expired {
                status.doc_box_status
            } else {
                expected.resting_status()
            };
            rows.entry((2, due.name())).or_default().0 += 1;
            rows.entry((2, status.doc_box_status.name())).or_default().1 += 1;
        }
    }
    let heads = [
        Text::fixed("결과", "outcome"),
        Text::fixed("기대", "demanded"),
        Text::fixed("실제", "found"),
        Text::fixed("", ""),
    ];
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(heads.iter().map(|h| h.in_lang(lang)));
    let mut agrees = true;
    for ((kind, name), (demanded, found)) in rows {
        let same = demanded == found;
        agrees &= same;
        let label = match kind {
            0 => Text::fixed("접수", "accepted").in_lang(lang).to_owned(),
            1 => format!("{} {name}", Text::fixed("거절", "refused").in_lang(lang)),
            _ => format!("{} {name}", Text::fixed("상태", "status").in_lang(lang)),
        };
        table.add_row([
            label,
            demanded.to_string(),
            found.to_string(),
            if same { "✓" } else { "✗" }.to_owned(),
        ]);
    }
    for column in [1, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    say(&format!("\n{table}"));
    agrees
}

fn key(verdict: &str) -> (u8, &str) {
    (u8::from(verdict != "accepted"), verdict)
}

/// Prints addresses and commands for going on.
pub(super) fn way_on(
    lang: Lang,
    server: &Server,
    institution: &Institution,
    results: &[SendResult],
    gateway: &str,
) {
    let at = &server.addresses;
    let of = |address: &Option<String>| address.clone().unwrap_or_default();
    let (api, bulk, web) = (of(&at.api), of(&at.bulk), of(&at.web));
    let (token, contract) = (&institution.access_token, &institution.contract_uuid);
    let some = results.iter().find_map(|r| r.document_binder_uuid.as_deref()).unwrap_or("BIN-…");
    let headings = [
        Text::fixed("주소", "Addresses"),
        Text::fixed("문서 한 건 보내기", "Send a document"),
        Text::fixed("상태 묻기", "Ask for its status"),
        Text::fixed("수신자가 되어 열어 보기", "Open it as its recipient"),
        Text::fixed("운영자로서 보기", "Look at it as the operator"),
        Text::fixed("Ctrl-C로 끝냅니다.", "Ctrl-C ends it."),
        Text::fixed(
            "브라우저로 끝까지 가 보기: 위의 문서를 보낸 뒤 메신저에서 링크를 열고, PIN 135790으로 문서를 엽니다",
            "The whole way in a browser: send the document above, open its link in the messenger, and open it with \
             the PIN 135790",
        ),
        Text::fixed("예시 기관의 페이지 앞", "in front of a sample institution's page"),
    ];
    let heading = |i: usize| headings[i].in_lang(lang);
    let body = r#"{"documents":[{"title":"첫 문서","read_expired_sec":2592000,"receiver":{"phone_number":"01000000001","name":"서함시험","birthday":"19900101"},"property":{"link":"GATEWAY/tax","payload":"{\"amount\":120000,\"due\":\"2026-12-31\"}","cs_number":"02-000-0000","cs_name":"민원실","external_document_uuid":"MY-1"}}]}"#;
    let body = body.replace("GATEWAY", gateway);
    let token_file = at.admin_token_file.as_ref().map_or_else(|| "…".to_owned(), |f| f.display().to_string());
    say(&format!(
        "\n{}\n  API       {}   ({}/docs)\n  bulk      {}\n  web       {}   ({}/messenger)\n  admin     {}   ({})\n  landing   {gateway}   ({})\n",
        heading(0),
        api,
        api,
        bulk,
        web,
        web,
        at.admin,
        token_file,
        heading(7)
    ));
    say(&format!(
        "{}\n  curl -s {}/v1/documents/bulk -H 'Authorization: Bearer {token}' -H 'Contract-Uuid: {contract}' \\\n    -H 'Content-Type: application/json' -d '{body}'\n",
        heading(1),
        bulk
    ));
    say(&format!(
        "{}\n  curl -s {}/v1/documents/{some}/status -H 'Authorization: Bearer {token}' -H 'Contract-Uuid: {contract}'\n",
        heading(2),
        api
    ));
    say(&format!(
        "{}\n  curl -s -X POST {}/sandbox/v1/documents/{some}/open -H 'Authorization: Bearer {token}'\n",
        heading(3),
        api
    ));
    let program =
        std::env::current_exe().map_or_else(|_| "seoham".to_owned(), |path| path.display().to_string());
    say(&format!(
        "{}\n  {program} admin --url {} --token-file {token_file} document {some}\n",
        heading(4),
        at.admin
    ));
    say(&format!("{}\n  {web}/messenger?number=01000000001\n", heading(6)));
    say(heading(5));
}
