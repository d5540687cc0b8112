//! The address that a recipient is sent to: the institution's own, with the token added.

use url::form_urlencoded::byte_serialize;

/// `link` with `token`, `document_binder_uuid` and, if there is one, `external_document_uuid`
/// added to its query (SPEC 8.4).
///
/// The link is spliced, not parsed and written anew: its own query and fragment stay as the
/// institution wrote them, to the byte.
pub fn redirect_url(link: &str, token: &str, binder: &str, external: Option<&str>) -> String {
    let (before, fragment) = match link.find('#') {
        Some(at) => link.split_at(at),
        None => (link, ""),
    };
    let separator = match before.find('?') {
        None => "?",
        Some(_) if before.ends_with(['?', '&']) => "",
        Some(_) => "&",
    };
    let mut url = format!("{before}{separator}token={token}&document_binder_uuid={binder}");
    if let Some(external) = external {
        url.push_str("&external_document_uuid=");
        url.extend(byte_serialize(external.as_bytes()));
    }
    url.push_str(fragment);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_fragment_are_kept() {
        for (link, expected) in [
            ("https://a.kr/x", "https://a.kr/x?token=T&document_binder_uuid=B"),
            ("https://a.kr/x?", "https://a.kr/x?token=T&document_binder_uuid=B"),
            ("https://a.kr/x?a=%20b", "https://a.kr/x?a=%20b&token=T&document_binder_uuid=B"),
            ("https://a.kr/x?a=1&#f?g", "https://a.kr/x?a=1&token=T&document_binder_uuid=B#f?g"),
            ("https://a.kr/x#f", "https://a.kr/x?token=T&document_binder_uuid=B#f"),
        ] {
            assert_eq!(redirect_url(link, "T", "B", None), expected);
        }
    }

    #[test]
    fn the_external_id_is_encoded() {
        let url = redirect_url("https://a.kr/x", "T", "B", Some("가 &1"));
        assert!(url.ends_with("&external_document_uuid=%EA%B0%80+%261"), "{url}");
    }
}
