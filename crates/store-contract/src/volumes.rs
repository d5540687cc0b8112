//! Announced and actual volumes.

use seoham_model::forms::AnnouncedVolume;
use seoham_model::{InstitutionId, PlanId, SeoulDay};
use seoham_store::volumes::{PlanState, VolumePlan};

use crate::world::World;

fn plan(world: &World, institution: InstitutionId, documents_per_day: u64) -> VolumePlan {
    let today = SeoulDay::of(world.now());
    VolumePlan {
        id: PlanId::generate(&world.clock),
        institution,
        volume: AnnouncedVolume {
            name: "정기분 고지".to_owned(),
            from: today,
            to: today.next().next(),
            documents_per_day,
            expected_tps: 50,
            purpose: "자동차세 고지서".to_owned(),
        },
        announced_at: world.now(),
        state: PlanState::Announced,
        decided_at: None,
    }
}

/// A plan belongs to its institution, and the operator's last decision counts.
pub async fn plans_are_announced_and_decided(world: World) {
    let (store, now) = (&world.store, world.now());
    let (city, bank) = (world.city.institution, world.bank.institution);
    let announced = plan(&world, city, 600_000);
    assert!(store.announce_plan(announced.clone()).await.expect("announces"));
    let nobody = InstitutionId::generate(&world.clock);
    assert!(!store.announce_plan(plan(&world, nobody, 1)).await.expect("answers"));
    assert_eq!(store.plans(city, 10).await.expect("answers"), std::slice::from_ref(&announced));
    assert!(store.plans(bank, 10).await.expect("answers").is_empty());
    assert_eq!(store.waiting_plans(10).await.expect("answers"), std::slice::from_ref(&announced));

    let decide = |institution, state, at| store.decide_plan(institution, announced.id, state, at);
    assert!(decide(bank, PlanState::Approved, now).await.expect("answers").is_none());
    let declined = decide(city, PlanState::Declined, now).await.expect("answers").expect("there");
    assert_eq!((declined.state, declined.decided_at), (PlanState::Declined, Some(now)));
    let approved = decide(city, PlanState::Approved, now.plus(5)).await.expect("answers").expect("there");
    assert_eq!((approved.state, approved.decided_at), (PlanState::Approved, Some(now.plus(5))));
    assert!(store.waiting_plans(10).await.expect("answers").is_empty());
    let second = plan(&world, city, 1);
    assert!(store.announce_plan(second.clone()).await.expect("announces"));
    assert_eq!(store.plans(city, 10).await.expect("answers"), [second.clone(), approved], "newest first");
    assert_eq!(store.plans(city, 1).await.expect("answers"), [second]);
}

/// The last checked day is stored, and never goes back.
pub async fn the_watch_goes_on_where_it_was(world: World) {
    let (store, today) = (&world.store, SeoulDay::of(world.now()));
    assert_eq!(store.watched_to().await.expect("answers"), None);
    for (day, is) in [(today, today), (today.plus_days(-3), today), (today.next(), today.next())] {
        store.set_watched_to(day).await.expect("remembered");
        assert_eq!(store.watched_to().await.expect("answers"), Some(is));
    }
}

/// A day above the limit without an approved plan raises one alert. Nothing is rejected.
pub async fn more_than_was_announced_raises_one_alert(world: World) {
    let (store, now) = (&world.store, world.now());
    let (city, bank) = (world.city.institution, world.bank.institution);
    let today = SeoulDay::of(now);
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    world.send(world.city, &recipient, 3).await;
    world.send(world.bank, &recipient, 2).await;
    let raise = |unannounced| store.raise_alerts(today, unannounced, now);
    assert!(raise(4).await.expect("answers").is_empty(), "nobody has sent so many");

    // An announced plan is not approved; the approved one suffices for three documents.
    let announced = plan(&world, city, 3);
    assert!(store.announce_plan(announced.clone()).await.expect("announces"));
    store.decide_plan(city, announced.id, PlanState::Approved, now).await.expect("answers");
    let raised = raise(2).await.expect("answers");
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert_eq!((raised[0].institution, raised[0].accepted, raised[0].expected), (bank, 2, 2));
    assert_eq!((raised[0].institution_name.as_str(), raised[0].day), ("가상은행", today));
    assert!(raise(2).await.expect("answers").is_empty(), "once for an institution and a day");
    let again = store.add_alerts(raised.clone()).await.expect("answers");
    assert!(again.is_empty(), "nor when another node found it at the same time: {again:?}");

    world.send(world.city, &recipient, 1).await;
    let raised = raise(2).await.expect("answers");
    assert_eq!(raised.len(), 1, "more than was approved: {raised:?}");
    assert_eq!((raised[0].institution, raised[0].accepted, raised[0].expected), (city, 4, 3));
    assert!(store.raise_alerts(today.next(), 1, now).await.expect("answers").is_empty(), "another day");

    let unsent = |since| store.unsent_alerts(since, 10);
    assert_eq!(unsent(now).await.expect("answers").len(), 2);
    assert!(unsent(now.plus(1)).await.expect("answers").is_empty());
    store.alert_sent(bank, today, now).await.expect("told");
    let left = unsent(now).await.expect("answers");
    assert_eq!(left.iter().map(|alert| alert.institution).collect::<Vec<_>>(), [city]);

    let volumes = store.volumes(city, today, today.next()).await.expect("answers");
    assert_eq!(volumes.len(), 1);
    assert_eq!((volumes[0].day, volumes[0].accepted, volumes[0].alerted_at), (today, 4, Some(now)));
    assert!(store.volumes(city, today.next(), today.next()).await.expect("answers").is_empty());
}
