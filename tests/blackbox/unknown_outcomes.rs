//! Messages of which it is unknown whether a provider has them: nobody is told twice, and nothing is lost (SPEC 13).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use seoham_messenger_fakes::{Fakes, REFUSED_NUMBER, SECRET, TEMPLATE};
use serde_json::{Value, json};

use crate::harness::{Client, Server, Start, document, documents, eventually, private_file};
use crate::inbox::person;
use crate::messengers::{section, start, template, times};

async fn all_are_told(city: &Client, ids: &[String]) -> Option<()> {
    let statuses = city.statuses(ids).await;
    statuses.iter().all(|status| status["status_data"]["user_notified_at"].is_i64()).then_some(())
}

async fn uncertain(server: &Server) -> usize {
    let (_, list) = server.admin("GET", "messenger/uncertain", None).await;
    list["messages"].as_array().unwrap().len()
}

/// The provider took the messages, every answer was lost, and then it cannot tell what it has: that is not a no.
#[tokio::test]
async fn a_provider_that_cannot_tell_is_not_given_messages_again() {
    for kind in ["nhn", "solapi", "bizppurio"] {
        let fakes = Fakes::start().await.unwrap();
        fakes.faults().break_one_in(1);
        fakes.faults().set_questions_failing(true);
        let server = start(&fakes, &[kind], "").up();
        let body = template(&[kind], TEMPLATE, false);
        assert_eq!(server.admin("PUT", "templates/document_arrived", Some(body)).await.0, 204);
        let city = server.institution("가상시청").await;
        let ids = city.accepted(&documents(8)).await;
        eventually("it took them", async || (fakes.count() == ids.len()).then_some(())).await;
        // Long after its key, its list or its results would tell.
        for _ in 0..3 {
            let failed = fakes.faults().failed_questions();
            city.sandbox("clock", json!({ "advance_seconds": 1_000 })).await;
            eventually(&format!("{kind}: it is asked, and fails"), async || {
                (fakes.faults().failed_questions() > failed).then_some(())
            })
            .await;
        }
        assert_eq!(fakes.count(), ids.len(), "{kind}: nothing was sent again");
        fakes.faults().break_one_in(0);
        fakes.faults().set_questions_failing(false);
        for _ in 0..2 {
            city.sandbox("clock", json!({ "advance_seconds": 4_000 })).await;
        }
        eventually(&format!("{kind}: everybody is told"), async || all_are_told(&city, &ids).await).await;
        let times = times(&fakes);
        assert!(times.len() == ids.len() && times.values().all(|times| *times == 1), "{kind}: {times:?}");
        assert_eq!(uncertain(&server).await, 0, "{kind}");
    }
}

/// The answer that was lost refused one of its messages: that is found out, and the message is not taken for sent.
#[tokio::test]
async fn a_refusal_in_a_lost_answer_is_not_lost() {
    let fakes = Fakes::start().await.unwrap();
    fakes.faults().break_one_in(1);
    let server = start(&fakes, &["nhn"], "").up();
    let body = template(&["nhn"], TEMPLATE, false);
    assert_eq!(server.admin("PUT", "templates/document_arrived", Some(body)).await.0, 204);
    let city = server.institution("가상시청").await;
    person(&city, REFUSED_NUMBER, false).await;
    let mut sent = documents(4);
    sent.push(document(REFUSED_NUMBER, "refused"));
    let ids = city.accepted(&sent).await;
    eventually("it took the others", async || (fakes.count() == 4).then_some(())).await;
    fakes.faults().break_one_in(0);
    eventually("the others are told", async || all_are_told(&city, &ids[..4]).await).await;
    // By then the list is certain not to have it.
    city.sandbox("clock", json!({ "advance_seconds": 900 })).await;
    let refused = eventually("it is given up", async || {
        let (_, shown) = server.admin("GET", &format!("documents/{}", ids[4]), None).await;
        (shown["notification"] == "given_up").then_some(shown)
    })
    .await;
    assert!(!refused.to_string().contains(REFUSED_NUMBER));
    assert_eq!(fakes.count(), 4, "nobody twice");
}

const WEBHOOK_SECRET: &str = "whsec_c2VvaGFtIGJsYWNrIGJveCB0ZXN0IHNlY3JldA==";

/// An HTTP provider that ignores a message that it has already.
#[derive(Clone, Default)]
struct Receiver {
    taken: Arc<Mutex<HashMap<String, u32>>>,
    /// It takes messages, and then answers with an error.
    fails: Arc<AtomicBool>,
}

impl Receiver {
    async fn start(&self) -> String {
        let take = async |State(this): State<Self>, body: String| {
            let message: Value = serde_json::from_str(&body).unwrap();
            let id = message["id"].as_str().unwrap().to_owned();
            *this.taken.lock().unwrap().entry(id).or_default() += 1;
            if this.fails.load(Ordering::Relaxed) {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::OK
            }
        };
        let app = Router::new().route("/send", post(take)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}/send")
    }

    fn ids(&self) -> Vec<String> {
        self.taken.lock().unwrap().keys().cloned().collect()
    }
}

/// Of two HTTP providers each ignores what it has itself, and knows nothing of the other: a message whose answer was lost
/// stays with the one that may have it.
#[tokio::test]
async fn a_message_that_one_provider_may_have_goes_to_no_other() {
    let (sound, failing) = (Receiver::default(), Receiver::default());
    failing.fails.store(true, Ordering::Relaxed);
    let start = Start::sandbox();
    let secret = start.directory().join("provider.secret");
    private_file(&secret, WEBHOOK_SECRET);
    let secret = secret.display();
    let section = |name: &str, url: String| {
        format!(
            "[[messenger.providers]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"{url}\"\nsecret_file = \"{secret}\"\n"
        )
    };
    let toml = section("sound", sound.start().await) + &section("failing", failing.start().await);
    let file = start.directory().join("messengers.toml");
    std::fs::write(&file, toml).unwrap();
    let server = start.argument("--config").argument(file.to_str().unwrap()).up();
    let city = server.institution("가상시청").await;
    let mut ids = Vec::new();
    let is_shared_out = || !failing.ids().is_empty() && !sound.ids().is_empty();
    eventually("both are given some", async || {
        ids.extend(city.accepted(&documents(4)).await);
        is_shared_out().then_some(())
    })
    .await;
    // Each has been given its own again at least twice by then.
    eventually("the failing one is asked again", async || {
        failing.taken.lock().unwrap().values().all(|times| *times >= 2).then_some(())
    })
    .await;
    failing.fails.store(false, Ordering::Relaxed);
    city.sandbox("clock", json!({ "advance_seconds": 60 })).await;
    eventually("every message is at a provider", async || {
        (sound.ids().len() + failing.ids().len() >= ids.len()).then_some(())
    })
    .await;
    let depth = async || server.admin("GET", "messenger", None).await.1;
    eventually("nothing is left unknown", async || {
        let shown = depth().await;
        let providers = shown["providers"].as_array().unwrap().clone();
        providers.iter().all(|provider| provider["unsettled"] == 0).then_some(())
    })
    .await;
    let both = sound.ids().into_iter().filter(|id| failing.ids().contains(id)).count();
    assert_eq!((both, sound.ids().len() + failing.ids().len()), (0, ids.len()), "each at one of them");
    assert_eq!(uncertain(&server).await, 0);
}

/// A provider is removed from the configuration while it may have messages: they are settled as the operator chose, and
/// listed.
#[tokio::test]
async fn what_a_removed_provider_may_have_is_listed() {
    let fakes = Fakes::start().await.unwrap();
    fakes.faults().break_one_in(1);
    // The server is killed while it holds the hand-over, whose lease then has to end.
    let short = "timeout_seconds = 2";
    let start = start(&fakes, &["solapi"], short)
        .env("SEOHAM_DELIVERY__LEASE_SECONDS", "4")
        .env("SEOHAM_MESSENGER__UNKNOWN_DOCUMENT_ARRIVED", "at_most_once");
    let server = start.up();
    let body = template(&["solapi", "nhn"], TEMPLATE, false);
    assert_eq!(server.admin("PUT", "templates/document_arrived", Some(body)).await.0, 204);
    let city = server.institution("가상시청").await;
    let ids = city.accepted(&documents(3)).await;
    eventually("it took them", async || (fakes.count() == ids.len()).then_some(())).await;
    drop(server);
    let secret = start.directory().join("provider.secret");
    private_file(&secret, SECRET);
    let other = section("nhn", &fakes.url(), &secret, short);
    std::fs::write(start.directory().join("messengers.toml"), other).unwrap();
    fakes.faults().break_one_in(0);
    let server = start.up();
    let city = city.at(&server);
    city.sandbox("clock", json!({ "advance_seconds": 700 })).await;
    eventually("each is listed", async || (uncertain(&server).await == ids.len()).then_some(())).await;
    let (_, given_up) = server.admin("GET", "notifications/given-up", None).await;
    assert_eq!(given_up["notifications"].as_array().unwrap().len(), ids.len(), "{given_up}");
    assert_eq!(fakes.count(), ids.len(), "and not sent again");
}
