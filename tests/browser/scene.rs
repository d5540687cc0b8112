//! A platform, an institution with its page, and people.

use serde_json::{Value, json};

use crate::driver::Driver;
use crate::harness::{Browser, Client, Server, Start, document, eventually};
use crate::institution::Institution;

pub(crate) const PIN: &str = "135790";

pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) city: Client,
    institution: Institution,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        Self::on(Start::sandbox()).await
    }

    /// A scene with an operator's own terms and contact.
    pub(crate) async fn branded() -> Self {
        let terms = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(terms.path(), "제1조 (목적) 이 약관은 시험용입니다.\n".repeat(20)).unwrap();
        let start = Start::sandbox()
            .env("SEOHAM_BRAND__TERMS_FILE", terms.path().to_str().unwrap())
            .env("SEOHAM_BRAND__CONTACT", "02-000-0000");
        Self::on(start).await
    }

    async fn on(start: Start) -> Self {
        let server = start.up();
        let city = server.institution("가상시청").await;
        let institution = Institution::start().await;
        institution.knows(&city);
        Self { server, city, institution }
    }

    pub(crate) async fn person(&self, number: &str, member: bool) {
        let mut person =
            json!({ "phone_number": number, "name": "김가상", "birthday": "19900101", "member": member });
        if member {
            person["pin"] = json!(PIN);
        }
        assert_eq!(self.city.sandbox("people", person).await.status, 201);
    }

    /// A document for `number` that links to the institution's page.
    pub(crate) fn document(&self, number: &str, external: &str) -> Value {
        let mut document = document(number, external);
        document["property"]["link"] = json!(self.institution.link);
        document
    }

    pub(crate) async fn send(&self, number: &str) -> String {
        self.city.accepted(&[self.document(number, "EXT-1")]).await.remove(0)
    }

    /// A bill whose card shows an amount and a due date.
    pub(crate) async fn send_bill(&self, number: &str) -> String {
        let card = json!({ "amount": "amount", "due": "due" });
        let path = format!("contracts/{}/card", self.city.contract);
        assert_eq!(self.server.admin("PUT", &path, Some(card)).await.0, 204);
        let mut bill = self.document(number, "BILL-1");
        bill["property"]["payload"] = json!(r#"{"amount":184500,"due":"2027-01-31"}"#);
        self.city.accepted(&[bill]).await.remove(0)
    }

    /// Sends a document under a contract with another authentication.
    pub(crate) async fn send_under(&self, authentication: &str, number: &str) -> String {
        let bank =
            self.server.institution_with("나라은행", json!({ "authentication": authentication })).await;
        bank.accepted(&[self.document(number, "EXT-1")]).await.remove(0)
    }

    /// The newest link that the messenger sent to a number.
    pub(crate) async fn link(&self, number: &str) -> String {
        self.next_link(number, &[]).await
    }

    /// The newest link to a number that is not in `known`.
    pub(crate) async fn next_link(&self, number: &str, known: &[String]) -> String {
        let mut browser = Browser::at(&self.server.url("web"));
        eventually("the message has come", async || {
            let page = browser.get(&format!("/messenger?number={number}")).await;
            page.links("/l/").into_iter().find(|link| !known.contains(link))
        })
        .await
    }

    pub(crate) fn web(&self, path: &str) -> String {
        format!("{}{path}", self.server.url("web"))
    }

    /// Opens a member's newest notification in a browser.
    pub(crate) async fn tapped(&self, driver: &Driver, number: &str) -> String {
        self.person(number, true).await;
        let id = self.send(number).await;
        driver.go(&self.link(number).await).await;
        driver.shows("2026년 자동차세 고지서").await;
        id
    }
}
