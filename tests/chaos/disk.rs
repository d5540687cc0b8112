//! A disk that fails under the embedded store again and again under load: each time the process ends, and
//! acknowledged documents are there after the next start.

use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::harness::{Backing, Disk, Start};
use crate::{duration, seed};

const FAILURES: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_again_and_again_loses_nothing() {
    let mut random = StdRng::seed_from_u64(seed());
    let (start, disk) = Disk::under(Start::on(Backing::embedded()));
    let mut server = start.up();
    let mut city = server.institution("가상시청").await;
    let mut acknowledged: Vec<String> = Vec::new();
    let until = Instant::now() + duration();
    let mut failures = 0;
    while failures < FAILURES || Instant::now() < until {
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let city = city.clone();
                tokio::spawn(async move { city.send_until_gone(&AtomicUsize::new(0)).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(random.random_range(100..1_500))).await;
        let operation = ["sync", "write"][random.random_range(0..2)];
        let file = ["seoham.db", "seoham.db-wal"][random.random_range(0..2)];
        disk.fail(operation, file);
        let (status, _) = server.wait();
        assert_eq!(status.code(), Some(74), "{operation} {file}");
        disk.mend();
        for sender in senders {
            acknowledged.extend(sender.await.unwrap());
        }
        server = start.up();
        city = city.at(&server);
        failures += 1;
    }
    assert!(acknowledged.len() > 1_000, "load was there: {}", acknowledged.len());
    for ids in acknowledged.chunks(100) {
        for status in city.statuses(ids).await {
            assert!(status["status_data"]["doc_box_sent_at"].is_i64(), "acknowledged and gone: {status}");
        }
    }
    server.terminate();
    assert!(server.wait().0.success());
    let damaged = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'";
    assert_eq!(start.backing().count(damaged), 0);
    eprintln!("{failures} failures of the disk, {} documents acknowledged", acknowledged.len());
}
