use std::fs;
use std::path::Path;

use seoham_model::{BinderId, Clock, UnixSeconds};
use tempfile::TempDir;

use super::*;

/// Midnight of 2026-11-23 in Seoul.
const MIDNIGHT: UnixSeconds = UnixSeconds(1_795_359_600);
const DAY: &str = "2026-11-23.jsonl";

fn clock() -> Clock {
    Clock::stopped_at(MIDNIGHT)
}

fn shown(document: BinderId, visit: &VisitId) -> Entry {
    Entry::new(Kind::Shown, "whole").of(document, visit)
}

/// A closed log of `count` records on one day.
async fn log_of(count: usize) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = ExchangeLog::open(directory.path(), clock()).unwrap();
    let document = BinderId::generate(&clock());
    for _ in 0..count {
        log.append(vec![Entry::new(Kind::Entered, "verified").of(document, &VisitId::generate())])
            .await
            .unwrap();
    }
    directory
}

fn flaws(directory: &Path) -> Vec<(u64, Flaw)> {
    let report = verify(directory, &VerifyOptions::default()).unwrap();
    report.damage.into_iter().map(|damage| (damage.line, damage.flaw)).collect()
}

fn lines(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(directory.join(DAY)).unwrap();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

#[tokio::test]
async fn what_was_appended_is_there_and_sound() {
    let directory = log_of(5).await;
    let report = verify(directory.path(), &VerifyOptions::default()).unwrap();
    assert_eq!((report.records, report.files, report.damage.len()), (5, 1, 0));
    let head = report.head.unwrap();
    assert_eq!(head.seq, 5);
    assert_eq!(head.to_string().parse::<Head>().unwrap(), head);
    assert!("5:x".parse::<Head>().is_err());
}

#[tokio::test]
async fn every_changed_byte_is_found() {
    let directory = log_of(3).await;
    let file = directory.path().join(DAY);
    let sound = fs::read(&file).unwrap();
    for at in 0..sound.len() {
        for changed in [sound[at] ^ 1, b'\n', b'"'] {
            let mut bytes = sound.clone();
            bytes[at] = changed;
            fs::write(&file, &bytes).unwrap();
            assert_eq!(flaws(directory.path()).is_empty(), bytes == sound, "byte {at}");
        }
    }
}

#[tokio::test]
async fn what_is_missing_moved_or_doubled_is_found() {
    let directory = log_of(5).await;
    let file = directory.path().join(DAY);
    let all = lines(directory.path());
    let with = |order: &[usize]| {
        fs::write(&file, order.iter().map(|i| all[*i].as_str()).collect::<String>()).unwrap();
        flaws(directory.path())
    };
    assert_eq!(with(&[0, 1, 2, 3, 4]), []);
    assert_eq!(with(&[0, 1, 4]), [(3, Flaw::Missing(3, 4))]);
    assert_eq!(with(&[1, 2, 3, 4]), [(1, Flaw::Missing(1, 1))]);
    assert_eq!(with(&[0, 1, 1, 2, 3, 4]), [(3, Flaw::OutOfOrder(3))]);
    assert!(with(&[0, 2, 1, 3, 4]).contains(&(3, Flaw::OutOfOrder(4))));
    let first = VerifyOptions { first: 3, head: None };
    assert!(!verify(directory.path(), &first).unwrap().damage.is_empty(), "it does not begin there");
    with(&[2, 3, 4]);
    assert!(verify(directory.path(), &first).unwrap().damage.is_empty(), "old days were moved elsewhere");
}

#[tokio::test]
async fn a_missing_end_is_found_by_a_head_that_was_kept() {
    let directory = log_of(5).await;
    let head = verify(directory.path(), &VerifyOptions::default()).unwrap().head;
    let file = directory.path().join(DAY);
    fs::write(&file, lines(directory.path())[..3].concat()).unwrap();
    assert_eq!(flaws(directory.path()), [], "the chain alone cannot show it");
    let report = verify(directory.path(), &VerifyOptions { head, ..VerifyOptions::default() }).unwrap();
    assert_eq!(report.damage[0].flaw, Flaw::HeadMissing);
}

#[tokio::test]
async fn another_chain_of_the_same_numbers_is_found() {
    let (directory, other) = (log_of(5).await, log_of(5).await);
    let mut mixed = lines(directory.path());
    mixed[2] = lines(other.path())[2].clone();
    fs::write(directory.path().join(DAY), mixed.concat()).unwrap();
    assert_eq!(flaws(directory.path()), [(3, Flaw::Unlinked), (4, Flaw::Unlinked)]);
}

#[tokio::test]
async fn a_torn_end_is_cut_kept_and_told() {
    let whole = log_of(3).await;
    let all = lines(whole.path());
    let last = all[2].len();
    for torn in [1, last / 2, last - 1] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(DAY);
        fs::write(&file, format!("{}{}{}", all[0], all[1], &all[2][..torn])).unwrap();
        assert_eq!(flaws(directory.path()), [(3, Flaw::Torn)]);
        let (log, opened) = ExchangeLog::open(directory.path(), clock()).unwrap();
        let (bytes, kept) = opened.cut.unwrap();
        assert_eq!(bytes, torn as u64);
        assert_eq!(fs::read_to_string(directory.path().join(kept)).unwrap(), all[2][..torn]);
        assert_eq!(opened.damage, []);
        drop(log);
        assert_eq!(flaws(directory.path()), []);
        assert!(lines(directory.path())[2].contains(r#""kind":"recovered""#));
        let (_, opened) = ExchangeLog::open(directory.path(), clock()).unwrap();
        assert!(opened.cut.is_none(), "told once");
    }
}

#[tokio::test]
async fn a_last_line_that_is_not_sound_is_cut_too() {
    for garbage in ["{}\n", "\0\0\0\0", "\n\n\n"] {
        let directory = log_of(2).await;
        let file = directory.path().join(DAY);
        fs::write(&file, format!("{}{garbage}", lines(directory.path()).concat())).unwrap();
        let (_, opened) = ExchangeLog::open(directory.path(), clock()).unwrap();
        assert_eq!(opened.cut.unwrap().0, garbage.len() as u64);
        assert_eq!(flaws(directory.path()), []);
    }
}

#[tokio::test]
async fn damage_before_the_end_is_told_and_never_repaired() {
    let directory = log_of(4).await;
    let file = directory.path().join(DAY);
    let damaged = lines(directory.path()).concat().replacen("verified", "Verified", 1);
    fs::write(&file, &damaged).unwrap();
    let (log, opened) = ExchangeLog::open(directory.path(), clock()).unwrap();
    assert_eq!(opened.damage, [Damage { file: DAY.to_owned(), line: 1, flaw: Flaw::Changed }]);
    drop(log);
    let now = fs::read_to_string(&file).unwrap();
    assert!(now.starts_with(&damaged) && now[damaged.len()..].contains("damage_found"));
    assert_eq!(flaws(directory.path()), [(1, Flaw::Changed)]);
}

#[tokio::test]
async fn appends_at_once_share_the_chain() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = ExchangeLog::open(directory.path(), clock()).unwrap();
    let document = BinderId::generate(&clock());
    let append = |log: ExchangeLog| async move {
        let visit = VisitId::generate();
        let two = vec![Entry::new(Kind::Entered, "verified").of(document, &visit), shown(document, &visit)];
        log.append(two).await
    };
    let tasks: Vec<_> = (0..200).map(|_| tokio::spawn(append(log.clone()))).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let report = verify(directory.path(), &VerifyOptions::default()).unwrap();
    assert_eq!((report.records, report.damage.len()), (400, 0));
    let story = show(directory.path(), &document.to_string()).unwrap();
    assert_eq!(story.records.len(), 400);
    let pairs = story.records.chunks(2).all(|pair| pair[0].visit == pair[1].visit);
    assert!(pairs, "what was appended together stands together");
}

#[tokio::test]
async fn a_day_has_a_file_and_the_chain_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::stopped_at(MIDNIGHT.plus(-1));
    let (log, _) = ExchangeLog::open(directory.path(), clock.clone()).unwrap();
    let (document, visit) = (BinderId::generate(&clock), VisitId::generate());
    log.append(vec![shown(document, &visit)]).await.unwrap();
    clock.set_advanced_seconds(1);
    log.append(vec![shown(document, &visit)]).await.unwrap();
    drop(log);
    assert!(directory.path().join("2026-11-22.jsonl").exists() && directory.path().join(DAY).exists());
    assert_eq!(flaws(directory.path()), []);
    let (log, opened) = ExchangeLog::open(directory.path(), Clock::stopped_at(MIDNIGHT.plus(-9))).unwrap();
    assert_eq!(opened.pending, [PendingRead { document, visit }], "one read however often it was shown");
    drop(log);
    assert_eq!(flaws(directory.path()), [], "a clock that was set back goes on in the last file");
    fs::remove_file(directory.path().join("2026-11-22.jsonl")).unwrap();
    assert_eq!(flaws(directory.path()), [(1, Flaw::Missing(1, 1))]);
}

#[tokio::test]
async fn what_is_shown_is_pending_until_a_record_says_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let (log, _) = ExchangeLog::open(directory.path(), clock.clone()).unwrap();
    let visits: Vec<_> = (0..5).map(|_| (BinderId::generate(&clock), VisitId::generate())).collect();
    for (document, visit) in &visits {
        log.append(vec![shown(*document, visit)]).await.unwrap();
    }
    let ends = [
        Entry::new(Kind::ReadReported, "taken"),
        Entry::new(Kind::ReadRefused, "refused"),
        Entry::new(Kind::PageFailed, "left"),
        Entry::new(Kind::PageFailed, "error"),
    ];
    for ((document, visit), end) in visits.iter().zip(ends) {
        log.append(vec![end.of(*document, visit)]).await.unwrap();
    }
    drop(log);
    // Days of downtime; each start ends right after its first records.
    for day in 1..5 {
        let clock = Clock::stopped_at(MIDNIGHT.plus(day * 86_400));
        let (_, opened) = ExchangeLog::open(directory.path(), clock).unwrap();
        let pending: Vec<_> = opened.pending.into_iter().map(|p| p.visit).collect();
        assert_eq!(pending, [visits[3].1.clone(), visits[4].1.clone()]);
    }
    assert_eq!(flaws(directory.path()), []);
}

#[tokio::test]
async fn a_directory_has_one_writer() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = ExchangeLog::open(directory.path(), clock()).unwrap();
    assert!(matches!(ExchangeLog::open(directory.path(), clock()), Err(OpenError::InUse(_))));
    drop(log);
    assert!(ExchangeLog::open(directory.path(), clock()).is_ok());
}

#[test]
fn ids_that_could_carry_anything_else_are_not_taken() {
    assert!(RequestId::parse("0194-ab_c.D").is_some());
    for bad in ["", "a b", "가", "a\"b", &"a".repeat(65)] {
        assert_eq!(RequestId::parse(bad), None);
    }
    assert_eq!(VisitId::parse(VisitId::generate().as_str()).map(|v| v.as_str().len()), Some(32));
    assert_eq!(VisitId::parse("x"), None);
}
