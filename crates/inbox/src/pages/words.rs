//! Deadlines and categories in words.

use seoham_model::clock::seoul_minutes;
use seoham_model::{Lang, UnixSeconds};
use seoham_store::boxes::BoxDocument;

/// A deadline as a person thinks of it.
pub(crate) fn deadline(deadline_at: UnixSeconds, now: UnixSeconds, lang: Lang) -> String {
    let left = deadline_at.seconds_since(now);
    let (days, hours, minutes) = (left / 86_400, left / 3_600, (left / 60).max(1));
    let date = seoul_minutes(deadline_at);
    let words = match (lang, left) {
        (Lang::Ko, ..=0) => "기한 지남".to_owned(),
        (Lang::En, ..=0) => "expired".to_owned(),
        (Lang::Ko, _) if days > 0 => format!("{days}일 남음"),
        (Lang::Ko, _) if hours > 0 => format!("{hours}시간 남음"),
        (Lang::Ko, _) => format!("{minutes}분 남음"),
        (Lang::En, _) if days > 0 => format!("{days} days left"),
        (Lang::En, _) if hours > 0 => format!("{hours} hours left"),
        (Lang::En, _) => format!("{minutes} minutes left"),
    };
    match lang {
        Lang::Ko => format!("{date}까지 · {words}"),
        Lang::En => format!("until {date} (Seoul) · {words}"),
    }
}

/// The button that opens a document.
pub(crate) fn button(document: &BoxDocument, lang: Lang) -> &'static str {
    let korean = document.content.categories.button();
    match lang {
        Lang::Ko => korean,
        Lang::En if korean.contains("납부") => "Open and pay",
        Lang::En => "Open",
    }
}

/// What kind of document it is.
pub(crate) fn kind(document: &BoxDocument, lang: Lang) -> &'static str {
    let names = document.content.categories.names();
    let (ko, en) = match names.first().copied() {
        Some("BILL" | "BILL_PAY") => ("고지서", "Bill"),
        Some("NOTICE") => ("안내", "Notice"),
        Some("CONTRACT") => ("계약", "Contract"),
        Some("REPORT") => ("보고", "Report"),
        _ => ("문서", "Document"),
    };
    if lang == Lang::Ko { ko } else { en }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_told_in_words_and_as_a_date() {
        let now = UnixSeconds(1_795_359_600);
        assert_eq!(deadline(now.plus(3 * 86_400 + 5), now, Lang::Ko), "2026-11-26 00:00까지 · 3일 남음");
        assert_eq!(deadline(now.plus(7_300), now, Lang::En), "until 2026-11-23 02:01 (Seoul) · 2 hours left");
        assert!(deadline(now.plus(20), now, Lang::Ko).ends_with("1분 남음"));
        assert!(deadline(now, now, Lang::Ko).ends_with("기한 지남"));
    }
}
