//! The event feed, and withdrawals (SPEC 15 and 16).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seoham_model::status::DocBoxStatus;
use seoham_model::{BinderId, EventType, UnixSeconds};
use seoham_store::boxes::{OpenVerdict, Opener, Shelf};
use seoham_store::deliveries::{Arrival, Outcome, Receipt};
use seoham_store::documents::{ReadVerdict, TokenVerdict, WithdrawVerdict};
use seoham_store::events::{EXPIRY_GRACE_SECONDS, Event, FeedQuery, FeedRead};
use seoham_vault::OneTimeToken;

use crate::world::{Sender, World};

/// How long a store may take to number what was written. Far more than it needs: the tests wait for the condition.
const NUMBERED_WITHIN: Duration = Duration::from_secs(20);

async fn page(
    world: &World,
    sender: Sender,
    after: u64,
    limit: usize,
    types: Option<&[EventType]>,
) -> FeedRead {
    let types = types.map(|types| types.iter().copied().collect::<BTreeSet<_>>());
    let query = FeedQuery { after, limit, types };
    world.store.read_feed(sender.institution, query).await.expect("reads")
}

/// The events of `sender` as soon as there are `count`; there must not be more.
pub(crate) async fn feed(world: &World, sender: Sender, count: usize) -> Vec<Event> {
    let begun = Instant::now();
    loop {
        let read = page(world, sender, 0, 10_000, None).await;
        let numbers: Vec<u64> = read.page.events.iter().map(|event| event.seq).collect();
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "dense from 1: {numbers:?}");
        if numbers.len() >= count || begun.elapsed() > NUMBERED_WITHIN {
            assert_eq!(numbers.len(), count, "{:#?}", steps(&read.page.events));
            assert_eq!((read.ends.oldest, read.ends.last, read.page.more), (1, count as u64, false));
            return read.page.events;
        }
        world.store.wait_for_events(Duration::from_millis(50)).await;
    }
}

fn steps(events: &[Event]) -> Vec<(EventType, Option<BinderId>)> {
    events.iter().map(|event| (event.event_type, event.document)).collect()
}

async fn open(world: &World, id: BinderId) -> OpenVerdict {
    let (opener, token) = (Opener::Institution(world.city.institution), OneTimeToken::generate().hash());
    world.store.open(opener, id, token, world.now()).await.expect("answers")
}

async fn withdraw(world: &World, sender: Sender, id: BinderId) -> WithdrawVerdict {
    world.store.withdraw(sender.institution, id, world.now()).await.expect("answers")
}

async fn report(world: &World, document: BinderId, arrival: Arrival, at: UnixSeconds) {
    let receipt = Receipt { document, arrival, at };
    world.store.record_receipts(vec![receipt], world.now()).await.expect("recorded");
}

/// Every step of every document is one event, in order, with what was known of it then.
pub async fn the_feed_has_every_step_once(world: World) {
    use EventType::{Accepted, Authenticated, NoticeFailed, Notified, Read, Received, TokenUsed};

    world.person("01011112222", true).await;
    world.person("01033334444", false).await;
    let (member, other) =
        (world.recipient("01011112222", "19800229").await, world.recipient("01033334444", "19800229").await);
    let deadline = world.now().plus(86_400);
    let mut documents = world.documents(&member, 2, deadline);
    documents.extend(world.documents(&other, 1, deadline));
    let ids = world.accept(world.city, documents).await;
    let [first, second, third] = [ids[0], ids[1], ids[2]];
    let mut expected = vec![
        (Accepted, Some(first)),
        (Accepted, Some(second)),
        (Accepted, Some(third)),
        (Received, Some(first)),
        (Received, Some(second)),
    ];
    assert_eq!(steps(&feed(&world, world.city, 5).await), expected);

    world.deliver_all().await;
    let notified_at = world.now();
    for _ in 0..2 {
        report(&world, first, Arrival::Fallback, notified_at).await;
        report(&world, second, Arrival::Failed, notified_at).await;
        report(&world, third, Arrival::Messenger, notified_at).await;
    }
    expected.extend([(Notified, Some(first)), (NoticeFailed, Some(second)), (Notified, Some(third))]);
    feed(&world, world.city, 8).await;

    world.advance(10).await;
    for _ in 0..2 {
        let token = world.open(first).await;
        let verdict = world
            .store
            .verify_token(world.city.institution, first, token, world.now())
            .await
            .expect("answers");
        assert!(matches!(verdict, TokenVerdict::Verified { .. }), "{verdict:?}");
        let read = world.store.mark_read(world.city.institution, first, world.now()).await;
        assert_eq!(read.expect("answers"), ReadVerdict::Read);
        world.store.join(other.person, world.now()).await.expect("joins");
        world.advance(10).await;
    }
    expected.extend([Authenticated, TokenUsed, Read].map(|step| (step, Some(first))));
    expected.push((Received, Some(third)));
    let events = feed(&world, world.city, 12).await;
    assert_eq!(steps(&events), expected);

    for event in &events {
        let status = event.status.as_ref().expect("of a document");
        let position = event.document.map(BinderId::position);
        let external = format!("EXT-{}", position.filter(|position| *position < 2).unwrap_or(0));
        assert_eq!(status.external_document_uuid, Some(external));
        let times = &status.times;
        let (own, status) = match event.event_type {
            Accepted => (Some(times.sent_at), DocBoxStatus::Sent),
            Received => (times.received_at, DocBoxStatus::Received),
            Notified => (times.notified_at, status.times.status(status.deadline_at, event.at)),
            NoticeFailed => (Some(event.at), DocBoxStatus::Received),
            Authenticated => (times.authenticated_at, DocBoxStatus::Received),
            TokenUsed => (times.token_used_at, DocBoxStatus::Received),
            Read => (times.read_at, DocBoxStatus::Read),
            _ => panic!("{event:?}"),
        };
        assert_eq!(own, Some(event.at), "{event:?}");
        assert_eq!(times.status(deadline, event.at), status, "{event:?}");
        assert_eq!(event.is_fallback, event.event_type == Notified && event.document == Some(first));
    }
    assert_eq!(feed(&world, world.bank, 0).await, [], "another institution's feed is its own");
    let city = Some(world.city.institution);
    for (institution, id) in [(city, first), (None, third)] {
        let timeline = world.store.timeline(institution, id).await.expect("reads").expect("there");
        let expected: Vec<Event> =
            events.iter().filter(|event| event.document == Some(id)).cloned().collect();
        assert_eq!(timeline, expected);
    }
    for (institution, id) in [(Some(world.bank.institution), first), (None, BinderId::generate(&world.clock))]
    {
        assert_eq!(world.store.timeline(institution, id).await.expect("reads"), None);
    }
}

/// A reader pages through a feed, and passes what it does not ask for.
pub async fn a_feed_is_read_in_pages(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let mut ids = world.send(world.city, &recipient, 100).await;
    ids.extend(world.send(world.city, &recipient, 3).await);
    let whole = feed(&world, world.city, 206).await;
    for limit in [1, 7, 99, 100, 101, 1_000] {
        let (mut read, mut after) = (Vec::new(), 0);
        loop {
            let FeedRead { page, ends, .. } = page(&world, world.city, after, limit, None).await;
            assert!(page.events.len() <= limit);
            assert_eq!(page.more, page.through < ends.last);
            read.extend(page.events);
            after = page.through;
            if !page.more {
                break;
            }
        }
        assert!(read == whole, "in pages of {limit}");
        if limit == 1_000 {
            break;
        }
    }
    world.open(ids[101]).await;
    feed(&world, world.city, 207).await;
    let opened = page(&world, world.city, 0, 10, Some(&[EventType::Authenticated])).await.page;
    assert_eq!(steps(&opened.events), [(EventType::Authenticated, Some(ids[101]))]);
    assert_eq!((opened.through, opened.more), (207, false));
    let none = page(&world, world.city, 5, 10, Some(&[EventType::Expired])).await.page;
    assert_eq!((none.events.len(), none.through, none.more), (0, 207, false));
    let received = page(&world, world.city, 0, 3, Some(&[EventType::Received])).await.page;
    assert_eq!((received.events.len(), received.through, received.more), (3, 103, true));
    let ahead = page(&world, world.city, 500, 10, None).await.page;
    assert_eq!((ahead.events.len(), ahead.through, ahead.more), (0, 500, false));
}

/// Of steps that several take at the same time, the feed has the first.
pub async fn a_step_at_the_same_time_is_told_once(world: World) {
    let id = world.delivered_document().await;
    let opened = join_all((0..16).map(|_| open(&world, id))).await;
    assert!(opened.iter().all(|verdict| matches!(verdict, OpenVerdict::Opened { .. })));
    let mut tokens = Vec::new();
    for _ in 0..8 {
        tokens.push(world.open(id).await);
    }
    let city = world.city.institution;
    let verify = |token| world.store.verify_token(city, id, token, world.now());
    for verdict in join_all(tokens.into_iter().map(verify)).await {
        let TokenVerdict::Verified { status, .. } = verdict.expect("answers") else { panic!("verified") };
        assert!(status.times.token_used_at.is_some());
    }
    join_all((0..8).map(|_| world.store.mark_read(city, id, world.now()))).await;
    let notified = || report(&world, id, Arrival::Messenger, world.now());
    join_all((0..8).map(|_| notified())).await;
    let events = feed(&world, world.city, 6).await;
    let told: BTreeSet<EventType> = events.iter().map(|event| event.event_type).collect();
    assert_eq!(told.len(), 6, "{:?}", steps(&events));
}

/// Deadlines that pass unread are told of once each, whenever the sweeper comes.
pub async fn deadlines_are_told_once(world: World) {
    let tell = async || world.tell_expired(10).await;
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let now = world.now();
    let deadlines = [100, 300, 100, 100_000].map(|seconds| now.plus(seconds));
    let documents = deadlines.iter().flat_map(|at| world.documents(&recipient, 1, *at)).collect();
    let ids = world.accept(world.city, documents).await;
    let token = world.open(ids[2]).await;
    let city = world.city.institution;
    let _ = world.store.verify_token(city, ids[2], token, world.now()).await.expect("answers");
    let _ = world.store.mark_read(city, ids[2], world.now()).await.expect("answers");
    tell().await;
    feed(&world, world.city, 11).await;

    world.advance(102 + u32::try_from(EXPIRY_GRACE_SECONDS).expect("small")).await;
    tell().await;
    tell().await;
    let events = feed(&world, world.city, 12).await;
    let last = &events[11];
    assert_eq!((last.event_type, last.document, last.at), (EventType::Expired, Some(ids[0]), deadlines[0]));
    let status = last.status.as_ref().expect("of a document");
    assert_eq!(status.times.status(status.deadline_at, last.at), DocBoxStatus::Expired);

    world.advance(500).await;
    tell().await;
    assert_eq!(feed(&world, world.city, 13).await[12].document, Some(ids[1]));
    world.advance(200_000).await;
    tell().await;
    tell().await;
    assert_eq!(feed(&world, world.city, 14).await[13].document, Some(ids[3]));
}

/// A withdrawn document can no longer be opened, is not told of, and does not enter a box.
pub async fn a_withdrawn_document_does_not_open(world: World) {
    use EventType::{Authenticated, Withdrawn};

    world.person("01011112222", true).await;
    world.person("01033334444", false).await;
    let member = world.recipient("01011112222", "19800229").await;
    let other = world.recipient("01033334444", "19800229").await;
    let theirs = world.send(world.city, &member, 3).await;
    let waits = world.send(world.city, &other, 1).await[0];
    let (withdrawn, opened, untouched) = (theirs[0], theirs[1], theirs[2]);
    world.open(opened).await;
    assert_eq!(withdraw(&world, world.bank, withdrawn).await, WithdrawVerdict::Unknown);
    assert_eq!(withdraw(&world, world.city, opened).await, WithdrawVerdict::Opened);
    for _ in 0..2 {
        assert_eq!(withdraw(&world, world.city, withdrawn).await, WithdrawVerdict::Withdrawn);
        assert_eq!(withdraw(&world, world.city, waits).await, WithdrawVerdict::Withdrawn);
    }
    assert_eq!(open(&world, withdrawn).await, OpenVerdict::Withdrawn);
    let status = world.status(world.city, withdrawn).await.expect("there");
    assert_eq!(status.times.status(status.deadline_at, world.now()), DocBoxStatus::Expired);
    let claimed: BTreeSet<BinderId> = world.claim(10).await.iter().map(|claim| claim.document).collect();
    assert_eq!(claimed, BTreeSet::from([opened, untouched]));
    assert_eq!(world.claim(10).await.len(), 0, "what was withdrawn is off the queue");
    let shelf = async |shelf| {
        let shown = world.store.shelf(member.person, shelf, None, 10, world.now()).await.expect("reads");
        shown.into_iter().map(|document| document.id).collect::<Vec<_>>()
    };
    assert_eq!(shelf(Shelf::Expired).await, [withdrawn]);
    assert_eq!(shelf(Shelf::Unread).await, [untouched, opened]);
    world.store.join(other.person, world.now()).await.expect("joins");
    assert_eq!(world.status(world.city, waits).await.expect("there").times.received_at, None);
    let events = feed(&world, world.city, 10).await;
    let told = steps(&events[7..]);
    let step = |step, id| (step, Some(id));
    assert_eq!(told, [step(Authenticated, opened), step(Withdrawn, withdrawn), step(Withdrawn, waits)]);
}

/// Of an opening and a withdrawal at the same time exactly one succeeds, and the feed says which: ten thousand times.
pub async fn of_an_opening_and_a_withdrawal_one_succeeds(world: World) {
    const ROUNDS: usize = 100;
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let (mut after, mut openings) = (0, 0);
    for _ in 0..ROUNDS {
        let ids = world.send(world.city, &recipient, 100).await;
        let race = async |id: BinderId| {
            // Who is first in a queue must not decide it for all.
            let (opened, withdrawn) = if id.position().is_multiple_of(2) {
                tokio::join!(open(&world, id), withdraw(&world, world.city, id))
            } else {
                let (withdrawn, opened) = tokio::join!(withdraw(&world, world.city, id), open(&world, id));
                (opened, withdrawn)
            };
            match (&opened, withdrawn) {
                (OpenVerdict::Opened { .. }, WithdrawVerdict::Opened) => (EventType::Authenticated, Some(id)),
                (OpenVerdict::Withdrawn, WithdrawVerdict::Withdrawn) => (EventType::Withdrawn, Some(id)),
                both => panic!("both or neither: {both:?}"),
            }
        };
        let expected: BTreeSet<_> = join_all(ids.into_iter().map(race)).await.into_iter().collect();
        openings += expected.iter().filter(|(won, _)| *won == EventType::Authenticated).count();
        let (begun, mut told) = (Instant::now(), Vec::new());
        while told.len() < 300 {
            let read = page(&world, world.city, after, 1_000, None).await.page;
            told.extend(steps(&read.events));
            after = read.through;
            assert!(begun.elapsed() < NUMBERED_WITHIN, "{} of 300", told.len());
            if !read.more && told.len() < 300 {
                world.store.wait_for_events(Duration::from_millis(20)).await;
            }
        }
        assert_eq!(told[200..].iter().copied().collect::<BTreeSet<_>>(), expected);
    }
    assert!((1..ROUNDS * 100).contains(&openings), "a race that one side always wins is none: {openings}");
}

/// A notification that is given up is told of, and one that arrives after all as well.
pub async fn what_was_given_up_is_told(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let ids = world.send(world.city, &recipient, 3).await;
    let claims = world.claim(10).await;
    world.finish(&claims[..2], Outcome::GivenUp).await;
    world.finish(&claims[2..], Outcome::Taken).await;
    let given_up: BTreeSet<BinderId> = claims[..2].iter().map(|claim| claim.document).collect();
    let events = feed(&world, world.city, 8).await;
    let told = events[6..].iter().filter(|event| event.event_type == EventType::NoticeFailed);
    assert_eq!(told.filter_map(|event| event.document).collect::<BTreeSet<_>>(), given_up);
    let late = claims[0].document;
    report(&world, late, Arrival::Messenger, world.now()).await;
    let events = feed(&world, world.city, 9).await;
    assert_eq!(steps(&events[8..]), [(EventType::Notified, Some(late))]);
    assert!(ids.contains(&late));
}

/// A person who refuses an institution's documents is told of without a name, and only when that changes.
pub async fn refusals_are_told_without_a_name(world: World) {
    use EventType::{RecipientAccepted, RecipientRefused};

    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await.person;
    for refused in [false, true, true, false, false, true] {
        let institution = world.city.institution;
        world.store.set_refusal(person, institution, refused, world.now()).await.expect("said");
    }
    let events = feed(&world, world.city, 3).await;
    let expected = [RecipientRefused, RecipientAccepted, RecipientRefused].map(|step| (step, None));
    assert_eq!(steps(&events), expected);
    assert!(events.iter().all(|event| event.status.is_none()));
    let lasts = world.store.feed_lasts(vec![world.city.institution, world.bank.institution]).await;
    assert_eq!(lasts.expect("reads").into_iter().collect::<Vec<_>>(), [(world.city.institution, 3)]);
}

/// Old events are forgotten from the beginning, and the numbers go on.
pub async fn old_events_are_forgotten(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    world.send(world.city, &recipient, 3).await;
    feed(&world, world.city, 6).await;
    world.advance(1_000).await;
    let border = world.now();
    let young = world.send(world.city, &recipient, 1).await[0];
    feed(&world, world.city, 8).await;
    let forget = async |before| while world.store.forget_events(before).await.expect("forgets") > 0 {};
    forget(border.plus(-10)).await;
    let left = page(&world, world.city, 0, 10, None).await;
    assert_eq!((left.ends.oldest, left.ends.last), (7, 8));
    assert_eq!(left.page.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(left.page.events[0].document, Some(young));
    forget(border.plus(1_000)).await;
    let none = page(&world, world.city, 8, 10, None).await;
    assert_eq!((none.ends.oldest, none.ends.last, none.page.events.len()), (9, 8, 0));
    world.send(world.city, &recipient, 1).await;
    let begun = Instant::now();
    loop {
        let read = page(&world, world.city, 8, 10, None).await;
        if read.page.events.len() == 2 {
            assert_eq!((read.ends.oldest, read.ends.last), (9, 10));
            break;
        }
        assert!(begun.elapsed() < NUMBERED_WITHIN);
    }
}

/// A document is kept until the feed has told of its deadline, and events outlive it.
pub async fn events_outlive_their_documents(world: World) {
    let id = world.delivered_document().await;
    let before = feed(&world, world.city, 2).await;
    world.advance(100 * 24 * 60 * 60).await;
    let tidy = async || while world.store.tidy(Some(30), world.now()).await.expect("tidies").more {};
    tidy().await;
    assert!(world.status(world.city, id).await.is_some(), "its deadline was not told of yet");
    while world.store.tell_expired(10, world.now()).await.expect("looks") > 0 {}
    feed(&world, world.city, 3).await;
    tidy().await;
    assert!(world.status(world.city, id).await.is_none());
    let after = feed(&world, world.city, 3).await;
    assert_eq!(steps(&after)[..2], steps(&before));
    assert_eq!(steps(&after)[2], (EventType::Expired, Some(id)));
    assert!(after.iter().all(|event| event.status.is_none() && event.document == Some(id)));
    assert_eq!(after[0].at, before[0].at);
}
