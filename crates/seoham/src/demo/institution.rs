//! The demo's sample institution: its own application, and the landing gateway in front of it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result};
use axum::Router;
use axum::http::HeaderMap;
use axum::response::Html;
use seoham_kit::landing::{Landing, LandingOptions, Limits};

use super::setup::Institution;
use crate::config::Config;
use crate::door::Door;
use crate::server::Server;

/// Where the example's notices lead as they are written.
const WRITTEN: &str = ".gasang.example.kr";
/// The gateway's usual port; documents of an earlier run lead there too.
const PORT: u16 = 8090;

/// Starts the application and the gateway; gives the gateway.
pub(super) async fn start(config: &Config, server: &Server, institution: &Institution) -> Result<Door> {
    let application = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let upstream = format!("http://{}", application.local_addr()?);
    tokio::spawn(async move { axum::serve(application, Router::new().fallback(notice)).await });

    let landing = Landing::start(&LandingOptions {
        upstream,
        platform: server.addresses.api.clone().context("the api listener")?,
        access_token: institution.access_token.clone().into(),
        log: config.store.data.join("landing"),
        secure: false,
        behind_proxy: false,
        limits: Limits::default(),
    })?;
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let listener = TcpListener::bind(usual)
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("a port")?;
    Door::open(landing, listener, None)
}

/// The notice with its link leading to the gateway: `https://tax.gasang.example.kr/car?…` becomes
/// `…/tax/car?…`.
pub(super) fn lead_to(notice: &str, gateway: &str) -> String {
    let Some((before, rest)) = notice.split_once("\"https://") else { return notice.to_owned() };
    match rest.split_once(WRITTEN) {
        Some((department, after)) if !department.contains('"') => {
            format!("{before}\"{gateway}/{department}{after}")
        }
        _ => notice.to_owned(),
    }
}

/// The page of a notice. Which one it is the gateway tells; a visitor cannot.
async fn notice(headers: HeaderMap) -> Html<String> {
    let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let payload = told("seoham-payload").replace("%3D", "=");
    let amount = payload.split_once("amount=").map_or("", |(_, amount)| amount);
    let amount: String = amount.chars().take_while(char::is_ascii_digit).collect();
    let due = if amount.is_empty() {
        "납부하실 금액이 없는 안내문입니다.".to_owned()
    } else {
        format!("납부하실 금액은 <strong>{}원</strong>입니다.", with_commas(&amount))
    };
    let document: String =
        told("seoham-document").chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    Html(format!(
        "<!doctype html><html lang=\"ko\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>가상시청 고지서</title></head><body><main>\
         <p>가상시청</p><h1>고지서</h1><p>{due}</p><p>문서 번호 {document}</p>\
         <p>이 페이지가 끝까지 전달되면 열람한 것으로 기록됩니다.</p></main></body></html>"
    ))
}

/// `292000` as `292,000`.
fn with_commas(digits: &str) -> String {
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_leads_to_the_gateway_and_is_otherwise_the_same() {
        let notice = r#"{"title": "고지서", "property": {"link": "https://tax.gasang.example.kr/car?bill=1", "x": 1}}"#;
        let led = lead_to(notice, "http://127.0.0.1:8090");
        assert_eq!(
            led,
            r#"{"title": "고지서", "property": {"link": "http://127.0.0.1:8090/tax/car?bill=1", "x": 1}}"#
        );
        assert_eq!(lead_to(r#"{"title": "없음"}"#, "http://x"), r#"{"title": "없음"}"#);
    }

    #[test]
    fn amounts_are_grouped() {
        assert_eq!(with_commas("292000"), "292,000");
        assert_eq!(with_commas("1000000"), "1,000,000");
        assert_eq!(with_commas("90"), "90");
    }
}
