//! A new PIN for a person who forgot theirs or has none: by a link to the registered number, and the birthday
//! (SPEC 8.8).

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use seoham_http::{Language, Path};
use seoham_model::{Lang, PersonId, Text, identity};
use seoham_pages::{Field, FieldKind, FormTarget, Mistakes, Site, page};
use seoham_store::visits::BirthdayAttempt;
use seoham_vault::{TokenHash, hash_pin_bounded};
use serde::Deserialize;

use super::link::leads_nowhere;
use super::link_message::{LinkKind, send_to, too_often};
use super::secret::{self, check_new_pin};
use super::sign_in::link_sent;
use crate::page_exit::PageExit;
use crate::visit::{self, Address, Visit, from_our_pages};
use crate::{Inbox, Message};

#[derive(Template)]
#[template(path = "forgotten.html")]
struct Ask {
    site: Site,
    csrf: String,
    /// Why no link was sent.
    refused: Option<String>,
}

#[derive(Template)]
#[template(path = "new_pin.html")]
struct Renew {
    site: Site,
    token: String,
    birthday: Field,
    pin: Field,
    pin_again: Field,
}

impl Renew {
    fn new(site: Site, token: &SecretString, birthday: &str, mistakes: &Mistakes) -> Self {
        let label = Text::fixed("생년월일", "Birthday");
        let field = Field::new(&site, FieldKind::Birthday, "birthday", &label, mistakes).holding(birthday);
        let hint = Text::fixed("8자리로 입력합니다. 예: 19900101", "Eight digits, for example 19900101");
        let [pin, pin_again] = secret::new_pin_fields(&site, mistakes);
        Self {
            birthday: field.hinted(&site, &hint).focused(mistakes),
            pin,
            pin_again,
            site,
            token: token.expose_secret().to_owned(),
        }
    }
}

/// `GET /pin`: explains what will happen.
pub(crate) async fn ask(visit: Visit) -> Result<Response, PageExit> {
    let visit = visit.member_only()?;
    let ask = Ask { csrf: visit.csrf(), site: visit.site, refused: None };
    Ok(page(StatusCode::OK, &ask, FormTarget::Here))
}

#[derive(Deserialize)]
pub(crate) struct Confirmed {
    csrf: String,
}

/// `POST /pin`: sends the link.
pub(crate) async fn send(
    State(inbox): State<Inbox>,
    visit: Visit,
    Form(form): Form<Confirmed>,
) -> Result<Response, PageExit> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    match send_to(&inbox, visit.person, LinkKind::NewPin).await? {
        Ok(()) => Ok(link_sent(&inbox, visit.site, true)),
        Err(not_before) => {
            let refused = Some(not_before.text().in_lang(visit.lang()).to_owned());
            let ask = Ask { csrf: visit.csrf(), site: visit.site, refused };
            Ok(not_before.mark(page(StatusCode::OK, &ask, FormTarget::Here)))
        }
    }
}

/// The form, if `token` belongs to a new-PIN link. Showing it does not use the token up.
pub(super) async fn follow(
    inbox: &Inbox,
    lang: Lang,
    token: &SecretString,
) -> Result<Option<Response>, PageExit> {
    let known = inbox.store.new_pin_link(TokenHash::of(token.expose_secret()), inbox.now()).await?;
    let form = |_: PersonId| Renew::new(inbox.site(lang), token, "", &Mistakes::none());
    Ok(known.map(form).map(|form| page(StatusCode::OK, &form, FormTarget::Here)))
}

#[derive(Deserialize)]
pub(crate) struct Renewing {
    #[serde(default)]
    birthday: String,
    pin: SecretString,
    pin_again: SecretString,
}

/// `POST /l/{token}/pin`
pub(crate) async fn renew(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    Address(address): Address,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Renewing>,
) -> Result<Response, PageExit> {
    from_our_pages(&headers)?;
    if !inbox.limits.address_may(address) {
        return Err(too_often());
    }
    let token = SecretString::from(token);
    let hash = TokenHash::of(token.expose_secret());
    let now = inbox.now();
    let person = inbox.store.new_pin_link(hash, now).await?.ok_or_else(leads_nowhere)?;
    let again = |status, mistakes: &Mistakes| {
        let form = Renew::new(inbox.site(lang), &token, &form.birthday, mistakes);
        Ok(page(status, &form, FormTarget::Here))
    };
    // Check first what can fail without costing an attempt.
    let mut mistakes = Mistakes::none();
    let birthday = identity::birthday(&form.birthday, None).ok();
    if birthday.is_none() {
        mistakes.add(
            "birthday",
            Text::fixed(
                "생년월일을 숫자 8자리로 입력해 주십시오.",
                "Please enter the birthday in eight digits.",
            ),
        );
    }
    let pin = check_new_pin(&form.pin, &form.pin_again, &mut mistakes);
    let (Some((birthday, _)), Some(pin)) = (birthday, pin) else {
        return again(StatusCode::BAD_REQUEST, &mistakes);
    };
    let mistake = match inbox.store.try_birthday(person, &birthday.into(), now).await? {
        BirthdayAttempt::Right => None,
        BirthdayAttempt::Wrong { left: 0 } => {
            Some(secret::locked(now.plus(seoham_store::visits::LOCKED_SECONDS)))
        }
        BirthdayAttempt::Wrong { left } => Some(Text::made(
            format!("등록된 생년월일과 다릅니다. {left}번 더 입력하실 수 있습니다."),
            format!("That is not the birthday you are registered with. {}.", super::words::tries_left(left)),
        )),
        BirthdayAttempt::Locked { until } => Some(secret::locked(until)),
    };
    if let Some(mistake) = mistake {
        return again(StatusCode::FORBIDDEN, &Mistakes::at("birthday", mistake));
    }
    let pin = hash_pin_bounded(pin).await;
    if !inbox.store.renew_pin(hash, pin, inbox.now()).await? {
        return Err(leads_nowhere());
    }
    tell_of_change(&inbox, person).await;
    visit::begin(&inbox, person, inbox.now(), None, "/documents?done=pin").await
}

/// Notifies a person that the PIN was changed, in case somebody else did it.
pub(super) async fn tell_of_change(inbox: &Inbox, person: PersonId) {
    match inbox.store.phone_number(person).await {
        Ok(Some(phone_number)) => inbox.messages.send(phone_number, Message::PinChanged),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "a person could not be told that their PIN was changed"),
    }
}
