//! Rewrites the platform's messages about a document for display beside its row.

use seoham_model::Lang;
use seoham_sheets::Member;

/// A message of the platform without the document's place in its request; in Korean with the members' names
/// instead of their paths.
pub(super) fn for_clerks(message: &str, lang: Lang) -> String {
    let message = without_index(message);
    if lang == Lang::En {
        return message;
    }
    message.split("; ").map(with_names).collect::<Vec<_>>().join("; ")
}

/// `receiver.phone_number: …` as `전화번호: …`.
fn with_names(part: &str) -> String {
    let Some((path, text)) = part.split_once(": ") else { return part.to_owned() };
    let name = match path {
        "receiver" => "받는 사람",
        path => match Member::of_path(path) {
            Some(member) => member.korean(),
            None => return part.to_owned(),
        },
    };
    format!("{name}: {text}")
}

/// A message without the document's place in its request, which is meaningless beside its row.
fn without_index(message: &str) -> String {
    let mut rest = message;
    let mut without = String::with_capacity(message.len());
    while let Some((before, after)) = rest.split_once("documents[") {
        without.push_str(before);
        match after.split_once(']') {
            Some((digits, after)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                rest = after.strip_prefix(['.', ':']).unwrap_or(after).trim_start();
            }
            _ => {
                without.push_str("documents[");
                rest = after;
            }
        }
    }
    without + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_their_names_in_korean() {
        for (message, reported) in [
            ("documents[0].receiver: 없음", "받는 사람: 없음"),
            (
                "documents[7].receiver.phone_number: 형식; documents[7].title: 필수",
                "전화번호: 형식; 제목: 필수",
            ),
            ("알 수 없는 오류", "알 수 없는 오류"),
            ("x: y", "x: y"),
        ] {
            assert_eq!(for_clerks(message, Lang::Ko), reported);
        }
        assert_eq!(for_clerks("documents[0].receiver: none", Lang::En), "receiver: none");
    }

    #[test]
    fn places_in_a_request_are_not_told() {
        for (message, without) in [
            ("documents[3].receiver: 없음", "receiver: 없음"),
            ("documents[3]: 오류", "오류"),
            ("documents[3].title: a; documents[3].hash: b", "title: a; hash: b"),
            ("documents[x] y", "documents[x] y"),
            ("아무 말", "아무 말"),
        ] {
            assert_eq!(without_index(message), without);
        }
    }
}
