//! Settings: secrets, refusals, and the end of visits.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::{ExposeSecret, SecretString};
use seoham_model::InstitutionId;
use seoham_store::accounts::Authentication;
use seoham_vault::hash_pin_in_turn;
use serde::Deserialize;

use super::secret;
use crate::Inbox;
use crate::page::page;
use crate::trouble::{Turn, unknown};
use crate::visit::{self, Visit};

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    korean: bool,
    csrf: String,
    refused: Vec<(String, String)>,
}

/// `GET /settings`
pub(crate) async fn show(State(inbox): State<Inbox>, visit: Visit) -> Result<Response, Turn> {
    let visit = visit.member_only()?;
    let refused = inbox.store.refused_institutions(visit.person).await?;
    let refused = refused.into_iter().map(|i| (i.id.to_string(), i.name)).collect();
    Ok(page(StatusCode::OK, &Settings { korean: visit.korean(), csrf: visit.csrf(), refused }))
}

#[derive(Deserialize)]
pub(crate) struct ChangePin {
    csrf: String,
    current: SecretString,
    pin: SecretString,
    pin_again: SecretString,
}

/// `POST /settings/pin`
pub(crate) async fn change_pin(
    State(inbox): State<Inbox>,
    visit: Visit,
    Form(form): Form<ChangePin>,
) -> Result<Response, Turn> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    secret::check_new_pin(&form.pin, &form.pin_again, "/settings")?;
    let hash = hash_pin_in_turn(form.pin).await;
    // A member whom an import brought without a PIN sets the first one with nothing to prove but the
    // telephone that the link came to.
    let first = form.current.expose_secret().is_empty()
        && inbox.store.set_first_pin(visit.person, hash.clone()).await?;
    if !first {
        secret::authenticate(&inbox, visit.person, Authentication::Pin, form.current, "/settings").await?;
        inbox.store.set_secret(visit.person, Authentication::Pin, hash).await?;
    }
    // Whoever else is signed in knew the old one.
    inbox.store.end_sessions(visit.person).await?;
    visit::begin(&inbox, visit.person, None, "/settings").await
}

#[derive(Deserialize)]
pub(crate) struct ChangeCertificate {
    csrf: String,
    current: SecretString,
    current_password: SecretString,
    password: SecretString,
    password_again: SecretString,
}

/// `POST /settings/certificate`: the PIN proves who sets the password.
pub(crate) async fn change_certificate(
    State(inbox): State<Inbox>,
    visit: Visit,
    Form(form): Form<ChangeCertificate>,
) -> Result<Response, Turn> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    secret::check_new_password(&form.password, &form.password_again)?;
    secret::authenticate(&inbox, visit.person, Authentication::Pin, form.current, "/settings").await?;
    // A password that is there is not replaced by who knows the PIN alone.
    let kind = Authentication::Certificate;
    if inbox.store.has_secret(visit.person, kind).await? {
        secret::authenticate(&inbox, visit.person, kind, form.current_password, "/settings").await?;
    }
    let hash = hash_pin_in_turn(form.password).await;
    inbox.store.set_secret(visit.person, Authentication::Certificate, hash).await?;
    Ok(Redirect::to("/settings").into_response())
}

#[derive(Deserialize)]
pub(crate) struct Accept {
    csrf: String,
    institution: String,
}

/// `POST /settings/accept`
pub(crate) async fn accept(
    State(inbox): State<Inbox>,
    visit: Visit,
    Form(form): Form<Accept>,
) -> Result<Response, Turn> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    let institution = InstitutionId::parse(&form.institution).ok_or_else(|| Turn::from(unknown()))?;
    inbox.store.set_refusal(visit.person, institution, false).await?;
    Ok(Redirect::to("/settings").into_response())
}

#[derive(Deserialize)]
pub(crate) struct SignOut {
    csrf: String,
}

/// `POST /signout`
pub(crate) async fn sign_out(
    State(inbox): State<Inbox>,
    visit: Visit,
    Form(form): Form<SignOut>,
) -> Result<Response, Turn> {
    visit.check(&form.csrf)?;
    inbox.store.end_session(visit.session()).await?;
    Ok(visit::forget(&inbox, Redirect::to("/").into_response()))
}

/// `POST /signout/everywhere`
pub(crate) async fn sign_out_everywhere(
    State(inbox): State<Inbox>,
    visit: Visit,
    Form(form): Form<SignOut>,
) -> Result<Response, Turn> {
    visit.check(&form.csrf)?;
    inbox.store.end_sessions(visit.person).await?;
    Ok(visit::forget(&inbox, Redirect::to("/").into_response()))
}
