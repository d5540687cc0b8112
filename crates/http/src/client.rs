//! The client's address of a request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, HeaderValue};
use seoham_model::peer;

/// The client's address: the connection's peer, or what the trusted proxy in front reports.
pub fn client_address(extensions: &Extensions, headers: &HeaderMap, behind_proxy: bool) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let forwarded_for = headers.get_all("x-forwarded-for").into_iter().map(HeaderValue::as_bytes);
    peer::client_address(peer, forwarded_for, behind_proxy)
}
