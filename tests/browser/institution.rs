//! An institution's page: it verifies the token, renders, and reports the read.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Html;
use axum::routing::get;
use serde::Deserialize;

use crate::harness::Client;

/// A running institution's page.
pub(crate) struct Institution {
    pub(crate) link: String,
    client: Arc<OnceLock<Client>>,
}

#[derive(Deserialize)]
struct Visit {
    token: Option<String>,
    document_binder_uuid: Option<String>,
}

impl Institution {
    pub(crate) async fn start() -> Self {
        let client: Arc<OnceLock<Client>> = Arc::default();
        let app = Router::new().route("/notice", get(page)).with_state(Arc::clone(&client));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = format!("http://{}/notice", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { link, client }
    }

    /// Sets the credentials for calls to the platform.
    pub(crate) fn knows(&self, client: &Client) {
        assert!(self.client.set(client.clone()).is_ok());
    }
}

async fn page(State(client): State<Arc<OnceLock<Client>>>, Query(visit): Query<Visit>) -> Html<String> {
    let client = client.get().unwrap();
    let (Some(token), Some(id)) = (visit.token, visit.document_binder_uuid) else {
        return shown("링크가 올바르지 않습니다");
    };
    let verified = client.verify(&id, &token).await;
    if verified.status != 200 {
        return shown("이미 사용된 링크입니다. 문서함에서 다시 열어 주십시오");
    }
    assert_eq!(client.mark_read(&id).await.status, 204);
    shown(&format!("자동차세 고지서 본문 ({})", verified.body["payload"].as_str().unwrap()))
}

fn shown(text: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=ko><meta charset=utf-8><title>가상시청</title><main><h1>{text}</h1></main></html>"
    ))
}
