//! The demo, as the README runs it.

use std::process::{Command, Output};

fn demo(data: &std::path::Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seoham"));
    command.args(["demo", "--exit", "--data"]).arg(data).env("LC_ALL", "ko_KR.UTF-8");
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
    let first = table(&demo(&data));
    assert!(first.iter().any(|l| l.contains("접수") && l.contains("1118")), "{first:?}");
    assert!(first.iter().any(|l| l.contains("상태 READ") && l.contains('5')), "{first:?}");
    assert_eq!(table(&demo(&data)), first, "nothing is sent twice");

    // Cut off in the middle of its journal, it sends what is missing and counts it all the same.
    let journal = data.join("demo-sent.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, &text[..text.len() / 2]).unwrap();
    assert_eq!(table(&demo(&data)), first);
}
