//! Joining the box: consent and a PIN, set twice.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::SecretString;
use seoham_http::Query;
use seoham_model::Text;
use seoham_pages::{Field, FormTarget, Mistakes, Site, page};
use seoham_vault::hash_pin_in_turn;
use serde::Deserialize;

use super::link_sending::too_often;
use super::secret;
use crate::Inbox;
use crate::destination::{self, Destination};
use crate::trouble::Turn;
use crate::visit::{self, Address, Visit};

#[derive(Template)]
#[template(path = "join.html")]
struct Join {
    site: Site,
    csrf: String,
    document: Option<String>,
    pin: Field,
    pin_again: Field,
    consented: bool,
    no_consent: Option<String>,
}

impl Join {
    fn new(visit: &Visit, destination: Destination, consented: bool, mistakes: &Mistakes) -> Self {
        let [pin, pin_again] = secret::new_pin_fields(&visit.site, mistakes);
        Self {
            csrf: visit.csrf(),
            document: destination.carried(),
            pin,
            pin_again,
            consented,
            no_consent: mistakes.of("consent", visit.lang()),
            site: visit.site.clone(),
        }
    }
}

/// `GET /join`
pub(crate) async fn show(visit: Visit, Query(asked): Query<destination::Asked>) -> Result<Response, Turn> {
    let destination = asked.destination();
    if visit.member {
        return Err(Turn::To(destination.address()));
    }
    let join = Join::new(&visit, destination, false, &Mistakes::none());
    Ok(page(StatusCode::OK, &join, FormTarget::Here))
}

#[derive(Deserialize)]
pub(crate) struct Joining {
    csrf: String,
    consent: Option<String>,
    pin: SecretString,
    pin_again: SecretString,
    #[serde(flatten)]
    destination: destination::Asked,
}

/// `POST /join`
pub(crate) async fn join(
    State(inbox): State<Inbox>,
    visit: Visit,
    Address(address): Address,
    Form(form): Form<Joining>,
) -> Result<Response, Turn> {
    visit.check(&form.csrf)?;
    let destination = form.destination.destination();
    if visit.member {
        return Err(Turn::To(destination.address()));
    }
    let mut mistakes = Mistakes::none();
    // In the order of the page: the first that is wrong has the focus.
    let pin = secret::check_new_pin(&form.pin, &form.pin_again, &mut mistakes);
    if form.consent.is_none() {
        let text = Text::fixed("가입하시려면 동의란에 표시해 주십시오.", "Please tick this box to join.");
        mistakes.add("consent", text);
    }
    let Some(pin) = pin.filter(|_| mistakes.is_empty()) else {
        let join = Join::new(&visit, destination, form.consent.is_some(), &mistakes);
        return Ok(page(StatusCode::BAD_REQUEST, &join, FormTarget::Here));
    };
    if !inbox.limits.address_may(address) {
        return Err(too_often());
    }
    let hash = hash_pin_in_turn(pin).await;
    if !inbox.store.set_first_pin(visit.person, hash).await? {
        // Joined meanwhile, elsewhere: that PIN is the one that counts.
        return Err(Turn::To(destination.address()));
    }
    inbox.store.agreed(visit.person, inbox.brand.agreed_texts(), inbox.now()).await?;
    inbox.store.join(visit.person, inbox.now()).await?;
    // More may be done from now on: whoever else was let in before is not, and this session is new.
    inbox.store.end_sessions(visit.person).await?;
    visit::begin(&inbox, visit.person, None, &format!("{}?done=joined", destination.address())).await
}
