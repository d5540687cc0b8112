//! Times, deadlines, amounts and categories as text.

use seoham_model::card::with_commas;
use seoham_model::clock::seoul;
use seoham_model::document::Categories;
use seoham_model::{Lang, SeoulDay, UnixSeconds};
use seoham_store::boxes::BoxDocument;

const DAY_SECONDS: i64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn month(number: i8) -> &'static str {
    usize::try_from(number - 1).ok().and_then(|i| MONTHS.get(i)).copied().unwrap_or_default()
}

/// A time, to the minute.
pub(crate) fn moment(at: UnixSeconds, lang: Lang) -> String {
    let at = seoul(at);
    let (year, day, hour, minute) = (at.year(), at.day(), at.hour(), at.minute());
    match lang {
        Lang::Ko => format!("{year}년 {}월 {day}일 {hour:02}:{minute:02}", at.month()),
        Lang::En => format!("{day} {} {year}, {hour:02}:{minute:02} (Seoul)", month(at.month())),
    }
}

/// A time from which something is possible, rounded up to the minute so that it is never too early.
pub(crate) fn from_moment(at: UnixSeconds, lang: Lang) -> String {
    moment(at.plus(59), lang)
}

/// A day.
pub(crate) fn day(day: SeoulDay, lang: Lang) -> String {
    let at = seoul(day.begins_at());
    match lang {
        Lang::Ko => format!("{}년 {}월 {}일", at.year(), at.month(), at.day()),
        Lang::En => format!("{} {} {}", at.day(), month(at.month()), at.year()),
    }
}

/// An amount in won.
pub(crate) fn won(amount: u64, lang: Lang) -> String {
    let grouped = with_commas(amount);
    if lang == Lang::Ko { format!("{grouped}원") } else { format!("₩{grouped}") }
}

/// The remaining time, in the unit that fits best.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) text: String,
    /// The CSS class of its chip, which turns urgent at seven days and at one.
    pub(crate) urgency: &'static str,
}

impl Left {
    pub(crate) fn of(deadline_at: UnixSeconds, now: UnixSeconds, lang: Lang) -> Self {
        let left = deadline_at.seconds_since(now);
        let urgency = match left {
            ..=0 => "",
            1..=DAY_SECONDS => "now",
            left if left <= 7 * DAY_SECONDS => "soon",
            _ => "",
        };
        let (days, hours, minutes) = (left / DAY_SECONDS, left / 3_600, (left / 60).max(1));
        let text = match (lang, left) {
            (Lang::Ko, ..=0) => "기한 지남".to_owned(),
            (Lang::En, ..=0) => "Expired".to_owned(),
            (Lang::Ko, _) if days > 0 => format!("{days}일 남음"),
            (Lang::Ko, _) if hours > 0 => format!("{hours}시간 남음"),
            (Lang::Ko, _) => format!("{minutes}분 남음"),
            (Lang::En, _) if days > 0 => counted(days, "day"),
            (Lang::En, _) if hours > 0 => counted(hours, "hour"),
            (Lang::En, _) => counted(minutes, "minute"),
        };
        Self { text, urgency }
    }
}

/// How many attempts are left, in English.
pub(crate) fn tries_left(left: u32) -> String {
    if left == 1 { "You can try once more".to_owned() } else { format!("You can try {left} more times") }
}

fn counted(number: i64, unit: &str) -> String {
    format!("{number} {unit}{} left", if number == 1 { "" } else { "s" })
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

/// The kinds of document that the box distinguishes by category: name in the address, Korean and English.
pub(crate) const KINDS: [(&str, &str, &str); 5] = [
    ("bill", "고지서", "Bill"),
    ("notice", "안내", "Notice"),
    ("contract", "계약", "Contract"),
    ("report", "보고", "Report"),
    ("other", "문서", "Document"),
];

/// The kinds that a document's categories give it, by their names in an address; at least one.
pub(crate) fn kinds(categories: Categories) -> Vec<&'static str> {
    let key = |name: &&str| match *name {
        "BILL" | "BILL_PAY" => Some("bill"),
        "NOTICE" => Some("notice"),
        "CONTRACT" => Some("contract"),
        "REPORT" => Some("report"),
        _ => None,
    };
    let mut kinds: Vec<_> = categories.names().iter().filter_map(key).collect();
    kinds.dedup();
    if kinds.is_empty() {
        kinds.push("other");
    }
    kinds
}

/// The kind of a document, in one word.
pub(crate) fn kind(document: &BoxDocument, lang: Lang) -> &'static str {
    let key = kinds(document.content.categories)[0];
    let named = KINDS.iter().find(|(name, ..)| *name == key);
    named.map_or("", |(_, ko, en)| if lang == Lang::Ko { ko } else { en })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_795_359_600);

    #[test]
    fn moments_and_amounts_read_as_people_write_them() {
        assert_eq!(moment(NOW, Lang::Ko), "2026년 11월 23일 00:00");
        assert_eq!(moment(NOW.plus(60), Lang::En), "23 Nov 2026, 00:01 (Seoul)");
        assert_eq!(from_moment(NOW.plus(1), Lang::Ko), "2026년 11월 23일 00:01");
        let due = SeoulDay::parse("2026-11-30").expect("a day");
        assert_eq!(
            (day(due, Lang::Ko), day(due, Lang::En)),
            ("2026년 11월 30일".into(), "30 Nov 2026".into())
        );
        for (amount, ko, en) in
            [(0, "0원", "₩0"), (990, "990원", "₩990"), (1_184_500, "1,184,500원", "₩1,184,500")]
        {
            assert_eq!((won(amount, Lang::Ko), won(amount, Lang::En)), (ko.to_owned(), en.to_owned()));
        }
    }

    #[test]
    fn a_deadline_turns_urgent_at_seven_days_and_at_one() {
        let left = |seconds, lang| {
            let left = Left::of(NOW.plus(seconds), NOW, lang);
            (left.text, left.urgency)
        };
        for (seconds, ko, en, urgency) in [
            (8 * 86_400, "8일 남음", "8 days left", ""),
            (7 * 86_400 + 1, "7일 남음", "7 days left", ""),
            (7 * 86_400, "7일 남음", "7 days left", "soon"),
            (86_401, "1일 남음", "1 day left", "soon"),
            (86_400, "1일 남음", "1 day left", "now"),
            (7_300, "2시간 남음", "2 hours left", "now"),
            (20, "1분 남음", "1 minute left", "now"),
            (0, "기한 지남", "Expired", ""),
            (-5, "기한 지남", "Expired", ""),
        ] {
            assert_eq!(left(seconds, Lang::Ko), (ko.to_owned(), urgency), "{seconds}");
            assert_eq!(left(seconds, Lang::En), (en.to_owned(), urgency), "{seconds}");
        }
    }
}
