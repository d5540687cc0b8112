//! The address at the application that a request is for. One parser decides, and what it decided is what is sent.

use percent_encoding::percent_decode;
use url::Url;

/// How often a path is decoded to see what somebody behind us could make of it.
const DECODED_MAX: usize = 4;

/// The address of `path` below `base`, whose own path ends without `/`; none if the path leads out of it, or could lead
/// out of it for a server that decodes it in another way.
pub(super) fn target(base: &Url, path: &str, query: Option<&str>) -> Option<Url> {
    if !path.starts_with('/') || !is_plain(path) {
        return None;
    }
    let below = base.path().trim_end_matches('/');
    let mut target = base.clone();
    target.set_path(&format!("{below}{path}"));
    target.set_query(query);
    let rest = target.path().strip_prefix(below)?;
    (rest.starts_with('/') && target.origin() == base.origin()).then_some(target)
}

/// Whether a path is the same however often it is decoded: without steps upwards, backslashes and control characters.
fn is_plain(path: &str) -> bool {
    let mut text = path.as_bytes().to_vec();
    for _ in 0..DECODED_MAX {
        let unsound = |byte: &u8| *byte == b'\\' || byte.is_ascii_control();
        // What stands behind a semicolon is no part of the name for some servers.
        let name = |segment: &[u8]| segment.split(|byte| *byte == b';').next().unwrap_or_default().to_vec();
        let steps = |segment: &[u8]| [&b"."[..], b".."].contains(&name(segment).as_slice());
        // Other ways to write a dot, a slash and a backslash, which some servers know.
        let foreign = |pair: &[u8]| matches!(pair, b"%u" | b"%U" | [0xc0, 0xae | 0xaf] | [0xc1, 0x9c]);
        if text.windows(2).any(foreign)
            || text.iter().any(unsound)
            || text.split(|byte| *byte == b'/').any(steps)
        {
            return false;
        }
        let decoded: Vec<u8> = percent_decode(&text).collect();
        if decoded == text {
            return true;
        }
        text = decoded;
    }
    // Whoever encodes a path so often means no good.
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(base: &str, path: &str) -> Option<String> {
        target(&Url::parse(base).unwrap(), path, Some("a=%20b")).map(|url| url.to_string())
    }

    #[test]
    fn a_path_stands_below_the_base() {
        for (base, path, expected) in [
            ("http://app:8080", "/notice", "http://app:8080/notice?a=%20b"),
            ("http://app:8080/tax", "/", "http://app:8080/tax/?a=%20b"),
            ("http://app:8080/tax", "/notice/1", "http://app:8080/tax/notice/1?a=%20b"),
            ("http://app/tax", "/%EA%B3%A0%EC%A7%80/..a", "http://app/tax/%EA%B3%A0%EC%A7%80/..a?a=%20b"),
            ("http://app/tax", "/a%2Fb;v=1/c", "http://app/tax/a%2Fb;v=1/c?a=%20b"),
            ("http://app/tax", "/100%25", "http://app/tax/100%25?a=%20b"),
            ("http://app/tax", "//double", "http://app/tax//double?a=%20b"),
        ] {
            assert_eq!(of(base, path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn no_path_leads_out_of_the_base() {
        for path in [
            "/../admin",
            "/..",
            "/notice/../../admin",
            "/%2e%2e/admin",
            "/%2E%2E/admin",
            "/.%2e/admin",
            "/%2e./admin",
            "/..%2fadmin",
            "/..%2Fadmin",
            "/%2e%2e%2fadmin",
            "/..%5cadmin",
            "/..\\admin",
            "/\\..\\admin",
            "/a/..;/admin",
            "/..;x=1/admin",
            "/%252e%252e/admin",
            "/%25252e%25252e%25252fadmin",
            "/.%252e%252fadmin",
            "/a/./../b",
            "/%00/../admin",
            "/notice%0d%0aX: 1",
            "/%5c..%5cadmin",
            "/..%c0%af/../admin",
            "/%u002e%u002e/admin",
            "/%U002E%U002E/admin",
            "/%c0%ae%c0%ae/admin",
            "/..%c0%afadmin",
            "/..%c1%9cadmin",
            "notice",
            "@evil.example/",
            "",
        ] {
            for base in ["http://app:8080/tax", "http://app:8080"] {
                assert_eq!(of(base, path), None, "{path}");
            }
        }
    }
}
