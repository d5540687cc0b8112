//! Statistics (SPEC 11): every step on its day, under its contract.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use seoham_model::contract::Product;
use seoham_model::{BinderId, ContractUuid, ErrorCode, ParcelId, SeoulDay, Text};
use seoham_store::accounts::Contract;
use seoham_store::deliveries::{Arrival, Receipt};
use seoham_store::documents::{Acceptance, Accepted, IdentifiedDocument, ReadVerdict, WithdrawVerdict};
use seoham_store::events::EXPIRY_GRACE_SECONDS;
use seoham_store::idempotency::{Remember, Verdict};
use seoham_store::statistics::{Counted, DayFigures, Refusals};

use crate::events::feed;
use crate::idempotency::{key, keyed_item};
use crate::world::{Sender, World};

type Expected = Vec<(SeoulDay, ContractUuid, Vec<(Counted, u64)>)>;

/// The figures of `sender` from `from` to `to`, when they are `expected`: a store may count after it answered.
async fn until(world: &World, sender: Sender, (from, to): (SeoulDay, SeoulDay), mut expected: Expected) {
    expected.sort_by_key(|(day, contract, _)| (*day, *contract));
    let expected: Vec<DayFigures> = expected
        .into_iter()
        .map(|(day, contract, documents)| DayFigures {
            day,
            contract,
            documents: documents.into_iter().collect::<BTreeMap<_, _>>(),
        })
        .collect();
    let begun = Instant::now();
    loop {
        let found = world.store.statistics(sender.institution, from, to).await.expect("reads");
        if found == expected {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{found:#?}\nnot\n{expected:#?}");
        world.store.wait_for_events(Duration::from_millis(50)).await;
    }
}

async fn refuse(
    world: &World,
    Sender { institution, contract }: Sender,
    documents: Vec<IdentifiedDocument>,
    refused: &[(Counted, u64)],
    remember: Option<Remember>,
) -> Accepted {
    let acceptance = Acceptance {
        parcel: ParcelId::generate(&world.clock),
        institution,
        contract,
        accepted_at: world.now(),
        documents,
        remember,
        refused: refused.iter().copied().collect::<Refusals>(),
    };
    world.store.accept(acceptance).await.expect("accepts")
}

/// Today, with its end hours away.
async fn at_noon(world: &World) -> SeoulDay {
    let noon = SeoulDay::of(world.now()).next().begins_at().plus(12 * 60 * 60);
    world.advance(u32::try_from(noon.seconds_since(world.now())).expect("within two days")).await;
    SeoulDay::of(world.now())
}

async fn read(world: &World, id: BinderId) {
    let city = world.city.institution;
    let token = world.open(id).await;
    let _ = world.store.verify_token(city, id, token, world.now()).await.expect("answers");
    for _ in 0..2 {
        assert_eq!(world.store.mark_read(city, id, world.now()).await.expect("answers"), ReadVerdict::Read);
    }
}

/// Every step is counted once, on its day and under its contract; another institution's figures are its own.
pub async fn every_step_is_counted_on_its_day(world: World) {
    use Counted::{Accepted, Expired, Notified, Read, Withdrawn};

    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let other = ContractUuid::generate(&world.clock);
    let terms = Contract::new(other, Product::default());
    assert!(world.store.create_contract(world.city.institution, terms).await.expect("creates"));
    let second = Sender { contract: other, ..world.city };
    let today = at_noon(&world).await;
    let deadline = world.now().plus(2 * 86_400);
    let ids = world.accept(world.city, world.documents(&recipient, 5, deadline)).await;
    let more = world.accept(second, world.documents(&recipient, 3, deadline)).await;
    world.accept(world.bank, world.documents(&recipient, 7, deadline)).await;
    read(&world, ids[0]).await;
    for id in [ids[1], ids[1], more[0]] {
        let withdrawn = world.store.withdraw(world.city.institution, id, world.now()).await;
        assert_eq!(withdrawn.expect("answers"), WithdrawVerdict::Withdrawn);
    }
    world.deliver_all().await;
    for id in [ids[0], ids[2], ids[2]] {
        let receipt = Receipt { document: id, arrival: Arrival::Messenger, at: world.now() };
        world.store.record_receipts(vec![receipt], world.now()).await.expect("recorded");
    }
    world.advance(86_400).await;
    let tomorrow = SeoulDay::of(world.now());
    read(&world, more[1]).await;
    world.advance(86_400 + u32::try_from(EXPIRY_GRACE_SECONDS).expect("small") + 5).await;
    for _ in 0..2 {
        world.tell_expired(100).await;
    }
    let last = SeoulDay::of(deadline);
    let contract = world.city.contract;
    let all = vec![
        (today, contract, vec![(Accepted, 5), (Notified, 2), (Read, 1), (Withdrawn, 1)]),
        (today, other, vec![(Accepted, 3), (Withdrawn, 1)]),
        (tomorrow, other, vec![(Read, 1)]),
        (last, contract, vec![(Expired, 3)]),
        (last, other, vec![(Expired, 1)]),
    ];
    until(&world, world.city, (today, last), all).await;
    until(&world, world.city, (tomorrow, tomorrow), vec![(tomorrow, other, vec![(Read, 1)])]).await;
    until(&world, world.city, (last.next(), last.plus_days(300)), vec![]).await;
    let of_bank = vec![(today, world.bank.contract, vec![(Accepted, 7)])];
    until(&world, world.bank, (today.plus_days(-300), tomorrow), of_bank).await;
}

/// What a request refuses is counted with what it accepts, and not at all if nothing of it is stored.
pub async fn refusals_are_counted_by_code(world: World) {
    use Counted::{Accepted as Taken, Forbidden, InvalidValue, NotFound};

    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let today = at_noon(&world).await;
    let documents = || world.documents(&recipient, 2, world.now().plus(86_400));
    let item = || {
        let text = Text::made("없음".to_owned(), "none".to_owned());
        (keyed_item("E", "content"), Verdict::Refused(ErrorCode::NotFound, text))
    };
    let remember = || Some(Remember { key: key("k"), next: 0, items: vec![item()] });
    let refused = [(NotFound, 2), (InvalidValue, 1)];
    assert_eq!(refuse(&world, world.city, vec![], &refused, None).await, Accepted::Whole);
    assert_eq!(refuse(&world, world.city, documents(), &[(NotFound, 1)], remember()).await, Accepted::Whole);
    for _ in 0..2 {
        let moved = refuse(&world, world.city, documents(), &[(Forbidden, 9)], remember()).await;
        assert_eq!(moved, Accepted::KeyMoved);
    }
    let bank = [(Forbidden, 1)];
    let requests = (0..20).map(|_| refuse(&world, world.bank, vec![], &bank, None));
    for accepted in futures_util::future::join_all(requests).await {
        assert_eq!(accepted, Accepted::Whole);
    }
    feed(&world, world.city, 4).await;
    let of_city = vec![(today, world.city.contract, vec![(Taken, 2), (InvalidValue, 1), (NotFound, 3)])];
    until(&world, world.city, (today, today), of_city).await;
    let of_bank = vec![(today, world.bank.contract, vec![(Forbidden, 20)])];
    until(&world, world.bank, (today, today), of_bank).await;
}
