//! What kind of contract a profile has, in words (SPEC 14).

use seoham_model::contract::{Authentication, Notice, Product};

use crate::terminal::localized;

/// What the contract is: how recipients open a document, whether it needs the hash of its original, and who notifies.
pub(crate) fn described(product: Product) -> String {
    let (ko, en) = match product.authentication {
        Authentication::Pin => ("PIN으로 열람", "opened by PIN"),
        Authentication::Certificate => ("인증서로 열람", "opened by certificate"),
        Authentication::None => ("추가 인증 없이 열람", "opened without another proof"),
    };
    let (ko_certified, en_certified) = if product.certified {
        (", 원본의 해시 필요", ", with the hash of the original")
    } else {
        ("", "")
    };
    let (ko_notice, en_notice) = match product.notice {
        Notice::Platform => ("플랫폼이 알림", "the platform notifies"),
        Notice::Institution => ("기관의 채널로 알림", "the institution's own channel notifies"),
        Notice::None => ("알림 없음", "nobody is notified"),
    };
    localized(
        &format!("계약: {ko}{ko_certified}, {ko_notice}"),
        &format!("Contract: {en}{en_certified}, {en_notice}"),
    )
}
