//! The redirect address for a recipient: the institution's link with the token added.

use url::form_urlencoded::byte_serialize;
use url::{Host, Url};

use crate::violation::Rule;

/// The parameters added to a link's query, which it must not contain already.
const ADDED: [&str; 3] = ["token", "document_binder_uuid", "external_document_uuid"];

/// Checks an institution's link (SPEC 4): an absolute http or https URL in the syntax of RFC 3986, fully
/// encoded, without user info, and without the reserved query parameters.
pub fn check(link: &str) -> Result<(), Rule> {
    // The URL parser tolerates white space, missing slashes and Hangul. The link is used verbatim, so it must
    // be valid verbatim.
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let head = link.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| &link[scheme.len()..])
    });
    let rest = rest.filter(|rest| !rest.starts_with(['/', '?', '#', ':'])).ok_or(Rule::Url)?;
    if !is_encoded(link) {
        return Err(Rule::Url);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Rule::UrlUser);
    }
    // Brackets are only allowed in an IPv6 address.
    if link[link.len() - rest.len() + authority.len()..].contains(['[', ']']) {
        return Err(Rule::Url);
    }
    let url = Url::parse(link).ok().filter(Url::has_host).ok_or(Rule::Url)?;
    if url.query_pairs().any(|(name, _)| ADDED.contains(&&*name)) {
        return Err(Rule::UrlReserved);
    }
    Ok(())
}

/// Whether a text consists only of RFC 3986 characters, with percent signs only before two hex digits.
fn is_encoded(text: &str) -> bool {
    let bytes = text.as_bytes();
    let known = |(at, byte): (usize, &u8)| match byte {
        b'%' => bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    };
    bytes.iter().enumerate().all(known) && text.matches('#').count() <= 1
}

/// The link in the syntax of RFC 3986: Hangul is percent-encoded, in the host name as Punycode; the rest is
/// kept. `None` if the link is already encoded, or is not valid even when encoded.
pub fn encoded(link: &str) -> Option<String> {
    let link = link.trim();
    if link.is_ascii() {
        return None;
    }
    let (scheme, rest) = link.split_once("://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, format!(":{port}")),
        None => (authority, String::new()),
    };
    let mut encoded = format!("{scheme}://{}{port}", ascii_host(host)?);
    for character in rest.chars() {
        if character.is_ascii() {
            encoded.push(character);
        } else {
            encoded.extend(byte_serialize(character.encode_utf8(&mut [0; 4]).as_bytes()));
        }
    }
    check(&encoded).is_ok().then_some(encoded)
}

/// A host name in Punycode; an ASCII name is kept as it is.
fn ascii_host(host: &str) -> Option<String> {
    if host.is_ascii() {
        return Some(host.to_owned());
    }
    Host::parse(host).ok().map(|host| host.to_string())
}

/// `link` with `token`, `document_binder_uuid` and, if there is one, `external_document_uuid`
/// added to its query (SPEC 8.4).
///
/// The link is spliced, not parsed and serialised: its own query and fragment are preserved byte for byte.
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
    fn a_link_is_right_as_it_is_written() {
        for good in [
            "https://tax.example.kr",
            "http://a.b",
            "HTTPS://tax.example.kr:8443/a/b;c=1?x=1&y=%EA%B0%80#f",
            "https://[2001:db8::1]/x",
            "https://xn--9d0bo6c.example.kr/",
            "https://a.kr/?mytoken=1&tokens=2",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, rule) in [
            ("tax.example.kr", Rule::Url),
            ("ftp://a.kr", Rule::Url),
            ("https:///x", Rule::Url),
            ("https:/a.kr", Rule::Url),
            ("https://a.kr/고지", Rule::Url),
            ("https://고지.kr/", Rule::Url),
            ("https://a.kr/a b", Rule::Url),
            ("https://a.kr/%zz", Rule::Url),
            ("https://a.kr/%e", Rule::Url),
            ("https://a.kr/{id}", Rule::Url),
            ("https://a.kr/a|b", Rule::Url),
            ("https://a.kr/#a#b", Rule::Url),
            ("https://a.kr/[x]", Rule::Url),
            ("https://a.kr:99999/", Rule::Url),
            ("https://user@a.kr/", Rule::UrlUser),
            ("https://user:secret@a.kr/", Rule::UrlUser),
            ("https://a.kr/?token=1", Rule::UrlReserved),
            ("https://a.kr/?a=1&document_binder_uuid=x", Rule::UrlReserved),
            ("https://a.kr/?%74oken=1", Rule::UrlReserved),
            ("https://a.kr?external_document_uuid", Rule::UrlReserved),
        ] {
            assert_eq!(check(bad), Err(rule), "{bad}");
        }
    }

    #[test]
    fn hangul_in_a_link_is_encoded() {
        for (link, expected) in [
            (
                "https://a.kr/고지?이름=값",
                Some("https://a.kr/%EA%B3%A0%EC%A7%80?%EC%9D%B4%EB%A6%84=%EA%B0%92"),
            ),
            ("https://세금.kr", Some("https://xn--jj0bw77a.kr")),
            ("https://세금.kr/a", Some("https://xn--jj0bw77a.kr/a")),
            ("https://a.kr/x", None),
            ("고지", None),
            ("https://user@a.kr/고지", None),
            ("https://세금.kr:8443/a?b=가#다", Some("https://xn--jj0bw77a.kr:8443/a?b=%EA%B0%80#%EB%8B%A4")),
            // Nothing else is changed, and an invalid link is not made valid.
            ("https://A.kr/../고지/./b", Some("https://A.kr/../%EA%B3%A0%EC%A7%80/./b")),
            ("https://a.kr/고지 1", None),
            ("https://a.kr/고\t지", None),
            ("https://a.kr\\고지", None),
            ("https://a.kr/고지|1", None),
            ("https:/a.kr/고지", None),
        ] {
            assert_eq!(encoded(link).as_deref(), expected, "{link}");
        }
    }

    #[test]
    fn the_external_id_is_encoded() {
        let url = redirect_url("https://a.kr/x", "T", "B", Some("가 &1"));
        assert!(url.ends_with("&external_document_uuid=%EA%B0%80+%261"), "{url}");
    }
}
