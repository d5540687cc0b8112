//! A small world for tests: two institutions, a few people, documents.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use seoham_model::document::{Categories, Content, Own, Receiver, ReceiverIdentity};
use seoham_model::forms::NewToken;
use seoham_model::person::{Behaviour, EmailChange, PersonRecord};
use seoham_model::{AccessTokenId, BinderId, Clock, ContractUuid, InstitutionId, ParcelId, UnixSeconds};
use seoham_store::accounts::{AccessTokenRecord, Contract, Institution, Product};
use seoham_store::boxes::Opener;
use seoham_store::deliveries::{Claim, Finished, Outcome};
use seoham_store::documents::{Acceptance, Accepted, DocumentStatus, IdentifiedDocument};
use seoham_store::people::{Identified, Recipient, Registered, Registration};
use seoham_store::statistics::Refusals;
use seoham_store::undelivered::Failure;
use seoham_store::{Lane, Store};
use seoham_vault::{AccessToken, KeyRing, OneTimeToken, TokenHash};

/// The lease with which the cases claim, unless they test leases.
pub const LEASE: Duration = Duration::from_secs(60);

/// An institution with a contract.
#[derive(Clone, Copy)]
pub struct Sender {
    /// The institution.
    pub institution: InstitutionId,
    /// Its contract.
    pub contract: ContractUuid,
}

/// The store and its institutions.
pub struct World {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub clock: Clock,
    /// An institution.
    pub city: Sender,
    /// Another institution.
    pub bank: Sender,
}

impl World {
    /// Creates a world in an empty sandbox store.
    pub async fn new(store: Arc<dyn Store>) -> Self {
        let clock = store.clock().clone();
        let city = sender(&*store, &clock, "가상시청").await;
        let bank = sender(&*store, &clock, "가상은행").await;
        Self { store, clock, city, bank }
    }

    /// The current time.
    pub fn now(&self) -> UnixSeconds {
        self.clock.now()
    }

    /// Adds another institution.
    pub async fn sender(&self, name: &str) -> Sender {
        sender(&*self.store, &self.clock, name).await
    }

    /// An access token of `sender`.
    pub async fn token(&self, sender: Sender) -> AccessToken {
        let token = AccessToken::generate();
        let id = AccessTokenId::generate(&self.clock);
        let label = "시험".to_owned();
        let record = AccessTokenRecord::new(id, NewToken { label, expires_at: None, allowed_networks: None });
        assert!(self.store.create_token(sender.institution, record, token.hash()).await.expect("creates"));
        token
    }

    /// Registers a person.
    pub async fn person(&self, phone_number: &str, member: bool) -> Registered {
        self.register(record(phone_number, "김하나", "19800229", None, member)).await
    }

    /// Registers `person`.
    pub async fn register(&self, person: PersonRecord) -> Registered {
        self.register_all(vec![person]).await[0]
    }

    /// Registers people in one request.
    pub async fn register_all(&self, people: Vec<PersonRecord>) -> Vec<Registered> {
        let people = people.into_iter().map(|person| Registration { person, pin: None }).collect();
        self.store.register(people, self.now()).await.expect("registers")
    }

    /// Identifies a receiver for the city: by itself, and among several, which a store may look up in another way.
    pub async fn identify(&self, receiver: Receiver) -> Identified {
        let identify = async |receivers| {
            let found = self.store.identify(Lane::Bulk, self.city.institution, receivers).await;
            found.expect("identifies")
        };
        let alone = identify(vec![receiver.clone()]).await.remove(0);
        for among in identify(vec![receiver; 5]).await {
            assert_eq!(discriminant(&among), discriminant(&alone), "the same, however it is asked");
        }
        alone
    }

    /// The recipient with a phone number and a birthday, who must be registered.
    pub async fn recipient(&self, phone_number: &str, birthday: &str) -> Recipient {
        match self.identify(by_phone(phone_number, birthday)).await {
            Identified::Found(recipient) => recipient,
            _ => panic!("the person is known and takes documents"),
        }
    }

    /// Sends `count` documents from `sender` to `recipient`, open for a day.
    pub async fn send(&self, sender: Sender, recipient: &Recipient, count: usize) -> Vec<BinderId> {
        self.send_until(sender, recipient, count, self.now().plus(86_400)).await
    }

    /// Sends documents with a deadline.
    pub async fn send_until(
        &self,
        sender: Sender,
        recipient: &Recipient,
        count: usize,
        deadline_at: UnixSeconds,
    ) -> Vec<BinderId> {
        self.accept(sender, self.documents(recipient, count, deadline_at)).await
    }

    /// Documents for acceptance.
    pub fn documents(
        &self,
        recipient: &Recipient,
        count: usize,
        deadline_at: UnixSeconds,
    ) -> Vec<IdentifiedDocument> {
        (0..count)
            .map(|i| IdentifiedDocument {
                recipient: recipient.clone(),
                content: content("안내문"),
                own: Own { external_document_uuid: Some(format!("EXT-{i}")), payload: Some(format!("p{i}")) },
                hash: None,
                deadline_at,
            })
            .collect()
    }

    /// Accepts documents. Returns their ids.
    pub async fn accept(&self, sender: Sender, documents: Vec<IdentifiedDocument>) -> Vec<BinderId> {
        let parcel = ParcelId::generate(&self.clock);
        let ids = ids(parcel, documents.len());
        let acceptance = Acceptance {
            parcel,
            institution: sender.institution,
            contract: sender.contract,
            accepted_at: self.now(),
            documents,
            remember: None,
            refused: Refusals::new(),
        };
        let accepted = self.store.accept(acceptance).await.expect("accepts");
        assert_eq!(accepted, Accepted::Whole);
        ids
    }

    /// Claims.
    pub async fn claim(&self, limit: usize) -> Vec<Claim> {
        self.store.claim(limit, LEASE, self.now()).await.expect("claims").claims
    }

    /// Tells of the deadlines that passed, `limit` parcels at a time.
    pub async fn tell_expired(&self, limit: usize) {
        let mut looks = 0;
        while self.store.tell_expired(limit, self.now()).await.expect("looks") > 0 {
            looks += 1;
            assert!(looks < 20, "it comes to an end");
        }
    }

    /// Claims and finishes everything that waits. Returns the number of deliveries.
    pub async fn deliver_all(&self) -> usize {
        let mut delivered = 0;
        loop {
            let claims = self.claim(200).await;
            if claims.is_empty() {
                return delivered;
            }
            delivered += claims.len();
            self.finish(&claims, Outcome::Taken).await;
        }
    }

    /// Finishes claims with one outcome. Returns how many were still held.
    pub async fn finish(&self, claims: &[Claim], outcome: Outcome) -> usize {
        let finished = |claim: &Claim| {
            let Claim { ticket, document, institution, .. } = *claim;
            let failure = (outcome != Outcome::Taken).then_some(Failure::Status(503));
            Finished { ticket, document, institution, outcome, failure }
        };
        let finished = claims.iter().map(finished).collect();
        self.store.finish(finished, self.now()).await.expect("finishes")
    }

    /// The status of a document of `sender`.
    pub async fn status(&self, sender: Sender, id: BinderId) -> Option<DocumentStatus> {
        let found = self.store.statuses(Lane::Interactive, sender.institution, vec![id]).await;
        found.expect("answers").remove(0).expect("readable")
    }

    /// A delivered document of the city in a member's box.
    pub async fn delivered_document(&self) -> BinderId {
        self.person("01011112222", true).await;
        let recipient = self.recipient("01011112222", "19800229").await;
        let id = self.send(self.city, &recipient, 1).await[0];
        self.deliver_all().await;
        id
    }

    /// Opens a document of the city. Returns the token's hash.
    pub async fn open(&self, id: BinderId) -> TokenHash {
        let token = OneTimeToken::generate().hash();
        let opened = self
            .store
            .open(Opener::Institution(self.city.institution), id, token, self.now())
            .await
            .expect("answers");
        assert!(
            matches!(opened, seoham_store::boxes::OpenVerdict::Opened { .. }),
            "the document is open to its recipient"
        );
        token
    }

    /// Advances the clock.
    pub async fn advance(&self, seconds: u32) {
        self.store.advance_clock(seconds).await.expect("advances").expect("not too far");
    }
}

/// The ids of the first `count` documents of a parcel.
pub fn ids(parcel: ParcelId, count: usize) -> Vec<BinderId> {
    (0..).take(count).map(|position| parcel.document(position)).collect()
}

async fn sender(store: &dyn Store, clock: &Clock, name: &str) -> Sender {
    let institution = InstitutionId::generate(clock);
    let contract = ContractUuid::generate(clock);
    store
        .create_institution(Institution::new(institution, name.to_owned(), clock.now()))
        .await
        .expect("creates");
    let terms = Contract::new(contract, Product::default());
    assert!(store.create_contract(institution, terms).await.expect("creates"));
    Sender { institution, contract }
}

/// A person's record.
pub fn record(
    phone_number: &str,
    name: &str,
    birthday: &str,
    ci: Option<&str>,
    member: bool,
) -> PersonRecord {
    PersonRecord {
        phone_assigned_on: None,
        phone_number: phone_number.into(),
        name: name.into(),
        birthday: birthday.into(),
        ci: ci.map(Into::into),
        member,
        pin: None,
        email: EmailChange::Keep,
        behaviour: Behaviour::Ordinary,
    }
}

/// A receiver by number and birthday.
pub fn by_phone(phone_number: &str, birthday: &str) -> Receiver {
    let identity = ReceiverIdentity::Phone { phone_number: phone_number.into(), birthday: birthday.into() };
    Receiver { identity, verify_name: None }
}

/// A receiver by ci.
pub fn by_ci(ci: &str) -> Receiver {
    Receiver { identity: ReceiverIdentity::Ci(ci.into()), verify_name: None }
}

/// The content of a document.
pub fn content(title: &str) -> Content {
    Content {
        title: title.to_owned(),
        bridge: None,
        message: None,
        link: "https://notice.example.kr/open".to_owned(),
        cs_number: "02-000-0000".to_owned(),
        cs_name: "민원실".to_owned(),
        categories: Categories::default(),
    }
}

/// The key ring without its older master keys, as if they had been removed from its file.
pub fn without_older_keys(ring: &KeyRing) -> KeyRing {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ring");
    ring.write_new(&file).expect("written");
    let text = std::fs::read_to_string(&file).expect("read");
    let (first, index) = (text.lines().next(), text.lines().find(|line| line.starts_with("index ")));
    std::fs::write(&file, [first, index].map(Option::unwrap_or_default).join("\n")).expect("written");
    KeyRing::read(&file).expect("a ring")
}
