//! The sample institution's page: a city hall's page for a bill or a notice. All its contents are invented.

use askama::Template;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use percent_encoding::percent_decode_str;
use seoham_model::card::with_commas;
use serde::Deserialize;

/// A kind of notice that a department sends.
struct Kind {
    /// The first part of the path.
    path: &'static str,
    department: &'static str,
    telephone: &'static str,
    title: &'static str,
    /// The items of a bill: names, and shares in percent.
    shares: &'static [(&'static str, u64)],
    /// The text of a notice.
    text: &'static [&'static str],
}

/// The departments of the example's notices. The last is the fallback for any other.
const KINDS: [Kind; 8] = [
    Kind {
        path: "/tax/car",
        department: "세무과",
        telephone: "02-000-1001",
        title: "2026년 제2기분 자동차세 고지서",
        shares: &[("자동차세", 77), ("지방교육세", 23)],
        text: &[],
    },
    Kind {
        path: "/tax/property",
        department: "세무과",
        telephone: "02-000-1001",
        title: "2026년 재산세(토지) 고지서",
        shares: &[("재산세", 83), ("지방교육세", 17)],
        text: &[],
    },
    Kind {
        path: "/water",
        department: "상수도과",
        telephone: "02-000-1002",
        title: "11월분 상하수도 요금 고지서",
        shares: &[("상수도 요금", 58), ("하수도 요금", 32), ("물이용부담금", 10)],
        text: &[],
    },
    Kind {
        path: "/park",
        department: "교통지도과",
        telephone: "02-000-1003",
        title: "주정차 위반 과태료 사전통지서",
        shares: &[("과태료", 100)],
        text: &["기한 안에 의견을 내시거나 자진 납부하시면 과태료의 20퍼센트가 줄어듭니다."],
    },
    Kind {
        path: "/health",
        department: "보건소",
        telephone: "02-000-1004",
        title: "일반건강검진 대상자 안내",
        shares: &[],
        text: &[
            "올해 국가 건강검진 대상이십니다. 12월 31일까지 가까운 검진 기관에서 받으실 수 있습니다.",
            "검진 전날 밤 9시 이후에는 음식을 드시지 말고, 신분증을 가져가 주십시오.",
        ],
    },
    Kind {
        path: "/civil",
        department: "안전총괄과",
        telephone: "02-000-1005",
        title: "민방위 교육훈련 통지서",
        shares: &[],
        text: &["정해진 기간 안에 사이버 교육을 마쳐 주십시오. 부득이한 사정이 있으시면 미리 알려 주십시오."],
    },
    Kind {
        path: "/green",
        department: "기후환경과",
        telephone: "02-000-1006",
        title: "전기차 보조금 지원 결정 통지",
        shares: &[],
        text: &[
            "신청하신 전기차 구매 보조금을 지원하기로 결정했습니다. 차량을 출고하신 뒤 청구서를 내 주십시오.",
        ],
    },
    Kind {
        path: "",
        department: "민원실",
        telephone: "02-000-0000",
        title: "가상시청에서 보낸 문서",
        shares: &[("고지 금액", 100)],
        text: &["가상시청에서 보내 드린 안내문입니다."],
    },
];

struct Bill {
    total: String,
    due: Option<String>,
    lines: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice {
    kind: &'static Kind,
    document: String,
    bill: Option<Bill>,
}

/// The institution's payload, as it was sent.
#[derive(Deserialize)]
struct Payload {
    amount: u64,
    due: Option<String>,
}

/// The page of a notice. The gateway's headers identify it, not the visitor's request.
pub(super) async fn show(uri: Uri, headers: HeaderMap) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = KINDS.iter().find(|kind| uri.path().starts_with(kind.path)).unwrap_or(&KINDS[KINDS.len() - 1]);
    let payload = percent_decode_str(header("seoham-payload")).decode_utf8_lossy();
    let payload: Option<Payload> = serde_json::from_str(&payload).ok();
    let notice = Notice {
        kind,
        document: header("seoham-document")
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect(),
        bill: payload.filter(|_| !kind.shares.is_empty()).map(|payload| bill(kind, payload)),
    };
    match notice.render() {
        Ok(html) => Html(html).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The items of a bill, which add up to its total: the first absorbs the rounding difference.
fn bill(kind: &'static Kind, payload: Payload) -> Bill {
    let mut amounts: Vec<u64> = kind
        .shares
        .iter()
        .map(|(_, percent)| payload.amount.saturating_mul(*percent) / 100 / 10 * 10)
        .collect();
    let rest = payload.amount - amounts.iter().skip(1).sum::<u64>();
    if let Some(first) = amounts.first_mut() {
        *first = rest;
    }
    let names = kind.shares.iter().map(|(name, _)| *name);
    let day = |due: String| {
        let parts: Vec<&str> = due.splitn(3, '-').collect();
        match parts[..] {
            [year, month, day] => {
                let number = |text: &str| text.trim_start_matches('0').to_owned();
                format!("{year}년 {}월 {}일", number(month), number(day))
            }
            _ => due,
        }
    };
    Bill {
        total: with_commas(payload.amount),
        due: payload.due.map(day),
        lines: names.zip(amounts.into_iter().map(with_commas)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_adds_up() {
        for (amount, total) in [(292_000, "292,000"), (1_000_000, "1,000,000"), (90, "90"), (0, "0")] {
            for kind in KINDS.iter().filter(|kind| !kind.shares.is_empty()) {
                let made = bill(kind, Payload { amount, due: Some("2026-12-31".to_owned()) });
                assert_eq!((made.total.as_str(), made.due.as_deref()), (total, Some("2026년 12월 31일")));
                let lines =
                    made.lines.iter().map(|(_, amount)| amount.replace(',', "").parse::<u64>().unwrap());
                assert_eq!(lines.sum::<u64>(), amount, "{}", kind.path);
            }
        }
    }
}
