//! Operators, agencies, their tokens, and what they did.

use seoham_model::forms::{NewToken, TokenChange};
use seoham_model::network::Networks;
use seoham_model::{AccessTokenId, ActionId, AgencyId, OperatorId, UnixSeconds};
use seoham_store::accounts::AccessTokenRecord;
use seoham_store::admins::{Action, ActionPage, Admin, AdminId, AdminKind};
use seoham_vault::AccessToken;

use crate::world::World;

fn admin(world: &World, kind: AdminKind, name: &str) -> Admin {
    let id = match kind {
        AdminKind::Operator => AdminId::Operator(OperatorId::generate(&world.clock)),
        AdminKind::Agency => AdminId::Agency(AgencyId::generate(&world.clock)),
    };
    Admin { id, name: name.to_owned(), created_at: world.now(), closed_at: None }
}

fn record(world: &World, expires_at: Option<UnixSeconds>, networks: Option<&str>) -> AccessTokenRecord {
    let allowed_networks = networks.and_then(|network| Networks::parse([network]));
    let new = NewToken { label: "시험".to_owned(), expires_at, allowed_networks };
    AccessTokenRecord::new(AccessTokenId::generate(&world.clock), new)
}

/// An admin token identifies its operator or agency until it expires, is revoked, or its owner is removed.
pub async fn admin_tokens_identify_their_owners(world: World) {
    let (store, now) = (&world.store, world.now());
    let operator = admin(&world, AdminKind::Operator, "김운영");
    let agency = admin(&world, AdminKind::Agency, "가상대행");
    for admin in [&operator, &agency] {
        store.create_admin(admin.clone()).await.expect("creates");
    }
    let (a, b, c) = (AccessToken::generate(), AccessToken::generate(), AccessToken::generate());
    let of_operator = record(&world, None, None);
    let of_agency = record(&world, Some(now.plus(10)), Some("203.0.113.0/24"));
    let second = record(&world, None, None);
    assert!(store.create_admin_token(operator.id, of_operator.clone(), a.hash()).await.expect("creates"));
    assert!(store.create_admin_token(agency.id, of_agency.clone(), b.hash()).await.expect("creates"));
    assert!(store.create_admin_token(agency.id, second.clone(), c.hash()).await.expect("creates"));
    let nobody = AdminId::Operator(OperatorId::generate(&world.clock));
    let fresh = AccessToken::generate().hash();
    assert!(!store.create_admin_token(nobody, record(&world, None, None), fresh).await.expect("answers"));

    let whose = async |token: &AccessToken, at| {
        let caller = store.admin_caller(token.hash(), at).await.expect("answers");
        caller.map(|caller| (caller.id, caller.token, caller.allowed_networks.is_some()))
    };
    assert_eq!(whose(&a, now).await, Some((operator.id, of_operator.id, false)));
    assert_eq!(whose(&b, now.plus(9)).await, Some((agency.id, of_agency.id, true)));
    assert_eq!(whose(&b, now.plus(10)).await, None);
    assert_eq!(whose(&AccessToken::generate(), now).await, None);
    let institution = world.token(world.city).await;
    assert_eq!(whose(&institution, now).await, None, "an institution administers nothing");

    let change = TokenChange { expires_at: Some(None), allowed_networks: Some(None), label: None };
    assert!(!store.change_admin_token(operator.id, of_agency.id, change.clone()).await.expect("answers"));
    assert!(store.change_admin_token(agency.id, of_agency.id, change).await.expect("changes"));
    assert_eq!(whose(&b, now.plus(10)).await, Some((agency.id, of_agency.id, false)));
    store.admin_token_used(of_agency.id, now.plus(7)).await.expect("notes");
    store.admin_token_used(of_agency.id, now).await.expect("notes");
    let (found, tokens) = store.admin(agency.id).await.expect("answers").expect("there");
    assert_eq!(found, agency);
    let used = |id| tokens.iter().find(|token| token.id == id).map(|token| token.last_used_at);
    assert_eq!((used(of_agency.id), used(second.id)), (Some(Some(now.plus(7))), Some(None)));
    assert_eq!(tokens.len(), 2);

    assert!(!store.revoke_admin_token(operator.id, of_agency.id, now).await.expect("answers"));
    assert!(store.revoke_admin_token(agency.id, of_agency.id, now).await.expect("revokes"));
    assert_eq!(whose(&b, now).await, None);
    assert!(whose(&c, now).await.is_some());
    assert!(store.close_admin(agency.id, now).await.expect("closes"));
    assert!(store.close_admin(agency.id, now.plus(5)).await.expect("again"));
    assert_eq!(whose(&c, now).await, None);
    let (closed, _) = store.admin(agency.id).await.expect("answers").expect("there");
    assert_eq!(closed.closed_at, Some(now), "the first time stays");
    let fresh = AccessToken::generate().hash();
    assert!(!store.create_admin_token(agency.id, record(&world, None, None), fresh).await.expect("answers"));
    assert!(!store.close_admin(nobody, now).await.expect("answers"));
    assert!(store.admin(nobody).await.expect("answers").is_none());
}

/// Operators and agencies are listed apart, page by page.
pub async fn admins_are_listed_by_kind(world: World) {
    let mut agencies = Vec::new();
    for name in ["가상대행", "나상대행", "다상대행"] {
        let agency = admin(&world, AdminKind::Agency, name);
        world.store.create_admin(agency.clone()).await.expect("creates");
        agencies.push(agency);
    }
    // Ids of one millisecond are in any order.
    agencies.sort_by_key(|agency| agency.id.bytes());
    let operator = admin(&world, AdminKind::Operator, "김운영");
    world.store.create_admin(operator.clone()).await.expect("creates");
    let list = async |kind, after, limit| world.store.admins(kind, after, limit).await.expect("lists");
    assert_eq!(list(AdminKind::Operator, None, 10).await, [operator]);
    assert_eq!(list(AdminKind::Agency, None, 2).await, agencies[..2]);
    assert_eq!(list(AdminKind::Agency, Some(agencies[1].id), 2).await, agencies[2..]);
}

/// Actions are listed newest first, all or of one institution.
pub async fn actions_are_recorded(world: World) {
    let (city, bank) = (world.city.institution, world.bank.institution);
    let mut all = Vec::new();
    for (n, institution) in [Some(city), Some(bank), None, Some(city)].into_iter().enumerate() {
        let action = Action {
            id: ActionId::generate(&world.clock),
            at: world.now(),
            by: "AGC-1".to_owned(),
            token: format!("TOK-{n}"),
            from: (n == 0).then(|| "203.0.113.7".to_owned()),
            what: "POST /admin/v1/institutions".to_owned(),
            on: vec!["INS-1".to_owned(), "TOK-2".to_owned()],
            institution,
            status: 201,
            reason: (n == 1).then(|| "민원 문의".to_owned()),
        };
        world.store.record_action(action.clone()).await.expect("records");
        all.push(action);
    }
    all.sort_by_key(|action| std::cmp::Reverse(action.id));
    let of_city: Vec<Action> =
        all.iter().filter(|action| action.institution == Some(city)).cloned().collect();
    let list = async |institution, before, limit| {
        world.store.actions(ActionPage { institution, before, limit }).await.expect("lists")
    };
    assert_eq!(list(None, None, 10).await, all);
    assert_eq!(list(None, Some(all[0].id), 2).await, all[1..3]);
    assert_eq!(list(Some(city), None, 10).await, of_city);
    assert_eq!(list(Some(city), Some(of_city[0].id), 10).await, of_city[1..]);
}
