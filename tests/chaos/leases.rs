//! Two workers never deliver the same document at the same time, and a worker whose lease expired changes nothing
//! when it continues.

use seoham_scratch_postgres::Cluster;

use crate::deployment::{Deployment, GATEWAYS};
use crate::harness::{Backing, QUEUE_ROWS, QUEUED, document, eventually};
use crate::messenger::{Availability, Messenger};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_share_the_queue_and_send_nothing_twice() {
    let database = Cluster::shared().database();
    let messenger = Messenger::start().await;
    let deployment = Deployment::patient(Backing::at(database.url().to_owned()), &messenger);
    let city = deployment.institution("가상시청").await;
    let mut ids = Vec::new();
    for batch in 0..30 {
        let documents: Vec<_> = (0..100).map(|i| document("01000000001", &format!("{batch}-{i}"))).collect();
        ids.extend(city.accepted(&documents).await);
    }
    eventually("all are announced", async || (messenger.notifications() == ids.len()).then_some(())).await;
    eventually("the queue is empty", async || (deployment.count(QUEUED) == 0).then_some(())).await;
    assert_eq!(messenger.times_taken() as usize, ids.len(), "none twice while nothing breaks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_worker_whose_lease_ran_out_changes_nothing_when_it_wakes() {
    let database = Cluster::shared().database();
    let messenger = Messenger::start().await;
    let mut deployment = Deployment::up(Backing::at(database.url().to_owned()), &messenger);
    let city = deployment.institution("가상시청").await;
    let (paused, other) = (GATEWAYS, GATEWAYS + 1);
    deployment.kill(other);
    messenger.set_availability(Availability::Slow);
    let documents: Vec<_> = (0..100).map(|i| document("01000000001", &format!("{i}"))).collect();
    let ids = city.accepted(&documents).await;
    eventually("the worker has claimed them", async || {
        (deployment.count("SELECT count(*) FROM deliveries WHERE ticket IS NOT NULL") > 0).then_some(())
    })
    .await;
    deployment.signal(paused, "STOP");
    messenger.set_availability(Availability::Up);
    let left = deployment.count(QUEUED);
    deployment.start(other);
    eventually("the other one delivers what the paused one held", async || {
        (deployment.count(QUEUED) == 0).then_some(())
    })
    .await;
    assert!(left > 0, "something was held when it was paused");
    let record = "SELECT (SELECT count(*) FROM given_up_notices) + (SELECT count(*) FROM notices)";
    assert_eq!(deployment.count(record), 0);
    // Resumed, it finishes what it believes to hold. More work shows that it has got past that.
    deployment.signal(paused, "CONT");
    deployment.kill(other);
    let again = city.accepted(&documents).await;
    eventually("it works on", async || again.iter().all(|id| messenger.times_of(id) > 0).then_some(())).await;
    eventually("nothing is left", async || (deployment.count(QUEUE_ROWS) == 0).then_some(())).await;
    assert_eq!(deployment.count(record), 0, "nothing was given up");
    assert_eq!(messenger.notifications(), ids.len() + again.len(), "one id for each");
}
