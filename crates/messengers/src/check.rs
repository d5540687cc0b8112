//! Checks templates before anything is sent by them (SPEC 13): what could not be sent, and what a provider would refuse.

use seoham_delivery::{ApprovedTemplate, Line, Lines, Sends};
use seoham_model::Text;
use seoham_model::message::MessageTemplate;
use seoham_model::template::CHARACTERS_MAX;

/// What was found about a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The provider that it is about, if it is about one.
    pub provider: Option<String>,
    /// Messages by this template are not sent, or refused.
    pub is_fault: bool,
    /// What was found.
    pub text: Text,
}

impl Finding {
    fn of(provider: Option<&str>, is_fault: bool, text: Text) -> Self {
        Self { provider: provider.map(str::to_owned), is_fault, text }
    }
}

/// Checks a template with the longest values that the contract allows, and against what each provider has approved.
pub async fn check(template: &MessageTemplate, lines: &Lines) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(text) = MessageTemplate::parse(template.to_json().as_bytes()) {
        findings.push(Finding::of(None, true, text));
    }
    let longest = template.body.longest_text();
    let characters = longest.chars().count();
    if characters > CHARACTERS_MAX {
        findings.push(Finding::of(
            None,
            true,
            Text::made(
                format!("값이 가장 길 때 {characters}자입니다. {CHARACTERS_MAX}자까지 보낼 수 있습니다"),
                format!("{characters} characters with the longest values; {CHARACTERS_MAX} can be sent"),
            ),
        ));
    }
    for name in template.providers.keys() {
        if lines.named(name).is_none() {
            findings.push(Finding::of(
                Some(name),
                false,
                Text::fixed("설정되지 않은 제공자입니다", "no provider of this name is configured"),
            ));
        }
    }
    let mut suits_any = false;
    for line in lines.all().iter().filter(|line| line.options.sends == Sends::Messages) {
        suits_any |= line.has_template(Some(template));
        let falls_back = line.abilities().falls_back || lines.fall_back_for(line);
        findings.extend(of_line(template, line, falls_back).await);
    }
    if !suits_any {
        let text = Text::fixed(
            "어느 제공자로도 보낼 수 없습니다: providers에 템플릿 코드가 있어야 합니다",
            "no provider can send it: it needs a template code in providers",
        );
        findings.push(Finding::of(None, true, text));
    }
    findings
}

async fn of_line(template: &MessageTemplate, line: &Line, falls_back: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = Some(line.name());
    if template.fallback.is_some() && line.has_template(Some(template)) && !falls_back {
        let text = Text::fixed(
            "이 제공자는 대체발송(SMS, LMS)을 하지 않습니다",
            "this provider sends no fallback (SMS or LMS)",
        );
        findings.push(Finding::of(name, false, text));
    }
    let Some(code) = template.providers.get(line.name()) else {
        return findings;
    };
    match line.provider.approved(code).await {
        None => findings.push(Finding::of(
            name,
            false,
            Text::fixed(
                "승인된 내용을 물어볼 수 없는 제공자입니다. 내용이 다르면 발송 결과에 7204 같은 템플릿 불일치 오류로 \
                 나타납니다",
                "this provider cannot be asked what it approved; a text that differs would be refused with its \
                 template mismatch code in the delivery report (at Bizppurio, 7204)",
            ),
        )),
        Some(Err(trouble)) => {
            let said = trouble.words();
            findings.push(Finding::of(
                name,
                true,
                Text::made(format!("제공자의 대답: {said}"), format!("the provider says: {said}")),
            ));
        }
        Some(Ok(approved)) => findings.extend(compare(template, &approved, line.name())),
    }
    findings
}

/// Compares a template with the approved one.
fn compare(template: &MessageTemplate, approved: &ApprovedTemplate, name: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !approved.is_usable {
        let status = &approved.status;
        findings.push(Finding::of(
            Some(name),
            true,
            Text::made(
                format!("아직 쓸 수 없는 템플릿입니다: {status}"),
                format!("the template cannot be used: {status}"),
            ),
        ));
    }
    if let Some(place) = difference(template.body.body(), &approved.body) {
        findings.push(Finding::of(Some(name), true, place.text("body")));
    }
    let own: Vec<(String, String)> = template
        .buttons
        .iter()
        .map(|button| (button.name.clone(), button.address.body().to_owned()))
        .collect();
    if own.len() != approved.buttons.len() {
        let (own, theirs) = (own.len(), approved.buttons.len());
        findings.push(Finding::of(
            Some(name),
            true,
            Text::made(
                format!("buttons: 승인된 단추는 {theirs}개인데 {own}개입니다"),
                format!("buttons: {theirs} were approved, and there are {own}"),
            ),
        ));
        return findings;
    }
    for (index, (own, theirs)) in own.iter().zip(&approved.buttons).enumerate() {
        if let Some(place) = difference(&own.0, &theirs.0) {
            findings.push(Finding::of(Some(name), true, place.text(&format!("buttons[{index}].name"))));
        }
        if let Some(place) = difference(&own.1, &theirs.1) {
            findings.push(Finding::of(Some(name), true, place.text(&format!("buttons[{index}].url"))));
        }
    }
    findings
}

/// Where two texts first differ.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    line: usize,
    column: usize,
    own: String,
    approved: String,
}

/// Characters shown on each side of a difference.
const AROUND: usize = 10;

fn difference(own: &str, approved: &str) -> Option<Difference> {
    // A provider may end lines in its own way.
    let approved = approved.replace("\r\n", "\n");
    if own == approved {
        return None;
    }
    let (own, approved): (Vec<char>, Vec<char>) = (own.chars().collect(), approved.chars().collect());
    let same = own.iter().zip(&approved).take_while(|(own, approved)| own == approved).count();
    let before = &own[..same];
    let line = before.iter().filter(|c| **c == '\n').count() + 1;
    let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
    let shown = |text: &[char]| {
        let from = same.saturating_sub(AROUND).min(text.len());
        let part: String = text[from..(same + AROUND).min(text.len())].iter().collect();
        part.replace('\n', "⏎").replace(' ', "␣").replace('\t', "⇥")
    };
    Some(Difference { line, column, own: shown(&own), approved: shown(&approved) })
}

impl Difference {
    fn text(&self, place: &str) -> Text {
        let Self { line, column, own, approved } = self;
        Text::made(
            format!("{place} {line}행 {column}열이 승인된 내용과 다릅니다: ‘{own}’ / 승인 ‘{approved}’"),
            format!(
                "{place}, line {line}, column {column} differs from what was approved: ‘{own}’, approved ‘{approved}’"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use seoham_model::Lang;

    use super::*;

    #[test]
    fn a_template_one_space_away_is_found() {
        let own = MessageTemplate::parse(
            "{\"body\": \"[#{기관명}] 도착\\n#{제목} 확인\", \"buttons\": [{\"name\": \"문서확인\", \"url\": \"#{링크}\"}]}"
                .as_bytes(),
        )
        .expect("good");
        let approved = |body: &str| ApprovedTemplate {
            body: body.to_owned(),
            buttons: vec![("문서확인".to_owned(), "#{링크}".to_owned())],
            status: "승인".to_owned(),
            is_usable: true,
        };
        assert_eq!(compare(&own, &approved("[#{기관명}] 도착\r\n#{제목} 확인"), "nhn"), []);
        let found = compare(&own, &approved("[#{기관명}] 도착\n#{제목}  확인"), "nhn");
        let [finding] = &found[..] else { panic!("one finding: {found:?}") };
        assert!(
            finding.is_fault && finding.text.in_lang(Lang::En).contains("line 2, column 7"),
            "{finding:?}"
        );
        assert!(finding.text.in_lang(Lang::Ko).contains("␣"));
        let none = ApprovedTemplate {
            buttons: Vec::new(),
            is_usable: false,
            ..approved("[#{기관명}] 도착\n#{제목} 확인")
        };
        assert_eq!(compare(&own, &none, "nhn").len(), 2);
    }
}
