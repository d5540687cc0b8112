//! Shared strings.

use super::damaged;
use super::package::Package;
use super::xml::{Node, Xml};
use crate::SheetError;

/// The shared strings of a workbook.
#[derive(Default)]
pub(super) struct Strings(Vec<Box<str>>);

impl Strings {
    pub(super) fn read(package: &mut Package, part: &str) -> Result<Self, SheetError> {
        let mut xml = package.held_part(part)?;
        let mut strings = Vec::new();
        while let Some(node) = xml.next()? {
            if matches!(&node, Node::Start { name, .. } if name == "si") {
                strings.push(rich_text(&mut xml)?.into_boxed_str());
            }
        }
        Ok(Self(strings))
    }

    pub(super) fn get(&self, place: &str) -> Option<&str> {
        let place: usize = place.trim().parse().ok()?;
        self.0.get(place).map(AsRef::as_ref)
    }
}

/// The text of a started element: its own and that of its runs, without phonetic guides.
pub(super) fn rich_text<R: std::io::Read>(xml: &mut Xml<R>) -> Result<String, SheetError> {
    let mut text = String::new();
    let mut depth = 0_u32;
    loop {
        match xml.next()?.ok_or_else(damaged)? {
            Node::Start { name, .. } => match name.as_str() {
                "t" => text.push_str(&unescaped(&xml.text()?)),
                "r" => depth += 1,
                _ => xml.skip()?,
            },
            Node::End { .. } if depth == 0 => return Ok(text),
            Node::End { .. } => depth -= 1,
            Node::Text(_) => {}
        }
    }
}

/// Decodes escapes such as `_x000D_` for characters that XML does not allow.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let character = after.get(2..6).filter(|_| after.get(6..7) == Some("_")).and_then(|digits| {
            let all = digits.bytes().all(|b| b.is_ascii_hexdigit());
            char::from_u32(u32::from_str_radix(digits, 16).ok()?).filter(|_| all)
        });
        let taken = if let Some(character) = character {
            out.push(character);
            7
        } else {
            out.push_str("_x");
            2
        };
        rest = &after[taken..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_xml_does_not_have_are_read() {
        for (text, read) in [
            ("a_x000D_b", "a\rb"),
            ("_x005F_x000D_", "_x000D_"),
            ("_x00_", "_x00_"),
            ("_xZZZZ_", "_xZZZZ_"),
            ("_x가나다_", "_x가나다_"),
            ("plain", "plain"),
        ] {
            assert_eq!(unescaped(text), read);
        }
    }
}
