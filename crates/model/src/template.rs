//! The text of a message as a messenger approved it: a template, and its variables (SPEC 13).

use std::fmt::Write;

use crate::clock::{UnixSeconds, seoul_minutes};
use crate::document::Content;
use crate::lang::Text;

/// The longest text that a messenger takes, in characters.
pub const CHARACTERS_MAX: usize = 1_000;
/// The longest link into the box: a public address of at most 200 characters, and a path.
const LINK_CHARACTERS_MAX: usize = 256;

/// What is substituted in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Institution,
    Title,
    Message,
    Deadline,
    CsName,
    CsNumber,
    Link,
}

impl Variable {
    /// Each with its name and the most characters of its value; that of the message is cut instead.
    const NAMED: [(Self, &'static str, usize); 7] = [
        (Self::Institution, "기관명", 40),
        (Self::Title, "제목", 40),
        // At least the ellipsis.
        (Self::Message, "내용", 1),
        (Self::Deadline, "열람기한", 24),
        (Self::CsName, "고객센터명", 10),
        (Self::CsNumber, "고객센터번호", 20),
        (Self::Link, "링크", LINK_CHARACTERS_MAX),
    ];
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

impl Part {
    /// The name in a text that is all a variable, which there is not.
    fn unknown_variable(&self) -> Option<&str> {
        let Self::Text(text) = self else { return None };
        text.strip_prefix("#{").and_then(|rest| rest.strip_suffix('}')).filter(|name| !name.contains("#{"))
    }
}

/// A template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    body: String,
    parts: Vec<Part>,
}

/// Values for the variables of a template about an arrived document.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// The sender's name.
    pub institution_name: &'a str,
    /// What the document says.
    pub content: &'a Content,
    /// Until when it can be opened.
    pub deadline_at: UnixSeconds,
    /// The link into the box.
    pub link: &'a str,
}

impl Template {
    /// Parses a body with variables in the form `#{제목}`. An error says what is wrong: no text, a variable that there
    /// is not, or a text that would be too long with the longest values that the contract allows.
    pub fn parse(body: &str) -> Result<Self, Text> {
        let template = Self::stored(body);
        if let Some(name) = template.parts.iter().find_map(Part::unknown_variable) {
            return Err(unknown_variable(name));
        }
        if body.trim().is_empty() {
            return Err(Text::fixed("body: 내용이 없습니다", "body: is empty"));
        }
        let longest = template.longest_characters();
        if longest > CHARACTERS_MAX {
            return Err(Text::made(
                format!(
                    "body: 변수 값이 가장 길 때 {longest}자가 됩니다. {CHARACTERS_MAX}자까지 보낼 수 있습니다"
                ),
                format!(
                    "body: is {longest} characters with the longest values; {CHARACTERS_MAX} can be sent"
                ),
            ));
        }
        Ok(template)
    }

    /// A body that was parsed before, perhaps by another version: a variable that there is not stays as it is.
    pub fn stored(body: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = body;
        while let Some(at) = rest.find("#{") {
            let (text, variable) = rest.split_at(at);
            let Some((name, after)) = variable[2..].split_once('}') else { break };
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            let known = Variable::NAMED.iter().find(|(_, known, _)| *known == name.trim());
            parts.push(match known {
                Some((variable, ..)) => Part::Variable(*variable),
                None => Part::Text(format!("#{{{name}}}")),
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Self { body: body.to_owned(), parts }
    }

    /// The body, as it was parsed.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The characters of the text with the longest values and without the message.
    fn longest_characters(&self) -> usize {
        let of_part = |part: &Part| match part {
            Part::Text(text) => text.chars().count(),
            Part::Variable(variable) => {
                Variable::NAMED.iter().find(|(known, ..)| known == variable).map_or(0, |(.., most)| *most)
            }
        };
        self.parts.iter().map(of_part).sum()
    }

    /// The text. If it is too long, the message is cut, and ends with `…`.
    pub fn render(&self, values: Values<'_>) -> String {
        let message = values.content.message.as_deref().unwrap_or_default();
        let text = self.render_with(values, message);
        let excess = text.chars().count().saturating_sub(CHARACTERS_MAX);
        let uses = self.parts.iter().filter(|part| **part == Part::Variable(Variable::Message)).count();
        if excess == 0 || uses == 0 {
            return text;
        }
        // The ellipsis takes a character itself.
        let kept = message.chars().count().saturating_sub(excess.div_ceil(uses) + 1);
        let cut: String = message.chars().take(kept).chain(['…']).collect();
        self.render_with(values, &cut)
    }

    fn render_with(&self, values: Values<'_>, message: &str) -> String {
        let mut text = String::with_capacity(self.body.len() + message.len() + 200);
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Variable(Variable::Institution) => text.push_str(values.institution_name),
                Part::Variable(Variable::Title) => text.push_str(&values.content.title),
                Part::Variable(Variable::Message) => text.push_str(message),
                Part::Variable(Variable::Deadline) => {
                    let _ = write!(text, "{}", seoul_minutes(values.deadline_at));
                }
                Part::Variable(Variable::CsName) => text.push_str(&values.content.cs_name),
                Part::Variable(Variable::CsNumber) => text.push_str(&values.content.cs_number),
                Part::Variable(Variable::Link) => text.push_str(values.link),
            }
        }
        text
    }
}

fn unknown_variable(name: &str) -> Text {
    let known: Vec<&str> = Variable::NAMED.iter().map(|(_, name, _)| *name).collect();
    let known = known.join(", ");
    // What somebody typed is cut, so that the message stays within its bounds.
    let name: String = name.chars().take(40).collect();
    Text::made(
        format!("body: 없는 변수입니다: #{{{name}}}. 쓸 수 있는 변수: {known}"),
        format!("body: there is no variable #{{{name}}}; there are: {known}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Categories;
    use crate::lang::Lang;

    fn content(message: Option<&str>) -> Content {
        Content {
            title: "재산세 고지서".to_owned(),
            message: message.map(str::to_owned),
            bridge: None,
            link: "https://tax.example.kr/".to_owned(),
            cs_number: "02-000-0000".to_owned(),
            cs_name: "세무과".to_owned(),
            categories: Categories::default(),
        }
    }

    fn rendered(body: &str, content: &Content) -> String {
        let values = Values {
            institution_name: "가상시청",
            content,
            deadline_at: UnixSeconds(1_795_359_600),
            link: "https://box.example.kr/l/x",
        };
        Template::parse(body).expect("good").render(values)
    }

    #[test]
    fn variables_are_substituted() {
        let body = "[#{기관명}] #{제목}\n#{내용}\n#{열람기한}까지 #{고객센터명} #{ 고객센터번호 } #{링크} #{";
        let text = rendered(body, &content(Some("납부해 주십시오.")));
        let expected = format!(
            "[가상시청] 재산세 고지서\n납부해 주십시오.\n{}까지 세무과 02-000-0000 https://box.example.kr/l/x #{{",
            seoul_minutes(UnixSeconds(1_795_359_600))
        );
        assert_eq!(text, expected);
        assert_eq!(rendered("#{제목}#{내용}", &content(None)), "재산세 고지서");
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let text = rendered(&format!("{}#{{내용}}끝", "가".repeat(600)), &content(Some(&"나".repeat(500))));
        assert_eq!(text.chars().count(), CHARACTERS_MAX);
        assert!(text.ends_with("나…끝"));
        let twice =
            rendered(&format!("{}#{{내용}}#{{내용}}", "가".repeat(600)), &content(Some(&"나".repeat(500))));
        assert!(twice.chars().count() <= CHARACTERS_MAX && twice.ends_with('…'));
    }

    #[test]
    fn what_could_not_be_sent_is_refused() {
        let says = |body: &str| Template::parse(body).expect_err("bad").in_lang(Lang::En).to_owned();
        assert!(says("#{이름}").contains("no variable #{이름}") && says("#{이름}").contains("고객센터번호"));
        assert!(says(" \n").contains("is empty"));
        assert!(says(&"가".repeat(1_001)).contains("1001 characters"));
        assert!(says(&format!("#{{링크}}{}", "가".repeat(800))).contains("1056 characters"));
    }
}
