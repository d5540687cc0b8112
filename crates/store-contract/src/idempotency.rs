//! Idempotency keys: stored with what they accepted, for a week (SPEC 10).

use std::sync::Arc;

use futures_util::future::join_all;
use seoham_model::{ErrorCode, ParcelId, Text};
use seoham_store::Lane;
use seoham_store::documents::{Acceptance, Accepted};
use seoham_store::idempotency::{
    IdempotencyKey, KEPT_SECONDS, KeyHistory, KeyedItem, PriorOutcome, REMEMBERED_SECONDS, Remember, Verdict,
};
use seoham_store::people::Recipient;
use seoham_store::statistics::Refusals;

use crate::world::{Sender, World, ids};

pub(crate) fn key(name: &str) -> IdempotencyKey {
    IdempotencyKey::parse(name).expect("a key")
}

pub(crate) fn keyed_item(external: &str, content: &str) -> Arc<KeyedItem> {
    let external_document_uuid = external.to_owned();
    Arc::new(KeyedItem { external_document_uuid, content: content.as_bytes().to_vec() })
}

/// An acceptance of `count` documents `EXT-0`, `EXT-1`, … with a key.
fn keyed(
    world: &World,
    recipient: &Recipient,
    name: &str,
    next: i32,
    count: usize,
) -> (Acceptance, Vec<(Arc<KeyedItem>, Verdict)>) {
    let documents = world.documents(recipient, count, world.now().plus(86_400));
    let parcel = ParcelId::generate(&world.clock);
    let items: Vec<_> = ids(parcel, count)
        .into_iter()
        .enumerate()
        .map(|(i, id)| (keyed_item(&format!("EXT-{i}"), "content"), Verdict::Accepted(id)))
        .collect();
    let Sender { institution, contract } = world.city;
    let remember = Some(Remember { key: key(name), next, items: items.clone() });
    (
        Acceptance {
            parcel,
            institution,
            contract,
            accepted_at: world.now(),
            documents,
            remember,
            refused: Refusals::new(),
        },
        items,
    )
}

async fn recall(world: &World, sender: Sender, name: &str, items: Vec<Arc<KeyedItem>>) -> KeyHistory {
    let recalled = world.store.recall(Lane::Bulk, sender.institution, &key(name), items, world.now()).await;
    recalled.expect("answers")
}

/// A key replays the verdict of each item, only to its own institution and only under its own name, across several
/// records. A record without a document is stored too.
pub async fn a_key_recalls_its_items(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let (acceptance, items) = keyed(&world, &recipient, "k", 0, 3);
    assert_eq!(world.store.accept(acceptance).await.expect("accepts"), Accepted::Whole);

    let text = Text::made("documents[0].receiver: 없음".to_owned(), "none".to_owned());
    let refused = Verdict::Refused(ErrorCode::NotFound, text);
    let Sender { institution, contract } = world.city;
    let remember = Remember { key: key("k"), next: 1, items: vec![(keyed_item("R", "r"), refused.clone())] };
    let only_refused = Acceptance {
        parcel: ParcelId::generate(&world.clock),
        institution,
        contract,
        accepted_at: world.now(),
        documents: Vec::new(),
        remember: Some(remember),
        refused: Refusals::new(),
    };
    assert_eq!(world.store.accept(only_refused).await.expect("accepts"), Accepted::Whole);

    let asked =
        vec![keyed_item("R", "r"), items[2].0.clone(), keyed_item("EXT-0", "other"), keyed_item("NEW", "n")];
    let found = recall(&world, world.city, "k", asked.clone()).await;
    let same = |verdict: &Verdict| Some(PriorOutcome::Same(verdict.clone()));
    assert_eq!(
        found.prior_outcomes,
        [same(&refused), same(&items[2].1), Some(PriorOutcome::Different), None]
    );
    assert_eq!((found.items, found.next), (4, 2));
    for (sender, name) in [(world.bank, "k"), (world.city, "l")] {
        let found = recall(&world, sender, name, asked.clone()).await;
        assert_eq!((found.prior_outcomes, found.items, found.next), (vec![None; 4], 0, 0));
    }
}

/// Of twenty concurrent acceptances with one key, exactly one succeeds. The others store nothing and do not change
/// the daily count. An acceptance without a key is not delayed by them.
pub async fn one_of_many_with_a_key_is_whole(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let all: Vec<_> = (0..20).map(|_| keyed(&world, &recipient, "k", 0, 5)).collect();
    let ids: Vec<_> = all.iter().map(|(a, _)| ids(a.parcel, a.documents.len())).collect();
    let accepting = join_all(all.into_iter().map(|(acceptance, _)| world.store.accept(acceptance)));
    let (accepted, plain) = futures_util::join!(accepting, world.send(world.city, &recipient, 2));
    let accepted: Vec<_> = accepted.into_iter().map(|accepted| accepted.expect("answers")).collect();
    assert_eq!(accepted.iter().filter(|a| **a == Accepted::Whole).count(), 1);
    for (ids, accepted) in ids.iter().zip(accepted) {
        for id in ids {
            let there = world.status(world.city, *id).await.is_some();
            assert_eq!(there, accepted == Accepted::Whole, "whole or not at all");
        }
    }
    assert!(world.status(world.city, plain[0]).await.is_some());
    let day = seoham_model::SeoulDay::of(world.now());
    let overview = world.store.institution(world.city.institution, day).await.expect("answers");
    assert_eq!(overview.expect("there").accepted_on_day, 7);
}

/// A record is kept as long as a newer one of its key is valid, since its number must not become free. A record
/// without a predecessor is rejected.
pub async fn a_key_is_kept_as_long_as_its_youngest(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let day = 24 * 60 * 60;
    let accept = async |next| {
        let (acceptance, items) = keyed(&world, &recipient, "k", next, 1);
        (world.store.accept(acceptance).await.expect("answers"), items)
    };
    assert_eq!(accept(0).await.0, Accepted::Whole);
    assert_eq!(accept(2).await.0, Accepted::KeyMoved, "there is no record 1");
    world.advance(6 * day).await;
    let (young, items) = accept(1).await;
    assert_eq!(young, Accepted::Whole);
    world.advance(3 * day).await;
    while world.store.tidy(None, world.now()).await.expect("tidies").more {}
    assert_eq!(accept(0).await.0, Accepted::KeyMoved, "the young one counts for four days more");
    let found = recall(&world, world.city, "k", vec![items[0].0.clone()]).await;
    assert_eq!((found.prior_outcomes, found.next), (vec![Some(PriorOutcome::Same(items[0].1.clone()))], 2));
    world.advance(6 * day).await;
    while world.store.tidy(None, world.now()).await.expect("tidies").more {}
    assert_eq!(accept(0).await.0, Accepted::Whole, "both are gone");
}

/// A key is known until the last second of its week. Then it is deleted and can be reused; its documents stay.
pub async fn keys_are_forgotten_after_a_week(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let (acceptance, items) = keyed(&world, &recipient, "k", 0, 1);
    let (document, sent_at) = (acceptance.parcel.document(0), acceptance.accepted_at);
    assert_eq!(world.store.accept(acceptance).await.expect("accepts"), Accepted::Whole);
    let asked = || vec![items[0].0.clone()];
    let at = |now| {
        let store = &world.store;
        async move { store.recall(Lane::Bulk, world.city.institution, &key("k"), asked(), now).await }
    };
    let last = at(sent_at.plus(REMEMBERED_SECONDS - 1)).await.expect("answers");
    assert!(last.prior_outcomes[0].is_some());
    let after = at(sent_at.plus(REMEMBERED_SECONDS)).await.expect("answers");
    assert_eq!((after.prior_outcomes, after.next), (vec![None], 1), "forgotten, but not yet removed");

    world.advance(u32::try_from(KEPT_SECONDS + 60).expect("fits")).await;
    while world.store.tidy(None, world.now()).await.expect("tidies").more {}
    let removed = recall(&world, world.city, "k", asked()).await;
    assert_eq!((removed.prior_outcomes, removed.next), (vec![None], 0), "removed");
    let (again, _) = keyed(&world, &recipient, "k", 0, 1);
    assert_eq!(world.store.accept(again).await.expect("accepts"), Accepted::Whole);
    assert!(world.status(world.city, document).await.is_some());
}
