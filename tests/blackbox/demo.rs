//! The demo, as the README runs it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use crate::harness::{Browser, Client, binary, eventually, member_document};

fn demo(data: &std::path::Path, more: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["demo", "--exit", "--data"]).arg(data).args(more).env("LC_ALL", "ko_KR.UTF-8");
    for listen in ["api", "bulk", "web", "admin"] {
        command.arg(format!("--{listen}-listen=127.0.0.1:0"));
    }
    command.output().unwrap()
}

#[test]
fn it_ends_well_and_goes_on_from_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let table = |output: &Output| {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text.lines().filter(|l| l.starts_with('│')).map(str::to_owned).collect::<Vec<_>>()
    };
    let first = table(&demo(&data, &[]));
    assert!(first.iter().any(|l| l.contains("접수") && l.contains("1118")), "{first:?}");
    assert!(first.iter().any(|l| l.contains("상태 READ") && l.contains('5')), "{first:?}");
    assert_eq!(table(&demo(&data, &[])), first, "nothing is sent twice");

    // With a truncated journal, it sends what is missing and still counts everything.
    let journal = data.join("demo-sent.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, &text[..text.len() / 2]).unwrap();
    assert_eq!(table(&demo(&data, &[])), first);
}

/// The same counts, through the adapter of a provider and a fake of it.
#[test]
fn it_delivers_through_a_provider() {
    let directory = tempfile::tempdir().unwrap();
    let output = demo(&directory.path().join("data"), &["--messenger", "nhn"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.lines().any(|line| line.contains("접수") && line.contains("1118")), "{text}");
}

/// A process that is killed at the end of its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_demo_can_be_clicked_through_to_the_institutions_page() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut command = Command::new(binary());
    command.args(["demo", "--data"]).arg(&data).env("LC_ALL", "ko_KR.UTF-8");
    for listen in ["api", "bulk", "web", "admin"] {
        command.arg(format!("--{listen}-listen=127.0.0.1:0"));
    }
    let mut child = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut said = String::new();
    while !said.contains("/messenger?number=") {
        said.push_str(&lines.next().expect("it says how to go on").unwrap());
        said.push('\n');
    }
    let between = |before: &str, after: &str| {
        let rest = said.split(before).nth(1).unwrap_or_else(|| panic!("{before} in {said}"));
        rest.split(after).next().unwrap().trim().to_owned()
    };
    let demo_file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data.join("demo.json")).unwrap()).unwrap();
    let text = |name: &str| demo_file[name].as_str().unwrap().to_owned();
    let city = Client {
        api: between("API ", "("),
        bulk: between("curl -s ", "/v1/documents/bulk"),
        id: text("institution_id"),
        token: text("access_token"),
        token_id: String::new(),
        contract: text("contract_uuid"),
    };
    let mut notice = member_document("CLICK-1");
    notice["property"]["link"] = serde_json::json!(between("\"link\":\"", "\""));
    notice["property"]["payload"] = serde_json::json!(r#"{"amount":120000,"due":"2026-12-31"}"#);
    let id = city.accepted(&[notice]).await.remove(0);
    let web = between("web ", "(");
    let mut browser = Browser::at(&web);
    let link = eventually("the message has come", async || {
        let page = browser.get("/messenger?number=01000000001").await;
        page.html.contains(&id).then(|| page.links("/l/").remove(0))
    })
    .await;
    browser.get(&link).await.shows(200, "2026년 자동차세 고지서");
    let open = format!("/documents/{id}/open");
    let page = browser.get(&open).await;
    let page = browser.submit(&page, &open, &[("secret", "135790")]).await;
    let mut at_institution = Browser::at(&web);
    at_institution.get(page.location.as_deref().unwrap()).await.shows(200, "120,000원");
    city.until(&id, "READ").await;
    let sent = Command::new("kill").arg("-TERM").arg(child.0.id().to_string()).status().unwrap();
    assert!(sent.success());
    assert!(child.0.wait().unwrap().success());
}
