//! Our own fallback: an SMS or LMS instead of a notification that did not arrive.

use seoham_model::BinderId;
use seoham_model::message::{MessageKind, MessageTemplate};
use seoham_store::deliveries::{Arrival, Claim, Finished, Outcome, Receipt};
use seoham_store::documents::{Notification, WithdrawVerdict};
use seoham_store::templates::TemplateOwner;
use seoham_store::undelivered::{Failure, Kind, Page};

use crate::world::World;

/// The platform's template, with a fallback or without.
async fn template(world: &World, has_fallback: bool) {
    let with: &[u8] =
        r##"{"body":"#{제목}","fallback":{"from":"0200000000","body":"#{제목} #{링크}"}}"##.as_bytes();
    let without: &[u8] = r##"{"body":"#{제목}"}"##.as_bytes();
    let template = MessageTemplate::parse(if has_fallback { with } else { without }).expect("a template");
    let (owner, kind) = (TemplateOwner::Platform, MessageKind::DocumentArrived);
    assert!(world.store.set_template(owner, kind, Some(template)).await.expect("sets"));
}

async fn report(world: &World, document: BinderId, arrival: Arrival) {
    let receipt = Receipt { document, arrival, at: world.now() };
    world.store.record_receipts(vec![receipt], world.now()).await.expect("records");
}

/// Returns whether the claim was still held.
async fn finish(world: &World, claim: &Claim, outcome: Outcome, failure: Option<Failure>) -> bool {
    let Claim { ticket, document, institution, .. } = *claim;
    let finished = Finished { ticket, document, institution, outcome, failure };
    world.store.finish(vec![finished], world.now()).await.expect("finishes") == 1
}

async fn notification(world: &World, document: BinderId) -> Notification {
    world.store.describe(document).await.expect("answers").expect("there").notification
}

/// The claims, as document and whether it is its fallback.
async fn claimed(world: &World) -> (Vec<Claim>, Vec<(BinderId, bool)>) {
    let mut claims = world.claim(10).await;
    claims.sort_by_key(|claim| claim.document);
    let seen = claims.iter().map(|claim| (claim.document, claim.as_fallback)).collect();
    (claims, seen)
}

async fn is_queued(world: &World, document: BinderId) -> bool {
    world.store.undelivered_one(document).await.expect("answers").is_some()
}

/// A report that a notification did not arrive queues its fallback, however often it comes.
pub async fn a_fallback_is_begun_once(world: World) {
    template(&world, true).await;
    let id = world.delivered_document().await;
    report(&world, id, Arrival::FallsBack).await;
    assert_eq!(notification(&world, id).await, Notification::Failed, "nobody is told yet");
    let (claims, seen) = claimed(&world).await;
    assert_eq!(seen, [(id, true)]);
    report(&world, id, Arrival::FallsBack).await;
    assert!(finish(&world, &claims[0], Outcome::Taken, None).await);
    report(&world, id, Arrival::FallsBack).await;
    assert!(!is_queued(&world, id).await, "there is one at most");
    report(&world, id, Arrival::Fallback).await;
    assert_eq!(notification(&world, id).await, Notification::Fallback);
    let status = world.status(world.city, id).await.expect("there");
    assert_eq!(status.times.notified_at, Some(world.now()));
}

/// Who was told, or has nothing to open any more, gets no fallback, and nobody without one in the template; a report on an unknown
/// document is harmless.
pub async fn a_fallback_needs_a_reason(world: World) {
    template(&world, false).await;
    let plain = world.delivered_document().await;
    report(&world, plain, Arrival::FallsBack).await;
    assert!(!is_queued(&world, plain).await, "its template has none");
    template(&world, true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let told = world.send(world.city, &recipient, 1).await[0];
    let soon = world.now().plus(60);
    let over = world.send_until(world.city, &recipient, 1, soon).await[0];
    let withdrawn = world.send(world.city, &recipient, 1).await[0];
    world.deliver_all().await;
    report(&world, told, Arrival::Messenger).await;
    let verdict = world.store.withdraw(world.city.institution, withdrawn, world.now()).await;
    assert_eq!(verdict.expect("answers"), WithdrawVerdict::Withdrawn);
    world.advance(61).await;
    for document in [told, over, withdrawn, BinderId::generate(&world.clock)] {
        report(&world, document, Arrival::FallsBack).await;
        assert!(!is_queued(&world, document).await);
    }
    assert_eq!(notification(&world, told).await, Notification::Delivered);
}

/// A notification that arrives before its fallback is sent is followed by none.
pub async fn a_fallback_ends_when_the_notification_arrives(world: World) {
    template(&world, true).await;
    let id = world.delivered_document().await;
    report(&world, id, Arrival::FallsBack).await;
    assert!(is_queued(&world, id).await);
    report(&world, id, Arrival::Messenger).await;
    assert!(claimed(&world).await.1.is_empty());
    assert!(!is_queued(&world, id).await);
    assert_eq!(notification(&world, id).await, Notification::Delivered);
}

/// The report may come while the notification is tried again: whoever holds it does not take the fallback along.
pub async fn a_fallback_is_owed_whoever_holds_the_notification(world: World) {
    template(&world, true).await;
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    for outcome in [Outcome::Taken, Outcome::GivenUp] {
        let id = world.send(world.city, &recipient, 1).await[0];
        let (claims, seen) = claimed(&world).await;
        assert_eq!(seen, [(id, false)]);
        let again = Outcome::Retry { not_before: world.now() };
        assert!(finish(&world, &claims[0], again, Some(Failure::Unreachable)).await);
        let (claims, seen) = claimed(&world).await;
        assert_eq!(seen, [(id, false)]);
        report(&world, id, Arrival::FallsBack).await;
        finish(&world, &claims[0], outcome, Some(Failure::Unreachable)).await;
        let (claims, seen) = claimed(&world).await;
        assert_eq!(seen, [(id, true)], "{outcome:?}");
        assert!(finish(&world, &claims[0], Outcome::Taken, None).await);
        assert!(!is_queued(&world, id).await);
    }
    let page = Page { institution: None, before: None, limit: 10 };
    let given_up = world.store.undelivered(Kind::GivenUp, page).await.expect("answers");
    assert!(given_up.is_empty(), "it goes on: {given_up:?}");
}

/// A notification that was refused goes on as its fallback, also through another attempt. Sent again after it was given up, it
/// begins with the notification.
pub async fn a_refused_notification_goes_on_as_its_fallback(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let ids = world.send(world.city, &recipient, 2).await;
    let (claims, seen) = claimed(&world).await;
    assert_eq!(seen, [(ids[0], false), (ids[1], false)]);
    for _ in 0..2 {
        world.store.begin_fallbacks(vec![ids[1]], world.now()).await.expect("begins");
    }
    for claim in &claims {
        let later = Outcome::Later { not_before: world.now() };
        assert!(finish(&world, claim, later, Some(Failure::Status(400))).await);
    }
    for attempts in [0, 1] {
        let (claims, seen) = claimed(&world).await;
        assert_eq!(seen, [(ids[0], false), (ids[1], true)]);
        assert!(claims.iter().all(|claim| claim.attempts == attempts));
        for claim in &claims {
            let again = Outcome::Retry { not_before: world.now() };
            assert!(finish(&world, claim, again, Some(Failure::Unreachable)).await);
        }
    }
    for claim in &claimed(&world).await.0 {
        assert!(finish(&world, claim, Outcome::GivenUp, Some(Failure::Unreachable)).await);
    }
    assert_eq!(world.store.send_again(ids.clone(), world.now()).await.expect("again"), 2);
    assert_eq!(claimed(&world).await.1, [(ids[0], false), (ids[1], false)]);
}
