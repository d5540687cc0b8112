//! The published OpenAPI document, checked against the server that publishes it.

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Start, eventually, http, member_document};

/// An operation of the document.
struct Operation<'a> {
    method: String,
    path: String,
    said: &'a Value,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, said) in item.as_object().unwrap() {
            found.push(Operation { method: method.to_uppercase(), path: path.clone(), said });
        }
    }
    found
}

fn example(content: &Value) -> Option<&Value> {
    content["content"]["application/json"].get("example")
}

impl Operation<'_> {
    /// The call from the examples, with this server's own ids.
    async fn call(&self, city: &Client, access_token: &str) -> Answer {
        let mut path = self.path.clone();
        if path.contains("{binder}") {
            let id = city.accepted(&[member_document("A")]).await.remove(0);
            city.until(&id, "RECEIVED").await;
            if path.contains("{token}") {
                path = path.replace("{token}", &city.open_token(&id).await);
            }
            if self.said["operationId"] == "reportRead" {
                let token = city.open_token(&id).await;
                city.get(&format!("/v1/documents/{id}/tokens/{token}")).send().await.unwrap();
            }
            path = path.replace("{binder}", &id);
        }
        let mut request = http().request(self.method.parse().unwrap(), format!("{}{path}", city.api));
        request = request.bearer_auth(access_token).header("Contract-Uuid", &city.contract);
        if let Some(body) = example(&self.said["requestBody"]) {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        Answer::of(request).await
    }
}

/// The members of a reply, by path and type: what a client's types are generated from.
fn shape(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                shape(value, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                shape(value, &format!("{path}[{n}]"), found);
            }
        }
        Value::String(_) => found.push(format!("{path}: string")),
        Value::Number(_) => found.push(format!("{path}: number")),
        Value::Bool(_) => found.push(format!("{path}: boolean")),
        Value::Null => found.push(format!("{path}: null")),
    }
}

fn shape_of(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    shape(value, "", &mut found);
    // The time of the messenger's report is not predictable.
    found.retain(|member| !member.starts_with(".user_notified_at"));
    found
}

#[tokio::test]
async fn every_example_is_answered_as_the_description_says() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let document: Value =
        http().get(format!("{}/openapi.json", city.api)).send().await.unwrap().json().await.unwrap();
    let operations = operations(&document);
    assert!(operations.len() >= 14);
    for operation in operations {
        let name = format!("{} {}", operation.method, operation.path);
        let responses = operation.said["responses"].as_object().unwrap();
        let (status, said) = responses.iter().find(|(status, _)| status.starts_with('2')).unwrap();
        // What was just done is in the feed a moment later.
        let answer = eventually("the feed has come that far", async || {
            let answer = operation.call(&city, &city.token).await;
            let is_behind = answer.body["events"].as_array().is_some_and(Vec::is_empty);
            (!is_behind).then_some(answer)
        })
        .await;
        // A receiver is needed, which `webhooks.rs` has.
        if name.contains("/v1/webhooks") && answer.status != 200 {
            let expected = if name == "POST /v1/webhooks" { "INVALID_VALUE" } else { "NOT_FOUND" };
            assert_eq!(answer.code(), expected, "{name}");
            continue;
        }
        assert_eq!(answer.status.to_string(), *status, "{name}: {}", answer.body);
        match example(said) {
            Some(example) if name.ends_with("/bulk/status") => {
                // The example's documents do not exist on this server.
                assert_eq!(answer.body["documents"].as_array().unwrap().len(), 2, "{name}");
                assert_eq!(answer.body["documents"][1], example["documents"][1], "{name}");
            }
            Some(_) if name == "GET /v1/webhooks" => assert_eq!(answer.body, json!({ "webhooks": [] })),
            Some(example) if name.ends_with("/v1/events") || name.ends_with("/timeline") => {
                // The feed goes on with what the other examples did.
                let first = |page: &Value| {
                    let mut page = page.clone();
                    page["events"].as_array_mut().unwrap().truncate(1);
                    shape_of(&page)
                };
                assert_eq!(first(&answer.body), first(example), "{name}");
            }
            Some(example) => assert_eq!(shape_of(&answer.body), shape_of(example), "{name}"),
            None => assert_eq!(answer.body, Value::Null, "{name}"),
        }
        // The error that every call has, word for word.
        let refused = operation.call(&city, "0".repeat(32).as_str()).await;
        assert_eq!(refused.status, 401, "{name}");
        assert_eq!(Some(&refused.body), example(&responses["401"]), "{name}");
    }
}

#[tokio::test]
async fn the_page_to_browse_it_has_the_products_name() {
    let server = Start::sandbox().up();
    let api = server.url("api");
    let page = http().get(format!("{api}/docs/")).send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html");
    let page = page.text().await.unwrap();
    assert!(
        page.contains("<title>서함(Seoham) API</title>") && !page.contains("Swagger UI</title>"),
        "{page}"
    );
    for file in ["swagger-initializer.js", "swagger-ui-bundle.js", "swagger-ui.css"] {
        let found = http().get(format!("{api}/docs/{file}")).send().await.unwrap();
        assert_eq!(found.status(), 200, "{file}");
    }
    assert_eq!(http().get(format!("{api}/docs")).send().await.unwrap().status(), 308, "without the slash");
    assert_eq!(http().get(format!("{api}/docs/nothing")).send().await.unwrap().status(), 404);
}
