//! Header filtering: removes hop-by-hop headers, and sets those that only the gateway may set.

use std::net::IpAddr;

use axum::http::header::{
    CONNECTION, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, REFERER, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::query::referer_without_token;
use super::session::other_cookies;
use super::visit::Visit;

const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Other headers that claim an address, a host, a method or a path, and that applications trust. Client
/// values are removed. `-` also stands for `_`, and headers with the prefix `x-forwarded-` are always
/// removed.
const CLAIMS: [&str; 36] = [
    "forwarded",
    "x-real-ip",
    "x-realip",
    "remote-addr",
    "x-original-forwarded-for",
    "x-envoy-external-address",
    "cloudfront-viewer-address",
    "x-original-method",
    "x-client-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-originating-ip",
    "x-cluster-client-ip",
    "x-appengine-user-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "true-client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "client-ip",
    "wl-proxy-client-ip",
    "proxy-client-ip",
    "x-proxyuser-ip",
    "x-host",
    "x-original-host",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-url-scheme",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "front-end-https",
];

/// Keeps the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How the request arrived.
pub(super) struct Came<'a> {
    pub(super) uri: &'a Uri,
    /// The client's address, determined before the headers are changed.
    pub(super) address: IpAddr,
    pub(super) secure: bool,
}

/// Whether only the gateway may set this header, in any spelling: CGI-like interfaces do not distinguish `-`
/// and `_`.
fn is_ours_to_say(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    // CGI-like interfaces prefix the headers that they pass on.
    let name = name.strip_prefix("http-").unwrap_or(&name);
    name.starts_with("seoham-") || name.starts_with("x-forwarded") || CLAIMS.contains(&name)
}

/// Removes hop-by-hop headers, and those that `Connection` lists.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Converts a browser's headers to those for the application.
pub(super) fn for_upstream(headers: &mut HeaderMap, visit: &Visit, came: &Came<'_>) {
    strip_hop_by_hop(headers);
    let claimed: Vec<_> = headers.keys().filter(|name| is_ours_to_say(name)).cloned().collect();
    for name in claimed {
        headers.remove(name);
    }

    let cookies = other_cookies(headers);
    headers.remove(COOKIE);
    if let Some(cookies) = HeaderValue::from_bytes(&cookies).ok().filter(|_| !cookies.is_empty()) {
        headers.insert(COOKIE, cookies);
    }
    let referer = headers.get(REFERER).and_then(|value| value.to_str().ok()).map(referer_without_token);
    headers.remove(REFERER);
    put(headers, REFERER, referer);

    // In HTTP/2 the host is part of the URI.
    let authority = came.uri.authority().map(|authority| authority.as_str().to_owned());
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned).or(authority);
    headers.remove(HOST);
    put(headers, FORWARDED_FOR, Some(came.address.to_string()));
    put(headers, FORWARDED_HOST, host.clone());
    put(headers, HOST, host);
    put(headers, FORWARDED_PROTO, Some(if came.secure { "https" } else { "http" }.to_owned()));

    let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let verified = &visit.verified;
    let confirmed = verified.external_document_uuid.as_deref();
    let unverified = visit.unverified_external.as_deref().filter(|_| confirmed.is_none());
    for (name, value) in [
        ("seoham-document", Some(visit.document.to_string())),
        ("seoham-visit", Some(visit.id.to_string())),
        ("seoham-external-document", confirmed.map(encoded)),
        ("seoham-unverified-external-document", unverified.map(encoded)),
        ("seoham-payload", verified.payload.as_deref().map(encoded)),
        ("seoham-authenticated-at", verified.authenticated_at.map(|at| at.to_string())),
    ] {
        put(headers, HeaderName::from_static(name), value);
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use seoham_model::{BinderId, Clock};

    use super::super::platform::Verified;
    use super::*;
    use crate::exchange::VisitId;

    fn visit(confirmed: Option<&str>) -> Visit {
        let verified = Verified {
            authenticated_at: Some(1_795_359_600),
            payload: Some("금액=120,000 원".to_owned()),
            external_document_uuid: confirmed.map(str::to_owned),
        };
        let document = BinderId::generate(&Clock::default());
        Visit::new(VisitId::generate(), document, "T", Some("남의 것".to_owned()), verified)
    }

    fn passed(visit: &Visit, sent: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let uri = Uri::from_static("/x");
        let came = Came { uri: &uri, address: Ipv4Addr::LOCALHOST.into(), secure: true };
        for_upstream(&mut headers, visit, &came);
        headers
    }

    #[test]
    fn a_client_cannot_say_what_we_say() {
        let visit = visit(Some("나의 것"));
        let sent = [
            ("seoham-document", "BIN-0"),
            ("seoham_payload", "x"),
            ("seoham-anything", "x"),
            ("seoham_visit", "x"),
            ("connection", "close, x-one"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("te", "trailers"),
            ("x-forwarded-for", "203.0.113.1"),
            ("forwarded", "for=203.0.113.1"),
            ("x-real-ip", "203.0.113.1"),
            ("x_real_ip", "203.0.113.1"),
            ("true-client-ip", "203.0.113.1"),
            ("http_client_ip", "10.0.0.1"),
            ("x-realip", "10.0.0.1"),
            ("x-original-url", "/admin"),
            ("x-http-method-override", "DELETE"),
            ("x-forwarded-prefix", "/admin"),
            ("x_forwarded_host", "evil.example"),
            ("cookie", "seoham_landing=S"),
            ("cookie", "a=1"),
            ("host", "tax.example.kr"),
            ("referer", "https://tax.example.kr/?token=T&document_binder_uuid=B"),
        ];
        let headers = passed(&visit, &sent);
        assert_eq!(headers["seoham-document"], visit.document.to_string().as_str());
        assert_eq!(headers["seoham-payload"], "%EA%B8%88%EC%95%A1%3D120%2C000%20%EC%9B%90");
        assert_eq!(headers["seoham-external-document"], "%EB%82%98%EC%9D%98%20%EA%B2%83");
        assert_eq!(headers["seoham-authenticated-at"], "1795359600");
        assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["cookie"], "a=1");
        assert_eq!(headers["host"], "tax.example.kr");
        assert_eq!(headers["referer"], "https://tax.example.kr/?document_binder_uuid=B");
        assert_eq!(headers["x-two"], "2");
        for gone in [
            "seoham_payload",
            "seoham_visit",
            "seoham-anything",
            "x-one",
            "te",
            "connection",
            "forwarded",
            "x-real-ip",
            "x_real_ip",
            "true-client-ip",
            "http_client_ip",
            "x-realip",
            "x-original-url",
            "x-http-method-override",
            "x-forwarded-prefix",
            "x_forwarded_host",
            "seoham-unverified-external-document",
        ] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
    }

    #[test]
    fn what_the_platform_did_not_confirm_has_another_name() {
        let headers = passed(&visit(None), &[("connection", "seoham-document, x-forwarded-for")]);
        assert!(headers.contains_key("seoham-document"), "no connection takes away what we say");
        assert!(!headers.contains_key("seoham-external-document"));
        assert!(headers.contains_key("seoham-unverified-external-document"));
        assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    }
}
