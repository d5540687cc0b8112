//! The HTTP messenger (SPEC 13): signatures, retries with the same id, reports.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::events::Reader;
use crate::harness::{
    Answer, Client, Server, Start, document, eventually, http, member_document, private_file,
};

const SECRET: &str = "whsec_c2VvaGFtIGJsYWNrIGJveCB0ZXN0IHNlY3JldA==";

#[derive(Clone, Default)]
struct Messenger {
    taken: Arc<Mutex<Vec<Value>>>,
    tries: Arc<Mutex<HashMap<String, u32>>>,
}

impl Messenger {
    /// Answers the first attempt of every message with `first`, then accepts it.
    async fn start(&self, first: StatusCode) -> String {
        let messenger = self.clone();
        let receive = async move |State(this): State<Messenger>, headers: HeaderMap, body: String| {
            Webhook::new(SECRET).unwrap().verify(body.as_bytes(), &headers).expect("signed as prescribed");
            let message: Value = serde_json::from_str(&body).unwrap();
            let id = message["id"].as_str().unwrap().to_owned();
            assert_eq!(headers["idempotency-key"], id.as_str());
            assert_eq!(headers["webhook-id"], id.as_str());
            let mut tries = this.tries.lock().unwrap();
            let tried = tries.entry(id).or_default();
            *tried += 1;
            if *tried == 1 && first != StatusCode::OK {
                return (first, [("retry-after", "1")]);
            }
            this.taken.lock().unwrap().push(message);
            (StatusCode::OK, [("retry-after", "0")])
        };
        let app = Router::new().route("/send", post(receive)).with_state(messenger);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}/send")
    }

    fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }
}

async fn up(messenger: &Messenger, first: StatusCode) -> (Server, Client) {
    let url = messenger.start(first).await;
    let server = Start::sandbox()
        .env("SEOHAM_NOTIFIER__URL", &url)
        .env("SEOHAM_NOTIFIER__SECRET", SECRET)
        .env("SEOHAM_WEB__PUBLIC_URL", "https://box.example.kr")
        .up();
    let city = server.institution("가상시청").await;
    (server, city)
}

/// A bridge that sends a fallback itself is given it, and its report is told apart. Another bridge sees no member that it has
/// not asked for.
#[tokio::test]
async fn a_bridge_that_falls_back_is_given_the_fallback() {
    for falls_back in [true, false] {
        let messenger = Messenger::default();
        let url = messenger.start(StatusCode::OK).await;
        let start = Start::sandbox();
        let (secret, file) = (start.directory().join("bridge.secret"), start.directory().join("bridge.toml"));
        private_file(&secret, SECRET);
        let section = format!(
            "[[messenger.providers]]\nname = \"bridge\"\nkind = \"http\"\nurl = \"{url}\"\nsecret_file = \"{}\"\n\
             falls_back = {falls_back}\n",
            secret.display()
        );
        std::fs::write(&file, section).unwrap();
        let server = start.argument("--config").argument(file.to_str().unwrap()).up();
        let template = json!({
            "body": "[#{기관명}] #{제목}",
            "fallback": { "from": "0200000000", "body": "#{제목} #{링크}" },
        });
        let put = server.admin("PUT", "templates/document_arrived", Some(template)).await;
        assert_eq!(put.0, 204, "{put:?}");
        let city = server.institution("가상시청").await;
        let id = city.accepted(&[member_document("A")]).await.remove(0);
        let message = eventually("it is taken", async || messenger.taken().pop()).await;
        let (_, check) = server.admin("POST", "templates/check", Some(json!({}))).await;
        if !falls_back {
            assert!(message.get("fallback").is_none(), "{message}");
            assert!(check.to_string().contains("대체발송"), "{check}");
            continue;
        }
        assert!(!check.to_string().contains("대체발송"), "{check}");
        assert_eq!(message["fallback"]["from"], "0200000000");
        let (text, link) = (message["fallback"]["text"].as_str().unwrap(), message["link"].as_str().unwrap());
        assert!(text.ends_with(link), "{text}");
        let now = city.status(&id).await["doc_box_sent_at"].clone();
        let receipts = json!([{ "id": message["id"], "status": "fallback", "at": now }]);
        assert_eq!(report(&city, &receipts, SECRET).await.status, 204);
        assert_eq!(city.status(&id).await["user_notified_at"], now);
        let (_, shown) = server.admin("GET", &format!("documents/{id}"), None).await;
        assert_eq!(shown["notification"], "fallback", "{shown}");
    }
}

/// A bridge of the notifications and one that sends texts, which gets the fallbacks. The former refuses the first attempt of
/// every message with `first`.
async fn with_text_bridge(first: StatusCode) -> (Messenger, Messenger, Server, Client) {
    let (notifies, texts) = (Messenger::default(), Messenger::default());
    let start = Start::sandbox();
    let (secret, file) = (start.directory().join("bridge.secret"), start.directory().join("bridge.toml"));
    private_file(&secret, SECRET);
    let mut sections = String::new();
    for (name, url, more) in [
        ("bridge", notifies.start(first).await, ""),
        ("texts", texts.start(StatusCode::OK).await, "sends = \"fallbacks\"\n"),
    ] {
        write!(
            sections,
            "[[messenger.providers]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"{url}\"\nsecret_file = \"{}\"\n{more}",
            secret.display()
        )
        .unwrap();
    }
    std::fs::write(&file, sections).unwrap();
    let server = start.argument("--config").argument(file.to_str().unwrap()).up();
    let template = json!({
        "body": "[#{기관명}] #{제목}",
        "fallback": { "from": "0200000000", "body": "#{제목} #{링크}" },
    });
    assert_eq!(server.admin("PUT", "templates/document_arrived", Some(template)).await.0, 204);
    let (_, check) = server.admin("POST", "templates/check", Some(json!({}))).await;
    assert_eq!(check["good"], true, "{check}");
    assert!(!check.to_string().contains("대체발송"), "{check}");
    let city = server.institution("가상시청").await;
    (notifies, texts, server, city)
}

async fn taken_by(messenger: &Messenger) -> Value {
    eventually("it is taken", async || messenger.taken().pop()).await
}

async fn shown_as(server: &Server, id: &str) -> String {
    let (_, shown) = server.admin("GET", &format!("documents/{id}"), None).await;
    shown["notification"].as_str().unwrap().to_owned()
}

/// Where the bridge of the notifications sends no text itself, one follows through the bridge that is configured for that:
/// after a report that the notification did not arrive, once, and never to whom it did arrive.
#[tokio::test]
async fn a_text_follows_what_did_not_arrive() {
    let (notifies, texts, server, city) = with_text_bridge(StatusCode::OK).await;
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    let notification = taken_by(&notifies).await;
    assert!(notification.get("fallback").is_none() && notification.get("from").is_none());
    let now = city.status(&id).await["doc_box_sent_at"].clone();
    let reported =
        |message: &Value, status: &str| json!([{ "id": message["id"], "status": status, "at": now }]);
    assert_eq!(report(&city, &reported(&notification, "failed"), SECRET).await.status, 204);
    let text = taken_by(&texts).await;
    assert_eq!(text["from"], "0200000000");
    assert_eq!((&text["to"], &text["link"]), (&notification["to"], &notification["link"]));
    assert!(text["id"].as_str().unwrap().starts_with("FBK-"), "{text}");
    assert!(text["text"].as_str().unwrap().ends_with(text["link"].as_str().unwrap()), "{text}");
    assert!(text.get("template").is_none(), "{text}");
    assert_eq!(shown_as(&server, &id).await, "failed", "nobody has been told yet");
    assert!(city.status(&id).await["user_notified_at"].is_null());
    // Another document is notified after a repeated report: no second text came before.
    assert_eq!(report(&city, &reported(&notification, "failed"), SECRET).await.status, 204);
    assert_eq!(report(&city, &reported(&text, "delivered"), SECRET).await.status, 204);
    assert_eq!(city.status(&id).await["user_notified_at"], now);
    assert_eq!(shown_as(&server, &id).await, "fallback");
    let other = city.accepted(&[member_document("B")]).await.remove(0);
    let notification = eventually("the other is taken", async || {
        notifies.taken().into_iter().find(|message| message["id"] != notification["id"])
    })
    .await;
    for status in ["delivered", "failed"] {
        assert_eq!(report(&city, &reported(&notification, status), SECRET).await.status, 204);
    }
    assert_eq!(shown_as(&server, &other).await, "delivered");
    let third = city.accepted(&[member_document("C")]).await.remove(0);
    eventually("the third is taken", async || Some(notifies.taken().len() == 3).filter(|all| *all)).await;
    assert!(city.status(&third).await["user_notified_at"].is_null());
    assert_eq!(texts.taken().len(), 1, "{:?}", texts.taken());
    let events = Reader::until(&city, 9).await;
    let of_first = events.iter().filter(|event| event["document_binder_uuid"] == id.as_str());
    let of_first: Vec<_> = of_first
        .map(|event| (event["type"].as_str().unwrap(), event["data"]["notified_by"].as_str()))
        .collect();
    let (failed, notified) = (("document.notice_failed", None), ("document.notified", Some("fallback")));
    assert_eq!(of_first[2..], [failed, notified], "{of_first:?}");
}

/// What the bridge refuses at once goes to the other as a text, without being given up in between.
#[tokio::test]
async fn a_text_follows_what_was_refused() {
    let (notifies, texts, server, city) = with_text_bridge(StatusCode::UNPROCESSABLE_ENTITY).await;
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    let text = taken_by(&texts).await;
    assert_eq!(text["from"], "0200000000");
    assert!(notifies.taken().is_empty(), "it was refused");
    let (_, given_up) = server.admin("GET", "notifications/given-up", None).await;
    assert_eq!(given_up["notifications"].as_array().map_or(0, Vec::len), 0, "{given_up}");
    let now = city.status(&id).await["doc_box_sent_at"].clone();
    let receipts = json!([{ "id": text["id"], "status": "delivered", "at": now }]);
    assert_eq!(report(&city, &receipts, SECRET).await.status, 204);
    assert_eq!(city.status(&id).await["user_notified_at"], now);
    assert_eq!(shown_as(&server, &id).await, "fallback");
}

async fn report(city: &Client, receipts: &Value, secret: &str) -> Answer {
    let body = receipts.to_string();
    let timestamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let signature =
        Webhook::new(secret).unwrap().sign("msg_1", timestamp.try_into().unwrap(), body.as_bytes()).unwrap();
    let request = http()
        .post(format!("{}/provider/v1/receipts", city.api))
        .header("content-type", "application/json")
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", signature);
    Answer::of(request.body(body)).await
}

#[tokio::test]
async fn messages_are_signed_and_reports_come_back() {
    let messenger = Messenger::default();
    let (_server, city) = up(&messenger, StatusCode::OK).await;
    let ids = city.accepted(&[member_document("A"), document("01000000003", "B")]).await;
    let taken = eventually("both messages are taken", async || {
        Some(messenger.taken()).filter(|taken| taken.len() == 2)
    })
    .await;
    let to_member = taken.iter().find(|m| m["to"] == "01000000001").unwrap();
    assert_eq!(to_member["kind"], "document_arrived");
    let link = to_member["link"].as_str().unwrap();
    assert!(link.starts_with("https://box.example.kr/l/") && link.len() > 60, "{link}");
    assert_eq!(to_member.as_object().unwrap().len(), 6, "no template: the text is the built-in one");
    assert_eq!(to_member["variables"]["기관명"], "가상시청");
    let text = to_member["text"].as_str().unwrap();
    assert!(text.contains("가상시청") && text.contains("자동차세") && text.contains("납부"), "{text}");
    let to_stranger = taken.iter().find(|m| m["to"] == "01000000003").unwrap();
    assert!(to_stranger["text"].as_str().unwrap().contains("가입"), "an invitation to join");

    let sent_at = city.status(&ids[0]).await["doc_box_sent_at"].as_i64().unwrap();
    assert!(city.status(&ids[0]).await.get("user_notified_at").is_none());
    let id = to_member["id"].as_str().unwrap();
    let delivered = json!([
        { "id": "unknown", "status": "delivered", "at": sent_at },
        { "id": id, "status": "failed", "at": sent_at },
        { "id": id, "status": "delivered", "at": sent_at },
        { "id": id, "status": "delivered", "at": sent_at + 1 },
    ]);
    let wrong = "whsec_d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmc=";
    report(&city, &delivered, wrong).await.is_error(401, "UNAUTHORIZED");
    assert!(city.status(&ids[0]).await.get("user_notified_at").is_none());
    assert_eq!(report(&city, &delivered, SECRET).await.status, 204);
    assert_eq!(city.status(&ids[0]).await["user_notified_at"], sent_at);
    assert_eq!(report(&city, &delivered, SECRET).await.status, 204, "repeated");
    assert_eq!(city.status(&ids[0]).await["user_notified_at"], sent_at);
    report(&city, &json!([]), SECRET).await.is_error(400, "INVALID_VALUE");
    let many: Vec<_> = (0..1_001).map(|_| json!({ "id": "x", "status": "failed", "at": 1 })).collect();
    report(&city, &json!(many), SECRET).await.is_error(400, "INVALID_VALUE");
    let unsigned = http().post(format!("{}/provider/v1/receipts", city.api));
    let unsigned = unsigned.header("content-type", "application/json").body(delivered.to_string());
    Answer::of(unsigned).await.is_error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn strangers_hold_nothing_that_the_messenger_needs() {
    let messenger = Messenger::default();
    let (_server, city) = up(&messenger, StatusCode::OK).await;
    let begin = |timestamp: u64, signature: &str| {
        let mut socket = TcpStream::connect(city.api.strip_prefix("http://").unwrap()).unwrap();
        let head = format!(
            "POST /provider/v1/receipts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\nwebhook-id: msg_1\r\nwebhook-timestamp: {timestamp}\r\n{signature}\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        socket
    };
    let (now, signature) = (now_seconds(), "webhook-signature: v1,x\r\n");
    for (timestamp, signature) in [(now, ""), (1, signature), (now - 310, signature), (now + 310, signature)]
    {
        let mut start = [0; 12];
        begin(timestamp, signature).read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 401", "although nothing of the body has come");
    }
    let held: Vec<TcpStream> = (0..200).map(|_| begin(now, signature)).collect();
    let is_answered = |socket: &&TcpStream| {
        socket.set_nonblocking(true).unwrap();
        let answered = socket.peek(&mut [0]).is_ok();
        socket.set_nonblocking(false).unwrap();
        answered
    };
    // 64 bodies are read at once. Before all have begun, a report could be the one that waited longest.
    eventually("all bodies have begun", async || {
        (held.iter().filter(is_answered).count() == held.len() - 64).then_some(())
    })
    .await;
    for _ in 0..10 {
        report(&city, &json!([]), SECRET).await.is_error(400, "INVALID_VALUE");
    }
    // The connection that waited longest was told to retry later, and the last one still waits.
    let mut start = [0; 12];
    (&held[0]).read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 503");
}

#[tokio::test]
async fn a_signed_report_of_bad_bytes_is_told_what_is_wrong_with_it() {
    let messenger = Messenger::default();
    let (_server, city) = up(&messenger, StatusCode::OK).await;
    for bytes in [&b"\xff\xfe["[..], b"[{]", b"", b"\"\xed\xa0\x80\""] {
        signed_bytes(&city, bytes.to_vec()).await.is_error(400, "INVALID_VALUE");
    }
    let marked = [&b"\xef\xbb\xbf"[..], br#"[{"id": "x", "status": "failed", "at": 1}]"#].concat();
    assert_eq!(signed_bytes(&city, marked).await.status, 204);
}

fn now_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A correctly signed report with arbitrary bytes.
async fn signed_bytes(city: &Client, body: Vec<u8>) -> Answer {
    let timestamp = now_seconds().to_string();
    let secret =
        base64::engine::general_purpose::STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
    let signed = [b"msg_1.", timestamp.as_bytes(), b".", &body].concat();
    let signature = base64::engine::general_purpose::STANDARD.encode(aws_lc_rs::hmac::sign(&key, &signed));
    let request = http()
        .post(format!("{}/provider/v1/receipts", city.api))
        .header("content-type", "application/json")
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", format!("v1,{signature}"));
    Answer::of(request.body(body)).await
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_under_the_same_id() {
    let messenger = Messenger::default();
    let (server, city) = up(&messenger, StatusCode::SERVICE_UNAVAILABLE).await;
    let ids = city.accepted(&[member_document("A")]).await;
    city.until(&ids[0], "RECEIVED").await;
    eventually("the first try failed", async || {
        server.metrics().await.contains(r#"seoham_notifications_total{outcome="retry"} 1"#).then_some(())
    })
    .await;
    city.advance(5).await;
    eventually("it is taken in the end", async || Some(()).filter(|()| messenger.taken().len() == 1)).await;
    let tries = messenger.tries.lock().unwrap().clone();
    assert_eq!(tries.len(), 1, "one id");
    assert_eq!(tries.values().sum::<u32>(), 2);
}

#[tokio::test]
async fn what_is_refused_or_never_taken_is_given_up_and_shown() {
    let messenger = Messenger::default();
    let (server, city) = up(&messenger, StatusCode::BAD_REQUEST).await;
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    let given_up = async |id: &str| {
        eventually("it is given up", async || {
            let found = server.admin("GET", &format!("documents/{id}"), None).await.1;
            Some(()).filter(|()| found["notification"] == "given_up")
        })
        .await;
    };
    given_up(&id).await;

    let away = Start::sandbox()
        .env("SEOHAM_NOTIFIER__URL", "http://127.0.0.1:9/nobody")
        .env("SEOHAM_NOTIFIER__SECRET", SECRET)
        .up();
    let city = away.institution("가상시청").await;
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    eventually("it is given up after a day", async || {
        city.advance(3_600).await;
        let found = away.admin("GET", &format!("documents/{id}"), None).await.1;
        Some(()).filter(|()| found["notification"] == "given_up")
    })
    .await;
    assert_eq!(city.status(&id).await["doc_box_status"], "RECEIVED");
    let now = city.advance(0).await;
    assert!(now - city.status(&id).await["doc_box_sent_at"].as_i64().unwrap() >= 86_400 - 900);
}
