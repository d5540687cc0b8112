//! Notifications that the messenger did not accept: listed with the reason, and resent.

use seoham_model::BinderId;
use seoham_store::deliveries::Outcome;
use seoham_store::documents::{Notification, WithdrawVerdict};
use seoham_store::undelivered::{Failure, Kind, NoticeState, Page, Undelivered};

use crate::world::World;

/// The failure that the world's finishes report.
const FAILURE: Option<Failure> = Some(Failure::Status(503));

fn all(limit: usize) -> Page {
    Page { limit, ..Page::default() }
}

async fn list(world: &World, kind: Kind, page: Page) -> Vec<Undelivered> {
    world.store.undelivered(kind, page).await.expect("lists")
}

async fn ids(world: &World, kind: Kind, page: Page) -> Vec<BinderId> {
    list(world, kind, page).await.iter().map(|notice| notice.document).collect()
}

/// Documents of requests one second apart, newest first.
async fn newest_first(world: &World, count: usize) -> Vec<BinderId> {
    let person = world.recipient("01011112222", "19800229").await;
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.extend(world.send(world.city, &person, 1).await);
        world.advance(1).await;
    }
    ids.reverse();
    ids
}

/// The operator sees given-up notifications with their attempts, newest first.
pub async fn given_up_is_shown(world: World) {
    world.person("01011112222", true).await;
    let sent = newest_first(&world, 3).await;
    let claims = world.claim(10).await;
    let began = world.now();
    world.finish(&claims, Outcome::Retry { not_before: began.plus(30) }).await;
    world.advance(31).await;
    let again = world.claim(10).await;
    let given_up_at = world.now();
    world.finish(&again, Outcome::GivenUp).await;
    assert_eq!(ids(&world, Kind::GivenUp, all(10)).await, sent);
    let older = Page { before: Some(sent[0]), ..all(1) };
    assert_eq!(ids(&world, Kind::GivenUp, older).await, sent[1..2]);
    let of_bank = Page { institution: Some(world.bank.institution), ..all(10) };
    assert_eq!(ids(&world, Kind::GivenUp, of_bank).await, []);
    let of_city = Page { institution: Some(world.city.institution), ..all(10) };
    assert_eq!(ids(&world, Kind::GivenUp, of_city).await, sent);
    assert_eq!(ids(&world, Kind::Waiting, all(10)).await, [], "nothing waits any more");

    let one = world.store.undelivered_one(sent[0]).await.expect("answers").expect("undelivered");
    assert_eq!(one.institution, world.city.institution);
    assert_eq!((one.attempts, one.failure), (Some(2), FAILURE));
    assert!(one.first_attempt_at.is_some_and(|first| first >= began && first < given_up_at));
    let NoticeState::GivenUp { given_up_at: Some(at) } = one.state else { panic!("{one:?}") };
    assert!(at >= given_up_at);
    let record = world.store.describe(sent[0]).await.expect("answers").expect("there");
    assert_eq!(record.notification, Notification::GivenUp);
    assert!(record.status.times.received_at.is_some(), "it stands in the box all the same");
}

/// A waiting retry is listed with its attempts, its failure and its next time. Resending makes it due at once.
pub async fn waiting_is_shown_and_hurried(world: World) {
    world.person("01011112222", true).await;
    let sent = newest_first(&world, 3).await;
    assert_eq!(ids(&world, Kind::Waiting, all(10)).await, [], "what was never tried is no failure");
    assert!(world.store.undelivered_one(sent[0]).await.expect("answers").is_none());
    let claims = world.claim(10).await;
    let next = world.now().plus(3_600);
    world.finish(&claims, Outcome::Retry { not_before: next }).await;
    let waiting = list(&world, Kind::Waiting, all(10)).await;
    assert_eq!(waiting.iter().map(|notice| notice.document).collect::<Vec<_>>(), sent);
    for notice in &waiting {
        assert_eq!((notice.attempts, notice.failure), (Some(1), FAILURE));
        assert_eq!(notice.state, NoticeState::Waiting { next_attempt_at: next });
    }
    let older = Page { before: Some(sent[1]), ..all(10) };
    assert_eq!(ids(&world, Kind::Waiting, older).await, sent[2..]);
    let of_bank = Page { institution: Some(world.bank.institution), ..all(10) };
    assert_eq!(ids(&world, Kind::Waiting, of_bank).await, []);

    assert!(world.claim(10).await.is_empty(), "not before its time");
    let asked = vec![sent[0], BinderId::generate(&world.clock)];
    assert_eq!(world.store.send_again(asked, world.now()).await.expect("queues"), 1);
    let due = world.claim(10).await;
    assert_eq!(due.iter().map(|claim| claim.document).collect::<Vec<_>>(), [sent[0]]);
    assert_eq!(due[0].attempts, 1, "its attempts go on counting");
    assert_eq!(world.finish(&due, Outcome::Taken).await, 1);
    assert!(world.store.undelivered_one(sent[0]).await.expect("answers").is_none());
}

/// Resending a given-up notification delivers it after all, with a new day of attempts. One that expired, was
/// delivered or was never given up is not affected.
pub async fn given_up_is_sent_again(world: World) {
    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await;
    let sent = newest_first(&world, 2).await;
    let short = world.send_until(world.city, &person, 1, world.now().plus(50)).await[0];
    let claims = world.claim(10).await;
    world.finish(&claims, Outcome::GivenUp).await;
    let fresh = world.send(world.city, &person, 1).await[0];
    world.advance(60).await;
    let asked = vec![sent[0], sent[1], short, fresh];
    let now = world.now();
    assert_eq!(world.store.send_again(asked.clone(), now).await.expect("queues"), 2);
    assert_eq!(world.store.send_again(asked, now).await.expect("queues"), 0, "once");
    assert_eq!(ids(&world, Kind::GivenUp, all(10)).await, [short], "past its deadline");
    let mut again = world.claim(10).await;
    again.retain(|claim| claim.document != fresh);
    assert_eq!(again.len(), 2);
    for claim in &again {
        assert_eq!(claim.attempts, 0);
        assert!(claim.first_attempt_at.is_some_and(|first| first >= now), "its day begins now");
    }
    world.finish(&again[..1], Outcome::Taken).await;
    world.finish(&again[1..], Outcome::GivenUp).await;
    let notification =
        async |id| world.store.describe(id).await.expect("answers").expect("there").notification;
    assert_eq!(notification(again[0].document).await, Notification::Taken);
    assert_eq!(notification(again[1].document).await, Notification::GivenUp);
    assert_eq!(ids(&world, Kind::GivenUp, all(10)).await.len(), 2);
    let withdrawn = again[1].document;
    let verdict = world.store.withdraw(world.city.institution, withdrawn, world.now()).await;
    assert_eq!(verdict.expect("answers"), WithdrawVerdict::Withdrawn);
    assert_eq!(world.store.send_again(vec![withdrawn], world.now()).await.expect("queues"), 0, "withdrawn");
}
