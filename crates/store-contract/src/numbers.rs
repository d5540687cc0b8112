//! Telephone numbers and who they belong to.

use secrecy::ExposeSecret;
use seoham_model::SeoulDay;
use seoham_model::person::PersonRecord;
use seoham_store::people::{Identified, Registered};
use seoham_store::visits::{LinkPurpose, LoginLink};
use seoham_vault::OneTimeToken;

use crate::world::{World, by_ci, by_phone, record};

const NUMBER: &str = "01011112222";

/// The day `days` days ago.
fn ago(world: &World, days: i32) -> SeoulDay {
    SeoulDay::of(world.now()).plus_days(-days)
}

fn first_owner() -> PersonRecord {
    record(NUMBER, "김하나", "19800229", Some("CI-1"), true)
}

fn next_owner(assigned_on: SeoulDay) -> PersonRecord {
    PersonRecord { phone_assigned_on: Some(assigned_on), ..record(NUMBER, "박둘", "19910101", None, true) }
}

/// A phone number that passed to another person does not open the first person's box.
pub async fn numbers_do_not_pass_to_others(world: World) {
    world.register(first_owner()).await;
    let since = ago(&world, 0);
    let taken = [
        record(NUMBER, "박둘", "19910101", None, true),
        record(NUMBER, "김하나", "19800229", Some("CI-2"), true),
        // Not later than it is known to be the first person's.
        next_owner(since),
    ];
    for person in taken {
        assert_eq!(world.register(person).await, Registered::NumberTaken { since });
    }
    world.register(record("01033334444", "박둘", "19910101", Some("CI-2"), true)).await;
    let moved_onto = record(NUMBER, "박둘", "19910101", Some("CI-2"), true);
    assert_eq!(world.register(moved_onto).await, Registered::NumberTaken { since });
    assert!(matches!(world.identify(by_ci("CI-1")).await, Identified::Found(_)));
}

/// A number that was assigned to another person later moves. The first person's documents stay in their box, which
/// can no longer be entered by anything that was sent to the number.
pub async fn a_number_moves_to_its_next_owner(world: World) {
    let owner = PersonRecord { phone_assigned_on: Some(ago(&world, 30)), ..first_owner() };
    world.register(owner).await;
    let first = world.recipient(NUMBER, "19800229").await;
    let now = world.now();
    let documents = world.send(world.city, &first, 2).await;
    let claims = world.claim(1).await;
    let (session, link, new_pin) = (token(), token(), token());
    assert!(world.store.start_session(first.person, session, now, now.plus(600)).await.expect("starts"));
    let asked = |token, purpose| LoginLink {
        person: first.person,
        phone_number: NUMBER.into(),
        token,
        purpose,
        expires_at: now.plus(600),
    };
    let sign_in = LinkPurpose::SignIn { document: None };
    for (token, purpose) in [(link, sign_in), (new_pin, LinkPurpose::NewPin)] {
        assert!(world.store.add_login_link(asked(token, purpose)).await.expect("answers"));
    }

    let moved = world.register(next_owner(ago(&world, 1))).await;
    assert_eq!(moved, Registered::NumberMoved { from: first.person });
    let next = world.recipient(NUMBER, "19910101").await;
    assert!(next.person != first.person && next.member);
    assert_eq!(world.store.person_by_phone(&NUMBER.into()).await.expect("answers"), Some(next.person));
    assert!(matches!(world.identify(by_phone(NUMBER, "19800229")).await, Identified::NotFound));
    assert!(matches!(world.identify(by_ci("CI-1")).await, Identified::Found(_)));
    assert!(world.store.phone_number(first.person).await.expect("answers").is_none());

    assert!(world.store.session(session, now).await.expect("answers").is_none());
    assert_eq!(world.store.use_login_link(link, now).await.expect("answers"), None);
    assert_eq!(world.store.new_pin_link(new_pin, now).await.expect("answers"), None);
    let notified = &claims[0].link_token;
    assert_eq!(world.store.use_notification_link(notified, now).await.expect("answers"), None);
    for purpose in [sign_in, LinkPurpose::NewPin] {
        assert!(!world.store.add_login_link(asked(token(), purpose)).await.expect("answers"), "on its way");
    }
    // Nor does a session start from a link that was used before.
    let session = token();
    assert!(!world.store.start_session(first.person, session, now, now.plus(600)).await.expect("answers"));
    assert!(world.store.session(session, now).await.expect("answers").is_none());

    // What waits for the first person is told to nobody.
    let waiting = world.claim(10).await;
    assert_eq!(waiting.len(), 1);
    assert!(documents.contains(&waiting[0].document) && waiting[0].addresses.phone_number.is_none());
    for document in documents {
        assert!(world.status(world.city, document).await.expect("there").times.received_at.is_some());
    }

    // The first person gets another number: the links that went to the former one stay void.
    let returned = record("01033334444", "김하나", "19800229", Some("CI-1"), true);
    assert_eq!(world.register(returned).await, Registered::Updated);
    assert_eq!(world.recipient("01033334444", "19800229").await.person, first.person);
    assert_eq!(world.store.use_notification_link(notified, now).await.expect("answers"), None);
}

/// Numbers move within one request too, to known people, and back.
pub async fn numbers_move_within_one_request(world: World) {
    let dated =
        |person: PersonRecord, days| PersonRecord { phone_assigned_on: Some(ago(&world, days)), ..person };
    let known = || record("01033334444", "박둘", "19910101", Some("CI-2"), true);
    let request = vec![
        dated(first_owner(), 30),
        dated(known(), 30),
        // The known person has the first one's number now, and then loses it again.
        PersonRecord { phone_number: NUMBER.into(), ..dated(known(), 20) },
        dated(first_owner(), 20),
        dated(first_owner(), 10),
    ];
    let verdicts = world.register_all(request).await;
    let first = person(&world, "CI-1").await;
    let second = person(&world, "CI-2").await;
    let expected = [
        Registered::Added,
        Registered::Added,
        Registered::NumberMoved { from: first },
        Registered::NumberTaken { since: ago(&world, 20) },
        Registered::NumberMoved { from: second },
    ];
    assert_eq!(verdicts, expected);
    let number = world.store.phone_number(first).await.expect("answers").expect("there");
    assert_eq!(number.expose_secret(), NUMBER);
    assert!(world.store.phone_number(second).await.expect("answers").is_none());
}

/// A day that a later import of the same person gives is kept.
pub async fn the_day_of_a_number_is_corrected(world: World) {
    world.register(first_owner()).await;
    let moves = next_owner(ago(&world, 1));
    assert_eq!(world.register(moves.clone()).await, Registered::NumberTaken { since: ago(&world, 0) });
    let corrected = PersonRecord { phone_assigned_on: Some(ago(&world, 400)), ..first_owner() };
    assert_eq!(world.register(corrected).await, Registered::Updated);
    assert_eq!(world.register(first_owner()).await, Registered::Updated, "a day that is not given stays");
    assert!(matches!(world.register(moves).await, Registered::NumberMoved { .. }));
}

async fn person(world: &World, ci: &str) -> seoham_model::PersonId {
    match world.identify(by_ci(ci)).await {
        Identified::Found(recipient) => recipient.person,
        _ => panic!("{ci} is known"),
    }
}

fn token() -> seoham_vault::TokenHash {
    OneTimeToken::generate().hash()
}

/// The next owner of a number who happens to have the former's birthday gets a box of their own.
pub async fn a_number_moves_to_somebody_of_the_same_birthday(world: World) {
    let owner = PersonRecord { phone_assigned_on: Some(ago(&world, 30)), ..first_owner() };
    world.register(owner).await;
    let first = person(&world, "CI-1").await;
    let twin = |assigned_on| PersonRecord {
        phone_assigned_on: assigned_on,
        ..record(NUMBER, "박둘", "19800229", None, true)
    };
    let moved = world.register(twin(Some(ago(&world, 1)))).await;
    assert_eq!(moved, Registered::NumberMoved { from: first });
    assert_ne!(world.recipient(NUMBER, "19800229").await.person, first);
    // The same person under a new name is known by a day that is not later.
    assert_eq!(world.register(twin(None)).await, Registered::Updated);
}

/// A line of an old list does not bring back a number that the person no longer has.
pub async fn an_old_number_does_not_come_back(world: World) {
    let with = |number: &str, days: i32| PersonRecord {
        phone_number: number.into(),
        phone_assigned_on: Some(ago(&world, days)),
        ..first_owner()
    };
    assert_eq!(world.register(with(NUMBER, 400)).await, Registered::Added);
    assert_eq!(world.register(with("01033334444", 30)).await, Registered::Updated);
    let since = ago(&world, 30);
    assert_eq!(world.register(with(NUMBER, 400)).await, Registered::NumberOutdated { since });
    assert_eq!(world.register(with(NUMBER, 10)).await, Registered::Updated);
}
