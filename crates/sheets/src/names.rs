//! Column names in normalised form; the first name of each member is the usual Korean one.

use unicode_normalization::UnicodeNormalization;

use crate::Member;

pub(crate) const NAMES: [(Member, &[&str]); 18] = [
    (Member::Title, &["제목", "문서제목", "문서명", "고지서명", "title", "subject", "documenttitle"]),
    (
        Member::ReadExpiredAt,
        &[
            "열람기한",
            "열람마감",
            "열람마감일",
            "열람만료",
            "열람만료일",
            "열람기한일시",
            "readexpiredat",
            "deadline",
            "expiresat",
        ],
    ),
    (Member::ReadExpiredSec, &["열람초", "열람기간초", "readexpiredsec"]),
    (Member::ReadExpiredDays, &["열람일수", "열람기간", "열람기간일", "readexpireddays", "days"]),
    (Member::Hash, &["해시", "해시값", "문서해시", "원본해시", "hash"]),
    (
        Member::CommonCategories,
        &["분류", "문서분류", "카테고리", "commoncategories", "categories", "category"],
    ),
    (Member::Ci, &["연계정보", "연계정보ci", "ci값", "ci"]),
    (
        Member::PhoneNumber,
        &[
            "전화번호",
            "휴대폰",
            "휴대폰번호",
            "휴대전화",
            "휴대전화번호",
            "핸드폰",
            "핸드폰번호",
            "연락처",
            "수신번호",
            "수신자번호",
            "전화",
            "무선전화",
            "hp",
            "phonenumber",
            "phone",
            "mobile",
            "mobilenumber",
            "tel",
        ],
    ),
    (Member::Name, &["이름", "성명", "성함", "name", "receivername", "fullname"]),
    (Member::Birthday, &["생년월일", "생일", "출생일", "birthday", "birthdate", "dateofbirth", "dob"]),
    (
        Member::IsRequiredVerifyName,
        &["이름확인", "성명확인", "실명확인", "isrequiredverifyname", "verifyname"],
    ),
    (Member::Link, &["링크", "연결주소", "웹주소", "문서링크", "문서주소", "link", "url"]),
    (
        Member::CsNumber,
        &[
            "문의전화",
            "문의번호",
            "문의전화번호",
            "고객센터전화",
            "고객센터번호",
            "고객센터전화번호",
            "대표번호",
            "csnumber",
            "cstel",
        ],
    ),
    (Member::CsName, &["문의처", "고객센터", "고객센터명", "고객센터이름", "담당부서", "csname"]),
    (Member::Payload, &["페이로드", "전달값", "payload"]),
    (Member::BridgeContent, &["문서함안내문", "문서함안내", "문서함내용", "bridgecontent", "bridge"]),
    (Member::Message, &["내용", "메시지", "안내문", "알림내용", "안내내용", "본문", "message", "body"]),
    (
        Member::ExternalDocumentUuid,
        &[
            "문서번호",
            "외부문서번호",
            "관리번호",
            "고지번호",
            "고지서번호",
            "전자납부번호",
            "문서id",
            "외부문서id",
            "일련번호",
            "externaldocumentuuid",
            "externalid",
            "documentid",
            "documentno",
        ],
    ),
];

/// Prefixes for the person of a list: tax, water, insurance, school, membership. A column with only the
/// prefix, or with a word for "name" after it, holds the name; with a word for "number", the telephone
/// number; with a word for "birthday", the birthday.
const WHO: [&str; 25] = [
    "수신자",
    "수신인",
    "수령인",
    "받는분",
    "받는사람",
    "납세자",
    "납세의무자",
    "납부자",
    "납부의무자",
    "고객",
    "수용가",
    "사용자",
    "계약자",
    "피보험자",
    "보험계약자",
    "수익자",
    "보호자",
    "학부모",
    "학생",
    "회원",
    "신청인",
    "대상자",
    "체납자",
    "소유자",
    "민원인",
];
const NAME_ENDINGS: [&str; 6] = ["", "명", "성명", "이름", "성함", "님"];
const PHONE_ENDINGS: [&str; 13] = [
    "전화번호",
    "전화",
    "연락처",
    "휴대폰",
    "휴대폰번호",
    "휴대전화",
    "휴대전화번호",
    "핸드폰",
    "핸드폰번호",
    "번호연락처",
    "연락번호",
    "모바일",
    "hp",
];
const BIRTHDAY_ENDINGS: [&str; 4] = ["생년월일", "생일", "출생일", "주민번호앞자리"];

/// The member of a column named by a prefix of [`WHO`] and an ending; `name` is normalised. 고객 is also the
/// beginning of 고객센터, which is not a person, so the whole rest of the name must be an ending.
pub(crate) fn of_person_column(name: &str) -> Option<Member> {
    let endings = [
        (Member::Name, &NAME_ENDINGS[..]),
        (Member::PhoneNumber, &PHONE_ENDINGS),
        (Member::Birthday, &BIRTHDAY_ENDINGS),
    ];
    let member =
        |ending| endings.iter().find(|(_, known)| known.contains(&ending)).map(|(member, _)| *member);
    WHO.iter().filter_map(|who| name.strip_prefix(who)).find_map(member)
}

/// The canonical form for comparing column names: composed, in lower case, without white space and
/// punctuation, without text in brackets, without the parent object.
pub(crate) fn normalized(name: &str) -> String {
    let composed: String = name.nfkc().collect::<String>().to_lowercase();
    let inner = composed.trim();
    let inner = inner.strip_prefix("receiver.").or_else(|| inner.strip_prefix("property.")).unwrap_or(inner);
    let mut depth = 0_u32;
    let mut normal = String::with_capacity(inner.len());
    for c in inner.chars() {
        match c {
            '(' | '[' | '<' => depth += 1,
            ')' | ']' | '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 && c.is_alphanumeric() => normal.push(c),
            _ => {}
        }
    }
    normal
}
