//! Settings: secrets, refused institutions, and signing out.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use seoham_http::Query;
use seoham_model::{InstitutionId, Text};
use seoham_pages::{Field, FieldKind, FormTarget, Mistakes, Site, page};
use seoham_store::visits::Secret;
use seoham_vault::hash_pin_bounded;
use serde::Deserialize;

use super::{new_pin, notice, secret, words};
use crate::Inbox;
use crate::page_exit::{PageExit, unknown};
use crate::visit::{self, Visit};

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    site: Site,
    csrf: String,
    refused: Vec<(String, String)>,
    has_pin: bool,
    current_pin: Field,
    pin: Field,
    pin_again: Field,
    certificate_pin: Field,
    /// Only for a person who already has a password.
    current_password: Option<Field>,
    password: Field,
    password_again: Field,
    /// When the person agreed to the terms.
    agreed: Option<String>,
    done: Option<&'static str>,
}

async fn shown(
    inbox: &Inbox,
    visit: &Visit,
    status: StatusCode,
    mistakes: &Mistakes,
    done: Option<&'static str>,
) -> Result<Response, PageExit> {
    let site = visit.site.clone();
    let refused = inbox.store.refused_institutions(visit.person).await?;
    let has_pin = inbox.store.has_secret(visit.person, Secret::Pin).await?;
    let has_password = inbox.store.has_secret(visit.person, Secret::Certificate).await?;
    let agreements = inbox.store.agreements(visit.person).await?;
    let field = |kind, name, label: Text| Field::new(&site, kind, name, &label, mistakes);
    let current = || Text::fixed("지금 PIN", "Present PIN");
    let present = || Text::fixed("지금 인증서 비밀번호", "Present certificate password");
    let [pin, pin_again] = secret::new_pin_fields(&site, mistakes);
    let [password, password_again] = secret::new_password_fields(&site, mistakes);
    let settings = Settings {
        csrf: visit.csrf(),
        refused: refused.into_iter().map(|i| (i.id.to_string(), i.name)).collect(),
        has_pin,
        current_pin: field(FieldKind::Pin, "current", current()),
        pin,
        pin_again,
        certificate_pin: field(FieldKind::Pin, "current", current()).known_as(
            &site,
            "certificate_pin",
            mistakes,
        ),
        current_password: has_password.then(|| field(FieldKind::Password, "current_password", present())),
        password,
        password_again,
        agreed: agreements.last().map(|agreement| words::moment(agreement.agreed_at, visit.lang())),
        done,
        site,
    };
    Ok(page(status, &settings, FormTarget::Here))
}

/// `GET /settings`
pub(crate) async fn show(
    State(inbox): State<Inbox>,
    visit: Visit,
    Query(asked): Query<notice::NoticeParameters>,
) -> Result<Response, PageExit> {
    let visit = visit.member_only()?;
    let done = asked.done().map(|done| done.text(&visit.site));
    shown(&inbox, &visit, StatusCode::OK, &Mistakes::none(), done).await
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
) -> Result<Response, PageExit> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    let mut mistakes = Mistakes::none();
    let Some(pin) = secret::check_new_pin(&form.pin, &form.pin_again, &mut mistakes) else {
        return shown(&inbox, &visit, StatusCode::BAD_REQUEST, &mistakes, None).await;
    };
    let before = match secret::authenticate(&inbox, visit.person, Secret::Pin, form.current).await? {
        Ok(before) => before,
        Err(refused) => {
            let mistakes = Mistakes::at("current", refused.text(Secret::Pin));
            return shown(&inbox, &visit, refused.status(), &mistakes, None).await;
        }
    };
    let hash = hash_pin_bounded(pin).await;
    // Anyone else who is signed in knew the old PIN, so other sessions end. A PIN that was set meanwhile is
    // kept.
    if !inbox.store.change_secret(visit.person, Secret::Pin, Some(before), hash).await? {
        return Err(PageExit::Redirect("/settings".to_owned()));
    }
    new_pin::tell_of_change(&inbox, visit.person).await;
    visit::begin(&inbox, visit.person, inbox.now(), None, "/settings?done=pin").await
}

#[derive(Deserialize)]
pub(crate) struct ChangeCertificate {
    csrf: String,
    current: SecretString,
    #[serde(default)]
    current_password: Option<SecretString>,
    password: SecretString,
    password_again: SecretString,
}

/// `POST /settings/certificate`: the PIN authenticates the person who sets the password.
pub(crate) async fn change_certificate(
    State(inbox): State<Inbox>,
    visit: Visit,
    Form(form): Form<ChangeCertificate>,
) -> Result<Response, PageExit> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    let mut mistakes = Mistakes::none();
    secret::check_new_password(&form.password, &form.password_again, &mut mistakes);
    if !mistakes.is_empty() {
        return shown(&inbox, &visit, StatusCode::BAD_REQUEST, &mistakes, None).await;
    }
    if let Err(refused) = secret::authenticate(&inbox, visit.person, Secret::Pin, form.current).await? {
        let mistakes = Mistakes::at("certificate_pin", refused.text(Secret::Pin));
        return shown(&inbox, &visit, refused.status(), &mistakes, None).await;
    }
    // Knowing the PIN alone is not enough to replace an existing password.
    let mut before = None;
    if inbox.store.has_secret(visit.person, Secret::Certificate).await? {
        let present = form.current_password.unwrap_or_else(|| SecretString::from(""));
        match secret::authenticate(&inbox, visit.person, Secret::Certificate, present).await? {
            Ok(proved) => before = Some(proved),
            Err(refused) => {
                let mistakes = Mistakes::at("current_password", refused.text(Secret::Certificate));
                return shown(&inbox, &visit, refused.status(), &mistakes, None).await;
            }
        }
    }
    let hash = hash_pin_bounded(form.password).await;
    if !inbox.store.change_secret(visit.person, Secret::Certificate, before, hash).await? {
        return Err(PageExit::Redirect("/settings".to_owned()));
    }
    Ok(Redirect::to("/settings?done=certificate").into_response())
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
) -> Result<Response, PageExit> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    let institution = InstitutionId::parse(&form.institution).ok_or_else(|| PageExit::from(unknown()))?;
    inbox.store.set_refusal(visit.person, institution, false, inbox.now()).await?;
    Ok(Redirect::to("/settings?done=accepted").into_response())
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
) -> Result<Response, PageExit> {
    visit.check(&form.csrf)?;
    inbox.store.end_session(visit.session()).await?;
    Ok(visit::forget(&inbox, "/"))
}

/// `POST /signout/everywhere`
pub(crate) async fn sign_out_everywhere(
    State(inbox): State<Inbox>,
    visit: Visit,
    Form(form): Form<SignOut>,
) -> Result<Response, PageExit> {
    visit.check(&form.csrf)?;
    inbox.store.end_sessions(visit.person).await?;
    Ok(visit::forget(&inbox, "/"))
}
