//! Signing in, sessions, attempts, and documents in a box.

use std::cmp::Reverse;
use std::collections::HashSet;

use futures_util::future::join_all;
use secrecy::SecretString;
use seoham_model::card::{Card, CardValues};
use seoham_model::{BinderId, ContractUuid, InstitutionId, PersonId, SeoulDay};
use seoham_store::accounts::{Authentication, Contract, Product};
use seoham_store::attempts::Tries;
use seoham_store::boxes::{OpenVerdict, Opener, Shelf};
use seoham_store::deliveries::Outcome;
use seoham_store::visits::{
    Attempt, BirthdayAttempt, LOCKED_SECONDS, LinkPurpose, LoginLink, NOTIFICATION_LINK_SECONDS, Secret,
};
use seoham_vault::{OneTimeToken, PinHash};

use crate::world::World;

async fn member(world: &World, phone_number: &str) -> PersonId {
    world.person(phone_number, true).await;
    world.recipient(phone_number, "19800229").await.person
}

/// A link signs its person in only once, and only while it is valid.
pub async fn links_let_in_once(world: World) {
    let person = member(&world, "01011112222").await;
    let now = world.now();
    let link = || OneTimeToken::generate().hash();
    let (once, late) = (link(), link());
    for token in [once, late] {
        let purpose = LinkPurpose::SignIn { document: None };
        let link = LoginLink {
            person,
            phone_number: "01011112222".into(),
            token,
            purpose,
            expires_at: now.plus(600),
        };
        assert!(world.store.add_login_link(link).await.expect("remembers"));
    }
    let tries = join_all((0..20).map(|_| world.store.use_login_link(once, now))).await;
    let let_in =
        tries.into_iter().filter(|used| matches!(used, Ok(Some((found, None))) if *found == person)).count();
    assert_eq!(let_in, 1);
    assert_eq!(world.store.use_login_link(late, now.plus(600)).await.expect("answers"), None);
    assert_eq!(world.store.use_login_link(link(), now).await.expect("answers"), None);

    let recipient = world.recipient("01011112222", "19800229").await;
    let documents = world.send(world.city, &recipient, 2).await;
    let claims = world.claim(10).await;
    let link_of = |document| {
        claims.iter().find(|claim| claim.document == document).map(|claim| claim.link_token.clone())
    };
    let token = link_of(documents[0]).expect("claimed");
    let used = world.store.use_notification_link(&token, now).await.expect("answers");
    assert_eq!(used, Some((person, documents[0])));
    assert_eq!(world.store.use_notification_link(&token, now).await.expect("answers"), None, "once");
    let other = link_of(documents[1]).expect("claimed");
    let late = world.now().plus(NOTIFICATION_LINK_SECONDS);
    assert_eq!(world.store.use_notification_link(&other, late).await.expect("answers"), None);
    let forged = SecretString::from("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(world.store.use_notification_link(&forged, now).await.expect("answers"), None);
    assert_eq!(world.store.notified(&forged, now).await.expect("answers"), None);
}

/// The link of a notification refers to its document, used or not, as long as the document can be opened. A new link
/// leads to the same document.
pub async fn a_link_leads_to_its_document_until_the_deadline(world: World) {
    let person = member(&world, "01011112222").await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let now = world.now();
    let deadline = now.plus(30 * 86_400);
    let document = world.send_until(world.city, &recipient, 1, deadline).await[0];
    let claims = world.claim(10).await;
    let token = claims[0].link_token.clone();
    let about = async |at| world.store.notified(&token, at).await.expect("answers");
    assert_eq!(about(now).await, Some((person, document)), "before it is in the box");
    world.finish(&claims, Outcome::Taken).await;
    world.store.use_notification_link(&token, now).await.expect("answers").expect("the first use");
    assert_eq!(about(now).await, Some((person, document)));
    assert_eq!(about(deadline.plus(-1)).await, Some((person, document)));
    assert_eq!(about(deadline).await, None);

    let fresh = OneTimeToken::generate().hash();
    let purpose = LinkPurpose::SignIn { document: Some(document) };
    let link = LoginLink {
        person,
        phone_number: "01011112222".into(),
        token: fresh,
        purpose,
        expires_at: now.plus(600),
    };
    assert!(world.store.add_login_link(link).await.expect("remembers"));
    assert_eq!(world.store.new_pin_link(fresh, now).await.expect("answers"), None, "it sets no PIN");
    let used = world.store.use_login_link(fresh, now).await.expect("answers");
    assert_eq!(used, Some((person, Some(document))));
}

/// A link and the birthday set a new PIN, once. This ends every session and the locks of both.
pub async fn a_pin_is_renewed(world: World) {
    let person = member(&world, "01011112222").await;
    let now = world.now();
    assert!(
        world.store.change_secret(person, Secret::Pin, None, PinHash("old".to_owned())).await.expect("sets")
    );
    for _ in 0..5 {
        world.store.begin_attempt(person, Secret::Pin, now).await.expect("answers");
    }
    let session = OneTimeToken::generate().hash();
    assert!(world.store.start_session(person, session, now, now.plus(600)).await.expect("starts"));
    let phone = world.store.phone_number(person).await.expect("answers").expect("there");
    assert_eq!(secrecy::ExposeSecret::expose_secret(&phone), "01011112222");

    let add = async || {
        let token = OneTimeToken::generate().hash();
        let link = LoginLink {
            person,
            phone_number: "01011112222".into(),
            token,
            purpose: LinkPurpose::NewPin,
            expires_at: now.plus(600),
        };
        assert!(world.store.add_login_link(link).await.expect("remembers"));
        token
    };
    let (token, late) = (add().await, add().await);
    let asked = OneTimeToken::generate().hash();
    let purpose = LinkPurpose::SignIn { document: None };
    let link = LoginLink {
        person,
        phone_number: "01011112222".into(),
        token: asked,
        purpose,
        expires_at: now.plus(600),
    };
    assert!(world.store.add_login_link(link).await.expect("remembers"));
    assert_eq!(world.store.use_login_link(token, now).await.expect("answers"), None, "it signs nobody in");
    assert_eq!(world.store.new_pin_link(token, now).await.expect("answers"), Some(person));
    assert_eq!(world.store.new_pin_link(token, now.plus(600)).await.expect("answers"), None);
    let try_birthday = async |birthday: &str, at| {
        world.store.try_birthday(person, &SecretString::from(birthday), at).await.expect("answers")
    };
    assert_eq!(try_birthday("19990101", now).await, BirthdayAttempt::Wrong { left: 4 });
    assert_eq!(try_birthday("19800229", now).await, BirthdayAttempt::Right);
    assert_eq!(try_birthday("19990101", now).await, BirthdayAttempt::Wrong { left: 4 }, "counted anew");

    let renew =
        async |token, at| world.store.renew_pin(token, PinHash("new".to_owned()), at).await.expect("answers");
    assert!(!renew(late, now.plus(600)).await, "its time is over");
    let renewed = join_all((0..8).map(|_| renew(token, now))).await;
    assert_eq!(renewed.into_iter().filter(|renewed| *renewed).count(), 1);
    assert!(world.store.session(session, now).await.expect("answers").is_none(), "all sessions end");
    let attempt = world.store.begin_attempt(person, Secret::Pin, now).await.expect("answers");
    assert!(matches!(attempt, Attempt::Allowed { hash, left: 4 } if hash.0 == "new"));
    assert_eq!(world.store.new_pin_link(token, now).await.expect("answers"), None, "used");
    // Earlier links stop working too.
    assert_eq!(world.store.new_pin_link(late, now).await.expect("answers"), None);
    assert_eq!(world.store.use_login_link(asked, now).await.expect("answers"), None);
}

/// Wrong birthdays lock like wrong PINs, even concurrent ones, and lock nothing else.
pub async fn wrong_birthdays_lock(world: World) {
    let person = member(&world, "01011112222").await;
    assert!(
        world.store.change_secret(person, Secret::Pin, None, PinHash("hash".to_owned())).await.expect("sets")
    );
    let now = world.now();
    let (wrong, right) = (SecretString::from("19990101"), SecretString::from("19800229"));
    let tried = join_all((0..20).map(|_| world.store.try_birthday(person, &wrong, now))).await;
    let count =
        |what: fn(&BirthdayAttempt) -> bool| tried.iter().flatten().filter(|tried| what(tried)).count();
    assert_eq!(count(|tried| matches!(tried, BirthdayAttempt::Wrong { .. })), 5);
    assert_eq!(count(|tried| matches!(tried, BirthdayAttempt::Locked { .. })), 15);
    let until = now.plus(LOCKED_SECONDS);
    let locked = world.store.try_birthday(person, &right, until.plus(-1)).await.expect("answers");
    assert_eq!(locked, BirthdayAttempt::Locked { until }, "the right one too");
    let pin = world.store.begin_attempt(person, Secret::Pin, now).await.expect("answers");
    assert!(matches!(pin, Attempt::Allowed { left: 4, .. }));
    world.store.unlock(person, false).await.expect("unlocks");
    let again = world.store.try_birthday(person, &right, now).await.expect("answers");
    assert_eq!(again, BirthdayAttempt::Right);
}

/// A secret is replaced only if it is still the one that was proved: a secret set meanwhile stays.
pub async fn a_secret_is_changed_in_the_place_of_the_proved_one(world: World) {
    let person = member(&world, "01011112222").await;
    let now = world.now();
    let hash = |text: &str| PinHash(text.to_owned());
    for secret in [Secret::Pin, Secret::Certificate] {
        let change = async |before: Option<&str>, after: &str| {
            world.store.change_secret(person, secret, before.map(hash), hash(after)).await.expect("answers")
        };
        let session = OneTimeToken::generate().hash();
        assert!(change(None, "first").await);
        assert!(!change(None, "second").await, "there is one");
        assert!(world.store.start_session(person, session, now, now.plus(600)).await.expect("starts"));
        assert!(!change(Some("other"), "second").await, "it is another one by now");
        assert!(world.store.session(session, now).await.expect("answers").is_some());
        let changed = join_all((0..8).map(|_| change(Some("first"), "second"))).await;
        assert_eq!(changed.into_iter().filter(|changed| *changed).count(), 1);
        let goes_on = world.store.session(session, now).await.expect("answers").is_some();
        assert_eq!(goes_on, secret == Secret::Certificate);
        let attempt = world.store.begin_attempt(person, secret, now).await.expect("answers");
        assert!(matches!(attempt, Attempt::Allowed { hash, .. } if hash.0 == "second"));
    }
}

/// An operator can lift locks, and can force a new PIN without choosing it.
pub async fn an_operator_unlocks(world: World) {
    let person = member(&world, "01011112222").await;
    let now = world.now();
    for secret in [Secret::Pin, Secret::Certificate] {
        assert!(
            world.store.change_secret(person, secret, None, PinHash("hash".to_owned())).await.expect("sets")
        );
        for _ in 0..5 {
            world.store.begin_attempt(person, secret, now).await.expect("answers");
        }
    }
    let session = OneTimeToken::generate().hash();
    assert!(world.store.start_session(person, session, now, now.plus(600)).await.expect("starts"));
    let attempt = async |secret| world.store.begin_attempt(person, secret, now).await.expect("answers");
    assert!(matches!(attempt(Secret::Pin).await, Attempt::Locked { .. }));
    world.store.unlock(person, false).await.expect("unlocks");
    for secret in [Secret::Pin, Secret::Certificate] {
        assert!(matches!(attempt(secret).await, Attempt::Allowed { left: 4, .. }), "{secret:?}");
    }
    assert!(world.store.session(session, now).await.expect("answers").is_some());
    world.store.unlock(person, true).await.expect("forgets");
    assert!(matches!(attempt(Secret::Pin).await, Attempt::NotSet));
    assert!(matches!(attempt(Secret::Certificate).await, Attempt::Allowed { .. }), "it is not the PIN");
    assert!(world.store.session(session, now).await.expect("answers").is_none());
    let first = world.store.set_first_pin(person, PinHash("x".to_owned())).await.expect("answers");
    assert!(!first, "a member needs the link and the birthday");
}

/// The text that a person accepted is stored verbatim, once, with the time.
pub async fn agreements_are_kept(world: World) {
    let (person, other) = (member(&world, "01011112222").await, member(&world, "01033334444").await);
    let now = world.now();
    let agree = async |person, texts: &[&str], at| {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        world.store.agreed(person, texts, at).await.expect("keeps");
    };
    agree(person, &["약관 1판"], now).await;
    agree(person, &["약관 1판", "약관 2판"], now.plus(10)).await;
    agree(other, &["약관 2판"], now.plus(20)).await;
    let kept = async |person| {
        let kept = world.store.agreements(person).await.expect("answers");
        kept.into_iter().map(|a| (a.text, a.agreed_at)).collect::<Vec<_>>()
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(kept(person).await, [(text("약관 1판"), now), (text("약관 2판"), now.plus(10))]);
    assert_eq!(kept(other).await, [(text("약관 2판"), now.plus(20))]);
}

/// A session belongs to one person until it expires or the person ends it.
pub async fn sessions_end(world: World) {
    let person = member(&world, "01011112222").await;
    world.person("01033334444", false).await;
    let outsider = world.recipient("01033334444", "19800229").await.person;
    let now = world.now();
    let hashes: Vec<_> = (0..4).map(|_| OneTimeToken::generate().hash()).collect();
    for hash in &hashes[..3] {
        assert!(world.store.start_session(person, *hash, now, now.plus(600)).await.expect("starts"));
    }
    assert!(world.store.start_session(outsider, hashes[3], now, now.plus(600)).await.expect("starts"));
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

/// After five attempts, even concurrent ones, the person is locked for fifteen minutes.
pub async fn five_wrong_attempts_lock(world: World) {
    let person = member(&world, "01011112222").await;
    let now = world.now();
    let begin = |at| world.store.begin_attempt(person, Secret::Pin, at);
    assert!(matches!(begin(now).await.expect("answers"), Attempt::NotSet));
    assert!(
        world.store.change_secret(person, Secret::Pin, None, PinHash("hash".to_owned())).await.expect("sets")
    );
    let attempts = join_all((0..20).map(|_| begin(now))).await;
    let allowed = attempts.iter().filter(|a| matches!(a, Ok(Attempt::Allowed { .. }))).count();
    let locked = attempts.iter().filter(|a| matches!(a, Ok(Attempt::Locked { .. }))).count();
    assert_eq!((allowed, locked), (5, 15));
    let over = now.plus(LOCKED_SECONDS);
    assert!(
        matches!(begin(over.plus(-1)).await.expect("answers"), Attempt::Locked { until } if until == over)
    );
    for left in [4, 3] {
        let Attempt::Allowed { hash, left: reported } = begin(over).await.expect("answers") else {
            panic!("the lock is over");
        };
        assert_eq!((hash.0.as_str(), reported), ("hash", left));
    }
    world.store.attempt_succeeded(person, Secret::Pin).await.expect("notes");
    assert!(matches!(begin(over).await.expect("answers"), Attempt::Allowed { left: 4, .. }));
    let first = world.store.set_first_pin(person, PinHash("late".to_owned())).await;
    assert!(!first.expect("answers"), "a member's PIN is not set without knowing it");
    let certificate = world.store.begin_attempt(person, Secret::Certificate, over).await;
    assert!(matches!(certificate.expect("answers"), Attempt::NotSet));
    assert!(
        world
            .store
            .change_secret(person, Secret::Certificate, None, PinHash("other".to_owned()))
            .await
            .expect("sets")
    );
    let certificate = world.store.begin_attempt(person, Secret::Certificate, over).await;
    assert!(matches!(certificate.expect("answers"), Attempt::Allowed { hash, .. } if hash.0 == "other"));
    world.store.attempt_succeeded(person, Secret::Certificate).await.expect("notes");
    let pin = begin(over).await.expect("answers");
    assert!(matches!(pin, Attempt::Allowed { left: 3, .. }), "one kind does not undo the other's count");
}

/// A step on one of two secrets.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(Secret),
    Succeed(Secret),
}

/// Each secret has its own lock: whatever happens to one, in any order, does not affect the attempts and the lock of
/// the other.
pub async fn each_secret_has_its_own_lock(world: World) {
    use Secret::{Certificate, Pin};
    let person = member(&world, "01011112222").await;
    for kind in [Pin, Certificate] {
        assert!(
            world.store.change_secret(person, kind, None, PinHash("hash".to_owned())).await.expect("sets")
        );
    }
    let now = world.now();
    let steps = [Step::Begin(Pin), Step::Begin(Certificate), Step::Succeed(Pin), Step::Succeed(Certificate)];
    for a in steps {
        for b in steps {
            for c in steps {
                // Each is one attempt away from its lock when the steps start to mix.
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
                                (Err(until), Attempt::Locked { until: reported }) => {
                                    assert_eq!(until, reported);
                                }
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

/// At most three links in ten minutes and ten a day are sent to a number, even for concurrent requests, whether it is
/// known or not.
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
    // Of two documents in the same millisecond, either may be newer.
    assert!(all.is_sorted_by_key(|id| Reverse(id.unix_millis())), "newest first: {all:?}");
    assert_eq!(all.iter().copied().collect::<HashSet<_>>(), sent.iter().copied().chain([short]).collect());
    assert_eq!(all.len(), 6, "none of them twice");
    assert!(shelf(other, Shelf::Unread, None, now).await.is_empty());
    assert_eq!(shelf(person, Shelf::Expired, None, now.plus(60)).await, [short]);
    let unread = async |person, limit, at| world.store.unread(person, limit, at).await.expect("answers");
    assert_eq!((unread(person, 100, now).await, unread(person, 4, now).await), (6, 4));
    assert_eq!((unread(person, 100, now.plus(60)).await, unread(other, 100, now).await), (5, 0));

    let id = sent[0];
    let token = world.open(id).await;
    world.store.verify_token(world.city.institution, id, token, now).await.expect("verifies");
    world.store.mark_read(world.city.institution, id, now).await.expect("reads");
    assert_eq!(shelf(person, Shelf::Read, None, now).await, [id]);

    let shown = world.store.box_document(person, id).await.expect("answers").expect("there");
    assert_eq!((shown.institution_name.as_str(), shown.content.title.as_str()), ("가상시청", "안내문"));
    assert!(!shown.refused && shown.times.read_at.is_some());
    assert!(world.store.box_document(other, id).await.expect("answers").is_none());
    world.store.set_refusal(person, world.city.institution, true, world.now()).await.expect("refuses");
    assert!(world.store.box_document(person, id).await.expect("answers").expect("stays").refused);
    let refused = world.store.refused_institutions(person).await.expect("lists");
    assert_eq!(refused.iter().map(|i| i.id).collect::<Vec<_>>(), [world.city.institution]);

    let open = |opener| world.store.open(opener, sent[1], OneTimeToken::generate().hash(), now);
    assert_eq!(open(Opener::Recipient(other)).await.expect("answers"), OpenVerdict::Unknown);
    let opened = open(Opener::Recipient(person)).await.expect("answers");
    assert!(matches!(opened, OpenVerdict::Opened { .. }));
}

/// The few documents of a person are found among thousands of others, however the index stores them by then.
pub async fn a_box_is_found_among_thousands(world: World) {
    let (person, many) = (member(&world, "01011112222").await, member(&world, "01033334444").await);
    let mine = world.recipient("01011112222", "19800229").await;
    let theirs = world.recipient("01033334444", "19800229").await;
    let (mut sent, mut last) = (Vec::new(), Vec::new());
    let shelf = async |person| {
        let found = world.store.shelf(person, Shelf::Unread, None, 5, world.now()).await.expect("answers");
        found.into_iter().map(|document| document.id).collect::<Vec<_>>()
    };
    for round in 0..90 {
        if round % 30 == 0 {
            sent.extend(world.send(world.bank, &mine, 1).await);
        }
        last = world.send(world.city, &theirs, 100).await;
        if round % 10 == 9 {
            let found: HashSet<BinderId> = shelf(person).await.into_iter().collect();
            assert_eq!(found, sent.iter().copied().collect());
        }
    }
    world.store.tidy(None, world.now()).await.expect("tidies");
    assert_eq!(shelf(person).await.len(), sent.len());
    let newest: HashSet<BinderId> = shelf(many).await.into_iter().collect();
    assert!(newest.len() == 5 && newest.iter().all(|id| last.contains(id)), "the newest first");
    assert_eq!(world.store.unread(many, 100, world.now()).await.expect("answers"), 100);
}

/// A document's card shows the members that the operator chose, and its sender's mark is available.
pub async fn a_card_shows_what_the_operator_named(world: World) {
    let person = member(&world, "01011112222").await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let mut documents = world.documents(&recipient, 1, world.now().plus(86_400));
    documents[0].own.payload = Some(r#"{"amt":184500,"until":"2026-11-30"}"#.to_owned());
    documents[0].hash = Some("ab".repeat(32));
    let id = world.accept(world.city, documents).await[0];
    world.deliver_all().await;
    let shown = async || world.store.box_document(person, id).await.expect("answers").expect("there");
    let before = shown().await;
    assert_eq!((before.shown, before.has_mark), (CardValues::default(), false));
    assert_eq!(before.hash, Some("ab".repeat(32)));

    let card = Card { amount: Some("amt".to_owned()), due: Some("until".to_owned()) };
    let set = async |contract, card| world.store.set_card(contract, card).await.expect("answers");
    assert!(set(world.city.contract, Some(card.clone())).await);
    assert!(!set(ContractUuid::generate(&world.clock), Some(card.clone())).await);
    let kept = world.store.institution(world.city.institution, SeoulDay::of(world.now())).await;
    assert_eq!(kept.expect("answers").expect("there").contracts[0].card, Some(card));
    let named = shown().await.shown;
    assert_eq!((named.amount_won, named.due.map(SeoulDay::as_yyyymmdd)), (Some(184_500), Some(20_261_130)));
    assert!(set(world.city.contract, None).await);
    assert_eq!(shown().await.shown, CardValues::default());

    let mark = |picture| world.store.set_mark(world.city.institution, picture);
    assert!(mark(Some(vec![1, 2, 3])).await.expect("sets") && mark(Some(vec![4])).await.expect("sets"));
    assert!(shown().await.has_mark);
    assert_eq!(world.store.mark(world.city.institution).await.expect("answers"), Some(vec![4]));
    assert_eq!(world.store.mark(world.bank.institution).await.expect("answers"), None);
    assert!(mark(None).await.expect("takes it away"));
    assert!(!shown().await.has_mark);
    let unknown = world.store.set_mark(InstitutionId::generate(&world.clock), Some(vec![1])).await;
    assert!(!unknown.expect("answers"));
}

/// Under a contract without authentication, a document can be opened and read, and no authentication time is recorded
/// (SPEC 14).
pub async fn without_authentication_no_time_of_it(world: World) {
    let person = member(&world, "01011112222").await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let uuid = ContractUuid::generate(&world.clock);
    let terms = Contract::new(uuid, Product { authentication: Authentication::None, ..Product::default() });
    let institution = world.city.institution;
    assert!(world.store.create_contract(institution, terms).await.expect("creates"));
    let sender = crate::world::Sender { institution, contract: uuid };
    let id = world.send(sender, &recipient, 1).await[0];
    world.deliver_all().await;
    let now = world.now();
    let shown = world.store.box_document(person, id).await.expect("answers").expect("there");
    assert_eq!(shown.authentication, Authentication::None);
    let token = OneTimeToken::generate().hash();
    let opened = world.store.open(Opener::Recipient(person), id, token, now).await.expect("answers");
    assert!(matches!(opened, OpenVerdict::Opened { .. }));
    world.store.verify_token(institution, id, token, now).await.expect("verifies");
    world.store.mark_read(institution, id, now).await.expect("reads");
    let times = world.status(sender, id).await.expect("there").times;
    assert_eq!((times.authenticated_at, times.token_used_at, times.read_at), (None, Some(now), Some(now)));
}
