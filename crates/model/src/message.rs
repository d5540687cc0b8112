//! What a message says, and how each messenger knows its text: a kind, and the template for it (SPEC 13).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lang::Text;
use crate::template::Template;

/// Most buttons of a message.
const BUTTONS_MAX: usize = 5;
/// Most characters of a button's name.
const BUTTON_NAME_CHARACTERS_MAX: usize = 14;
/// Most providers that one template is registered with.
const PROVIDERS_MAX: usize = 20;
/// Most characters of a name or a code that a provider gave.
const CODE_CHARACTERS_MAX: usize = 100;

/// The subject of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A document has arrived.
    DocumentArrived,
    /// A link that the person requested, to sign in or to set a new PIN.
    LoginLink,
    /// The person's PIN was changed.
    PinChanged,
}

impl MessageKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::DocumentArrived, Self::LoginLink, Self::PinChanged];

    /// The name in API calls and in a store.
    pub fn name(self) -> &'static str {
        match self {
            Self::DocumentArrived => "document_arrived",
            Self::LoginLink => "login_link",
            Self::PinChanged => "pin_changed",
        }
    }

    /// Parses the name; `None` if it is unknown.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The template of a kind of message: its text, its buttons, what is sent instead to a person without the messenger,
/// and under which codes the providers approved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTemplate {
    /// The text.
    pub body: Template,
    /// At most five.
    pub buttons: Vec<Button>,
    /// The SMS or LMS that is sent if the message cannot be delivered; none without it.
    pub fallback: Option<Fallback>,
    /// By the configured name of the provider.
    pub providers: BTreeMap<String, ProviderTemplate>,
}

/// A button that opens an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// 1 to 14 characters.
    pub name: String,
    /// May contain variables.
    pub address: Template,
}

/// An SMS, or an LMS if it is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The sending number, digits only, as it is registered with the provider.
    pub from: String,
    /// The text.
    pub body: Template,
}

/// How a provider knows a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderTemplate {
    /// The sender channel; that of the provider's configuration without it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sender_key: Option<String>,
    /// The code under which the provider approved it.
    pub template_code: String,
}

#[derive(Serialize, Deserialize)]
struct Json {
    body: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    buttons: Vec<ButtonJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fallback: Option<FallbackJson>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    providers: BTreeMap<String, ProviderTemplate>,
}

#[derive(Serialize, Deserialize)]
struct ButtonJson {
    name: String,
    url: String,
}

#[derive(Serialize, Deserialize)]
struct FallbackJson {
    from: String,
    body: String,
}

impl MessageTemplate {
    /// A text without buttons that no provider has approved.
    pub fn of_body(body: Template) -> Self {
        Self { body, buttons: Vec::new(), fallback: None, providers: BTreeMap::new() }
    }

    /// Parses the JSON of SPEC 13. An error says what is wrong and where.
    pub fn parse(json: &[u8]) -> Result<Self, Text> {
        let json: Json = serde_json::from_slice(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Text::made(
                format!(
                    "본문은 {{\"body\", \"buttons\"?: [{{\"name\", \"url\"}}], \"fallback\"?: {{\"from\", \"body\"}}, \
                     \"providers\"?: {{\"이름\": {{\"sender_key\"?, \"template_code\"}}}}}} 형식의 JSON이어야 합니다 \
                     ({line}행 {column}열)"
                ),
                format!(
                    "the body must be JSON: {{\"body\", \"buttons\"?: [{{\"name\", \"url\"}}], \"fallback\"?: \
                     {{\"from\", \"body\"}}, \"providers\"?: {{\"name\": {{\"sender_key\"?, \"template_code\"}}}}}} \
                     (line {line}, column {column})"
                ),
            )
        })?;
        let template = Self::unchecked(&json);
        Template::parse(&json.body)?;
        check_buttons(&json.buttons)?;
        if let Some(fallback) = &json.fallback {
            Template::parse(&fallback.body).map_err(|error| error.about(&"fallback"))?;
            check_number(&fallback.from)?;
        }
        check_providers(&json.providers)?;
        Ok(template)
    }

    /// What [`MessageTemplate::to_json`] wrote, perhaps by another version; `None` if it is damaged.
    pub fn stored(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().map(|json| Self::unchecked(&json))
    }

    /// The JSON of SPEC 13.
    pub fn to_json(&self) -> String {
        let json = Json {
            body: self.body.body().to_owned(),
            buttons: self.buttons.iter().map(ButtonJson::of).collect(),
            fallback: self.fallback.as_ref().map(|fallback| FallbackJson {
                from: fallback.from.clone(),
                body: fallback.body.body().to_owned(),
            }),
            providers: self.providers.clone(),
        };
        serde_json::to_string(&json).unwrap_or_default()
    }

    fn unchecked(json: &Json) -> Self {
        let button = |button: &ButtonJson| Button {
            name: button.name.clone(),
            address: Template::stored(&button.url),
        };
        Self {
            body: Template::stored(&json.body),
            buttons: json.buttons.iter().map(button).collect(),
            fallback: json.fallback.as_ref().map(|fallback| Fallback {
                from: fallback.from.chars().filter(char::is_ascii_digit).collect(),
                body: Template::stored(&fallback.body),
            }),
            providers: json.providers.clone(),
        }
    }
}

impl ButtonJson {
    fn of(button: &Button) -> Self {
        Self { name: button.name.clone(), url: button.address.body().to_owned() }
    }
}

fn check_buttons(buttons: &[ButtonJson]) -> Result<(), Text> {
    if buttons.len() > BUTTONS_MAX {
        return Err(Text::made(
            format!("buttons: {BUTTONS_MAX}개까지 둘 수 있습니다"),
            format!("buttons: at most {BUTTONS_MAX}"),
        ));
    }
    for (index, button) in buttons.iter().enumerate() {
        let characters = button.name.chars().count();
        if button.name.trim().is_empty() || characters > BUTTON_NAME_CHARACTERS_MAX {
            return Err(Text::made(
                format!("buttons[{index}].name: 1자에서 {BUTTON_NAME_CHARACTERS_MAX}자까지입니다"),
                format!("buttons[{index}].name: must be 1 to {BUTTON_NAME_CHARACTERS_MAX} characters"),
            ));
        }
        Template::parse(&button.url).map_err(|error| error.about(&format!("buttons[{index}].url")))?;
        let is_address = button.url.starts_with("https://")
            || button.url.starts_with("http://")
            || button.url.starts_with("#{링크}");
        if !is_address {
            return Err(Text::made(
                format!("buttons[{index}].url: http(s) 주소나 #{{링크}}로 시작해야 합니다"),
                format!("buttons[{index}].url: must begin with an http(s) address or #{{링크}}"),
            ));
        }
    }
    Ok(())
}

fn check_number(from: &str) -> Result<(), Text> {
    let digits = from.chars().filter(char::is_ascii_digit).count();
    if (8..=12).contains(&digits) && from.chars().all(|c| c.is_ascii_digit() || c == '-') {
        return Ok(());
    }
    Err(Text::fixed(
        "fallback.from: 발신번호는 숫자 8자에서 12자까지입니다",
        "fallback.from: a sending number has 8 to 12 digits",
    ))
}

fn check_providers(providers: &BTreeMap<String, ProviderTemplate>) -> Result<(), Text> {
    let is_code = |code: &str| {
        (1..=CODE_CHARACTERS_MAX).contains(&code.chars().count()) && !code.chars().any(char::is_control)
    };
    let are_sound = providers.iter().all(|(name, template)| {
        is_code(name)
            && is_code(&template.template_code)
            && template.sender_key.as_deref().is_none_or(is_code)
    });
    if are_sound && providers.len() <= PROVIDERS_MAX {
        return Ok(());
    }
    Err(Text::made(
        format!(
            "providers: {PROVIDERS_MAX}개까지이고, 이름과 template_code, sender_key는 각각 1자에서 \
             {CODE_CHARACTERS_MAX}자까지입니다"
        ),
        format!(
            "providers: at most {PROVIDERS_MAX}; names, template_code and sender_key have 1 to \
             {CODE_CHARACTERS_MAX} characters each"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    const WHOLE: &str = r##"{"body": "[#{기관명}] #{제목}", "buttons": [{"name": "문서확인", "url": "#{링크}"}],
        "fallback": {"from": "02-000-0000", "body": "[#{기관명}] #{링크}"},
        "providers": {"nhn": {"template_code": "DOC_ARR"}, "sens": {"sender_key": "@가상시청", "template_code": "D1"}}}"##;

    #[test]
    fn it_reads_back_as_it_was_kept() {
        let template = MessageTemplate::parse(WHOLE.as_bytes()).expect("good");
        assert_eq!(template.fallback.as_ref().expect("there").from, "020000000");
        assert_eq!(MessageTemplate::stored(&template.to_json()), Some(template));
        let short = MessageTemplate::parse(r##"{"body": "#{제목}"}"##.as_bytes());
        assert!(short.expect("good").providers.is_empty());
        assert_eq!(MessageTemplate::stored("{"), None);
        for kind in MessageKind::ALL {
            assert_eq!(MessageKind::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn an_error_says_where() {
        for (json, says) in [
            ("{", "line 1"),
            (r#"{"body": ""}"#, "is empty"),
            (r##"{"body": "가", "buttons": [{"name": "", "url": "#{링크}"}]}"##, "buttons[0].name"),
            (r#"{"body": "가", "buttons": [{"name": "가", "url": "ftp://x"}]}"#, "buttons[0].url"),
            (r##"{"body": "가", "buttons": [{"name": "가", "url": "#{이름}"}]}"##, "buttons[0].url: body"),
            (r#"{"body": "가", "fallback": {"from": "1", "body": "가"}}"#, "fallback.from"),
            (r##"{"body": "가", "fallback": {"from": "020000000", "body": "#{이름}"}}"##, "fallback: body"),
            (r#"{"body": "가", "providers": {"nhn": {"template_code": ""}}}"#, "providers"),
        ] {
            let error = MessageTemplate::parse(json.as_bytes()).expect_err(json);
            assert!(error.in_lang(Lang::En).contains(says), "{json}: {error:?}");
        }
    }
}
