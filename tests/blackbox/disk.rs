//! A disk that fails under the embedded store: nothing more is written, the process ends, and acknowledged documents
//! are there after the next start.

use crate::harness::{Backing, Client, Disk, Start, eventually};
use std::sync::atomic::AtomicUsize;

async fn it_ends_and_nothing_is_lost(operation: &str, file: &str) {
    let (start, disk) = Disk::under(Start::on(Backing::embedded()));
    let server = start.up();
    let city = server.institution("가상시청").await;
    let senders: Vec<_> = (0..2)
        .map(|_| {
            let city = city.clone();
            tokio::spawn(async move { city.send_until_gone(&AtomicUsize::new(0)).await })
        })
        .collect();
    eventually("some documents are there", async || {
        let found = server.metrics().await.lines().any(|line| {
            line.starts_with("seoham_items_total")
                && line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() > 500.0
        });
        found.then_some(())
    })
    .await;
    disk.fail(operation, file);
    let (status, _) = server.wait();
    assert_eq!(status.code(), Some(74), "{operation} {file}: its own exit status");
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await.unwrap());
    }
    let log = std::fs::read_to_string(start.directory().join("data.log")).unwrap();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "one line says it: {errors:#?}");
    assert!(errors[0].contains("the store failed"), "{errors:?}");

    let said = start.try_up().err();
    if let Some(said) = said {
        assert!(said.contains("seoham.db"), "a disk that still fails is named: {said}");
    }
    disk.mend();
    let server = start.up();
    let city = Client { api: server.url("api"), bulk: server.url("bulk"), ..city };
    assert!(acknowledged.len() > 500, "{} were acknowledged", acknowledged.len());
    for ids in acknowledged.chunks(100) {
        for status in city.statuses(ids).await {
            assert!(status["status_data"]["doc_box_sent_at"].is_i64(), "acknowledged and gone: {status}");
        }
    }
    server.terminate();
    assert!(server.wait().0.success());
    let damaged = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'";
    assert_eq!(start.backing().count(damaged), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_of_the_database_ends_the_process() {
    it_ends_and_nothing_is_lost("sync", "seoham.db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_of_the_log_ends_the_process() {
    it_ends_and_nothing_is_lost("sync", "seoham.db-wal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_of_the_database_ends_the_process() {
    it_ends_and_nothing_is_lost("write", "seoham.db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_of_the_log_ends_the_process() {
    it_ends_and_nothing_is_lost("write", "seoham.db-wal").await;
}
