//! Checks references in comments and documents: every `SPEC n` and `DESIGN n` refers to an existing section, and
//! every file of the glossary exists and names its term.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::root;

/// The documents whose sections can be referenced.
const CONTRACT: &str = "docs/CONTRACT.md";
const DESIGN: &str = "docs/DESIGN.md";
const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";

/// Runs all the checks.
pub(crate) fn check() -> Result<()> {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).context(name.to_owned());
    let (contract, design) = (sections(&read(CONTRACT)?), sections(&read(DESIGN)?));
    let mut complaints = Vec::new();
    let mut count = 0;
    for file in files()?.into_iter().filter(|file| !file.ends_with(file!())) {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        // A reference may continue in the next line of a comment.
        let text = joined(&text);
        let shown = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        for (keyword, known) in [("SPEC ", &contract), ("DESIGN ", &design)] {
            for reference in references(&text, keyword) {
                count += 1;
                if !known.contains(&reference) {
                    complaints.push(format!("{shown}: {keyword}{reference} leads nowhere"));
                }
            }
        }
    }
    complaints.extend(glossary_complaints(&read(ARCHITECTURE)?, |file| read(file).ok()));
    if !complaints.is_empty() {
        bail!("references:\n  {}", complaints.join("\n  "));
    }
    println!("\nreferences: {count}, and every term of the glossary, lead somewhere");
    Ok(())
}

/// The text with each multi-line comment joined into one line.
fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for line in text.lines() {
        let rest =
            ["//! ", "/// ", "// ", "-- "].iter().find_map(|mark| line.trim_start().strip_prefix(mark));
        joined.push(if rest.is_some() { ' ' } else { '\n' });
        joined.push_str(rest.unwrap_or(line));
    }
    joined
}

/// The targets of references in a document: the numbers of its headings (`## 5. Send`, `### 8.9 Links`), and titles
/// in bold or of headings.
fn sections(document: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("##") {
            let heading = heading.trim_start_matches('#').trim();
            found.insert(leading_number(heading).to_owned());
            found.insert(format!("\"{heading}\""));
        }
        for bold in line.split("**").skip(1).step_by(2) {
            found.insert(format!("\"{}\"", bold.trim_end_matches(['.', ':'])));
        }
    }
    found.remove("");
    found
}

/// The section number at the start of a text, such as `8.9`; empty if there is none.
fn leading_number(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

/// The references with `keyword` in a text: a number, or a title in quotation marks.
fn references(text: &str, keyword: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(keyword) {
        let is_word = text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let rest = &text[at + keyword.len()..];
        let number = leading_number(rest);
        if is_word && !number.is_empty() {
            found.push(number.to_owned());
            found.extend(more_numbers(&rest[number.len()..]));
        } else if let Some((title, _)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'))
            && is_word
            && title.chars().any(char::is_alphabetic)
        {
            found.push(format!("\"{title}\""));
        }
    }
    found
}

/// The further numbers of a list, as in `SPEC 4, 8 and 11`.
fn more_numbers(mut rest: &str) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(after) = [", ", " and ", " to "].iter().find_map(|word| rest.strip_prefix(word)) {
        let number = leading_number(after);
        // "SPEC 5, 100 items" is not a list: sections have at most two digits.
        if number.is_empty() || number.split('.').any(|part| part.len() > 2) {
            break;
        }
        found.push(number.to_owned());
        rest = &after[number.len()..];
    }
    found
}

/// Rows of the glossary whose file does not exist, or does not contain the term in its first lines.
fn glossary_complaints(architecture: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let rows = architecture.lines().skip_while(|line| !line.starts_with("## Glossary")).skip(1);
    let rows = rows.take_while(|line| !line.starts_with("## ")).filter(|line| line.contains("`crates/"));
    let mut complaints = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [ours, standard, file] = cells[..] else {
            complaints.push(format!("a row of the glossary has three cells: {row}"));
            continue;
        };
        let file = file.trim_matches('`');
        let Some(text) = read(file) else {
            complaints.push(format!("glossary: {file} is not there"));
            continue;
        };
        let head: String =
            text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join(" ");
        let head = head.replace("//!", "").to_lowercase();
        let head = head.split_whitespace().collect::<Vec<_>>().join(" ");
        let terms = standard.split(['(', ')', ',']).chain([ours]);
        if !terms.map(|term| term.trim().to_lowercase()).any(|term| !term.is_empty() && head.contains(&term))
        {
            complaints
                .push(format!("glossary: the first lines of {file} say neither {ours:?} nor {standard:?}"));
        }
    }
    complaints
}

/// The sources and documents of the repository.
fn files() -> Result<Vec<PathBuf>> {
    const FOLDERS: [&str; 7] = ["crates", "tests", "bench", "xtask", "docs", "examples", "clients"];
    let mut found = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if is_text(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn is_text(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| ["rs", "md", "sql", "html", "css", "toml", "java"].iter().any(|t| e == *t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_to_headings_and_titles() {
        let known = sections("## 5. Send\n### 8.9 Links\n- **Disk errors are fatal.** Never.\n### Time\n");
        let text =
            "(SPEC 5), SPEC 8.9. XSPEC 7; DESIGN \"Disk errors are fatal\" and DESIGN \"Time\", `SPEC n`";
        assert_eq!(references(text, "SPEC "), ["5", "8.9"]);
        assert_eq!(references("SPEC 8.8 and 8.9, SPEC 4, 8", "SPEC "), ["8.8", "8.9", "4", "8"]);
        assert_eq!(references(&joined("    /// (SPEC\n    /// 8.9)"), "SPEC "), ["8.9"]);
        assert!(references(text, "SPEC ").iter().all(|reference| known.contains(reference)));
        assert!(references(text, "DESIGN ").iter().all(|reference| known.contains(reference)));
        assert!(!known.contains("8") && !known.contains("\"Space\""));
    }

    #[test]
    fn the_glossary_names_files_that_say_the_term() {
        let row = |file: &str| {
            format!("## Glossary\n| memtable | memtable and flush | `crates/{file}` |\n## Next\n")
        };
        let read = |file: &str| match file {
            "crates/a.rs" => Some("//! The memtable.\n".to_owned()),
            "crates/b.rs" => Some("//! Something.\n// memtable\n".to_owned()),
            _ => None,
        };
        assert!(glossary_complaints(&row("a.rs"), read).is_empty());
        assert!(glossary_complaints(&row("b.rs"), read)[0].contains("first lines"));
        assert!(glossary_complaints(&row("c.rs"), read)[0].contains("not there"));
    }

    #[test]
    fn every_reference_of_the_repository_leads_somewhere() {
        check().expect("as it should be");
    }
}
