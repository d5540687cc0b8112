//! The members of a document that a column can hold (SPEC 4), and the names of such columns.

use std::fmt;

use crate::names::{NAMES, normalized, of_person_column};

/// A member of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Member {
    /// `title`
    Title,
    /// `read_expired_at`
    ReadExpiredAt,
    /// `read_expired_sec`
    ReadExpiredSec,
    /// The same in days.
    ReadExpiredDays,
    /// `hash`
    Hash,
    /// `common_categories`
    CommonCategories,
    /// `receiver.ci`
    Ci,
    /// `receiver.phone_number`
    PhoneNumber,
    /// `receiver.name`
    Name,
    /// `receiver.birthday`
    Birthday,
    /// `receiver.is_required_verify_name`
    IsRequiredVerifyName,
    /// `property.link`
    Link,
    /// `property.cs_number`
    CsNumber,
    /// `property.cs_name`
    CsName,
    /// `property.payload`
    Payload,
    /// `property.message`
    Message,
    /// `bridge.content`
    BridgeContent,
    /// `property.external_document_uuid`
    ExternalDocumentUuid,
}

impl Member {
    /// All members.
    pub const ALL: [Self; 18] = [
        Self::Title,
        Self::ReadExpiredAt,
        Self::ReadExpiredSec,
        Self::ReadExpiredDays,
        Self::Hash,
        Self::CommonCategories,
        Self::Ci,
        Self::PhoneNumber,
        Self::Name,
        Self::Birthday,
        Self::IsRequiredVerifyName,
        Self::Link,
        Self::CsNumber,
        Self::CsName,
        Self::Payload,
        Self::Message,
        Self::BridgeContent,
        Self::ExternalDocumentUuid,
    ];

    /// Its path in a document, `receiver.birthday`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::ReadExpiredAt => "read_expired_at",
            Self::ReadExpiredSec => "read_expired_sec",
            Self::ReadExpiredDays => "read_expired_days",
            Self::Hash => "hash",
            Self::CommonCategories => "common_categories",
            Self::Ci => "receiver.ci",
            Self::PhoneNumber => "receiver.phone_number",
            Self::Name => "receiver.name",
            Self::Birthday => "receiver.birthday",
            Self::IsRequiredVerifyName => "receiver.is_required_verify_name",
            Self::Link => "property.link",
            Self::CsNumber => "property.cs_number",
            Self::CsName => "property.cs_name",
            Self::Payload => "property.payload",
            Self::Message => "property.message",
            Self::BridgeContent => "bridge.content",
            Self::ExternalDocumentUuid => "property.external_document_uuid",
        }
    }

    /// The member of a column with this Korean or English name.
    pub fn of_column(name: &str) -> Option<Self> {
        let name = normalized(name);
        let known = NAMES.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(member, _)| *member);
        known.or_else(|| of_person_column(&name))
    }

    /// The member at a path of a document.
    pub fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|member| member.path() == path)
    }

    /// The preferred Korean column name.
    pub fn korean(self) -> &'static str {
        NAMES.iter().find(|(member, _)| *member == self).and_then(|(_, names)| names.first()).unwrap_or(&"")
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_known_by_many_names() {
        for (name, member) in [
            ("전화번호", Member::PhoneNumber),
            (" 휴대 전화 번호 ", Member::PhoneNumber),
            ("휴대폰(수신자)", Member::PhoneNumber),
            ("Phone-Number", Member::PhoneNumber),
            ("receiver.phone_number", Member::PhoneNumber),
            ("이름", Member::Name),
            ("생년월일", Member::Birthday),
            ("연계정보", Member::Ci),
            ("제목", Member::Title),
            ("내용", Member::Message),
            ("문서함 안내문", Member::BridgeContent),
            ("링크", Member::Link),
            ("URL", Member::Link),
            ("열람기한", Member::ReadExpiredAt),
            ("property.external_document_uuid", Member::ExternalDocumentUuid),
        ] {
            assert_eq!(Member::of_column(name), Some(member), "{name}");
        }
        // Names from the lists of tax, water, insurance and school offices.
        for who in ["납세자", "고객", "수용가", "수신인", "계약자", "피보험자", "보호자", "학부모", "체납자"]
        {
            for ending in ["", "명", "성명", " 이름", "(성명)"] {
                assert_eq!(Member::of_column(&format!("{who}{ending}")), Some(Member::Name), "{who}{ending}");
            }
            for ending in ["연락처", "휴대폰", " 휴대폰 번호", "전화번호", "핸드폰"] {
                let name = format!("{who}{ending}");
                assert_eq!(Member::of_column(&name), Some(Member::PhoneNumber), "{name}");
            }
            assert_eq!(Member::of_column(&format!("{who} 생년월일")), Some(Member::Birthday), "{who}");
        }
        // A recipient also has a department and an address.
        for unknown in [
            "",
            "주소",
            "부서",
            "비고",
            "세목",
            "고객번호",
            "수용가번호",
            "납세자주소",
            "계약자와의관계",
            "학생수",
        ] {
            assert_eq!(Member::of_column(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn no_name_means_two_members_and_each_has_its_own() {
        let mut all: Vec<&str> = NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert!(all.iter().all(|name| normalized(name) == *name), "names are in their plain form");
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        for member in Member::ALL {
            assert_eq!(Member::of_column(member.path()), Some(member));
            assert!(!member.korean().is_ascii(), "{member}");
        }
    }
}
