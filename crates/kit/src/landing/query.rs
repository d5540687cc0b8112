//! The query of a visit: its three parameters (SPEC 8.4), and the part that the application may see.

use url::form_urlencoded;

/// The visit parameters of a query.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct VisitParameters {
    pub(super) token: Option<String>,
    pub(super) document: Option<String>,
    pub(super) external: Option<String>,
    /// The button of the gateway's page was pressed.
    pub(super) pressed: bool,
}

/// The parameter that the button adds to the query.
pub(super) const PRESSED: &str = "seoham_open=1";

impl VisitParameters {
    /// Reads the last parameter of each name: the platform appends its own after the institution's.
    pub(super) fn of(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "token" => asked.token = Some(value.into_owned()),
                "document_binder_uuid" => asked.document = Some(value.into_owned()),
                "seoham_open" => asked.pressed = true,
                "external_document_uuid" => asked.external = Some(value.into_owned()),
                _ => {}
            }
        }
        asked
    }
}

/// `query` with the button's parameter.
pub(super) fn with_pressed(query: &str) -> String {
    format!("{query}&{PRESSED}")
}

/// `query` without the button's parameter.
pub(super) fn without_pressed(query: &str) -> &str {
    query.strip_suffix(PRESSED).map_or(query, |rest| rest.strip_suffix('&').unwrap_or(rest))
}

/// `query` without the visit's token; every other byte is kept. A `token` without a `document_binder_uuid`
/// belongs to the institution.
pub(super) fn without_token(query: &str) -> String {
    let name =
        |member: &str| form_urlencoded::parse(member.as_bytes()).next().map(|(name, _)| name.into_owned());
    let members: Vec<_> = query.split('&').collect();
    let last = |wanted: &str| members.iter().rposition(|member| name(member).as_deref() == Some(wanted));
    let (Some(token), Some(_)) = (last("token"), last("document_binder_uuid")) else {
        return query.to_owned();
    };
    let kept: Vec<_> = members.iter().enumerate().filter(|(i, _)| *i != token).map(|(_, m)| *m).collect();
    kept.join("&")
}

/// A `Referer` without the token in its query: browsers send the visited address.
pub(super) fn referer_without_token(referer: &str) -> String {
    let Some((before, query)) = referer.split_once('?') else { return referer.to_owned() };
    let query = without_token(query);
    if query.is_empty() { before.to_owned() } else { format!("{before}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDER: &str = "document_binder_uuid=B";

    #[test]
    fn the_last_of_a_name_is_ours() {
        let asked = VisitParameters::of(
            "token=theirs&a=1&token=ours&document_binder_uuid=B&external_document_uuid=%EA%B0%80+1",
        );
        assert_eq!(asked.token.as_deref(), Some("ours"));
        assert_eq!(asked.document.as_deref(), Some("B"));
        assert_eq!(asked.external.as_deref(), Some("가 1"));
        assert_eq!(VisitParameters::of(""), VisitParameters::default());
        let pressed = with_pressed("a=1&token=T");
        assert!(VisitParameters::of(&pressed).pressed && !asked.pressed);
        assert_eq!(without_pressed(&pressed), "a=1&token=T");
        assert_eq!(without_pressed("a=1"), "a=1");
    }

    #[test]
    fn the_token_alone_goes() {
        for (query, expected) in [
            (format!("token=T&{BINDER}"), BINDER.to_owned()),
            (format!("a=%20b&&x=&token=T&{BINDER}&c"), format!("a=%20b&&x=&{BINDER}&c")),
            (format!("token=theirs&token=T&{BINDER}"), format!("token=theirs&{BINDER}")),
            (format!("%74oken=T&{BINDER}"), BINDER.to_owned()),
            ("token=theirs".to_owned(), "token=theirs".to_owned()),
            (String::new(), String::new()),
        ] {
            assert_eq!(without_token(&query), expected, "{query}");
        }
    }

    #[test]
    fn a_referer_loses_it_too() {
        let of = |query: &str| referer_without_token(&format!("https://a.kr/x{query}"));
        assert_eq!(of(&format!("?a=1&token=T&{BINDER}")), format!("https://a.kr/x?a=1&{BINDER}"));
        assert_eq!(of(""), "https://a.kr/x");
    }
}
