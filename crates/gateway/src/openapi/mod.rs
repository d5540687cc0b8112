//! The OpenAPI document, generated from the routes, and the page to browse it.
//!
//! The routes say what is taken and what is answered; what no type says is added here: the failures of each operation
//! (`failures`), both languages and examples (`operations`), the servers.

mod failures;
#[cfg(test)]
mod limits;
mod operations;
mod page;

use serde_json::{Map, Value, json};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder,
};

use operations::{OPERATIONS, Operation, PARAMETERS};
pub(crate) use page::pages;

/// The document, as it is served and as it is committed: of the institution API and of the sandbox's calls.
pub fn openapi() -> OpenApi {
    let mut document = crate::described().split_for_parts().1;
    document.merge(crate::sandbox::routes().split_for_parts().1);
    let mut whole = serde_json::to_value(&document).unwrap_or_default();
    whole["components"]["schemas"]["Error"] = failures::schema();
    for operation in &OPERATIONS {
        if let Some(place) = whole.pointer_mut(&operation.pointer()) {
            complete(place, operation);
        }
    }
    serde_json::from_value(whole).unwrap_or(document)
}

/// Adds to an operation what its route does not say.
fn complete(place: &mut Value, operation: &Operation) {
    let english = |name: &str| place[name].as_str().unwrap_or_default().trim_end_matches('.').to_owned();
    let (summary, description) = (english("summary"), english("description"));
    place["operationId"] = operation.id.into();
    place["summary"] = format!("{} · {summary}", operation.korean_summary).into();
    let description = if description.is_empty() { summary } else { description };
    place["description"] = format!("{}\n\n{description}.", operation.korean_description).into();
    if operation.is_bulk() {
        place["servers"] = json!([
            { "url": "/", "description": "이 서버 · this server" },
            { "url": "https://bulk.example.kr", "description": "대량 발송 전용 주소 · the address of bulk calls alone" },
        ]);
    }
    for parameter in place["parameters"].as_array_mut().into_iter().flatten() {
        let known = PARAMETERS.iter().find(|known| parameter["name"] == known.name);
        if let Some(known) = known {
            let english = parameter["description"].as_str().unwrap_or(known.english).to_owned();
            parameter["description"] = format!("{} · {english}", known.korean).into();
            if let Some(example) = known.example {
                parameter["example"] = example.into();
            }
        }
    }
    if let Some(request) = operation.request {
        place["requestBody"]["content"]["application/json"]["example"] = parsed(request);
    }
    let responses: Map<String, Value> = place["responses"].as_object().cloned().unwrap_or_default();
    let mut answers: Map<String, Value> =
        responses.into_iter().filter(|(status, _)| status.starts_with('2')).collect();
    for answer in answers.values_mut() {
        answer["description"] = operation.answer_description.into();
        if let Some(example) = operation.answer {
            answer["content"]["application/json"]["example"] = parsed(example);
        }
    }
    answers.extend(failures::responses(operation));
    place["responses"] = answers.into();
}

/// An example, which is JSON.
fn parsed(example: &str) -> Value {
    serde_json::from_str(example).unwrap_or_default()
}

/// What the document says before its paths.
pub(crate) fn head() -> OpenApi {
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Seoham (서함)")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "전자문서를 대량으로 보내고, 열람을 시각으로 확인합니다. 시각은 모두 Unix 초입니다. 오류는 {\"error_code\", \
             \"error_message\"}이며 메시지는 한국어, Accept-Language가 영어를 원하면 영어입니다.\n\n\
             Electronic documents in bulk, provably read. Times are Unix seconds; errors are \
             {\"error_code\", \"error_message\"}, in Korean unless Accept-Language prefers English.",
        ))
        .license(Some(license))
        .build();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "기관의 접근 토큰: 소문자 16진수 32자리 · an institution's access token: 32 lower-case hex digits",
        ))
        .build();
    let components =
        ComponentsBuilder::new().security_scheme("access_token", SecurityScheme::Http(bearer)).build();
    let server =
        |url: &str, description: &str| ServerBuilder::new().url(url).description(Some(description)).build();
    let servers = [
        server("/", "이 서버 · this server"),
        server("https://api.example.kr", "운영 서버의 API 주소 · the api address of a live platform"),
    ];
    OpenApiBuilder::new().info(info).servers(Some(servers)).components(Some(components)).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation of the document, with its path and method.
    fn operations(document: &Value) -> Vec<(String, &Value)> {
        let paths = document["paths"].as_object().expect("paths");
        paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("an object");
                methods.iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
            })
            .collect()
    }

    #[test]
    fn every_operation_is_described_whole_and_none_is_described_that_is_not_there() {
        let document = serde_json::to_value(openapi()).expect("JSON");
        let operations = operations(&document);
        assert_eq!(operations.len(), OPERATIONS.len());
        let mut ids = Vec::new();
        for (name, operation) in operations {
            ids.push(operation["operationId"].as_str().expect("an id"));
            for text in ["summary", "description"] {
                let text = operation[text].as_str().expect("described");
                let is_korean = text.chars().any(|c| ('가'..='힣').contains(&c));
                assert!(is_korean && text.chars().any(|c| c.is_ascii_alphabetic()), "{name}: {text}");
            }
            let responses = operation["responses"].as_object().expect("responses");
            let statuses: Vec<&str> = responses.keys().map(String::as_str).collect();
            assert!(statuses.iter().all(|status| !status.contains('X')), "{name}: {statuses:?}");
            for status in ["401", "429", "500", "503"] {
                assert!(statuses.contains(&status), "{name} has no {status}");
            }
            for (status, response) in responses {
                let example = &response["content"]["application/json"]["example"];
                assert!(status == "204" || status == "201" || example.is_object(), "{name} {status}");
            }
            if operation.get("requestBody").is_some() {
                let example = &operation["requestBody"]["content"]["application/json"]["example"];
                assert!(example.is_object(), "{name} has no example");
            }
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), OPERATIONS.len(), "ids are each operation's own");
    }
}
