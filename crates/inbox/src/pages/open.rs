//! Opening: asks for the secret that the contract requires, then redirects to the institution's page
//! (SPEC 8.3, 8.4).

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use seoham_http::{Path, Query};
use seoham_model::Text;
use seoham_model::link::redirect_url;
use seoham_model::status::Opening;
use seoham_pages::{Field, FieldKind, FormTarget, Mistakes, Site, page};
use seoham_store::accounts::Authentication;
use seoham_store::boxes::{BoxDocument, OpenVerdict, Opener};
use seoham_store::visits::Secret;
use seoham_vault::{OneTimeToken, hash_pin_bounded};
use serde::Deserialize;

use super::document::own;
use super::notice;
use super::secret::{self, Refused};
use crate::Inbox;
use crate::page_exit::{ErrorPage, PageExit, unknown};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "open.html")]
struct Ask {
    site: Site,
    csrf: String,
    id: String,
    institution: String,
    title: String,
    is_pin: bool,
    secret: Field,
    done: Option<&'static str>,
    /// The person has no PIN yet.
    has_no_pin: bool,
}

#[derive(Template)]
#[template(path = "open_certificate.html")]
struct SetCertificate {
    site: Site,
    csrf: String,
    id: String,
    institution: String,
    title: String,
    pin: Field,
    password: Field,
    password_again: Field,
}

/// The secret that a document requires, if any.
fn needed(document: &BoxDocument) -> Option<Secret> {
    match document.authentication {
        Authentication::Pin => Some(Secret::Pin),
        Authentication::Certificate => Some(Secret::Certificate),
        Authentication::None => None,
    }
}

/// The document of a path, if it can still be opened: an expired document costs no attempt.
async fn own_open(inbox: &Inbox, visit: &Visit, binder: &str) -> Result<BoxDocument, PageExit> {
    let document = own(inbox, visit, binder).await?;
    match document.times.opening(document.deadline_at, inbox.now()) {
        Opening::TooLate => Err(too_late()),
        Opening::Withdrawn => Err(withdrawn()),
        Opening::Open | Opening::NotInBox => Ok(document),
    }
}

fn too_late() -> PageExit {
    ErrorPage::new(
        StatusCode::GONE,
        Text::fixed("열람기한이 지났습니다", "The deadline to open it has passed"),
        Text::fixed("보낸 기관의 고객센터로 문의해 주십시오.", "Please ask the sender's customer service."),
    )
    .then_documents()
    .into()
}

fn withdrawn() -> PageExit {
    ErrorPage::new(
        StatusCode::GONE,
        Text::fixed("보낸 기관이 회수한 문서입니다", "The sender withdrew this document"),
        Text::fixed("보낸 기관의 고객센터로 문의해 주십시오.", "Please ask the sender's customer service."),
    )
    .then_documents()
    .into()
}

/// The page that asks for a secret. A person without a certificate password gets the page that sets one.
async fn asking(
    inbox: &Inbox,
    visit: &Visit,
    document: &BoxDocument,
    needed: Secret,
    refused: Option<Refused>,
    done: Option<&'static str>,
) -> Result<Response, PageExit> {
    let mistakes =
        refused.map_or_else(Mistakes::none, |refused| Mistakes::at("secret", refused.text(needed)));
    let status = refused.map_or(StatusCode::OK, Refused::status);
    let has_secret = inbox.store.has_secret(visit.person, needed).await?;
    let has_pin = inbox.store.has_secret(visit.person, Secret::Pin).await?;
    if needed == Secret::Certificate && !has_secret && has_pin {
        return Ok(page(status, &SetCertificate::new(visit, document, &Mistakes::none()), FormTarget::Here));
    }
    let site = visit.site.clone();
    let (kind, label) = match needed {
        Secret::Pin => (FieldKind::Pin, Text::fixed("PIN (숫자 6자리)", "PIN (six digits)")),
        Secret::Certificate => (FieldKind::Password, Text::fixed("인증서 비밀번호", "Certificate password")),
    };
    let ask = Ask {
        csrf: visit.csrf(),
        id: document.id.to_string(),
        institution: document.institution_name.clone(),
        title: document.content.title.clone(),
        is_pin: needed == Secret::Pin,
        secret: Field::new(&site, kind, "secret", &label, &mistakes).focused(&mistakes),
        done,
        has_no_pin: !has_secret && !has_pin,
        site,
    };
    Ok(page(status, &ask, FormTarget::Beyond))
}

impl SetCertificate {
    fn new(visit: &Visit, document: &BoxDocument, mistakes: &Mistakes) -> Self {
        let site = visit.site.clone();
        let label = Text::fixed("PIN (숫자 6자리)", "PIN (six digits)");
        let [password, password_again] = secret::new_password_fields(&site, mistakes);
        Self {
            csrf: visit.csrf(),
            id: document.id.to_string(),
            institution: document.institution_name.clone(),
            title: document.content.title.clone(),
            pin: Field::new(&site, FieldKind::Pin, "current", &label, mistakes).focused(mistakes),
            password,
            password_again,
            site,
        }
    }
}

/// `GET /documents/{binder}/open`
pub(crate) async fn ask(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
    Query(asked): Query<notice::NoticeParameters>,
) -> Result<Response, PageExit> {
    let visit = visit.member_only()?;
    let document = own_open(&inbox, &visit, &binder).await?;
    let Some(needed) = needed(&document) else {
        // It opens with a button on its own page: a form, which no prefetcher submits.
        return Err(PageExit::Redirect(format!("/documents/{}", document.id)));
    };
    let done = asked.done().map(|done| done.text(&visit.site));
    asking(&inbox, &visit, &document, needed, None, done).await
}

#[derive(Deserialize)]
pub(crate) struct Proof {
    csrf: String,
    #[serde(default)]
    secret: Option<SecretString>,
}

/// `POST /documents/{binder}/open`
pub(crate) async fn open(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
    Form(form): Form<Proof>,
) -> Result<Response, PageExit> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    let document = own(&inbox, &visit, &binder).await?;
    if let Some(needed) = needed(&document) {
        let typed = form.secret.unwrap_or_else(|| SecretString::from(""));
        if let Err(refused) = secret::authenticate(&inbox, visit.person, needed, typed).await? {
            return asking(&inbox, &visit, &document, needed, Some(refused), None).await;
        }
    }
    let token = OneTimeToken::generate();
    let opener = Opener::Recipient(visit.person);
    match inbox.store.open(opener, document.id, token.hash(), inbox.now()).await? {
        OpenVerdict::Opened { link, external_document_uuid, .. } => {
            let external = external_document_uuid.as_deref();
            let url = redirect_url(&link, token.expose(), &document.id.to_string(), external);
            Ok(Redirect::to(&url).into_response())
        }
        OpenVerdict::Expired => Err(too_late()),
        OpenVerdict::Withdrawn => Err(withdrawn()),
        OpenVerdict::NotInBox | OpenVerdict::Unknown => Err(unknown().then_documents().into()),
    }
}

#[derive(Deserialize)]
pub(crate) struct Setting {
    csrf: String,
    current: SecretString,
    password: SecretString,
    password_again: SecretString,
}

/// `POST /documents/{binder}/certificate`: sets a first password when a document requires one; the PIN
/// authenticates the person.
pub(crate) async fn set_certificate(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
    Form(form): Form<Setting>,
) -> Result<Response, PageExit> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    let document = own(&inbox, &visit, &binder).await?;
    let open = format!("/documents/{}/open", document.id);
    if inbox.store.has_secret(visit.person, Secret::Certificate).await? {
        // A password was set in another session meanwhile.
        return Err(PageExit::Redirect(open));
    }
    let again = |status, mistakes: &Mistakes| {
        Ok(page(status, &SetCertificate::new(&visit, &document, mistakes), FormTarget::Here))
    };
    let mut mistakes = Mistakes::none();
    secret::check_new_password(&form.password, &form.password_again, &mut mistakes);
    if !mistakes.is_empty() {
        return again(StatusCode::BAD_REQUEST, &mistakes);
    }
    if let Err(refused) = secret::authenticate(&inbox, visit.person, Secret::Pin, form.current).await? {
        return again(refused.status(), &Mistakes::at("current", refused.text(Secret::Pin)));
    }
    let hash = hash_pin_bounded(form.password).await;
    // A password that was set meanwhile is kept.
    let is_set = inbox.store.change_secret(visit.person, Secret::Certificate, None, hash).await?;
    let open = if is_set { format!("{open}?done=certificate") } else { open };
    Ok(Redirect::to(&open).into_response())
}
