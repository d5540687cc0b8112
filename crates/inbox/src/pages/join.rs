//! Joining the box: consent, and a PIN entered twice.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use seoham_http::Query;
use seoham_model::Text;
use seoham_pages::{Field, FormTarget, Mistakes, Site, page};
use seoham_vault::{hash_pin_bounded, sha256};
use serde::Deserialize;

use super::link_message::too_often;
use super::secret;
use crate::Inbox;
use crate::destination::{Destination, DestinationParameters};
use crate::page_exit::PageExit;
use crate::visit::{self, Address, Visit};

#[derive(Template)]
#[template(path = "join.html")]
struct Join {
    site: Site,
    csrf: String,
    destination: Option<(&'static str, String)>,
    pin: Field,
    pin_again: Field,
    consented: bool,
    /// The text of the consent checkbox.
    consent: &'static str,
    /// A fingerprint of the texts shown, so that nobody agrees to texts that have changed meanwhile.
    shown: String,
    consent_has_focus: bool,
    no_consent: Option<String>,
}

/// The text of the consent checkbox.
fn consent(site: &Site) -> &'static str {
    if site.brand.terms.is_some() || site.brand.privacy.is_some() {
        site.t(
            "위 내용과, 전자문서를 이 문서함으로 받는 데 동의합니다",
            "I agree to the above, and to receive electronic documents here",
        )
    } else {
        site.t("전자문서를 이 문서함으로 받는 데 동의합니다", "I agree to receive electronic documents here")
    }
}

/// The full texts that the person agrees to.
fn agreed_texts(inbox: &Inbox, site: &Site) -> Vec<String> {
    let mut texts = inbox.brand.agreed_texts();
    texts.push(consent(site).to_owned());
    texts
}

fn fingerprint(inbox: &Inbox, site: &Site) -> String {
    URL_SAFE_NO_PAD.encode(sha256(agreed_texts(inbox, site).join("\0").as_bytes()))
}

impl Join {
    fn new(
        inbox: &Inbox,
        visit: &Visit,
        destination: Destination,
        consented: bool,
        mistakes: &Mistakes,
    ) -> Self {
        let [pin, pin_again] = secret::new_pin_fields(&visit.site, mistakes);
        Self {
            csrf: visit.csrf(),
            destination: destination.parameter(),
            pin,
            pin_again,
            consented,
            consent: consent(&visit.site),
            shown: fingerprint(inbox, &visit.site),
            consent_has_focus: mistakes.is_first("consent"),
            no_consent: mistakes.of("consent", visit.lang()),
            site: visit.site.clone(),
        }
    }
}

/// `GET /join`
pub(crate) async fn show(
    State(inbox): State<Inbox>,
    visit: Visit,
    Query(asked): Query<DestinationParameters>,
) -> Result<Response, PageExit> {
    let destination = asked.destination();
    if visit.member {
        return Err(PageExit::Redirect(destination.address()));
    }
    let join = Join::new(&inbox, &visit, destination, false, &Mistakes::none());
    Ok(page(StatusCode::OK, &join, FormTarget::Here))
}

#[derive(Deserialize)]
pub(crate) struct Joining {
    csrf: String,
    consent: Option<String>,
    pin: SecretString,
    pin_again: SecretString,
    /// The fingerprint of the texts shown.
    #[serde(default)]
    shown: String,
    #[serde(flatten)]
    destination: DestinationParameters,
}

/// `POST /join`
pub(crate) async fn join(
    State(inbox): State<Inbox>,
    visit: Visit,
    Address(address): Address,
    Form(form): Form<Joining>,
) -> Result<Response, PageExit> {
    visit.check(&form.csrf)?;
    let destination = form.destination.destination();
    if visit.member {
        return Err(PageExit::Redirect(destination.address()));
    }
    let mut mistakes = Mistakes::none();
    // In page order: the first invalid field gets the focus.
    let pin = secret::check_new_pin(&form.pin, &form.pin_again, &mut mistakes);
    if form.consent.is_none() {
        let text = Text::fixed("가입하시려면 동의란에 표시해 주십시오.", "Please tick this box to join.");
        mistakes.add("consent", text);
    }
    let is_what_was_shown = form.shown == fingerprint(&inbox, &visit.site);
    let Some(pin) = pin.filter(|_| mistakes.is_empty() && is_what_was_shown) else {
        let consented = form.consent.is_some() && is_what_was_shown;
        let join = Join::new(&inbox, &visit, destination, consented, &mistakes);
        return Ok(page(StatusCode::BAD_REQUEST, &join, FormTarget::Here));
    };
    if !inbox.limits.address_may(address) {
        return Err(too_often());
    }
    let hash = hash_pin_bounded(pin).await;
    if !inbox.store.set_first_pin(visit.person, hash).await? {
        // The person has joined in another session meanwhile: that PIN counts.
        return Err(PageExit::Redirect(destination.address()));
    }
    inbox.store.agreed(visit.person, agreed_texts(&inbox, &visit.site), inbox.now()).await?;
    inbox.store.join(visit.person, inbox.now()).await?;
    // The session gains rights now, so all other sessions end and this one is new.
    inbox.store.end_sessions(visit.person).await?;
    // With very many documents, some enter the box a moment later: redirect to the list, which leads to them.
    let destination = match destination {
        Destination::Document(id) if inbox.store.box_document(visit.person, id).await?.is_none() => {
            Destination::List
        }
        other => other,
    };
    visit::begin(&inbox, visit.person, inbox.now(), None, &format!("{}?done=joined", destination.address()))
        .await
}
