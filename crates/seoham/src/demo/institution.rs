//! The demo's sample institution: its application, and the landing gateway in front of it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result};
use axum::Router;
use seoham_kit::landing::{Landing, LandingOptions, Limits};

use super::setup::Institution;
use crate::config::Config;
use crate::landing::LandingServer;
use crate::server::Server;

/// The domain of the links in the example's notices.
const WRITTEN: &str = ".gasang.example.kr";
/// The gateway's default port; documents of an earlier run link to it too.
const PORT: u16 = 8090;

/// Starts the application and the gateway. Returns the gateway.
pub(super) async fn start(
    config: &Config,
    server: &Server,
    institution: &Institution,
) -> Result<LandingServer> {
    let application = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let upstream = format!("http://{}", application.local_addr()?);
    tokio::spawn(async move { axum::serve(application, Router::new().fallback(super::notice::show)).await });

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
    LandingServer::open(landing, listener, None)
}

/// Rewrites the notice's link to the gateway: `https://tax.gasang.example.kr/car?…` becomes `…/tax/car?…`.
pub(super) fn lead_to(notice: &str, gateway: &str) -> String {
    let Some((before, rest)) = notice.split_once("\"https://") else { return notice.to_owned() };
    match rest.split_once(WRITTEN) {
        Some((department, after)) if !department.contains('"') => {
            format!("{before}\"{gateway}/{department}{after}")
        }
        _ => notice.to_owned(),
    }
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
}
