//! Accepting, querying status, verifying tokens, marking read.

use futures_util::future::join_all;
use seoham_model::document::Own;
use seoham_model::status::DocBoxStatus;
use seoham_model::{BinderId, ParcelId, UnixSeconds};
use seoham_store::Lane;
use seoham_store::boxes::{OpenVerdict, Opener};
use seoham_store::documents::{IdentifiedDocument, Notification, ReadVerdict, TokenVerdict};
use seoham_store::people::Recipient;
use seoham_vault::OneTimeToken;

use crate::world::{Sender, World, content};

/// An acceptance is stored completely, with the times of an accepted document.
pub async fn an_acceptance_is_there_whole(world: World) {
    world.person("01011112222", false).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let (before, ids) = (world.now(), world.send(world.city, &recipient, 100).await);
    let statuses = world.store.statuses(Lane::Bulk, world.city.institution, ids).await.expect("answers");
    assert_eq!(statuses.len(), 100);
    for (i, status) in statuses.into_iter().enumerate() {
        let status = status.expect("readable").expect("there");
        assert!(status.times.sent_at >= before);
        assert_eq!(status.times.received_at, None);
        assert_eq!(status.payload, Some(format!("p{i}")));
        assert_eq!(status.times.status(status.deadline_at, world.now()), DocBoxStatus::Sent);
    }
}

/// Statuses are returned in the requested order, twice if requested twice, and only to the owner.
pub async fn statuses_keep_their_order_and_owner(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let ids = world.send(world.city, &recipient, 3).await;
    let unknown = BinderId::generate(&world.clock);
    let asked = vec![ids[2], unknown, ids[0], ids[2]];
    let payloads = |sender: Sender| {
        let (store, asked) = (&world.store, asked.clone());
        async move {
            let found = store.statuses(Lane::Bulk, sender.institution, asked).await.expect("answers");
            found.into_iter().map(|s| s.expect("readable").and_then(|s| s.payload)).collect::<Vec<_>>()
        }
    };
    let p = |n: &str| Some(n.to_owned());
    assert_eq!(payloads(world.city).await, [p("p2"), None, p("p0"), p("p2")]);
    assert_eq!(payloads(world.bank).await, [None, None, None, None]);
}

/// What was said is read back, whether it was said to one or to several.
pub async fn shared_and_own_texts_read_back(world: World) {
    world.person("01011112222", true).await;
    world.person("01033334444", true).await;
    let one = world.recipient("01011112222", "19800229").await;
    let other = world.recipient("01033334444", "19800229").await;
    let document = |recipient: &Recipient, title: &str, external: Option<&str>| IdentifiedDocument {
        recipient: recipient.clone(),
        content: content(title),
        own: Own { external_document_uuid: external.map(str::to_owned), payload: None },
        hash: Some("해시".to_owned()),
        deadline_at: world.now().plus(60),
    };
    // The first text goes to two people, the last to one of them twice.
    let texts = [
        (&one, "같은 글", Some("A")),
        (&one, "다른 글", None),
        (&other, "같은 글", Some("B")),
        (&other, "두 번 온 글", Some("C")),
        (&other, "두 번 온 글", Some("D")),
    ];
    let documents: Vec<_> =
        texts.iter().map(|(recipient, title, external)| document(recipient, title, *external)).collect();
    let ids = world.accept(world.city, documents).await;
    for (id, (_, title, external)) in ids.iter().zip(texts) {
        let record = world.store.describe(*id).await.expect("answers").expect("there");
        assert_eq!(record.content, content(title));
        assert_eq!(record.own.external_document_uuid.as_deref(), external);
        assert_eq!(record.hash.as_deref(), Some("해시"));
        assert_eq!(record.institution, world.city.institution);
        assert_eq!(record.contract, world.city.contract);
        assert_eq!(record.notification, Notification::Pending);
    }
    world.deliver_all().await;
    let record = world.store.describe(ids[0]).await.expect("answers").expect("there");
    assert_eq!(record.notification, Notification::Taken);
    assert!(world.store.describe(BinderId::generate(&world.clock)).await.expect("answers").is_none());
}

/// Of two hundred concurrent verifications of one token, exactly one succeeds.
pub async fn one_of_many_verifications_wins(world: World) {
    let id = world.delivered_document().await;
    let token = world.open(id).await;
    let verify = || world.store.verify_token(world.city.institution, id, token, world.now());
    let verdicts = join_all((0..200).map(|_| verify())).await;
    let won = verdicts.iter().filter(|v| matches!(v, Ok(TokenVerdict::Verified { .. }))).count();
    let used = verdicts.iter().filter(|v| matches!(v, Ok(TokenVerdict::Used))).count();
    assert_eq!((won, used), (1, 199));
}

/// A token is valid for 300 seconds and not one second longer, and never beyond the deadline.
pub async fn tokens_end_with_their_time(world: World) {
    let id = world.delivered_document().await;
    let (city, now) = (world.city.institution, world.now());
    for (after, valid) in [(299, true), (300, false)] {
        let token = OneTimeToken::generate().hash();
        world.store.open(Opener::Institution(city), id, token, now).await.expect("opens");
        let verdict = world.store.verify_token(city, id, token, now.plus(after)).await.expect("answers");
        assert_eq!(matches!(verdict, TokenVerdict::Verified { .. }), valid, "after {after} s");
        assert_eq!(verdict == TokenVerdict::Expired, !valid, "after {after} s");
    }

    let recipient = world.recipient("01011112222", "19800229").await;
    let deadline = world.now().plus(100);
    let short = world.send_until(world.city, &recipient, 1, deadline).await[0];
    world.deliver_all().await;
    let token = world.open(short).await;
    let verdict = world.store.verify_token(city, short, token, deadline).await.expect("answers");
    assert_eq!(verdict, TokenVerdict::Expired);
}

/// A token is valid only for the document it was issued for, and only for its institution.
pub async fn tokens_belong_to_their_document(world: World) {
    let id = world.delivered_document().await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let other = world.send(world.city, &recipient, 1).await[0];
    let foreign = world.send(world.bank, &recipient, 1).await[0];
    world.deliver_all().await;
    let token = world.open(id).await;
    let verify = |sender: Sender, document, token| {
        world.store.verify_token(sender.institution, document, token, world.now())
    };
    for (sender, document, token) in [
        (world.city, other, token),
        (world.bank, id, token),
        (world.bank, foreign, token),
        (world.city, id, OneTimeToken::generate().hash()),
        (world.city, BinderId::generate(&world.clock), token),
    ] {
        assert_eq!(verify(sender, document, token).await.expect("answers"), TokenVerdict::Unknown);
    }
    let bank = world.bank.institution;
    let opened =
        world.store.open(Opener::Institution(bank), id, OneTimeToken::generate().hash(), world.now()).await;
    assert_eq!(opened.expect("answers"), OpenVerdict::Unknown);
    let read = world.store.mark_read(bank, id, world.now()).await.expect("answers");
    assert_eq!(read, ReadVerdict::Unknown);
    let verified = verify(world.city, id, token).await.expect("answers");
    assert!(matches!(verified, TokenVerdict::Verified { .. }));
}

/// A read counts only after a verified token, and then even after the deadline.
pub async fn reads_need_a_verified_token(world: World) {
    let id = world.delivered_document().await;
    let city = world.city.institution;
    let read = |at| world.store.mark_read(city, id, at);
    assert_eq!(read(world.now()).await.expect("answers"), ReadVerdict::NoTokenVerified);
    let token = world.open(id).await;
    assert_eq!(read(world.now()).await.expect("answers"), ReadVerdict::NoTokenVerified);
    world.store.verify_token(city, id, token, world.now()).await.expect("verifies");
    let deadline = world.status(world.city, id).await.expect("there").deadline_at;
    assert_eq!(read(deadline.plus(5)).await.expect("answers"), ReadVerdict::Read);
    let status = world.status(world.city, id).await.expect("there");
    assert_eq!(status.times.status(deadline, deadline.plus(9)), DocBoxStatus::Read);
}

/// Every time keeps its first value.
pub async fn times_are_set_once(world: World) {
    let id = world.delivered_document().await;
    let (city, now) = (world.city.institution, world.now());
    for later in [0, 10, 20] {
        let at = now.plus(later);
        let token = OneTimeToken::generate().hash();
        world.store.open(Opener::Institution(city), id, token, at).await.expect("opens");
        world.store.verify_token(city, id, token, at).await.expect("verifies");
        world.store.mark_read(city, id, at).await.expect("reads");
    }
    let times = world.status(world.city, id).await.expect("there").times;
    assert_eq!(times.authenticated_at, Some(now));
    assert_eq!(times.token_used_at, Some(now));
    assert_eq!(times.read_at, Some(now));
}

/// From the second of the deadline on, an unread document cannot be opened.
pub async fn expired_documents_do_not_open(world: World) {
    let id = world.delivered_document().await;
    let deadline = world.status(world.city, id).await.expect("there").deadline_at;
    let open = |at: UnixSeconds| {
        world.store.open(Opener::Institution(world.city.institution), id, OneTimeToken::generate().hash(), at)
    };
    assert_eq!(open(deadline).await.expect("answers"), OpenVerdict::Expired);
    let times = world.status(world.city, id).await.expect("there").times;
    assert_eq!(times.authenticated_at, None);
    assert!(matches!(open(deadline.plus(-1)).await.expect("answers"), OpenVerdict::Opened { .. }));
}

/// From the second of the deadline on, a read document cannot be opened either. It stays read.
pub async fn a_read_document_does_not_open_after_its_deadline(world: World) {
    let id = world.delivered_document().await;
    let (city, token) = (world.city.institution, world.open(id).await);
    world.store.verify_token(city, id, token, world.now()).await.expect("verifies");
    world.store.mark_read(city, id, world.now()).await.expect("reads");
    let deadline = world.status(world.city, id).await.expect("there").deadline_at;
    let open = |at| world.store.open(Opener::Institution(city), id, OneTimeToken::generate().hash(), at);
    assert_eq!(open(deadline).await.expect("answers"), OpenVerdict::Expired);
    let opened = open(deadline.plus(-10)).await.expect("answers");
    let OpenVerdict::Opened { token_expires_at, link, external_document_uuid } = opened else {
        panic!("a read document opens before its deadline");
    };
    assert_eq!(token_expires_at, deadline);
    assert_eq!(link, "https://notice.example.kr/open");
    assert_eq!(external_document_uuid.as_deref(), Some("EXT-0"));
    let status = world.status(world.city, id).await.expect("there");
    assert_eq!(status.times.status(deadline, deadline.plus(1)), DocBoxStatus::Read);
}

/// An institution's documents are found by their person, waiting or not, and by the parcels of some time.
pub async fn documents_are_found_for_those_who_ask(world: World) {
    let institution = world.city.institution;
    let mut expected = Vec::new();
    for (number, member) in [("01011112222", true), ("01033334444", false)] {
        world.person(number, member).await;
        let recipient = world.recipient(number, "19800229").await;
        let mut ids = world.send(world.city, &recipient, 3).await;
        world.send(world.bank, &recipient, 2).await;
        ids.reverse();
        expected.push((recipient.person, ids));
    }
    let find = async |person, before, limit| {
        world.store.documents_for(institution, person, before, limit).await.expect("finds")
    };
    for (person, ids) in &expected {
        assert_eq!(find(*person, None, 10).await, *ids);
        assert_eq!(find(*person, None, 2).await, ids[..2]);
        assert_eq!(find(*person, Some(ids[1]), 10).await, ids[2..]);
    }
    let (first, last) = (ParcelId::first_at(0), ParcelId::first_at(u64::MAX >> 16));
    let within =
        async |from, limit| world.store.parcels_within(institution, from..last, limit).await.expect("looks");
    let all = within(first, 10).await;
    let of_city: Vec<_> = expected.iter().map(|(_, ids)| (ids[0].parcel(), 3)).collect();
    let mut found = all.of_institution.clone();
    found.sort_unstable();
    let mut sorted = of_city.clone();
    sorted.sort_unstable();
    assert_eq!((found, all.last), (sorted, None));
    // One by one, over those of others too.
    let (mut from, mut one_by_one, mut looks) = (first, Vec::new(), 0);
    loop {
        let page = within(from, 1).await;
        one_by_one.extend(page.of_institution);
        looks += 1;
        match page.last {
            Some(last) => from = last.next(),
            None => break,
        }
    }
    assert_eq!((one_by_one, looks), (all.of_institution, 5));
}
