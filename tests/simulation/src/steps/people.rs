//! People are registered, join and refuse.

use seoham_store::Lane;
use seoham_store::people::{Identified, Recipient, Registered, Registration};

use crate::faults::Answer;
use crate::people::{Person, Refusal};
use crate::world::World;
use crate::{Found, demand};

/// How many earlier lookups are kept per person.
const OLD_LOOKS: usize = 3;

impl World<'_> {
    /// Registers an unknown person, until the registration is acknowledged.
    pub(crate) async fn register(&mut self) -> Found<()> {
        let member = self.chance.percent(50);
        self.register_new(member).await.map(drop)
    }

    pub(super) async fn register_new(&mut self, member: bool) -> Found<usize> {
        let mut person = Person::invented(self.ledger.people.len());
        self.say(format!("{} is registered, member: {member}", person.phone_number));
        let mut unanswered = false;
        loop {
            let (store, now) = (self.store(), self.now());
            let people = vec![Registration { person: person.record(member), pin: None }];
            match self.call("register", store.register(people, now)).await? {
                Answer::Given(reported) => {
                    let right =
                        reported == [Registered::Added] || (unanswered && reported == [Registered::Updated]);
                    demand!(right, "{} was registered: {reported:?}", person.phone_number);
                    if member {
                        (person.member, person.joined) = (true, Some(now));
                    }
                    return Ok(self.ledger.add_person(person));
                }
                Answer::NotDone => {}
                Answer::Unknown(_) => unanswered = true,
            }
        }
    }

    /// Looks people up for an institution, as the gateway does, and checks the results against the recorded
    /// refusals. The result is empty if the call fails.
    pub(super) async fn identify(
        &mut self,
        institution: usize,
        people: &[usize],
    ) -> Found<Vec<Option<Recipient>>> {
        let by_ci = self.chance.percent(30);
        let receivers = people.iter().map(|no| self.ledger.people[*no].receiver(by_ci)).collect();
        let (store, asker) = (self.store(), self.ledger.institutions[institution].id);
        let Answer::Given(found) =
            self.call("identify", store.identify(Lane::Bulk, asker, receivers)).await?
        else {
            return Ok(people.iter().map(|_| None).collect());
        };
        demand!(found.len() == people.len(), "{} looked up, {} told", people.len(), found.len());
        people.iter().zip(found).map(|(no, found)| self.identified(institution, *no, found)).collect()
    }

    fn identified(&mut self, institution: usize, no: usize, found: Identified) -> Found<Option<Recipient>> {
        let person = &mut self.ledger.people[no];
        let number = &person.phone_number;
        let refusal = person.refusals.entry(institution).or_insert(Refusal::Accepted);
        match found {
            Identified::Found(recipient) => {
                demand!(*refusal != Refusal::Refused, "{number} refuses, and is found");
                *refusal = Refusal::Accepted;
                let same = *person.id.get_or_insert(recipient.person) == recipient.person;
                demand!(same, "{number} is somebody else than before");
                if recipient.member {
                    demand!(person.joined.is_some(), "{number} is a member and never joined");
                } else {
                    demand!(!person.member, "{number} joined and is no member");
                    // No call is in progress, so an unanswered join did not take place.
                    person.joined = None;
                }
                Ok(Some(recipient))
            }
            Identified::Refused => {
                demand!(*refusal != Refusal::Accepted, "{number} never refused, and does");
                *refusal = Refusal::Refused;
                Ok(None)
            }
            Identified::NotFound | Identified::Breaks => {
                demand!(false, "{number} was registered and is not found");
                Ok(None)
            }
        }
    }

    /// Looks a person up for later use, perhaps after they joined.
    pub(super) async fn look_up_for_later(&mut self) -> Found<()> {
        let institution = self.chance.below(self.ledger.institutions.len());
        let no = self.chance.below(self.ledger.people.len());
        self.say(format!("{} is looked up for later", self.ledger.people[no].phone_number));
        let found = self.identify(institution, &[no]).await?;
        let person = &mut self.ledger.people[no];
        person.old_looks.extend(found.into_iter().flatten());
        if person.old_looks.len() > OLD_LOOKS {
            person.old_looks.remove(0);
        }
        Ok(())
    }

    pub(super) async fn join(&mut self) -> Found<()> {
        // Occasionally one who is already a member.
        let again = self.chance.percent(10);
        let people = self.ledger.people.iter().enumerate();
        let joining = people.filter(|(_, person)| !person.later && (again || !person.member));
        let joining: Vec<usize> = joining.map(|(no, _)| no).collect();
        let Some(no) = self.chance.pick(&joining) else { return Ok(()) };
        self.join_one(no).await
    }

    pub(super) async fn join_one(&mut self, no: usize) -> Found<()> {
        let Some(id) = self.ledger.people[no].id else { return Ok(()) };
        self.say(format!("{} joins", self.ledger.people[no].phone_number));
        let recent = self.ledger.people[no].documents.iter().rev().take(5).copied().collect::<Vec<_>>();
        for document in recent {
            self.touch(document);
        }
        let (store, now) = (self.store(), self.now());
        match self.call("join", store.join(id, now)).await? {
            Answer::Given(()) => self.ledger.joined(no, now),
            Answer::NotDone => {}
            Answer::Unknown(_) => {
                self.ledger.people[no].joined.get_or_insert(now);
            }
        }
        Ok(())
    }

    pub(super) async fn join_due(&mut self) -> Found<()> {
        self.say("people who joined are followed");
        let limit = self.chance.below(400) + 1;
        let (store, now) = (self.store(), self.now());
        if let Answer::Given(0) = self.call("join_due", store.join_due(limit, now)).await? {
            self.ledger.all_moved(now);
        }
        Ok(())
    }

    /// Moves some documents, without faults; returns the store's result.
    pub(crate) async fn join_some(&mut self, limit: usize) -> Found<usize> {
        let now = self.now();
        let moved = crate::world::answered("join_due", self.store().join_due(limit, now).await)?;
        if moved == 0 {
            self.ledger.all_moved(now);
        }
        Ok(moved)
    }

    pub(super) async fn refuse(&mut self) -> Found<()> {
        let institution = self.chance.below(self.ledger.institutions.len());
        let no = self.chance.below(self.ledger.people.len());
        let person = &self.ledger.people[no];
        let Some(id) = person.id else { return Ok(()) };
        // A person who refuses the institution accepts it again, so that recipients remain.
        let refuses = person.refusals.get(&institution) != Some(&Refusal::Refused);
        let sender = &self.ledger.institutions[institution];
        let said = format!("{} refuses {}: {refuses}", person.phone_number, sender.name);
        let sender = sender.id;
        self.say(said);
        let (store, now) = (self.store(), self.now());
        let call = store.set_refusal(id, sender, refuses, now);
        let known = match self.call("set_refusal", call).await? {
            Answer::Given(()) if refuses => Refusal::Refused,
            Answer::Given(()) => Refusal::Accepted,
            Answer::NotDone => return Ok(()),
            Answer::Unknown(_) => Refusal::Unsure,
        };
        self.ledger.people[no].refusals.insert(institution, known);
        Ok(())
    }
}
