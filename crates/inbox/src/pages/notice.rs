//! The confirmation of an action on the following page. The address names the action, and reveals nothing
//! that is not on the page.

use seoham_pages::Site;
use serde::Deserialize;

/// The last action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// A PIN was set or changed.
    Pin,
    /// A certificate's password was set or changed.
    Certificate,
    /// An institution is refused.
    Refused,
    /// An institution's documents are taken again.
    Accepted,
    /// Somebody joined.
    Joined,
}

/// `?done=…` of a page.
#[derive(Default, Deserialize)]
pub(crate) struct NoticeParameters {
    done: Option<String>,
}

impl NoticeParameters {
    /// The action; `None` for an unknown value.
    pub(crate) fn done(&self) -> Option<Done> {
        match self.done.as_deref()? {
            "pin" => Some(Done::Pin),
            "certificate" => Some(Done::Certificate),
            "refused" => Some(Done::Refused),
            "accepted" => Some(Done::Accepted),
            "joined" => Some(Done::Joined),
            _ => None,
        }
    }
}

impl Done {
    /// The confirmation text.
    pub(crate) fn text(self, site: &Site) -> &'static str {
        match self {
            Self::Pin => site.t(
                "새 PIN을 정했습니다. 다른 기기에서는 모두 로그아웃되었습니다.",
                "Your new PIN is set. You were signed out on every other device.",
            ),
            Self::Certificate => {
                site.t("인증서 비밀번호를 정했습니다.", "Your certificate password was set.")
            }
            Self::Refused => site.t(
                "이 기관이 앞으로 보내는 문서는 받지 않습니다.",
                "You will not receive what this institution sends from now on.",
            ),
            Self::Accepted => {
                site.t("이 기관의 문서를 다시 받습니다.", "You receive this institution's documents again.")
            }
            Self::Joined => site.t(
                "가입이 끝났습니다. 기다리던 문서가 문서함에 들어왔습니다.",
                "You have joined. What waited for you is in your box now.",
            ),
        }
    }
}
