//! Fetch metadata: whether a request is a person's own navigation, or may come from a preview bot.

use axum::http::HeaderMap;

/// The origin of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Navigation {
    /// A browser navigates for a person.
    Person,
    /// A browser prefetches a page that nobody has asked to see.
    Ahead,
    /// An old browser or a program: a button distinguishes them.
    Uncertain,
}

/// Classifies a request by its headers, which a page's script cannot set.
pub fn navigation(headers: &HeaderMap) -> Navigation {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let ahead = ["sec-purpose", "purpose", "x-moz", "x-purpose"]
        .iter()
        .any(|name| ["prefetch", "prerender", "preview"].iter().any(|word| value(name).contains(word)));
    if ahead {
        return Navigation::Ahead;
    }
    if value("sec-fetch-mode") == "navigate" && value("sec-fetch-dest") == "document" {
        Navigation::Person
    } else {
        Navigation::Uncertain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn a_person_s_browser_says_that_it_shows_a_document() {
        let of = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            navigation(&headers.collect())
        };
        let (mode, document) = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"));
        assert_eq!(of(&[mode, document]), Navigation::Person);
        assert_eq!(of(&[mode, document, ("sec-fetch-site", "cross-site")]), Navigation::Person);
        for uncertain in [
            &[][..],
            &[("user-agent", "kakaotalk-scrap/1.0")],
            &[mode],
            &[mode, ("sec-fetch-dest", "iframe")],
            &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            &[document],
            &[("sec-fetch-mode", "same-origin"), document],
            &[("sec-fetch-mode", "websocket"), document],
            &[mode, ("sec-fetch-dest", "")],
        ] {
            assert_eq!(of(uncertain), Navigation::Uncertain, "{uncertain:?}");
        }
        // A subresource or an embedded page is not a person's navigation.
        for embedded in
            ["frame", "object", "embed", "image", "script", "style", "empty", "manifest", "report", "worker"]
        {
            assert_eq!(of(&[mode, ("sec-fetch-dest", embedded)]), Navigation::Uncertain, "{embedded}");
        }
        // Previews and scanners do not send a browser's fetch metadata, whatever their user agent is.
        for agent in [
            "facebookexternalhit/1.1; kakaotalk-scrap/1.0",
            "TelegramBot (like TwitterBot)",
            "Slackbot-LinkExpanding 1.0",
            "Mozilla/5.0 (compatible; Discordbot/2.0)",
            "WhatsApp/2.23",
            "LinkedInBot/1.0",
            "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
        ] {
            assert_eq!(
                of(&[("user-agent", agent), ("accept", "text/html")]),
                Navigation::Uncertain,
                "{agent}"
            );
        }
        for ahead in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
            ("x-purpose", "preview"),
        ] {
            assert_eq!(of(&[mode, document, ahead]), Navigation::Ahead);
        }
    }
}
