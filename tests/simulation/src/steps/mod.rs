//! The possible steps and their frequencies.

mod clock;
mod feeds;
mod messenger;
mod people;
mod recipients;
mod senders;
mod workers;

use crate::Found;
use crate::world::World;

#[derive(Clone, Copy)]
enum Step {
    Send,
    SendManyToOne,
    LookUp,
    Claim,
    Finish,
    FinishLate,
    Report,
    Outage,
    Register,
    Join,
    JoinDue,
    Refuse,
    Open,
    Verify,
    Read,
    Withdraw,
    ReadFeed,
    TellExpired,
    Ask,
    AskAsStrangers,
    Clock,
    Tidy,
    Queue,
    Describe,
    Crash,
}

/// The relative frequency of each step.
const WEIGHTS: [(Step, usize); 25] = [
    (Step::Send, 1_100),
    (Step::SendManyToOne, 2),
    (Step::LookUp, 250),
    (Step::Claim, 800),
    (Step::Finish, 1_000),
    (Step::FinishLate, 250),
    (Step::Report, 800),
    (Step::Outage, 30),
    (Step::Register, 80),
    (Step::Join, 150),
    (Step::JoinDue, 150),
    (Step::Refuse, 150),
    (Step::Open, 1_200),
    (Step::Verify, 1_100),
    (Step::Read, 900),
    (Step::Withdraw, 150),
    (Step::ReadFeed, 300),
    (Step::TellExpired, 150),
    (Step::Ask, 900),
    (Step::AskAsStrangers, 100),
    (Step::Clock, 800),
    (Step::Tidy, 80),
    (Step::Queue, 60),
    (Step::Describe, 150),
    (Step::Crash, 30),
];

impl World<'_> {
    pub(crate) async fn one_step(&mut self) -> Found<()> {
        match self.chosen() {
            Step::Send => self.send().await,
            Step::SendManyToOne => self.send_many_to_one().await,
            Step::LookUp => self.look_up_for_later().await,
            Step::Claim => self.claim().await,
            Step::Finish => self.finish().await,
            Step::FinishLate => self.finish_late().await,
            Step::Report => self.report_arrivals().await,
            Step::Outage => {
                self.outage = !self.outage;
                self.say(format!("the messenger's outage: {}", self.outage));
                Ok(())
            }
            Step::Register => self.register().await,
            Step::Join => self.join().await,
            Step::JoinDue => self.join_due().await,
            Step::Refuse => self.refuse().await,
            Step::Open => self.open().await,
            Step::Verify => self.verify().await,
            Step::Read => self.read().await,
            Step::Withdraw => self.withdraw().await,
            Step::ReadFeed => self.read_feed().await,
            Step::TellExpired => self.tell_expired().await,
            Step::Ask => self.ask().await,
            Step::AskAsStrangers => {
                let documents: Vec<usize> = (0..5).filter_map(|_| self.some_document()).collect();
                self.say("institutions ask for one another's documents");
                self.ask_as_strangers(&documents).await
            }
            Step::Clock => self.move_clock().await,
            Step::Tidy => self.tidy().await,
            Step::Queue => {
                self.say("the queue is looked at");
                self.check_queue().await
            }
            Step::Describe => {
                let Some(document) = self.some_document() else { return Ok(()) };
                self.say(format!("the operator looks at {}", self.ledger.documents[document].id));
                self.describe(document).await
            }
            Step::Crash => self.crash().await,
        }
    }

    fn chosen(&mut self) -> Step {
        let all: usize = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut at = self.chance.below(all);
        for (step, weight) in WEIGHTS {
            if at < weight {
                return step;
            }
            at -= weight;
        }
        Step::Ask
    }

    /// A document, usually a recent one.
    fn some_document(&mut self) -> Option<usize> {
        self.chance.recent(self.ledger.documents.len(), 300)
    }

    /// Usually a document that can be opened: one of a few unexpired ones in boxes.
    fn openable_document(&mut self) -> Option<usize> {
        let now = self.now();
        for _ in 0..6 {
            let no = self.some_document()?;
            let document = &self.ledger.documents[no];
            if document.must_be_received && document.is_open_at(now) {
                return Some(no);
            }
        }
        self.some_document()
    }

    /// The institution of a document, or rarely another one.
    fn asker(&mut self, document: usize) -> usize {
        if self.chance.percent(3) {
            self.chance.below(self.ledger.institutions.len())
        } else {
            self.ledger.documents[document].institution
        }
    }
}
