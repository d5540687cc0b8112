//! The exchange log after kills and after tampering, checked on its command line.

use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::harness::{Start, documents};
use crate::landing::{Application, PAGE, Place, log_command};

/// How often the gateway is killed.
const CYCLES: usize = 50;
/// Visits in each cycle.
const VISITS: usize = 4;

#[tokio::test]
async fn no_kill_loses_a_page_that_was_shown() {
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let application = Application::default().start().await;
    let place = Place::new(&city.token);
    let mut ids = Vec::new();
    for _ in 0..CYCLES * VISITS / 100 {
        ids.extend(city.accepted(&documents(100)).await);
    }
    let mut received = Vec::new();
    for (cycle, ids) in ids.chunks(VISITS).enumerate() {
        let gateway = place.up(&application, &city.api);
        let (sound, said) = log_command("verify", &place.log(), &[]);
        assert!(sound, "{said}");
        let mut visits = JoinSet::new();
        for id in ids {
            let request = gateway.visit(&city.open_token(id).await, id);
            let id = id.clone();
            visits.spawn(async move {
                let page = request.send().await.ok()?.text().await.ok()?;
                (page == PAGE).then_some(id)
            });
        }
        // Alternately at a random moment, and after a page came through, however slow the machine is.
        if cycle % 2 == 0 {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..60))).await;
        } else if let Some(first) = visits.join_next().await {
            received.extend(first.unwrap());
        }
        drop(gateway);
        while let Some(visit) = visits.join_next().await {
            received.extend(visit.unwrap());
        }
    }
    assert!(!received.is_empty(), "some pages came through");
    let gateway = place.up(&application, &city.api);
    let (sound, said) = log_command("verify", &place.log(), &[]);
    assert!(sound, "{said}");
    for id in &received {
        let story = log_command("show", &place.log(), &["--document", id]).1;
        assert!(story.contains("entered: verified") && story.contains("shown: whole"), "{id}: {story}");
    }
    for id in &received {
        city.until(id, "READ").await;
    }
    drop(gateway);
}

fn day(log: &Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(log).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "jsonl")).max().unwrap()
}

#[tokio::test]
async fn tampering_is_found_and_a_torn_end_recovers() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let application = Application::default().start().await;
    let place = Place::new(&city.token);
    let gateway = place.up(&application, &city.api);
    for id in city.accepted(&documents(3)).await {
        let token = city.open_token(&id).await;
        assert_eq!(gateway.visit(&token, &id).send().await.unwrap().text().await.unwrap(), PAGE);
        city.until(&id, "READ").await;
    }
    drop(gateway);
    // Starting cuts off what the kill tore.
    drop(place.up(&application, &city.api));
    let (sound, said) = log_command("verify", &place.log(), &[]);
    assert!(sound, "{said}");
    let head = said.split("head ").nth(1).unwrap().trim().to_owned();

    let file = day(&place.log());
    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    let found = |text: String, expected: &str| {
        std::fs::write(&file, text).unwrap();
        let (sound, said) = log_command("verify", &place.log(), &[]);
        assert!(!sound && said.contains(expected), "{expected}: {said}");
        assert!(!log_command("show", &place.log(), &["--document", &format!("BIN-{}", "0".repeat(32))]).0);
    };
    found(whole.replacen("verified", "Verified", 1), ":1: the record was changed");
    found([&lines[..2], &lines[3..]].concat().concat(), ":3: records 3 to 3 are missing");
    found([&lines[..1], &[lines[2], lines[1]], &lines[3..]].concat().concat(), "out of order");
    let end = whole.len() - 5;
    found(whole[..end].to_owned(), "torn");

    drop(place.up(&application, &city.api));
    let (sound, said) = log_command("verify", &place.log(), &[]);
    assert!(sound, "{said}");
    assert!(std::fs::read_to_string(&file).unwrap().contains(r#""kind":"recovered""#));
    let (sound, said) = log_command("verify", &place.log(), &["--head", &head]);
    assert!(!sound && said.contains("head is not in the log"), "the last record was cut: {said}");
}
