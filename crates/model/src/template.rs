//! The text of a message as a messenger approved it: a template, and its variables (SPEC 13).

use std::borrow::Cow;

use crate::clock::{UnixSeconds, seoul_minutes};
use crate::document::Content;
use crate::lang::Text;
use crate::visible::{is_bidirectional_control, is_visible};

/// The longest text that a messenger takes, in characters.
pub const CHARACTERS_MAX: usize = 1_000;
/// The longest message of a document (SPEC 4).
const MESSAGE_CHARACTERS_MAX: usize = 500;
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

    fn characters_max(self) -> usize {
        Self::NAMED.iter().find(|(known, ..)| *known == self).map_or(0, |(.., most)| *most)
    }
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

/// Values for the variables of a template. A message that is not about a document has fewer; the others are empty.
#[derive(Clone)]
pub struct Values<'a> {
    /// The sender's name.
    pub institution_name: &'a str,
    /// The title.
    pub title: &'a str,
    /// The message, which is cut if the text would be too long.
    pub message: &'a str,
    /// Until when, as it is shown.
    pub deadline: String,
    /// Customer service: its name.
    pub cs_name: &'a str,
    /// Customer service: its telephone number.
    pub cs_number: &'a str,
    /// The link into the box.
    pub link: &'a str,
}

impl<'a> Values<'a> {
    /// The values of an arrived document.
    pub fn of_document(
        institution_name: &'a str,
        content: &'a Content,
        deadline_at: UnixSeconds,
        link: &'a str,
    ) -> Self {
        Self {
            institution_name,
            title: &content.title,
            message: content.message.as_deref().unwrap_or_default(),
            deadline: seoul_minutes(deadline_at),
            cs_name: &content.cs_name,
            cs_number: &content.cs_number,
            link,
        }
    }

    /// All variables with their values.
    pub fn all(&self) -> Vec<(&'static str, String)> {
        Variable::NAMED.iter().map(|(variable, name, _)| (*name, self.of(*variable).to_owned())).collect()
    }

    fn of(&self, variable: Variable) -> &str {
        match variable {
            Variable::Institution => self.institution_name,
            Variable::Title => self.title,
            Variable::Message => self.message,
            Variable::Deadline => &self.deadline,
            Variable::CsName => self.cs_name,
            Variable::CsNumber => self.cs_number,
            Variable::Link => self.link,
        }
    }
}

impl Template {
    /// Parses a body with variables in the form `#{제목}`. An error says what is wrong: no text, a variable that there
    /// is not, or a text that would be too long with the longest values that the contract allows.
    pub fn parse(body: &str) -> Result<Self, Text> {
        let template = Self::stored(body);
        if let Some(name) = template.parts.iter().find_map(Part::unknown_variable) {
            return Err(unknown_variable(name));
        }
        if !is_visible(body) {
            return Err(Text::fixed("body: 내용이 없습니다", "body: is empty"));
        }
        let is_unfit = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || is_bidirectional_control(c);
        if let Some(c) = body.chars().find(|c| is_unfit(*c)) {
            let code = u32::from(c);
            return Err(Text::made(
                format!("body: 쓸 수 없는 제어 문자가 있습니다: U+{code:04X}"),
                format!("body: contains a control character: U+{code:04X}"),
            ));
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
            Part::Variable(variable) => variable.characters_max(),
        };
        self.parts.iter().map(of_part).sum()
    }

    /// The text with the longest values that the contract allows.
    pub fn longest_text(&self) -> String {
        let of = |variable: Variable| "가".repeat(variable.characters_max());
        let (institution, title, deadline) =
            (of(Variable::Institution), of(Variable::Title), of(Variable::Deadline));
        let (cs_name, cs_number, link) = (of(Variable::CsName), of(Variable::CsNumber), of(Variable::Link));
        self.render(&Values {
            institution_name: &institution,
            title: &title,
            message: &"가".repeat(MESSAGE_CHARACTERS_MAX),
            deadline,
            cs_name: &cs_name,
            cs_number: &cs_number,
            link: &link,
        })
    }

    /// The text. If it is too long, the message is cut, and ends with `…`.
    pub fn render(&self, values: &Values<'_>) -> String {
        self.render_with(values, &self.fitting_message(values))
    }

    /// The message, cut so that the text is not too long.
    fn fitting_message<'v>(&self, values: &Values<'v>) -> Cow<'v, str> {
        let message = values.message;
        let characters = |part: &Part| match part {
            Part::Text(text) => text.chars().count(),
            Part::Variable(variable) => values.of(*variable).chars().count(),
        };
        let excess = self.parts.iter().map(characters).sum::<usize>().saturating_sub(CHARACTERS_MAX);
        let uses = self.parts.iter().filter(|part| **part == Part::Variable(Variable::Message)).count();
        if excess == 0 || uses == 0 {
            return Cow::Borrowed(message);
        }
        // The ellipsis takes a character itself.
        let kept = message.chars().count().saturating_sub(excess.div_ceil(uses) + 1);
        Cow::Owned(message.chars().take(kept).chain(['…']).collect())
    }

    fn render_with(&self, values: &Values<'_>, message: &str) -> String {
        let mut text = String::with_capacity(self.body.len() + message.len() + 200);
        for part in &self.parts {
            text.push_str(match part {
                Part::Text(part) => part,
                Part::Variable(Variable::Message) => message,
                Part::Variable(variable) => values.of(*variable),
            });
        }
        text
    }

    /// The variables of this template and of `others` with their values, for a messenger that fills them in itself. The
    /// link is without its scheme if the template has that: `https://#{링크}`.
    pub fn variables<'t>(
        &'t self,
        others: impl Iterator<Item = &'t Self>,
        values: &Values<'_>,
    ) -> Vec<(&'static str, String)> {
        let message = self.fitting_message(values);
        let all: Vec<&Self> = std::iter::once(self).chain(others).collect();
        let has = |variable| all.iter().any(|template| template.parts.contains(&Part::Variable(variable)));
        let has_scheme = all.iter().any(|template| template.gives_scheme());
        let used = Variable::NAMED.iter().filter(|(variable, ..)| has(*variable));
        used.map(|(variable, name, _)| {
            let value = match variable {
                Variable::Message => message.as_ref(),
                Variable::Link if has_scheme => without_scheme(values.link),
                _ => values.of(*variable),
            };
            (*name, value.to_owned())
        })
        .collect()
    }

    /// The address of a button.
    pub fn address(&self, values: &Values<'_>) -> String {
        if self.gives_scheme() {
            let link = without_scheme(values.link);
            return self.render_with(&Values { link, ..values.clone() }, values.message);
        }
        self.render_with(values, values.message)
    }

    /// Whether the scheme of the link is part of the template.
    fn gives_scheme(&self) -> bool {
        self.parts.windows(2).any(|parts| {
            matches!(parts, [Part::Text(text), Part::Variable(Variable::Link)] if text.ends_with("://"))
        })
    }
}

fn without_scheme(link: &str) -> &str {
    link.split_once("://").map_or(link, |(_, rest)| rest)
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

    fn values(content: &Content) -> Values<'_> {
        let link = "https://box.example.kr/l/x";
        Values::of_document("가상시청", content, UnixSeconds(1_795_359_600), link)
    }

    fn rendered(body: &str, content: &Content) -> String {
        Template::parse(body).expect("good").render(&values(content))
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
        assert!(says("가\u{202e}").contains("U+202E") && says("가\r").contains("U+000D"));
        assert!(says(&"가".repeat(1_001)).contains("1001 characters"));
        assert!(says(&format!("#{{링크}}{}", "가".repeat(800))).contains("1056 characters"));
    }

    #[test]
    fn a_messenger_is_given_the_variables_that_are_used() {
        let content = content(Some(&"나".repeat(500)));
        let body = Template::parse(&format!("#{{제목}}{}#{{내용}}", "가".repeat(600))).expect("good");
        let button = Template::parse("https://#{링크}").expect("good");
        let variables = body.variables([&button].into_iter(), &values(&content));
        let names: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["제목", "내용", "링크"]);
        assert_eq!(variables[1].1.chars().count(), 1_000 - 600 - content.title.chars().count());
        assert_eq!(variables[2].1, "box.example.kr/l/x", "the template has the scheme");
        assert_eq!(button.address(&values(&content)), "https://box.example.kr/l/x");
        let whole = Template::parse("#{링크}").expect("good");
        assert_eq!(whole.address(&values(&content)), "https://box.example.kr/l/x");
        assert_eq!(whole.variables([].into_iter(), &values(&content))[0].1, "https://box.example.kr/l/x");
    }
}
