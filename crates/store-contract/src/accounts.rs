//! Institutions, contracts, tokens.

use seoham_model::forms::{InstitutionChange, NewToken, TokenChange};
use seoham_model::message::{MessageKind, MessageTemplate};
use seoham_model::network::Networks;
use seoham_model::template::Template;
use seoham_model::{AccessTokenId, AgencyId, ContractUuid, InstitutionId, SeoulDay};
use seoham_store::Lane;
use seoham_store::accounts::{
    AccessTokenRecord, Contract, Institution, InstitutionOverview, Notice, Product,
};
use seoham_store::admins::{Admin, AdminId, AdminKind};
use seoham_store::deliveries::Outcome;
use seoham_store::documents::Notification;
use seoham_store::templates::TemplateOwner;
use seoham_vault::AccessToken;

use crate::world::World;

/// A token identifies its institution until it expires or is revoked. An unknown token identifies nobody.
pub async fn tokens_open_their_own_institution_alone(world: World) {
    let (store, now) = (&world.store, world.now());
    let record = |expires_at| {
        let new = NewToken { label: "시험".to_owned(), expires_at, allowed_networks: None };
        AccessTokenRecord::new(AccessTokenId::generate(&world.clock), new)
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
    let all = world.store.institutions(None, None, 10).await.expect("lists");
    let rest = world.store.institutions(None, Some(all[0].id), 10).await.expect("lists");
    assert_eq!(all[1..], rest[..]);
}

/// A token can be given another label, an end, and networks, and lose them again. A revoked one stays as it is.
pub async fn a_token_is_changed_without_changing_it(world: World) {
    let (store, city, now) = (&world.store, world.city.institution, world.now());
    let token = world.token(world.city).await;
    let id = shown(&world, city).await.tokens[0].id;
    let networks = || Networks::parse(["203.0.113.0/24", "2001:db8::/32"]);
    let caller = async |at| store.authenticate(Lane::Bulk, token.hash(), None, at).await.expect("answers");
    assert_eq!(caller(now).await.expect("valid").allowed_networks, None);
    let change = TokenChange {
        label: Some("야간 발송".to_owned()),
        expires_at: Some(Some(now.plus(100))),
        allowed_networks: Some(networks()),
    };
    assert!(!store.change_token(world.bank.institution, id, change.clone()).await.expect("answers"));
    assert!(store.change_token(city, id, change).await.expect("changes"));
    assert_eq!(caller(now).await.expect("valid").allowed_networks.as_deref(), networks().as_ref());
    assert_eq!(caller(now.plus(100)).await, None);
    let changed = shown(&world, city).await.tokens.remove(0);
    assert_eq!((changed.label.as_str(), changed.expires_at), ("야간 발송", Some(now.plus(100))));
    let back = TokenChange { label: None, expires_at: Some(None), allowed_networks: Some(None) };
    assert!(store.change_token(city, id, back).await.expect("changes"));
    assert_eq!(caller(now.plus(100)).await.expect("valid").allowed_networks, None);
    assert_eq!(shown(&world, city).await.tokens[0].label, "야간 발송", "what is not given stays");
    assert!(store.change_token(city, id, TokenChange::default()).await.expect("changes nothing"));
    assert!(store.revoke_token(city, id, now).await.expect("revokes"));
    assert!(!store.change_token(city, id, TokenChange::default()).await.expect("answers"));
}

/// An institution is renamed, gets a contact, and is suspended and resumed.
pub async fn an_institution_is_changed_and_suspended(world: World) {
    let (store, city, now) = (&world.store, world.city.institution, world.now());
    let token = world.token(world.city).await;
    let change = |name: Option<&str>, contact: Option<Option<&str>>| {
        let contact = contact.map(|contact| contact.map(str::to_owned));
        store.change_institution(city, InstitutionChange { name: name.map(str::to_owned), contact })
    };
    assert!(change(Some("새가상시청"), Some(Some("전산과 02-000-0000"))).await.expect("changes"));
    assert!(change(None, None).await.expect("changes nothing"));
    let changed = shown(&world, city).await.institution;
    assert_eq!(
        (changed.name.as_str(), changed.contact.as_deref()),
        ("새가상시청", Some("전산과 02-000-0000"))
    );
    assert!(change(None, Some(None)).await.expect("changes"));
    assert_eq!(shown(&world, city).await.institution.contact, None);
    let nobody = InstitutionId::generate(&world.clock);
    assert!(!store.change_institution(nobody, InstitutionChange::default()).await.expect("answers"));

    let suspended = async || {
        let caller = store.authenticate(Lane::Bulk, token.hash(), None, now).await.expect("answers");
        caller.expect("the token stays valid").suspended
    };
    assert!(!suspended().await);
    let (agency, operator) = (AdminKind::Agency, AdminKind::Operator);
    assert!(store.suspend(city, agency, now).await.expect("suspends"));
    assert!(store.suspend(city, agency, now.plus(5)).await.expect("again"));
    assert!(suspended().await);
    assert_eq!(shown(&world, city).await.institution.suspended_at, Some(now), "the first time stays");
    assert_eq!(store.resume(city, agency).await.expect("resumes"), Some(true));
    assert!(!suspended().await);
    assert_eq!(store.resume(city, agency).await.expect("again"), Some(true));
    // An operator takes over what an agency suspended, and lifts it alone.
    for (first, second) in [(agency, operator), (operator, agency)] {
        assert!(store.suspend(city, first, now).await.expect("suspends"));
        assert!(store.suspend(city, second, now).await.expect("suspends"));
        assert_eq!(store.resume(city, agency).await.expect("answers"), Some(false));
        assert!(suspended().await);
        assert_eq!(store.resume(city, operator).await.expect("resumes"), Some(true));
        assert!(!suspended().await);
    }
    assert!(!store.suspend(nobody, operator, now).await.expect("answers"));
    assert_eq!(store.resume(nobody, operator).await.expect("answers"), None);
}

/// Each agency finds its own institutions alone.
pub async fn an_agency_lists_its_own_institutions(world: World) {
    let (store, now) = (&world.store, world.now());
    let agency = AgencyId::generate(&world.clock);
    let admin =
        Admin {
            id: AdminId::Agency(agency), name: "가상대행".to_owned(), created_at: now, closed_at: None
        };
    store.create_admin(admin).await.expect("creates");
    let id = InstitutionId::generate(&world.clock);
    let own = Institution { agency: Some(agency), ..Institution::new(id, "가상구청".to_owned(), now) };
    store.create_institution(own.clone()).await.expect("creates");
    assert_eq!(store.institutions(Some(agency), None, 10).await.expect("lists"), [own]);
    assert_eq!(store.institutions(Some(agency), Some(id), 10).await.expect("lists"), []);
    let other = AgencyId::generate(&world.clock);
    assert_eq!(store.institutions(Some(other), None, 10).await.expect("lists"), []);
    assert_eq!(store.institutions(None, None, 10).await.expect("lists").len(), 3);
    assert_eq!(store.agency_of(id).await.expect("answers"), Some(agency));
    assert_eq!(store.agency_of(world.city.institution).await.expect("answers"), None);
    assert_eq!(store.agency_of(InstitutionId::generate(&world.clock)).await.expect("answers"), None);
}

/// The platform's templates are kept by their kind, and its own is what a claim is announced by.
pub async fn the_platforms_templates_are_kept(world: World) {
    let store = &world.store;
    let json = |body: &str| {
        format!(
            r##"{{"body": "{body}", "buttons": [{{"name": "문서확인", "url": "#{{링크}}"}}],
                 "fallback": {{"from": "020000000", "body": "#{{링크}}"}},
                 "providers": {{"nhn": {{"template_code": "DOC"}}}}}}"##
        )
    };
    let parse = |body| MessageTemplate::parse(json(body).as_bytes()).expect("good");
    for kind in MessageKind::ALL {
        assert_eq!(store.template(TemplateOwner::Platform, kind).await.expect("answers"), None);
        let template = parse(kind.name());
        assert!(store.set_template(TemplateOwner::Platform, kind, Some(template)).await.expect("sets"));
    }
    let own = TemplateOwner::Institution(world.city.institution);
    let arrived = MessageKind::DocumentArrived;
    assert!(store.set_template(own, arrived, Some(parse("own"))).await.expect("sets"));
    let all = store.templates().await.expect("lists");
    let owners: Vec<_> = all.iter().map(|one| (one.owner, one.template.body.body().to_owned())).collect();
    assert_eq!(owners.len(), 4);
    assert!(owners[..3].iter().all(|(owner, _)| *owner == TemplateOwner::Platform));
    assert_eq!(owners[3], (own, "own".to_owned()));
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    world.send(world.city, &recipient, 1).await;
    let claims = world.claim(10).await;
    let template = claims[0].sender.template.as_deref().expect("the platform's");
    assert_eq!((template.body.body(), template.buttons.len()), ("document_arrived", 1));
    assert!(store.set_template(TemplateOwner::Platform, arrived, None).await.expect("removes"));
    assert_eq!(store.template(TemplateOwner::Platform, arrived).await.expect("answers"), None);
}

/// A contract that notifies by the institution's own channel lacks a template until there is one.
pub async fn an_institutions_template_is_kept(world: World) {
    const ARRIVED: MessageKind = MessageKind::DocumentArrived;
    let (store, city) = (&world.store, world.city.institution);
    let own = TemplateOwner::Institution(city);
    let uuid = ContractUuid::generate(&world.clock);
    let product = Product { notice: Notice::Institution, ..Product::default() };
    assert!(store.create_contract(city, Contract::new(uuid, product)).await.expect("creates"));
    assert_eq!(store.institution_of(uuid).await.expect("answers"), Some(city));
    assert_eq!(store.institution_of(ContractUuid::generate(&world.clock)).await.expect("answers"), None);
    let token = world.token(world.city).await;
    let contract = async |uuid| {
        let caller =
            store.authenticate(Lane::Bulk, token.hash(), Some(uuid), world.now()).await.expect("answers");
        caller.expect("valid").contract.expect("open")
    };
    assert!(contract(uuid).await.lacks_template && contract(uuid).await.product == product);
    assert!(!contract(world.city.contract).await.lacks_template, "the platform notifies");
    for body in ["#{제목}", "[#{기관명}] #{제목}\n#{링크}"] {
        let template = MessageTemplate::of_body(Template::parse(body).expect("good"));
        assert!(store.set_template(own, ARRIVED, Some(template.clone())).await.expect("sets"));
        assert_eq!(store.template(own, ARRIVED).await.expect("answers"), Some(template));
        assert!(!contract(uuid).await.lacks_template);
    }
    let of_bank = TemplateOwner::Institution(world.bank.institution);
    assert_eq!(store.template(of_bank, ARRIVED).await.expect("answers"), None);
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    world.send(crate::world::Sender { institution: city, contract: uuid }, &recipient, 1).await;
    let claims = world.claim(10).await;
    let template = claims[0].sender.template.as_ref().map(|template| template.body.body());
    assert_eq!(
        (claims[0].sender.notice, template),
        (Notice::Institution, Some("[#{기관명}] #{제목}\n#{링크}"))
    );
    assert!(store.set_template(own, ARRIVED, None).await.expect("removes"));
    assert!(contract(uuid).await.lacks_template);
    let nobody = InstitutionId::generate(&world.clock);
    let nobody = TemplateOwner::Institution(nobody);
    assert!(!store.set_template(nobody, ARRIVED, None).await.expect("answers"));
    let template = Template::parse("가").ok().map(MessageTemplate::of_body);
    assert!(!store.set_template(nobody, ARRIVED, template).await.expect("answers"));
}

/// Under a contract that notifies nobody, a document goes into its box, and its notification is none.
pub async fn a_silent_contract_notifies_nobody(world: World) {
    let uuid = ContractUuid::generate(&world.clock);
    let product = Product { notice: Notice::None, ..Product::default() };
    let institution = world.city.institution;
    assert!(world.store.create_contract(institution, Contract::new(uuid, product)).await.expect("creates"));
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let sender = crate::world::Sender { institution, contract: uuid };
    let id = world.send(sender, &recipient, 1).await[0];
    let known = async || world.store.describe(id).await.expect("answers").expect("there").notification;
    assert_eq!(known().await, Notification::None);
    let claims = world.claim(10).await;
    assert_eq!(claims[0].sender.notice, Notice::None);
    world.finish(&claims, Outcome::Taken).await;
    assert_eq!(known().await, Notification::None);
    let times = world.status(sender, id).await.expect("there").times;
    assert!(times.received_at.is_some() && times.notified_at.is_none());
    assert_eq!(world.store.sender_of(id).await.expect("answers"), Some(institution));
}

async fn shown(world: &World, id: InstitutionId) -> InstitutionOverview {
    let day = SeoulDay::of(world.now());
    world.store.institution(id, day).await.expect("answers").expect("there")
}
