//! The application's address for a request. One parser checks it, and its result is exactly what is sent.

use percent_encoding::percent_decode;
use url::Url;

/// How often a path is decoded to check how a downstream server could interpret it.
const DECODED_MAX: usize = 4;

/// The address of `path` below `base`, whose own path ends without `/`. `None` if the path escapes it, or
/// could escape it on a server that decodes differently.
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

/// Whether a path is safe at every decoding level: no upward steps, backslashes or control characters.
fn is_plain(path: &str) -> bool {
    let mut text = path.as_bytes().to_vec();
    for _ in 0..DECODED_MAX {
        let unsound = |byte: &u8| *byte == b'\\' || byte.is_ascii_control();
        // Some servers ignore the part of a segment after a semicolon.
        let name = |segment: &[u8]| segment.split(|byte| *byte == b';').next().unwrap_or_default().to_vec();
        let steps = |segment: &[u8]| [&b"."[..], b".."].contains(&name(segment).as_slice());
        // Alternative encodings of a dot, a slash and a backslash, which some servers accept.
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
    // A path that is encoded this often is malicious.
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
