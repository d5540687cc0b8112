//! Sign-in by telephone number: sends a link to it.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use seoham_http::{Language, Query};
use seoham_model::{Text, identity};
use seoham_pages::{Field, FieldKind, FormTarget, Mistakes, Site, page};
use serde::Deserialize;

use super::link_message::{LinkKind, may_send, send, too_often};
use crate::Inbox;
use crate::destination::{Destination, DestinationParameters};
use crate::page_exit::PageExit;
use crate::visit::{self, Address, from_our_pages};

#[derive(Template)]
#[template(path = "front.html")]
struct Front {
    site: Site,
    phone_number: Field,
    destination: Option<(&'static str, String)>,
    /// The session ended without the person signing out.
    ended: bool,
    has_messenger: bool,
}

impl Front {
    fn new(inbox: &Inbox, site: Site, destination: Destination, typed: &str, mistakes: &Mistakes) -> Self {
        let label = Text::fixed("휴대전화 번호", "Mobile number");
        let field = Field::new(&site, FieldKind::Phone, "phone_number", &label, mistakes).holding(typed);
        Self {
            phone_number: field.focused(mistakes),
            site,
            destination: destination.parameter(),
            ended: false,
            has_messenger: inbox.phones.is_some(),
        }
    }
}

#[derive(Template)]
#[template(path = "sent.html")]
struct Sent {
    site: Site,
    to_registered: bool,
    has_messenger: bool,
}

/// The page that confirms that a link was sent: to the person's registered number, or else to a number that
/// may be unknown.
pub(super) fn link_sent(inbox: &Inbox, site: Site, to_registered: bool) -> Response {
    let sent = Sent { site, to_registered, has_messenger: inbox.phones.is_some() };
    page(StatusCode::OK, &sent, FormTarget::Nowhere)
}

#[derive(Deserialize)]
pub(crate) struct Came {
    ended: Option<String>,
    #[serde(flatten)]
    destination: DestinationParameters,
}

/// `GET /`
pub(crate) async fn front(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    Query(came): Query<Came>,
    headers: HeaderMap,
) -> Result<Response, PageExit> {
    let destination = came.destination.destination();
    if visit::present(&inbox, &headers, lang).await?.is_some() {
        return Ok(Redirect::to(&destination.address()).into_response());
    }
    let front = Front::new(&inbox, inbox.site(lang), destination, "", &Mistakes::none());
    Ok(page(StatusCode::OK, &Front { ended: came.ended.is_some(), ..front }, FormTarget::Here))
}

#[derive(Deserialize)]
pub(crate) struct Ask {
    #[serde(default)]
    phone_number: String,
    #[serde(flatten)]
    destination: DestinationParameters,
}

/// `POST /login`: the response and its timing are the same whether or not the number is known.
pub(crate) async fn ask(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    Address(address): Address,
    headers: HeaderMap,
    Form(ask): Form<Ask>,
) -> Result<Response, PageExit> {
    from_our_pages(&headers)?;
    if !inbox.limits.address_may(address) {
        return Err(too_often());
    }
    let destination = ask.destination.destination();
    let again = |mistake: Text| {
        let mistakes = Mistakes::at("phone_number", mistake);
        let front = Front::new(&inbox, inbox.site(lang), destination, &ask.phone_number, &mistakes);
        page(StatusCode::BAD_REQUEST, &front, FormTarget::Here)
    };
    let Ok((digits, _)) = identity::phone_number(&ask.phone_number) else {
        return Ok(again(Text::fixed(
            "휴대전화 번호를 숫자 10자리나 11자리로 입력해 주십시오.",
            "Please enter the number with its 10 or 11 digits.",
        )));
    };
    let phone_number = SecretString::from(digits);
    if let Err(not_before) = may_send(&inbox, &phone_number).await? {
        return Ok(not_before.mark(again(not_before.text())));
    }
    if let Some(leave) = inbox.limits.one_more_link() {
        // Runs in the background, so that the response time reveals nothing either.
        let sending = send_if_known(inbox.clone(), phone_number, destination);
        tokio::spawn(async move {
            sending.await;
            drop(leave);
        });
    }
    Ok(link_sent(&inbox, inbox.site(lang), false))
}

async fn send_if_known(inbox: Inbox, phone_number: SecretString, destination: Destination) {
    let sending = async {
        let Some(person) = inbox.store.person_by_phone(&phone_number).await? else { return Ok(()) };
        send(&inbox, person, phone_number, LinkKind::SignIn(destination)).await
    };
    if let Err::<(), seoham_store::StoreError>(error) = sending.await {
        tracing::warn!(%error, "a link to sign in by could not be sent");
    }
}
