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
        let server = Start::sandbox().up();
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

    /// A document for `number` that leads to the institution's page.
    pub(crate) fn document(&self, number: &str, external: &str) -> Value {
        let mut document = document(number, external);
        document["property"]["link"] = json!(self.institution.link);
        document
    }

    pub(crate) async fn send(&self, number: &str) -> String {
        self.city.accepted(&[self.document(number, "EXT-1")]).await.remove(0)
    }

    /// The newest link that the messenger brought to a number.
    pub(crate) async fn link(&self, number: &str) -> String {
        let mut browser = Browser::at(&self.server.url("web"));
        eventually("the message has come", async || {
            browser.get(&format!("/messenger?number={number}")).await.links("/l/").into_iter().next()
        })
        .await
    }

    pub(crate) fn web(&self, path: &str) -> String {
        format!("{}{path}", self.server.url("web"))
    }

    /// A browser that a member's newest notification was tapped in.
    pub(crate) async fn tapped(&self, driver: &Driver, number: &str) -> String {
        self.person(number, true).await;
        let id = self.send(number).await;
        driver.go(&self.link(number).await).await;
        driver.shows("2026년 자동차세 고지서").await;
        id
    }
}
