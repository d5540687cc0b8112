//! Registering, identifying, refusing.

use seoham_model::document::Receiver;
use seoham_model::person::{EmailChange, PersonRecord};
use seoham_model::{InstitutionId, SeoulDay};
use seoham_store::deliveries::Outcome;
use seoham_store::people::{Identified, Registered, Registration};
use seoham_store::visits::Attempt;
use seoham_store::visits::Secret;
use seoham_store::{Lane, personas};
use seoham_vault::PinHash;

use crate::world::{World, by_ci, by_phone, record};

fn found(identified: &Identified) -> bool {
    matches!(identified, Identified::Found(_))
}

/// Phone number and birthday must both match. A ci alone is enough. The name is compared only if requested.
pub async fn receivers_are_identified(world: World) {
    let person = record("01011112222", "홍길동", "19800229", Some("CI-가나다"), true);
    assert_eq!(world.register(person).await, Registered::Added);
    assert!(found(&world.identify(by_phone("01011112222", "19800229")).await));
    assert!(found(&world.identify(by_ci("CI-가나다")).await));
    for stranger in [
        by_phone("01011112222", "19800228"),
        by_phone("01011112223", "19800229"),
        by_ci("CI-가나"),
        by_ci("01011112222"),
    ] {
        assert!(matches!(world.identify(stranger).await, Identified::NotFound));
    }
    let named = |name: &str, receiver: Receiver| Receiver { verify_name: Some(name.into()), ..receiver };
    let by_number = || by_phone("01011112222", "19800229");
    assert!(found(&world.identify(named("홍길동", by_number())).await));
    assert!(found(&world.identify(named(" \u{1112}\u{1169}\u{11bc}길동", by_ci("CI-가나다"))).await));
    assert!(matches!(world.identify(named("홍길순", by_number())).await, Identified::NotFound));
    assert!(matches!(world.identify(named("홍길순", by_ci("CI-가나다"))).await, Identified::NotFound));

    let many = vec![by_ci("CI-x"), by_number(), by_ci("CI-y"), by_ci("CI-가나다")];
    let verdicts = world.store.identify(Lane::Interactive, world.city.institution, many).await;
    let verdicts: Vec<bool> = verdicts.expect("answers").iter().map(found).collect();
    assert_eq!(verdicts, [false, true, false, true], "in order");
}

/// A refusal applies to one person and one institution, until it is revoked.
pub async fn refusals_hold_for_one_institution(world: World) {
    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await.person;
    let number = "01011112222".into();
    assert_eq!(world.store.person_by_phone(&number).await.expect("answers"), Some(person));
    let verdict = |institution| identify_for(&world, institution, by_phone("01011112222", "19800229"));
    let (city, bank) = (world.city.institution, world.bank.institution);
    world.store.set_refusal(person, city, true, world.now()).await.expect("refuses");
    assert!(matches!(verdict(city).await, Identified::Refused));
    assert!(found(&verdict(bank).await));
    world.store.set_refusal(person, city, false, world.now()).await.expect("accepts");
    assert!(found(&verdict(city).await));
}

/// A refusal applies however the person is found, also among others and more than once in a request.
pub async fn who_refuses_is_found_in_no_way(world: World) {
    world.register(record("01011112222", "김하나", "19800229", Some("CI-1"), true)).await;
    world.register(record("01033334444", "박둘", "19910101", Some("CI-2"), true)).await;
    let refuser = world.recipient("01011112222", "19800229").await.person;
    world.store.set_refusal(refuser, world.city.institution, true, world.now()).await.expect("refuses");
    let number = || by_phone("01011112222", "19800229");
    let asked = vec![number(), by_ci("CI-2"), by_ci("CI-1"), number(), by_phone("01033334444", "19910101")];
    let verdicts = world.store.identify(Lane::Bulk, world.city.institution, asked).await.expect("answers");
    let refused: Vec<bool> = verdicts.iter().map(|v| matches!(v, Identified::Refused)).collect();
    assert_eq!(refused, [true, false, true, true, false]);
    assert!(found(&verdicts[1]) && found(&verdicts[4]));
}

async fn identify_for(world: &World, institution: InstitutionId, receiver: Receiver) -> Identified {
    world.store.identify(Lane::Bulk, institution, vec![receiver]).await.expect("answers").remove(0)
}

/// An update changes the given values and keeps the others.
pub async fn updates_keep_what_is_not_given(world: World) {
    world.register(record("01011112222", "김하나", "19800229", Some("CI-1"), true)).await;
    let before = world.recipient("01011112222", "19800229").await.person;
    let renamed = record("01011112222", "김둘", "19800229", None, true);
    assert_eq!(world.register(renamed).await, Registered::Updated);
    assert!(found(&world.identify(by_ci("CI-1")).await), "the ci stays");
    let new_number = record("01099998888", "김둘", "19800301", Some("CI-1"), true);
    assert_eq!(world.register(new_number).await, Registered::Updated);
    assert!(matches!(world.identify(by_phone("01011112222", "19800229")).await, Identified::NotFound));
    assert_eq!(world.recipient("01099998888", "19800301").await.person, before, "the same person");
}

/// An e-mail address stays until another is given or it is removed, and comes with what is to be told.
pub async fn an_email_address_stays_until_it_changes(world: World) {
    use EmailChange::{Keep, Remove, Set};
    let address = |email: &str| Set(email.to_owned().into());
    let known = async |number: &str, email: EmailChange| {
        let person = record(number, "김하나", "19800229", Some("CI-1"), true);
        world.register(PersonRecord { email, ..person }).await;
        let recipient = world.recipient(number, "19800229").await;
        world.send(world.city, &recipient, 1).await;
        let claims = world.claim(10).await;
        world.finish(&claims, Outcome::Taken).await;
        let addresses = &claims[0].addresses;
        assert_eq!(addresses.number(), number);
        addresses.email().to_owned()
    };
    assert_eq!(known("01011112222", Keep).await, "");
    assert_eq!(known("01011112222", address("hana@example.kr")).await, "hana@example.kr");
    assert_eq!(known("01011112222", Keep).await, "hana@example.kr");
    assert_eq!(known("01033334444", Keep).await, "hana@example.kr", "with another number too");
    assert_eq!(known("01033334444", address("kim@example.kr")).await, "kim@example.kr");
    assert_eq!(known("01033334444", Remove).await, "");
    assert_eq!(known("01033334444", Keep).await, "");
}

/// People of one request are registered in order: each sees the effects of the earlier ones.
pub async fn people_of_one_request_come_in_order(world: World) {
    use Registered::{Added, NumberTaken, Updated};
    let taken = NumberTaken { since: SeoulDay::of(world.now()) };
    let (first, second, third) = ("01011112222", "01033334444", "01055556666");
    let request = vec![
        record(first, "김하나", "19800229", Some("CI-1"), false),
        // The same person again, now a member and with another number.
        record(first, "김하나", "19800229", None, true),
        record(second, "김하나", "19800229", Some("CI-1"), true),
        // Her old number is free, her new one is not.
        record(first, "박둘", "19910101", None, true),
        record(second, "박둘", "19910101", Some("CI-2"), true),
        record(third, "이셋", "20000101", Some("CI-3"), true),
    ];
    let verdicts = world.register_all(request).await;
    assert_eq!(verdicts, [Added, Updated, Updated, Added, taken, Added]);
    let one = world.recipient(second, "19800229").await;
    assert!(one.member && world.recipient(first, "19910101").await.member);
    assert!(matches!(world.identify(by_phone(first, "19800229")).await, Identified::NotFound));

    // Existing people swap numbers in a circle.
    let request = vec![
        record("01077778888", "김하나", "19800229", Some("CI-1"), true),
        record(second, "이셋", "20000101", Some("CI-3"), true),
        record(third, "김하나", "19800229", Some("CI-1"), true),
    ];
    let verdicts = world.register_all(request).await;
    assert_eq!(verdicts, [Updated, Updated, Updated]);
    assert_eq!(world.recipient(third, "19800229").await.person, one.person);
    assert!(found(&world.identify(by_phone(second, "20000101")).await));
    assert!(matches!(world.identify(by_phone("01077778888", "19800229")).await, Identified::NotFound));
}

/// Several people who become members in one request each receive their own waiting documents, and no others.
pub async fn those_who_become_members_together_receive(world: World) {
    let numbers = ["01011112222", "01033334444", "01055556666", "01077778888"];
    let mut waiting = Vec::new();
    for number in numbers {
        world.person(number, false).await;
        let recipient = world.recipient(number, "19800229").await;
        waiting.push(world.send(world.city, &recipient, 3).await);
    }
    let people =
        numbers.iter().enumerate().map(|(i, number)| record(number, "김하나", "19800229", None, i != 2));
    assert_eq!(world.register_all(people.collect()).await, [Registered::Updated; 4]);
    for (i, ids) in waiting.iter().enumerate() {
        for id in ids {
            let status = world.status(world.city, *id).await.expect("there");
            assert_eq!(status.times.received_at.is_some(), i != 2, "{}", numbers[i]);
        }
    }
}

/// Every person has their own PIN, and keeps it if a request gives none.
pub async fn pins_of_one_request_stay_apart(world: World) {
    let (first, second, third) = ("01011112222", "01033334444", "01055556666");
    let registration = |number, pin: Option<&str>| Registration {
        person: record(number, "김하나", "19800229", None, true),
        pin: pin.map(|pin| PinHash(pin.to_owned())),
    };
    let register = async |people| world.store.register(people, world.now()).await.expect("registers");
    register(vec![
        registration(first, Some("one")),
        registration(second, None),
        registration(third, Some("three")),
    ])
    .await;
    register(vec![
        registration(first, None),
        registration(second, Some("two")),
        registration(third, Some("new")),
    ])
    .await;
    for (number, pin) in [(first, "one"), (second, "two"), (third, "new")] {
        let person = world.recipient(number, "19800229").await.person;
        let attempt = world.store.begin_attempt(person, Secret::Pin, world.now()).await;
        assert!(
            matches!(attempt.expect("answers"), Attempt::Allowed { hash, .. } if hash.0 == pin),
            "{number}"
        );
    }
}

/// An import grants membership and never removes it.
pub async fn membership_is_never_taken_away(world: World) {
    world.person("01011112222", true).await;
    assert_eq!(world.person("01011112222", false).await, Registered::Updated);
    let recipient = world.recipient("01011112222", "19800229").await;
    let id = world.send(world.city, &recipient, 1).await[0];
    world.deliver_all().await;
    let status = world.status(world.city, id).await.expect("there");
    assert!(status.times.received_at.is_some());
}

/// The people of SPEC 12 exist from the start.
pub async fn personas_are_there(world: World) {
    let identify = |number| world.identify(by_phone(number, personas::BIRTHDAY));
    assert!(found(&identify(personas::MEMBER).await));
    assert!(matches!(identify(personas::REFUSES).await, Identified::Refused));
    assert!(found(&identify(personas::NOT_A_MEMBER).await));
    assert!(matches!(identify(personas::BREAKS).await, Identified::Breaks));
    assert!(world.recipient(personas::MEMBER, personas::BIRTHDAY).await.member);
    assert!(!world.recipient(personas::NOT_A_MEMBER, personas::BIRTHDAY).await.member);
    for troubled in
        [personas::THROTTLES, personas::UNAVAILABLE, personas::LOSES_THE_ANSWER, personas::ANSWERS_SLOWLY]
    {
        assert!(found(&identify(troubled).await), "{troubled}");
    }
    assert!(matches!(identify("01000000012").await, Identified::NotFound));
    for ci in ["SANDBOX-CI-5", "SANDBOX-CI-10"] {
        assert!(found(&world.identify(by_ci(ci)).await), "{ci}");
    }
    let refuser = personas::REFUSES.into();
    let person = world.store.person_by_phone(&refuser).await.expect("answers").expect("known");
    world.store.set_refusal(person, world.city.institution, false, world.now()).await.expect("accepts");
    assert!(found(&identify(personas::REFUSES).await), "accepted by name");
}
