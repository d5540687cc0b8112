//! The guides for institutions, run as written: every command in them must work.

use std::path::{Path, PathBuf};
use std::process::Command;

use seoham_model::status::DocBoxStatus;

use crate::harness::{Client, Start, binary};

#[allow(unreachable_pub, reason = "a reader's program, as it stands")]
mod kit {
    include!("../../examples/institution/first_document.rs");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The blocks of a page that are in `language`.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let found = page.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    found.collect()
}

/// Runs commands one after the other in one shell, as a reader would. Returns their output.
async fn run(commands: Vec<String>, city: &Client, directory: &Path) -> String {
    let programs = Path::new(binary()).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("set -eu\n{}", commands.join("\n"))]).current_dir(directory);
    shell.env("PATH", path).env("HOME", directory).env_remove("XDG_CONFIG_HOME");
    shell.env("PLATFORM", &city.api).env("TOKEN", &city.token).env("CONTRACT", &city.contract);
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {out}\n{err}", output.status);
    out.into_owned()
}

async fn follow(page: &str) {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(root().join("examples/institution/notices.csv"), directory.path().join("notices.csv"))
        .unwrap();
    let commands = blocks(&text(page), "sh");
    assert!(commands.len() >= 8, "{page} has its commands");
    let out = run(commands, &city, directory.path()).await;
    for shown in [r#""doc_box_status":"RECEIVED""#, r#""token_status":"USED""#, r#""doc_box_status":"READ""#]
    {
        assert!(out.contains(shown), "{shown} in {out}");
    }
    let result = std::fs::read_to_string(directory.path().join("notices.result.csv")).unwrap();
    assert_eq!(result.matches("BIN-").count(), 3, "{result}");
    let times = std::fs::read_to_string(directory.path().join("times.csv")).unwrap();
    assert_eq!(times.matches("BIN-").count(), 3, "{times}");
}

#[tokio::test]
async fn the_english_guide_works_as_it_stands() {
    follow("docs/INSTITUTIONS.md").await;
}

#[tokio::test]
async fn the_korean_guide_works_as_it_stands() {
    follow("docs/INSTITUTIONS.ko.md").await;
}

#[tokio::test]
async fn its_programs_are_those_that_run_here() {
    for page in ["docs/INSTITUTIONS.md", "docs/INSTITUTIONS.ko.md"] {
        for (language, file) in [
            ("rust", "examples/institution/first_document.rs"),
            ("java", "examples/institution/FirstDocument.java"),
        ] {
            assert_eq!(blocks(&text(page), language), [text(file)], "{page} shows {file}");
        }
    }
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let _ = crate::harness::http();
    let read = kit::first_document(&city.api, city.token.clone(), &city.contract).await.unwrap();
    assert_eq!(read, DocBoxStatus::Read);

    let mut java = Command::new("java");
    java.arg(root().join("examples/institution/FirstDocument.java"));
    java.args([&city.api, &city.token, &city.contract]);
    let output =
        tokio::task::spawn_blocking(move || java.output().expect("a JDK is installed")).await.unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("BIN-") && out.contains(r#""doc_box_status":"RECEIVED""#), "{out}");
}

#[tokio::test]
async fn the_way_from_another_provider_begins_with_a_harmless_question() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let directory = tempfile::tempdir().unwrap();
    for page in ["docs/FROM-ANOTHER-PROVIDER.md", "docs/FROM-ANOTHER-PROVIDER.ko.md"] {
        let commands = blocks(&text(page), "sh");
        assert_eq!(commands.len(), 1, "{page}");
        let out = run(commands, &city, directory.path()).await;
        assert!(out.contains("INVALID_VALUE"), "{page}: {out}");
    }
    let overview = server.admin("GET", &format!("institutions/{}", city.id), None).await.1;
    assert_eq!(overview["accepted_today"], 0);
}
