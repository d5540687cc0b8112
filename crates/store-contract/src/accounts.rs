//! Institutions, contracts, tokens.

use seoham_model::{AccessTokenId, ContractUuid, InstitutionId, SeoulDay};
use seoham_store::Lane;
use seoham_store::accounts::AccessTokenRecord;
use seoham_vault::AccessToken;

use crate::world::World;

/// A token identifies its institution until it expires or is revoked. An unknown token identifies nobody.
pub async fn tokens_open_their_own_institution_alone(world: World) {
    let (store, now) = (&world.store, world.now());
    let record = |expires_at| AccessTokenRecord {
        id: AccessTokenId::generate(&world.clock),
        label: "시험".to_owned(),
        expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    let (forever, short) = (AccessToken::generate(), AccessToken::generate());
    let forever_record = record(None);
    let city = world.city.institution;
    assert!(store.create_token(city, forever_record.clone(), forever.hash()).await.expect("creates"));
    assert!(store.create_token(city, record(Some(now.plus(10))), short.hash()).await.expect("creates"));
    let nobody = InstitutionId::generate(&world.clock);
    assert!(
        !store.create_token(nobody, record(None), AccessToken::generate().hash()).await.expect("answers")
    );

    let whose = async |token: &AccessToken, at| {
        let caller = store.authenticate(Lane::Bulk, token.hash(), None, at).await.expect("answers");
        caller.map(|caller| {
            assert_eq!(caller.contract, None, "none was named");
            caller.institution
        })
    };
    assert_eq!(whose(&forever, now).await, Some(city));
    assert_eq!(whose(&short, now.plus(9)).await, Some(city));
    assert_eq!(whose(&short, now.plus(10)).await, None);
    assert_eq!(whose(&AccessToken::generate(), now).await, None);

    let bank = world.bank.institution;
    assert!(!store.revoke_token(bank, forever_record.id, now).await.expect("answers"));
    assert!(store.revoke_token(city, forever_record.id, now).await.expect("revokes"));
    assert!(store.revoke_token(city, forever_record.id, now.plus(5)).await.expect("again"));
    assert_eq!(whose(&forever, now).await, None);
    let overview = store.institution(city, SeoulDay::of(now)).await.expect("answers").expect("there");
    let revoked = overview.tokens.iter().find(|t| t.id == forever_record.id).expect("listed");
    assert_eq!(revoked.revoked_at, Some(now), "the first time stays");
}

/// The operator sees when a token was last used: the latest recorded time.
pub async fn the_use_of_a_token_is_noted(world: World) {
    let (store, now) = (&world.store, world.now());
    let token = world.token(world.city).await;
    let last_used_at = async || {
        let day = SeoulDay::of(now);
        let overview = store.institution(world.city.institution, day).await.expect("answers").expect("there");
        overview.tokens.iter().find_map(|token| token.last_used_at)
    };
    assert_eq!(last_used_at().await, None);
    for (used_at, known) in [(now, now), (now.plus(60), now.plus(60)), (now.plus(30), now.plus(60))] {
        store.token_used(token.hash(), used_at).await.expect("notes");
        assert_eq!(last_used_at().await, Some(known), "never set back");
    }
    store
        .token_used(AccessToken::generate().hash(), now.plus(90))
        .await
        .expect("an unknown one changes nothing");
    assert_eq!(last_used_at().await, Some(now.plus(60)));
    assert!(store.authenticate(Lane::Bulk, token.hash(), None, now).await.expect("answers").is_some());
}

/// A contract belongs to its institution, and a closed one stays closed.
pub async fn contracts_close_once(world: World) {
    let (store, now) = (&world.store, world.now());
    let (city, bank) = (world.city, world.bank);
    let of_city = world.token(city).await;
    let of_bank = world.token(bank).await;
    let open = async |token: &AccessToken, uuid| {
        let caller = store.authenticate(Lane::Interactive, token.hash(), Some(uuid), now).await;
        caller.expect("answers").expect("the token is valid").contract.map(|contract| contract.uuid)
    };
    for _ in 0..2 {
        // Also on a cache hit.
        assert_eq!(open(&of_city, city.contract).await, Some(city.contract));
        assert_eq!(open(&of_bank, city.contract).await, None);
        assert_eq!(open(&of_bank, bank.contract).await, Some(bank.contract));
    }
    assert!(!store.close_contract(bank.institution, city.contract, now).await.expect("answers"));
    assert!(store.close_contract(city.institution, city.contract, now).await.expect("closes"));
    assert!(store.close_contract(city.institution, city.contract, now.plus(9)).await.expect("again"));
    assert_eq!(open(&of_city, city.contract).await, None);
    let overview = store.institution(city.institution, SeoulDay::of(now)).await.expect("answers");
    assert_eq!(overview.expect("there").contracts[0].closed_at, Some(now));
    let unknown = ContractUuid::generate(&world.clock);
    assert_eq!(open(&of_city, unknown).await, None);
}

/// Every accepted document is counted for its institution's day.
pub async fn the_day_is_counted(world: World) {
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let today = SeoulDay::of(world.now());
    for count in [100, 1, 7] {
        world.send(world.city, &recipient, count).await;
    }
    let overview = world.store.institution(world.city.institution, today).await.expect("answers");
    assert_eq!(overview.expect("there").accepted_on_day, 108);
    let other = world.store.institution(world.bank.institution, today).await.expect("answers");
    assert_eq!(other.expect("there").accepted_on_day, 0);
    let all = world.store.institutions(None, 10).await.expect("lists");
    let rest = world.store.institutions(Some(all[0].id), 10).await.expect("lists");
    assert_eq!(all[1..], rest[..]);
}
