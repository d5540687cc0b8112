//! Webhooks: claims, tickets and secrets (SPEC 15).

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use seoham_model::{EventType, UnixSeconds, WebhookId};
use seoham_store::webhooks::{
    AttemptOutcome, ClaimedWebhook, Cursor, FORMER_SECRET_SECONDS, NewWebhook, WEBHOOKS_MAX, WebhookAttempt,
};
use seoham_vault::new_webhook_secret;

use crate::events::feed;
use crate::world::World;

const LEASE: Duration = Duration::from_secs(30);

/// A webhook of the city, registered before `count` documents were accepted for somebody who is no member.
async fn with_events(world: &World, count: usize) -> (WebhookId, SecretString) {
    let (id, secret) = (WebhookId::generate(&world.clock), new_webhook_secret());
    assert!(add(world, id, &secret).await);
    world.person("01011112222", false).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    world.send(world.city, &recipient, count).await;
    feed(world, world.city, count).await;
    (id, secret)
}

async fn add(world: &World, id: WebhookId, secret: &SecretString) -> bool {
    let new = NewWebhook {
        id,
        institution: world.city.institution,
        url: "https://hooks.example.kr/seoham".to_owned(),
        types: None,
        secret: secret.clone(),
        created_at: world.now(),
    };
    world.store.add_webhook(new).await.expect("adds")
}

async fn claim_at(world: &World, served: &[WebhookId], now: UnixSeconds) -> Option<ClaimedWebhook> {
    world.store.claim_webhooks(served, 10, LEASE, now).await.expect("claims").pop()
}

async fn claim(world: &World) -> ClaimedWebhook {
    claim_at(world, &[], world.now()).await.expect("one is due")
}

/// What signs the next delivery, or `None` if the ticket is void.
async fn begin(world: &World, claimed: &ClaimedWebhook, last: u64) -> Option<Vec<String>> {
    let (id, ticket) = (claimed.webhook.id, claimed.ticket);
    let begun = world.store.begin_delivery(id, ticket, last, LEASE, world.now()).await.expect("begins");
    begun.map(|secrets| secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect())
}

async fn finish(world: &World, claimed: &ClaimedWebhook, outcome: AttemptOutcome, last: u64) -> bool {
    let (cursor, disabled) = claimed.webhook.cursor.after(outcome, last, world.now());
    let attempt = WebhookAttempt { at: world.now(), first: 1, last, outcome, took_millis: 7 };
    let (id, ticket) = (claimed.webhook.id, claimed.ticket);
    world.store.finish_delivery(id, ticket, cursor, disabled, Some(attempt)).await.expect("finishes")
}

async fn release(world: &World, claimed: &ClaimedWebhook) {
    world.store.release_webhook(claimed.webhook.id, claimed.ticket).await.expect("releases");
}

/// A webhook goes on behind what was taken, and a retry is the same delivery.
pub async fn a_webhook_goes_on_where_it_was(world: World) {
    let (id, secret) = with_events(&world, 6).await;
    assert!(claim_at(&world, &[id], world.now()).await.is_none(), "this process serves it already");
    let claimed = claim(&world).await;
    assert_eq!((claimed.webhook.id, claimed.webhook.cursor.through), (id, 0));
    let begun = begin(&world, &claimed, 4).await;
    assert_eq!(begun, Some(vec![secret.expose_secret().to_owned()]));
    assert!(finish(&world, &claimed, AttemptOutcome::Answered(204), 4).await);
    release(&world, &claimed).await;
    // A delivery that fails is the same one when it is tried again, and not before.
    let claimed = claim(&world).await;
    assert_eq!((claimed.webhook.cursor.through, claimed.webhook.cursor.pending), (4, None));
    assert!(begin(&world, &claimed, 5).await.is_some());
    assert!(finish(&world, &claimed, AttemptOutcome::Answered(500), 5).await);
    release(&world, &claimed).await;
    assert!(claim_at(&world, &[], world.now()).await.is_none(), "it waits");
    world.advance(5).await;
    let claimed = claim(&world).await;
    assert_eq!((claimed.webhook.cursor.through, claimed.webhook.cursor.pending), (4, Some(5)));
    assert!(finish(&world, &claimed, AttemptOutcome::Answered(200), 6).await);
    release(&world, &claimed).await;
    assert!(claim_at(&world, &[], world.now()).await.is_none(), "nothing is left");
    let attempts = world.store.webhook_attempts(world.city.institution, id).await.expect("reads");
    let outcomes: Vec<_> = attempts.expect("is there").iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [200, 500, 204].map(AttemptOutcome::Answered), "newest first");
}

/// Whoever serves a webhook that is replayed or disabled no longer does.
pub async fn a_webhook_that_is_moved_leaves_its_server(world: World) {
    let (id, _) = with_events(&world, 6).await;
    let claimed = claim(&world).await;
    assert!(begin(&world, &claimed, 6).await.is_some());
    let replayed = world.store.replay_webhook(world.city.institution, id, 2, world.now()).await;
    assert!(replayed.expect("answers"));
    assert!(!finish(&world, &claimed, AttemptOutcome::Answered(200), 6).await, "the ticket is void");
    assert!(begin(&world, &claimed, 6).await.is_none());
    release(&world, &claimed).await;
    let again = claim(&world).await;
    assert_eq!(again.webhook.cursor, Cursor::at(2, again.webhook.cursor.next_attempt_at));
    assert!(finish(&world, &again, AttemptOutcome::Answered(410), 6).await);
    release(&world, &again).await;
    world.advance(24 * 60 * 60).await;
    assert!(claim_at(&world, &[], world.now()).await.is_none(), "it is disabled");
    let told = feed(&world, world.city, 7).await.pop().expect("the last event");
    assert_eq!((told.event_type, told.document), (EventType::WebhookDisabled, None));
    assert!(world.store.enable_webhook(world.city.institution, id, world.now()).await.expect("answers"));
    let enabled = claim(&world).await;
    assert_eq!((enabled.webhook.cursor.through, enabled.webhook.cursor.pending), (2, Some(6)));
    let other = world.store.replay_webhook(world.bank.institution, id, 0, world.now()).await;
    assert!(!other.expect("answers"), "another's");
}

/// A new secret signs the next delivery, whoever has the claim.
pub async fn a_new_secret_signs_at_once_and_the_former_one_for_a_day(world: World) {
    let (id, former) = with_events(&world, 2).await;
    let claimed = claim(&world).await;
    let secret = new_webhook_secret();
    let until = world.now().plus(FORMER_SECRET_SECONDS);
    let institution = world.city.institution;
    let renewed = world.store.renew_webhook_secret(institution, id, secret.clone(), until).await;
    assert!(renewed.expect("answers"));
    let (secret, former) = (secret.expose_secret().to_owned(), former.expose_secret().to_owned());
    assert_eq!(
        begin(&world, &claimed, 1).await,
        Some(vec![secret.clone(), former]),
        "of a claim from before"
    );
    world.advance(24 * 60 * 60).await;
    assert_eq!(begin(&world, &claimed, 1).await, Some(vec![secret]));
}

/// A clock that was ahead leaves no webhook waiting for it.
pub async fn a_corrected_clock_stops_no_webhook(world: World) {
    with_events(&world, 3).await;
    let claimed = claim(&world).await;
    assert!(finish(&world, &claimed, AttemptOutcome::Answered(200), 1).await);
    release(&world, &claimed).await;
    let day_before = UnixSeconds(world.now().0 - 24 * 60 * 60);
    let healthy = claim_at(&world, &[], day_before).await.expect("a healthy one is always due");
    assert!(finish(&world, &healthy, AttemptOutcome::NoAnswer, 2).await);
    release(&world, &healthy).await;
    let hour_before = UnixSeconds(world.now().0 - 60 * 60);
    assert!(claim_at(&world, &[], hour_before).await.is_none(), "a failing one waits");
    assert!(claim_at(&world, &[], day_before).await.is_some(), "but never longer than it ever does");
}

/// An institution has a bounded number of webhooks, which nobody else changes.
pub async fn webhooks_of_an_institution_are_bounded(world: World) {
    for n in 0..=WEBHOOKS_MAX {
        let added = add(&world, WebhookId::generate(&world.clock), &new_webhook_secret()).await;
        assert_eq!(added, n < WEBHOOKS_MAX);
    }
    let webhooks = world.store.webhooks(world.city.institution).await.expect("reads");
    assert_eq!(webhooks.len(), WEBHOOKS_MAX);
    let id = webhooks[0].webhook.id;
    assert!(!world.store.remove_webhook(world.bank.institution, id).await.expect("answers"), "another's");
    assert!(world.store.remove_webhook(world.city.institution, id).await.expect("answers"));
    assert!(add(&world, WebhookId::generate(&world.clock), &new_webhook_secret()).await);
}
