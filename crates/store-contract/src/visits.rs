//! Signing in, sessions, attempts, and what lies in a box.

use std::cmp::Reverse;
use std::collections::HashSet;

use futures_util::future::join_all;
use secrecy::SecretString;
use seoham_model::{BinderId, PersonId};
use seoham_store::accounts::Authentication;
use seoham_store::attempts::Tries;
use seoham_store::boxes::{OpenVerdict, Opener, Shelf};
use seoham_store::visits::{Attempt, LOCKED_SECONDS, NOTIFICATION_LINK_SECONDS};
use seoham_vault::{OneTimeToken, PinHash};

use crate::world::World;

async fn member(world: &World, phone_number: &str) -> PersonId {
    world.person(phone_number, true).await;
    world.recipient(phone_number, "19800229").await.person
}

/// A link lets its person in once, and only in its time.
pub async fn links_let_in_once(world: World) {
    let person = member(&world, "01011112222").await;
    let now = world.now();
    let link = || OneTimeToken::generate().hash();
    let (once, late) = (link(), link());
    world.store.add_login_link(person, once, now.plus(600)).await.expect("remembers");
    world.store.add_login_link(person, late, now.plus(600)).await.expect("remembers");
    let tries = join_all((0..20).map(|_| world.store.use_login_link(once, now))).await;
    let let_in = tries.into_iter().filter(|used| matches!(used, Ok(Some(found)) if *found == person)).count();
    assert_eq!(let_in, 1);
    assert_eq!(world.store.use_login_link(late, now.plus(600)).await.expect("answers"), None);
    assert_eq!(world.store.use_login_link(link(), now).await.expect("answers"), None);

    let recipient = world.recipient("01011112222", "19800229").await;
    let documents = world.send(world.city, &recipient, 2).await;
    let token = world.store.notification_link(documents[0]);
    let used = world.store.use_notification_link(&token, now).await.expect("answers");
    assert_eq!(used, Some((person, documents[0])));
    assert_eq!(world.store.use_notification_link(&token, now).await.expect("answers"), None, "once");
    let other = world.store.notification_link(documents[1]);
    let late = world.now().plus(NOTIFICATION_LINK_SECONDS);
    assert_eq!(world.store.use_notification_link(&other, late).await.expect("answers"), None);
    let forged = SecretString::from("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(world.store.use_notification_link(&forged, now).await.expect("answers"), None);
}

/// A session is one person's until it ends, by its time or by their wish.
pub async fn sessions_end(world: World) {
    let person = member(&world, "01011112222").await;
    world.person("01033334444", false).await;
    let outsider = world.recipient("01033334444", "19800229").await.person;
    let now = world.now();
    let hashes: Vec<_> = (0..4).map(|_| OneTimeToken::generate().hash()).collect();
    for hash in &hashes[..3] {
        world.store.start_session(person, *hash, now.plus(600)).await.expect("starts");
    }
    world.store.start_session(outsider, hashes[3], now.plus(600)).await.expect("starts");
    let visitor = async |i: usize, at| world.store.session(hashes[i], at).await.expect("answers");
    let first = visitor(0, now).await.expect("a session");
    assert_eq!((first.person, first.member), (person, true));
    assert!(!visitor(3, now).await.expect("a session").member);
    assert!(visitor(0, now.plus(600)).await.is_none());
    world.store.end_session(hashes[0]).await.expect("ends");
    assert!(visitor(0, now).await.is_none());
    assert!(visitor(1, now).await.is_some());
    world.store.end_sessions(person).await.expect("ends");
    assert!(visitor(1, now).await.is_none() && visitor(2, now).await.is_none());
    assert!(visitor(3, now).await.is_some(), "another's goes on");
}

/// Five attempts, however many at once, and then none for a quarter of an hour.
pub async fn five_wrong_attempts_lock(world: World) {
    let person = member(&world, "01011112222").await;
    let now = world.now();
    let begin = |at| world.store.begin_attempt(person, Authentication::Pin, at);
    assert!(matches!(begin(now).await.expect("answers"), Attempt::NotSet));
    world.store.set_secret(person, Authentication::Pin, PinHash("hash".to_owned())).await.expect("sets");
    let attempts = join_all((0..20).map(|_| begin(now))).await;
    let allowed = attempts.iter().filter(|a| matches!(a, Ok(Attempt::Allowed { .. }))).count();
    let locked = attempts.iter().filter(|a| matches!(a, Ok(Attempt::Locked { .. }))).count();
    assert_eq!((allowed, locked), (5, 15));
    let over = now.plus(LOCKED_SECONDS);
    assert!(
        matches!(begin(over.plus(-1)).await.expect("answers"), Attempt::Locked { until } if until == over)
    );
    for left in [4, 3] {
        let Attempt::Allowed { hash, left: told } = begin(over).await.expect("answers") else {
            panic!("the lock is over");
        };
        assert_eq!((hash.0.as_str(), told), ("hash", left));
    }
    world.store.attempt_succeeded(person, Authentication::Pin).await.expect("notes");
    assert!(matches!(begin(over).await.expect("answers"), Attempt::Allowed { left: 4, .. }));
    let first = world.store.set_first_pin(person, PinHash("late".to_owned())).await;
    assert!(!first.expect("answers"), "a member's PIN is not set without knowing it");
    let certificate = world.store.begin_attempt(person, Authentication::Certificate, over).await;
    assert!(matches!(certificate.expect("answers"), Attempt::NotSet));
    world
        .store
        .set_secret(person, Authentication::Certificate, PinHash("other".to_owned()))
        .await
        .expect("sets");
    let certificate = world.store.begin_attempt(person, Authentication::Certificate, over).await;
    assert!(matches!(certificate.expect("answers"), Attempt::Allowed { hash, .. } if hash.0 == "other"));
    world.store.attempt_succeeded(person, Authentication::Certificate).await.expect("notes");
    let pin = begin(over).await.expect("answers");
    assert!(matches!(pin, Attempt::Allowed { left: 3, .. }), "one kind does not undo the other's count");
}

/// What can happen to one of two secrets.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(Authentication),
    Succeed(Authentication),
}

/// Each secret has its own lock: whatever happens to the one, and in whatever order, the other's attempts and
/// its lock are what they would be alone.
pub async fn each_secret_has_its_own_lock(world: World) {
    use Authentication::{Certificate, Pin};
    let person = member(&world, "01011112222").await;
    for kind in [Pin, Certificate] {
        world.store.set_secret(person, kind, PinHash("hash".to_owned())).await.expect("sets");
    }
    let now = world.now();
    let steps = [Step::Begin(Pin), Step::Begin(Certificate), Step::Succeed(Pin), Step::Succeed(Certificate)];
    for a in steps {
        for b in steps {
            for c in steps {
                // Each is one attempt away from its lock when they begin to meet.
                let near = [Step::Succeed(Pin), Step::Succeed(Certificate)].into_iter();
                let near =
                    near.chain([Step::Begin(Pin), Step::Begin(Certificate)].into_iter().cycle().take(8));
                let mut alone = [Tries::default(); 2];
                for step in near.chain([a, b, c, Step::Begin(Pin), Step::Begin(Certificate)]) {
                    match step {
                        Step::Begin(kind) => {
                            let found = world.store.begin_attempt(person, kind, now).await.expect("answers");
                            let tries = &mut alone[usize::from(kind == Certificate)];
                            match (tries.begin(now), found) {
                                (Ok(after), Attempt::Allowed { left, .. }) => {
                                    assert_eq!(left, after.left(), "{a:?} {b:?} {c:?}: {kind:?}");
                                    *tries = after;
                                }
                                (Err(until), Attempt::Locked { until: told }) => assert_eq!(until, told),
                                (alone, _) => panic!("{a:?} {b:?} {c:?}: {kind:?} alone: {alone:?}"),
                            }
                        }
                        Step::Succeed(kind) => {
                            world.store.attempt_succeeded(person, kind).await.expect("notes");
                            alone[usize::from(kind == Certificate)] = Tries::succeeded();
                        }
                    }
                }
            }
        }
    }
}

/// A number is sent three links in ten minutes and ten a day, however many ask at once, known or not.
pub async fn links_are_asked_for_in_bounds(world: World) {
    let (number, other) = (SecretString::from("01011112222"), SecretString::from("01033334444"));
    let now = world.now();
    let asked = join_all((0..12).map(|_| world.store.ask_link(&number, now))).await;
    let sent = asked.iter().filter(|answer| matches!(answer, Ok(Ok(())))).count();
    assert_eq!(sent, 3);
    let ask = async |number: &SecretString, seconds| {
        world.store.ask_link(number, now.plus(seconds)).await.expect("answers")
    };
    assert_eq!(ask(&number, 1).await, Err(now.plus(600)), "and told when");
    assert_eq!(ask(&other, 1).await, Ok(()), "another number is another's");
    for seconds in [600, 601, 602, 1_200, 1_201, 1_202, 1_800] {
        assert_eq!(ask(&number, seconds).await, Ok(()), "{seconds}");
    }
    assert_eq!(ask(&number, 7_200).await, Err(now.plus(86_400)));
    assert_eq!(ask(&number, 86_400).await, Ok(()));
}

/// A box shows its owner's documents, each on its shelf, newest first, page by page.
pub async fn a_box_is_its_owners(world: World) {
    let (person, other) = (member(&world, "01011112222").await, member(&world, "01033334444").await);
    let mine = world.recipient("01011112222", "19800229").await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.extend(world.send(world.city, &mine, 1).await);
    }
    let short = world.send_until(world.bank, &mine, 1, world.now().plus(50)).await[0];
    world.deliver_all().await;
    let now = world.now();
    let shelf = async |person, shelf, before: Option<BinderId>, at| {
        let found = world.store.shelf(person, shelf, before, 3, at).await.expect("answers");
        found.into_iter().map(|d| d.id).collect::<Vec<_>>()
    };
    let first = shelf(person, Shelf::Unread, None, now).await;
    assert_eq!(first.len(), 3);
    let rest = shelf(person, Shelf::Unread, first.last().copied(), now).await;
    let all = [first, rest].concat();
    // Of two of the same millisecond either may be the newer.
    assert!(all.is_sorted_by_key(|id| Reverse(id.unix_millis())), "newest first: {all:?}");
    assert_eq!(all.iter().copied().collect::<HashSet<_>>(), sent.iter().copied().chain([short]).collect());
    assert_eq!(all.len(), 6, "none of them twice");
    assert!(shelf(other, Shelf::Unread, None, now).await.is_empty());
    assert_eq!(shelf(person, Shelf::Expired, None, now.plus(60)).await, [short]);

    let id = sent[0];
    let token = world.open(id).await;
    world.store.verify_token(world.city.institution, id, token, now).await.expect("verifies");
    world.store.mark_read(world.city.institution, id, now).await.expect("reads");
    assert_eq!(shelf(person, Shelf::Read, None, now).await, [id]);

    let shown = world.store.box_document(person, id).await.expect("answers").expect("there");
    assert_eq!((shown.institution_name.as_str(), shown.content.title.as_str()), ("가상시청", "안내문"));
    assert!(!shown.refused && shown.times.read_at.is_some());
    assert!(world.store.box_document(other, id).await.expect("answers").is_none());
    world.store.set_refusal(person, world.city.institution, true).await.expect("refuses");
    assert!(world.store.box_document(person, id).await.expect("answers").expect("stays").refused);
    let refused = world.store.refused_institutions(person).await.expect("lists");
    assert_eq!(refused.iter().map(|i| i.id).collect::<Vec<_>>(), [world.city.institution]);

    let open = |opener| world.store.open(opener, sent[1], OneTimeToken::generate().hash(), now);
    assert_eq!(open(Opener::Recipient(other)).await.expect("answers"), OpenVerdict::Unknown);
    let opened = open(Opener::Recipient(person)).await.expect("answers");
    assert!(matches!(opened, OpenVerdict::Opened { .. }));
}
