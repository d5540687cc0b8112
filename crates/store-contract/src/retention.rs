//! Keeping documents for the retention time, and no longer.

use seoham_model::{Clock, ParcelId, UnixSeconds};
use seoham_store::boxes::Shelf;
use seoham_store::documents::{Acceptance, Accepted, TokenVerdict};
use seoham_store::statistics::Refusals;

use crate::world::World;

/// Long enough for every store, also for one that removes whole months.
const HUNDRED_DAYS: u32 = 100 * 24 * 60 * 60;

async fn tidy(world: &World, days: Option<u32>) -> u64 {
    let mut removed = 0;
    // A parcel is kept until the feed has told of its last deadline.
    while world.store.tell_expired(100, world.now()).await.expect("tells") > 0 {}
    loop {
        let tidied = world.store.tidy(days, world.now()).await.expect("tidies");
        removed += tidied.documents;
        if !tidied.more {
            return removed;
        }
    }
}

/// A document older than the period is removed with its delivery, texts and tokens. Others stay.
pub async fn old_documents_are_removed(world: World) {
    let read = world.delivered_document().await;
    let token = world.open(read).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let mut old = world.send(world.city, &recipient, 100).await;
    old.extend(world.send(world.city, &recipient, 100).await);
    old.extend(world.send(world.city, &recipient, 50).await);
    old.push(read);
    world.advance(HUNDRED_DAYS).await;
    let young = world.send(world.city, &recipient, 3).await;
    assert_eq!(tidy(&world, None).await, 0, "everything is kept unless a period is set");
    assert!(world.status(world.city, old[0]).await.is_some());

    assert_eq!(tidy(&world, Some(30)).await, 251);
    for id in old {
        assert_eq!(world.status(world.city, id).await, None);
    }
    let city = world.city.institution;
    let verdict = world.store.verify_token(city, read, token, world.now()).await.expect("answers");
    assert_eq!(verdict, TokenVerdict::Unknown);
    let claims = world.claim(100).await;
    assert_eq!(claims.len(), 3, "the deliveries went with their documents");
    for id in young {
        let record = world.store.describe(id).await.expect("answers").expect("there");
        assert_eq!(record.content.title, "안내문", "what they share is there");
    }
    assert_eq!(tidy(&world, Some(30)).await, 0);
}

/// A document whose deadline is after the period stays until the deadline, and until the feed has told of it.
pub async fn what_can_still_be_opened_is_kept(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let deadline = world.now().plus(2 * i64::from(HUNDRED_DAYS));
    let long = world.send_until(world.city, &recipient, 2, deadline).await;
    world.advance(HUNDRED_DAYS).await;
    assert_eq!(tidy(&world, Some(30)).await, 0);
    world.open(long[0]).await;
    world.advance(HUNDRED_DAYS).await;
    assert_eq!(tidy(&world, Some(30)).await, 0, "the feed has not told of the deadline yet");
    world.advance(60).await;
    assert_eq!(tidy(&world, Some(30)).await, 2);
    assert_eq!(world.status(world.city, long[0]).await, None);
}

/// One request with a late deadline, or with a time in the future from a wrong clock, keeps nothing else.
pub async fn a_late_deadline_keeps_its_own_request_alone(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let far = UnixSeconds(9_999_999_999);
    let late = world.send_until(world.city, &recipient, 2, far).await;
    let ahead = world.now().plus(400 * 86_400);
    let parcel = ParcelId::generate(&Clock::stopped_at(ahead));
    let acceptance = Acceptance {
        parcel,
        institution: world.city.institution,
        contract: world.city.contract,
        accepted_at: ahead,
        documents: world.documents(&recipient, 1, ahead.plus(60)),
        remember: None,
        refused: Refusals::new(),
    };
    assert_eq!(world.store.accept(acceptance).await.expect("accepts"), Accepted::Whole);
    let others = world.send(world.city, &recipient, 3).await;
    world.deliver_all().await;
    world.advance(HUNDRED_DAYS).await;
    assert_eq!(tidy(&world, Some(30)).await, 3);
    assert_eq!(world.status(world.city, others[0]).await, None);
    assert!(world.status(world.city, late[1]).await.is_some());
    assert!(world.status(world.city, parcel.document(0)).await.is_some());
    let shelf = world.store.shelf(recipient.person, Shelf::Unread, None, 10, world.now()).await;
    assert_eq!(shelf.expect("answers").len(), 3, "what stays is in its box");
    assert_eq!(tidy(&world, Some(30)).await, 0);
}
