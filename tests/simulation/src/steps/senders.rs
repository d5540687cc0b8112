//! Institutions send documents, and query their statuses.

use seoham_model::document::{Categories, Content, Own};
use seoham_store::documents::{Acceptance, Accepted, IdentifiedDocument};
use seoham_store::people::Recipient;
use seoham_store::statistics::Refusals;

use crate::Found;
use crate::faults::Answer;
use crate::figures::REFUSED;
use crate::ledger::{Known, New};
use crate::world::World;

const TITLES: [&str; 4] = ["재산세 안내", "카드 명세서", "검진 결과", "전기요금 청구서"];
const DAY: i64 = 24 * 60 * 60;

impl World<'_> {
    pub(super) async fn send(&mut self) -> Found<()> {
        let institution = self.chance.below(self.ledger.institutions.len());
        let count = self.chance.below(20) + 1;
        let people: Vec<usize> = (0..count).map(|_| self.chance.below(self.ledger.people.len())).collect();
        let found = self.identify(institution, &people).await?;
        if self.chance.permille(3) {
            self.crash().await?;
        }
        let mut recipients = Vec::new();
        for (no, found) in people.into_iter().zip(found) {
            let old = &self.ledger.people[no].old_looks;
            let recipient = if old.is_empty() || self.chance.percent(50) {
                found
            } else {
                Some(old[self.chance.below(old.len())].clone())
            };
            recipients.extend(recipient.map(|recipient| (no, recipient)));
        }
        self.accept(institution, recipients).await
    }

    /// Sends one person more documents than a store moves in one step; then they join.
    pub(super) async fn send_many_to_one(&mut self) -> Found<()> {
        let no = self.register_new(false).await?;
        let institution = self.chance.below(self.ledger.institutions.len());
        let Some(recipient) = self.identify(institution, &[no]).await?.remove(0) else { return Ok(()) };
        for _ in 0..6 {
            self.accept(institution, vec![(no, recipient.clone()); 95]).await?;
        }
        self.join_one(no).await
    }

    async fn accept(&mut self, institution: usize, recipients: Vec<(usize, Recipient)>) -> Found<()> {
        if recipients.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let parcel = self.chance.parcel(now);
        let (mut documents, mut new) = (Vec::new(), Vec::new());
        for (position, (person, recipient)) in (0..=127).zip(recipients) {
            let id = parcel.document(position);
            let title = TITLES[self.chance.below(TITLES.len())].to_owned();
            let deadline_at = now.plus(self.seconds_open());
            let payload = self.chance.percent(50).then(|| format!("p{}", self.chance.below(1_000_000)));
            let external = format!("EXT-{}", self.chance.below(1_000_000));
            let own = Own { external_document_uuid: Some(external.clone()), payload: payload.clone() };
            let for_member = recipient.member;
            let hash = self.chance.percent(10).then(|| "0".repeat(64));
            let content = content(&title);
            documents.push(IdentifiedDocument { recipient, content, own, hash, deadline_at });
            new.push(New { id, person, deadline_at, title, payload, external, for_member });
        }
        let sender = &self.ledger.institutions[institution];
        let (id, contract) = (sender.id, sender.contract);
        self.say(format!("{} sends {} from {}", sender.name, new.len(), new[0].id));
        let acceptance = Acceptance {
            parcel,
            institution: id,
            contract,
            accepted_at: now,
            documents,
            remember: None,
            refused: Refusals::from([REFUSED]),
        };
        let store = self.store();
        let there = match self.call("accept", store.accept(acceptance)).await? {
            Answer::Given(Accepted::Whole) => Known::Yes,
            Answer::NotDone | Answer::Given(Accepted::KeyMoved) => Known::No,
            Answer::Unknown(_) => Known::Unsure,
        };
        let first = self.ledger.documents.len();
        self.ledger.sent(institution, new, there, now);
        (first..self.ledger.documents.len()).for_each(|no| self.touch(no));
        Ok(())
    }

    /// From a second to months.
    fn seconds_open(&mut self) -> i64 {
        let most = match self.chance.below(100) {
            0..20 => 300,
            20..55 => DAY,
            55..85 => 30 * DAY,
            _ => 200 * DAY,
        };
        self.chance.between(1, most)
    }

    pub(super) async fn ask(&mut self) -> Found<()> {
        let count = self.chance.below(20) + 1;
        let documents: Vec<usize> = (0..count).filter_map(|_| self.some_document()).collect();
        self.say(format!("statuses of {count} are asked for"));
        self.look_at(&documents).await
    }
}

fn content(title: &str) -> Content {
    Content {
        bridge: None,
        title: title.to_owned(),
        message: None,
        link: "https://notice.example.kr/open".to_owned(),
        cs_number: "02-000-0000".to_owned(),
        cs_name: "민원실".to_owned(),
        categories: Categories::default(),
    }
}
