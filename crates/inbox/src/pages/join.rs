//! Joining the box: consent and a PIN, set twice.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::SecretString;
use seoham_model::Text;
use seoham_vault::hash_pin_in_turn;
use serde::Deserialize;

use super::secret;
use super::sign_in::too_often;
use crate::Inbox;
use crate::page::page;
use crate::trouble::{Trouble, Turn};
use crate::visit::{self, Address, Visit};

#[derive(Template)]
#[template(path = "join.html")]
struct Join {
    korean: bool,
    csrf: String,
}

/// `GET /join`
pub(crate) async fn show(visit: Visit) -> Result<Response, Turn> {
    if visit.member {
        return Err(Turn::To("/documents"));
    }
    Ok(page(StatusCode::OK, &Join { korean: visit.korean(), csrf: visit.csrf() }))
}

#[derive(Deserialize)]
pub(crate) struct Joining {
    csrf: String,
    consent: Option<String>,
    pin: SecretString,
    pin_again: SecretString,
}

/// `POST /join`
pub(crate) async fn join(
    State(inbox): State<Inbox>,
    visit: Visit,
    Address(address): Address,
    Form(form): Form<Joining>,
) -> Result<Response, Turn> {
    visit.check(&form.csrf)?;
    if visit.member {
        return Err(Turn::To("/documents"));
    }
    if form.consent.is_none() {
        return Err(Trouble::new(
            StatusCode::BAD_REQUEST,
            Text::fixed("동의가 필요합니다", "Your consent is needed"),
            Text::fixed(
                "전자문서를 문서함으로 받으시려면 동의란에 표시해 주십시오.",
                "Please tick the box to receive electronic documents here.",
            ),
        )
        .then("/join", Text::fixed("다시 입력하기", "Enter again"))
        .into());
    }
    secret::check_new_pin(&form.pin, &form.pin_again, "/join")?;
    if !inbox.limits.address_may(address) {
        return Err(too_often());
    }
    let hash = hash_pin_in_turn(form.pin).await;
    if !inbox.store.set_first_pin(visit.person, hash).await? {
        // Joined meanwhile, elsewhere: that PIN is the one that counts.
        return Err(Turn::To("/documents"));
    }
    inbox.store.join(visit.person, inbox.now()).await?;
    // More may be done from now on: whoever else was let in before is not, and this session is new.
    inbox.store.end_sessions(visit.person).await?;
    visit::begin(&inbox, visit.person, None, "/documents").await
}
