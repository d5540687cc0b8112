//! Damage in what is stored of one document: it is an error of that document alone.

use seoham_model::BinderId;
use seoham_store::boxes::{OpenVerdict, Opener, Shelf};
use seoham_store::deliveries::Outcome;
use seoham_store::documents::TokenVerdict;
use seoham_store::parcel::head::ParcelHead;
use seoham_store::undelivered::{Failure, Kind, Page};
use seoham_store::{Lane, StoreError};
use seoham_vault::OneTimeToken;

use crate::world::World;

/// The column `parts` of a parcel with a damaged own part of the document at `position`; damaged twice, it is as it was.
/// A backend writes it past the store.
pub fn damaged_parts(head: Vec<u8>, mut parts: Vec<u8>, position: u8) -> Vec<u8> {
    let slice = ParcelHead::parse(head).and_then(|head| head.part(position)).expect("a sound head");
    parts[slice.end - 1] ^= 0x5a;
    parts
}

/// A document whose text does not open hides no other, in the status query and in the box. Opening it and verifying its
/// token fail before anything is written.
pub async fn one_damaged_document_is_alone(world: World, damage: impl AsyncFn(BinderId)) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let (city, person) = (world.city.institution, recipient.person);
    let ids = world.send(world.city, &recipient, 5).await;
    world.deliver_all().await;
    let token = world.open(ids[2]).await;
    damage(ids[2]).await;

    let statuses = world.store.statuses(Lane::Bulk, city, ids.clone()).await.expect("answers");
    for (id, status) in ids.iter().zip(statuses) {
        match status {
            Ok(status) => assert!(status.is_some() && *id != ids[2]),
            Err(error) => {
                assert!(matches!(error, StoreError::Damaged(_)) && *id == ids[2], "{error}");
                assert!(error.to_string().contains(&id.to_string()), "{error}");
            }
        }
    }
    let shelf = world.store.shelf(person, Shelf::Unread, None, 10, world.now()).await.expect("answers");
    let shown: Vec<BinderId> = shelf.iter().map(|document| document.id).collect();
    assert_eq!(shown, [ids[4], ids[3], ids[1], ids[0]]);
    let page = world.store.shelf(person, Shelf::Unread, None, 3, world.now()).await.expect("answers");
    assert_eq!(page.len(), 3, "a page is full without it, so that the next one is offered");
    assert!(world.store.box_document(person, ids[2]).await.is_err(), "it is not missing");
    let open = async |id| {
        let token = OneTimeToken::generate().hash();
        world.store.open(Opener::Recipient(person), id, token, world.now()).await
    };
    assert!(open(ids[2]).await.is_err());
    assert!(matches!(open(ids[3]).await, Ok(OpenVerdict::Opened { .. })));
    assert!(world.store.verify_token(city, ids[2], token, world.now()).await.is_err());

    damage(ids[2]).await;
    let verdict = world.store.verify_token(city, ids[2], token, world.now()).await.expect("it is as it was");
    assert!(matches!(verdict, TokenVerdict::Verified { .. }), "the token was not used up");
}

/// A queued document that cannot be read is given up at once, with the reason, and delivered after its repair.
pub async fn an_unreadable_document_is_given_up(world: World, damage: impl AsyncFn(BinderId)) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let ids = world.send(world.city, &recipient, 4).await;
    damage(ids[1]).await;
    let claims = world.claim(10).await;
    let mut claimed: Vec<BinderId> = claims.iter().map(|claim| claim.document).collect();
    claimed.sort();
    assert_eq!(claimed, [ids[0], ids[2], ids[3]]);
    world.finish(&claims, Outcome::Taken).await;
    assert!(world.store.queue_depths().await.expect("counts").is_empty(), "it does not stay in the queue");
    let page = Page { limit: 10, ..Page::default() };
    let given_up = world.store.undelivered(Kind::GivenUp, page).await.expect("lists");
    assert_eq!(given_up.len(), 1);
    assert_eq!((given_up[0].document, given_up[0].failure), (ids[1], Some(Failure::Unreadable)));

    damage(ids[1]).await;
    assert_eq!(world.store.send_again(vec![ids[1]], world.now()).await.expect("queues"), 1);
    assert_eq!(world.deliver_all().await, 1);
}
