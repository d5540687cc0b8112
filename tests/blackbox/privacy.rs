//! After a full run, no log and no database file contains a personal value.

use std::path::Path;
use std::process::Command;

use seoham_scratch_postgres::Cluster;
use serde_json::json;

use crate::harness::{Answer, Start, document, member_document};

#[tokio::test]
async fn no_personal_value_is_left_in_logs_or_files() {
    let start = Start::sandbox().env("SEOHAM_LOG__LEVEL", "trace").env("SEOHAM_LOG__FORMAT", "json");
    let server = start.up();
    let city = server.institution("가상시청").await;
    let people: Vec<(String, String, String, String)> = (0..50)
        .map(|i| {
            (
                format!("0107654{i:04}"),
                format!("별난이름{i}"),
                format!("194702{:02}", i % 28 + 1),
                format!("BYEOLNAN-CI-{i}=="),
            )
        })
        .collect();
    let lines: Vec<String> = people
        .iter()
        .map(|(phone, name, birthday, ci)| {
            let (member, pin) = (true, "975318");
            json!({ "phone_number": phone, "name": name, "birthday": birthday, "ci": ci, "member": member, "pin": pin })
                .to_string()
        })
        .take(2)
        .chain(people.iter().skip(2).map(|(phone, name, birthday, ci)| {
            let email = email_of(phone);
            json!({ "phone_number": phone, "name": name, "birthday": birthday, "ci": ci, "email": email, "member": true })
                .to_string()
        }))
        .collect();
    assert_eq!(server.import(lines.join("\n")).await["imported"], 50);
    assert_eq!(server.import(lines[1].clone()).await["imported"], 1, "an update");

    let mut sent: Vec<_> = people
        .iter()
        .map(|(phone, name, birthday, ci)| {
            let mut notice = document(phone, &format!("EXT {name}"));
            notice["receiver"] = json!({ "phone_number": phone, "name": name, "birthday": birthday });
            if phone.ends_with('1') {
                notice["receiver"] = json!({ "ci": ci });
            }
            notice["title"] = json!(format!("{name}님 고지서"));
            notice["property"]["message"] = json!(format!("{name}님({phone}), {birthday}에 태어나셨습니다"));
            notice["property"]["payload"] = json!(format!("phone={phone}"));
            notice
        })
        .collect();
    let mut broken = sent[3].clone();
    broken["receiver"]["birthday"] = json!("194702");
    broken["property"]["external_document_uuid"] = json!("BROKEN");
    let mut unknown = sent[4].clone();
    unknown["receiver"]["name"] = json!("별난이름9999");
    unknown["receiver"]["is_required_verify_name"] = json!(true);
    unknown["property"]["external_document_uuid"] = json!("UNKNOWN");
    sent.extend([broken, unknown, member_document("M")]);
    let results = city.send(&sent).await;
    let errors: String = results.iter().filter_map(|r| r["error_message"].as_str()).collect();
    assert!(!errors.contains("별난이름") && !errors.contains("0107654"), "{errors}");
    let single = Answer::of(city.post("/v1/documents", &json!({ "document": sent[51] }))).await;
    assert!(!single.body.to_string().contains("별난이름"), "{}", single.body);
    let ids: Vec<String> =
        results.iter().filter_map(|r| r["document_binder_uuid"].as_str().map(str::to_owned)).collect();
    assert_eq!(ids.len(), 51);
    for id in &ids {
        city.until_notified(id).await;
    }
    let token = city.open_token(&ids[0]).await;
    assert_eq!(city.verify(&ids[0], &token).await.status, 200);
    city.mark_read(&ids[0]).await;
    server.admin("GET", &format!("documents/{}", ids[0]), None).await;
    server.admin("GET", "documents/01076540000", None).await;

    let (data, log_file) = (server.data(), start.directory().join("data.log"));
    let look = |when: &str| {
        let log = std::fs::read_to_string(&log_file).unwrap();
        assert!(log.len() > 10_000, "there is a log to look at");
        let mut secrets: Vec<String> = vec![token.clone(), city.token.clone()];
        for (phone, name, birthday, ci) in &people {
            secrets.extend([phone.clone(), name.clone(), birthday.clone(), ci.clone(), email_of(phone)]);
        }
        for secret in secrets {
            assert!(!log.contains(&secret), "{when}: a personal value or secret in the log: {secret}");
            for file in files(&data) {
                let bytes = std::fs::read(&file).unwrap();
                let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
                assert!(!found, "{when}: {secret} in {}", file.display());
            }
        }
    };
    look("running");
    if !start.backing().is_embedded() {
        let values =
            people.iter().flat_map(|(phone, name, _, ci)| [phone, name, ci]).chain([&token, &city.token]);
        look_into_the_database(&start, &values.map(String::as_str).collect::<Vec<_>>());
    }
    server.terminate();
    assert!(server.wait().0.success());
    look("ended");
}

fn email_of(phone: &str) -> String {
    format!("byeolnan{phone}@example.kr")
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect()
}

/// Searches the database's own files, after writing everything in memory to them.
fn look_into_the_database(start: &Start, values: &[&str]) {
    start.backing().execute("CHECKPOINT");
    let patterns = start.directory().join("patterns");
    std::fs::write(&patterns, values.join("\n")).unwrap();
    let mut grep = Command::new("grep");
    grep.args(["-rlaF", "--exclude-dir=log", "-f"]).arg(&patterns).arg(Cluster::shared().directory());
    let found = grep.output().unwrap();
    assert!(found.stdout.is_empty(), "personal values in: {}", String::from_utf8_lossy(&found.stdout));
    assert_eq!(found.status.code(), Some(1), "it was looked: {}", String::from_utf8_lossy(&found.stderr));
}
