//! Claiming, finishing, joining, delivery reports, the clock.

use std::collections::HashSet;
use std::time::Duration;

use seoham_model::status::DocBoxStatus;
use seoham_store::boxes::{OpenVerdict, Opener};
use seoham_store::deliveries::{Arrival, Outcome, Receipt};
use seoham_store::deployment::ADVANCED_SECONDS_MAX;
use seoham_store::documents::Notification;
use seoham_store::personas;
use seoham_vault::OneTimeToken;

use crate::world::{LEASE, World};

/// A member's document is in the box at once, a non-member's is not. The claim distinguishes them.
pub async fn members_receive_and_others_wait(world: World) {
    world.person("01011112222", true).await;
    world.person("01033334444", false).await;
    let member = world.recipient("01011112222", "19800229").await;
    let other = world.recipient("01033334444", "19800229").await;
    let received = world.send(world.city, &member, 1).await[0];
    let waiting = world.send(world.city, &other, 1).await[0];
    let status = |id| world.status(world.city, id);
    let at_once = status(received).await.expect("there").times;
    assert_eq!(at_once.received_at, Some(at_once.sent_at), "whatever becomes of the messenger");
    let claims = world.claim(10).await;
    assert_eq!(claims.len(), 2);
    for claim in &claims {
        assert_eq!(claim.received, claim.document == received);
        assert_eq!(claim.sender.institution_name, "가상시청");
        assert_eq!(claim.content.title, "안내문");
    }
    assert!(status(waiting).await.expect("there").times.received_at.is_none());
    let token = OneTimeToken::generate().hash();
    let opened =
        world.store.open(Opener::Institution(world.city.institution), waiting, token, world.now()).await;
    assert_eq!(opened.expect("answers"), OpenVerdict::NotInBox);
}

/// Joining moves waiting documents into the box, except expired ones.
pub async fn joining_moves_what_waits(world: World) {
    world.person("01033334444", false).await;
    let person = world.recipient("01033334444", "19800229").await;
    let open = world.send(world.city, &person, 1).await[0];
    let short = world.send_until(world.city, &person, 1, world.now().plus(50)).await[0];
    world.deliver_all().await;
    world.advance(60).await;
    world.store.join(person.person, world.now()).await.expect("joins");
    let joined_at = world.now();
    let status = |id| world.status(world.city, id);
    let moved = status(open).await.expect("there").times.received_at.expect("in the box");
    assert!(moved <= joined_at);
    let expired = status(short).await.expect("there");
    assert_eq!(expired.times.received_at, None);
    assert_eq!(expired.times.status(expired.deadline_at, world.now()), DocBoxStatus::Expired);
    world.advance(60).await;
    world.store.join(person.person, world.now()).await.expect("again");
    assert_eq!(status(open).await.expect("there").times.received_at, Some(moved), "set once");
}

/// Any number of waiting documents moves into the box, in steps of bounded size.
pub async fn joining_moves_thousands_in_steps(world: World) {
    world.person("01033334444", false).await;
    let person = world.recipient("01033334444", "19800229").await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.extend(world.send(world.city, &person, 100).await);
    }
    world.deliver_all().await;
    world.store.join(person.person, world.now()).await.expect("joins");
    while world.store.join_due(200, world.now()).await.expect("moves") > 0 {}
    for ids in ids.chunks(100) {
        let statuses =
            world.store.statuses(seoham_store::Lane::Bulk, world.city.institution, ids.to_vec()).await;
        assert!(
            statuses.expect("answers").into_iter().all(|s| s
                .expect("readable")
                .expect("there")
                .times
                .received_at
                .is_some())
        );
    }
}

/// A sender of thousands does not delay a sender of a few.
pub async fn institutions_take_turns(world: World) {
    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await;
    let mut of_city = Vec::new();
    for _ in 0..10 {
        of_city.extend(world.send(world.city, &person, 100).await);
    }
    let late = world.sender("늦은기관").await;
    let few: HashSet<_> = world.send(late, &person, 10).await.into_iter().collect();
    let first = world.claim(40).await;
    assert_eq!(first.len(), 40);
    let of_late = first.iter().filter(|c| few.contains(&c.document)).count();
    assert_eq!(of_late, 10, "an equal share of the first claim is enough for all of them");
    let city: Vec<_> = first.iter().filter(|c| c.institution == world.city.institution).collect();
    let oldest: HashSet<_> = of_city[..100].iter().copied().collect();
    assert!(city.iter().all(|c| oldest.contains(&c.document)), "first come, first served within one");

    let mut served = HashSet::new();
    for _ in 0..2 {
        world.send(world.bank, &person, 1).await;
        served.extend(world.claim(1).await.iter().map(|c| c.institution));
    }
    assert!(served.contains(&world.bank.institution), "turns go round even for claims of one");
}

/// A document that one worker holds is not claimed by another, and a finished one is not claimed again.
pub async fn a_claim_is_held_by_one_worker(world: World) {
    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await;
    world.send(world.city, &person, 100).await;
    let (a, b) = tokio::join!(world.claim(60), world.claim(60));
    let seen: HashSet<_> = a.iter().chain(&b).map(|c| c.document).collect();
    assert_eq!((a.len() + b.len(), seen.len()), (100, 100));
    assert!(world.claim(10).await.is_empty());
    assert_eq!(world.finish(&a, Outcome::Taken).await, a.len());
    assert_eq!(world.finish(&a, Outcome::Taken).await, 0, "once");
    assert!(world.claim(10).await.is_empty());
    let depths = world.store.queue_depths().await.expect("counts");
    assert_eq!(depths.iter().map(|d| d.waiting).sum::<u64>(), b.len() as u64);
    assert!(depths[0].oldest_accepted_at <= world.now());
}

/// A worker whose lease expired changes nothing when it continues.
pub async fn a_lease_that_ran_out_changes_nothing(world: World) {
    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await;
    let id = world.send(world.city, &person, 1).await[0];
    let slow = world.store.claim(1, Duration::ZERO, world.now()).await.expect("claims").claims;
    assert_eq!(slow.len(), 1);
    let again = world.claim(1).await;
    assert_eq!(again[0].document, id, "claimed anew");
    assert_eq!(world.finish(&slow, Outcome::GivenUp).await, 0);
    assert_eq!(world.finish(&again, Outcome::Taken).await, 1);
    let record = world.store.describe(id).await.expect("answers").expect("there");
    assert_eq!(record.notification, Notification::Taken);
}

/// A retry is claimed when it is due, with the number of its attempts.
pub async fn retries_wait_for_their_time(world: World) {
    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await;
    let id = world.send(world.city, &person, 1).await[0];
    let first = world.claim(1).await;
    assert_eq!((first[0].attempts, first[0].first_attempt_at), (0, None));
    let began = world.now();
    world.finish(&first, Outcome::Retry { not_before: began.plus(30) }).await;
    for attempts in 1..4 {
        assert!(world.claim(1).await.is_empty(), "not before its time");
        world.advance(31).await;
        let again = world.claim(1).await;
        assert_eq!((again[0].document, again[0].attempts), (id, attempts));
        let since = again[0].first_attempt_at.expect("known");
        assert!(since >= began && since <= began.plus(5), "the first attempt's time stays");
        world.finish(&again, Outcome::Retry { not_before: world.now().plus(30) }).await;
    }
    world.advance(31).await;
    assert_eq!(world.deliver_all().await, 1);
    world.advance(1_000).await;
    assert_eq!(world.deliver_all().await, 0);
}

/// A delivery whose deadline has passed is dropped, not announced.
pub async fn expired_deliveries_are_dropped(world: World) {
    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await;
    let deadline = world.now().plus(30);
    let id = world.send_until(world.city, &person, 1, deadline).await[0];
    world.advance(31).await;
    let claimed = world.store.claim(10, LEASE, world.now()).await.expect("claims");
    assert_eq!((claimed.claims.len(), claimed.expired), (0, 1));
    let record = world.store.describe(id).await.expect("answers").expect("there");
    assert_eq!(record.notification, Notification::Expired);
    assert!(world.store.queue_depths().await.expect("counts").is_empty());
}

/// Reports may arrive twice, late, in any order, and for documents that do not exist.
pub async fn receipts_are_harmless_in_any_order(world: World) {
    let id = world.delivered_document().await;
    let sent_at = world.status(world.city, id).await.expect("there").times.sent_at;
    let receipt = |delivered, at| Receipt { document: id, arrival: Arrival::of_messenger(delivered), at };
    let report = |receipts| world.store.record_receipts(receipts, world.now());
    let unknown =
        Receipt { document: seoham_model::BinderId::generate(&world.clock), ..receipt(true, sent_at) };
    report(vec![unknown, receipt(false, sent_at)]).await.expect("records");
    let notified = || async { world.status(world.city, id).await.expect("there").times.notified_at };
    assert_eq!(notified().await, None);
    report(vec![receipt(true, sent_at.plus(-500)), receipt(true, world.now())]).await.expect("records");
    assert_eq!(notified().await, Some(sent_at), "never before the acceptance, and the first stays");
    report(vec![receipt(false, sent_at), receipt(true, sent_at.plus(9))]).await.expect("records");
    assert_eq!(notified().await, Some(sent_at));
    let record = world.store.describe(id).await.expect("answers").expect("there");
    assert_eq!(record.notification, Notification::Delivered);

    let recipient = world.recipient("01011112222", "19800229").await;
    let other = world.send(world.city, &recipient, 1).await[0];
    let now = world.now();
    let ahead = Receipt { document: other, arrival: Arrival::Messenger, at: now.plus(9_999) };
    world.store.record_receipts(vec![ahead], now).await.expect("records");
    let at = world.status(world.city, other).await.expect("there").times.notified_at;
    assert_eq!(at, Some(now), "never after now");
}

/// A person who becomes a member between identification and acceptance has the document in the box once it is
/// claimed.
pub async fn a_join_during_the_acceptance_is_not_lost(world: World) {
    world.person("01033334444", false).await;
    let looked_up = world.recipient("01033334444", "19800229").await;
    world.store.join(looked_up.person, world.now()).await.expect("joins");
    assert!(!looked_up.member, "it was looked up before");
    let id = world.send(world.city, &looked_up, 1).await[0];
    let claims = world.claim(1).await;
    assert!(claims[0].received);
    assert!(world.status(world.city, id).await.expect("there").times.received_at.is_some());
}

/// The person who joins by themselves receives each document ten seconds after its acceptance.
pub async fn later_joiners_take_after_ten_seconds(world: World) {
    let recipient = world.recipient(personas::JOINS_LATER, personas::BIRTHDAY).await;
    for _ in 0..2 {
        let id = world.send(world.city, &recipient, 1).await[0];
        world.deliver_all().await;
        world.store.join_due(10, world.now()).await.expect("moves");
        let received = || async { world.status(world.city, id).await.expect("there").times.received_at };
        assert_eq!(received().await, None);
        world.advance(11).await;
        world.store.join_due(10, world.now()).await.expect("moves");
        assert!(received().await.is_some());
    }
}

/// A sandbox's clock advances for everybody.
pub async fn the_clock_moves_forward_only(world: World) {
    let before = world.now();
    let now = world.store.advance_clock(1_000).await.expect("advances").expect("not too far");
    assert!(now >= before.plus(1_000) && world.store.clock().now() >= now);
    assert!(world.store.advance_clock(0).await.expect("tells").expect("not too far") >= now);
    // At most 50 years in total, to the second.
    let left = ADVANCED_SECONDS_MAX - world.store.clock().advanced_seconds();
    let too_far = u32::try_from(left + 1).expect("fits");
    assert_eq!(world.store.advance_clock(too_far).await.expect("answers"), None);
    assert_eq!(world.store.clock().advanced_seconds(), 1_000, "nothing was moved");
    assert!(world.store.advance_clock(too_far - 1).await.expect("answers").is_some());
    assert_eq!(world.store.advance_clock(1).await.expect("answers"), None);
    world.store.ready().await.expect("takes writes");
}

/// An acceptance wakes a waiting worker.
pub async fn work_wakes_a_waiting_worker(world: World) {
    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await;
    // Consume an earlier wake-up, which must not count.
    world.store.wait_for_work(Duration::ZERO).await;
    let long = Duration::from_secs(60);
    let woken = tokio::time::timeout(long / 2, world.store.wait_for_work(long));
    let (woken, _) = tokio::join!(woken, world.send(world.city, &person, 1));
    assert!(woken.is_ok(), "long before its own time");
}

/// For a queue longer than the counting limit, the depth is a lower bound. The oldest document is exact.
pub async fn a_depth_is_of_every_institution(world: World) {
    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await;
    world.send(world.city, &person, 7).await;
    world.send(world.bank, &person, 3).await;
    world.send(world.city, &person, 5).await;
    let claims = world.claim(2).await;
    world.finish(&claims, Outcome::Retry { not_before: world.now().plus(30) }).await;
    let mut depths = world.store.queue_depths().await.expect("counts");
    depths.sort_by_key(|depth| depth.waiting);
    let waiting: Vec<_> = depths.iter().map(|depth| (depth.institution, depth.waiting)).collect();
    assert_eq!(waiting, [(world.bank.institution, 3), (world.city.institution, 12)]);
    assert!(depths.iter().all(|depth| depth.oldest_accepted_at <= world.now()));
}
