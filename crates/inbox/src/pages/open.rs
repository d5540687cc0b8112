//! Opening: the secret that the contract asks for, then on to the institution's page (SPEC 8.3, 8.4).

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use seoham_http::Path;
use seoham_model::Text;
use seoham_model::link::redirect_url;
use seoham_store::accounts::Authentication;
use seoham_store::boxes::{OpenVerdict, Opener};
use seoham_vault::OneTimeToken;
use serde::Deserialize;

use super::document::own;
use super::{secret, words};
use crate::Inbox;
use crate::page::page_leading_on;
use crate::trouble::{Trouble, Turn, unknown};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "open.html")]
struct Ask {
    korean: bool,
    csrf: String,
    id: String,
    institution: String,
    title: String,
    pin: bool,
    button: &'static str,
}

/// `GET /documents/{binder}/open`
pub(crate) async fn ask(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
) -> Result<Response, Turn> {
    let visit = visit.member_only()?;
    let document = own(&inbox, &visit, &binder).await?;
    let ask = Ask {
        korean: visit.korean(),
        csrf: visit.csrf(),
        id: document.id.to_string(),
        institution: document.institution_name.clone(),
        title: document.content.title.clone(),
        pin: document.authentication == Authentication::Pin,
        button: words::button(&document, visit.lang),
    };
    Ok(page_leading_on(StatusCode::OK, &ask))
}

#[derive(Deserialize)]
pub(crate) struct Opening {
    csrf: String,
    secret: SecretString,
}

/// `POST /documents/{binder}/open`
pub(crate) async fn open(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
    Form(form): Form<Opening>,
) -> Result<Response, Turn> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    let document = own(&inbox, &visit, &binder).await?;
    let address = format!("/documents/{}/open", document.id);
    secret::authenticate(&inbox, visit.person, document.authentication, form.secret, &address).await?;

    let token = OneTimeToken::generate();
    let opener = Opener::Recipient(visit.person);
    match inbox.store.open(opener, document.id, token.hash(), inbox.now()).await? {
        OpenVerdict::Opened { link, external_document_uuid, .. } => {
            let external = external_document_uuid.as_deref();
            let url = redirect_url(&link, token.expose(), &document.id.to_string(), external);
            Ok(Redirect::to(&url).into_response())
        }
        OpenVerdict::Expired => Err(Trouble::new(
            StatusCode::GONE,
            Text::fixed("열람기한이 지났습니다", "The deadline to open it has passed"),
            Text::fixed(
                "보낸 기관의 고객센터로 문의해 주십시오.",
                "Please ask the sender's customer service.",
            ),
        )
        .then_documents()
        .into()),
        OpenVerdict::NotInBox | OpenVerdict::Unknown => Err(unknown().then_documents().into()),
    }
}
