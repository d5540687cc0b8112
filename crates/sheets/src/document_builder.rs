//! Converts a row's cells to a document.

use seoham_model::document::{Deadline, NewDocument, NewReceiver};
use seoham_model::{Text, UnixSeconds};

use crate::layout::{DAY_SECONDS, Source};
use crate::repair::{self, Mended};
use crate::row::{Content, Good, Problem, Record, Repair};
use crate::xlsx::cell_name;
use crate::{Cell, Layout, Member};

/// The categories in a cell.
pub(crate) fn categories(text: &str) -> Vec<String> {
    text.split([',', '/', ';', ' ']).map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect()
}

impl Layout {
    /// The document of a row, validated by SPEC 4 as of `now`; or all errors.
    pub fn document(&self, record: &Record, now: UnixSeconds) -> Result<Good, Vec<Problem>> {
        if let Some(damage) = &record.damage {
            return Err(vec![Problem::of_row(damage.clone())]);
        }
        match &record.content {
            Content::Json(line) => self.of_line(line, now),
            Content::Cells(cells) => {
                self.refuse_merged(record)?;
                self.refuse_rows_within(record)?;
                DocumentBuilder { layout: self, record, cells, problems: Vec::new(), repairs: Vec::new() }
                    .build(now)
            }
        }
    }
}

/// Builds the document of one row.
struct DocumentBuilder<'a> {
    layout: &'a Layout,
    record: &'a Record,
    cells: &'a [Cell],
    problems: Vec<Problem>,
    repairs: Vec<Repair>,
}

impl DocumentBuilder<'_> {
    /// The document, or all its errors.
    fn build(mut self, now: UnixSeconds) -> Result<Good, Vec<Problem>> {
        let receiver = self.receiver();
        let text = |builder: &mut Self, member| builder.value(member, repair::text).unwrap_or_default();
        let title = text(&mut self, Member::Title);
        let link = self.value(Member::Link, repair::link).unwrap_or_default();
        let (cs_number, cs_name) = (text(&mut self, Member::CsNumber), text(&mut self, Member::CsName));
        let id = text(&mut self, Member::ExternalDocumentUuid);
        let mut document = NewDocument::new(&title, &link, receiver)
            .customer_service(&cs_number, &cs_name)
            .external_document_uuid(&id);
        document = document.deadline(self.deadline());
        if let Some(hash) = self.value(Member::Hash, repair::text) {
            document = document.hash(&hash);
        }
        if let Some(payload) = self.value(Member::Payload, repair::text) {
            document = document.payload(&payload);
        }
        if let Some(message) = self.value(Member::Message, repair::text) {
            document = document.message(&message);
        }
        if let Some(bridge) = self.value(Member::BridgeContent, repair::text) {
            document = document.bridge(&bridge);
        }
        for category in self.value(Member::CommonCategories, repair::text).iter().flat_map(|c| categories(c))
        {
            document = document.category(&category);
        }
        match document.check(now, true) {
            Ok(json) if self.problems.is_empty() => {
                self.repairs.sort_unstable();
                self.repairs.dedup();
                Ok(Good { external_document_uuid: id, json, repairs: self.repairs })
            }
            Ok(_) => Err(self.problems),
            Err(violations) => {
                for violation in &violations {
                    let problem = self.layout.problem(violation);
                    // An unreadable member is not also reported as missing.
                    let reported =
                        self.problems.iter().any(|p| p.member.is_some() && p.member == problem.member);
                    if !reported {
                        self.problems.push(problem);
                    }
                }
                Err(self.problems)
            }
        }
    }

    fn receiver(&mut self) -> NewReceiver {
        let ci = self.value(Member::Ci, repair::text);
        let name = self.value(Member::Name, repair::name);
        let receiver = if let Some(ci) = ci {
            NewReceiver::by_ci(&ci).named(name.as_deref())
        } else {
            let phone_number = self.value(Member::PhoneNumber, repair::phone_number).unwrap_or_default();
            let century = self.layout.birth_century;
            let birthday =
                self.value(Member::Birthday, |cell| repair::birthday(cell, century)).unwrap_or_default();
            NewReceiver::by_phone(&phone_number, &name.unwrap_or_default(), &birthday)
        };
        if self.value(Member::IsRequiredVerifyName, repair::flag) == Some(true) {
            receiver.verifying_name()
        } else {
            receiver
        }
    }

    fn deadline(&mut self) -> Deadline {
        let given = [Member::ReadExpiredAt, Member::ReadExpiredSec, Member::ReadExpiredDays];
        let given: Vec<Member> =
            given.into_iter().filter(|m| !self.cell(*m).is_ok_and(|c| c.is_empty())).collect();
        let deadline = match given.as_slice() {
            [Member::ReadExpiredAt] => self.value(Member::ReadExpiredAt, repair::deadline).map(Deadline::At),
            [Member::ReadExpiredSec] => {
                self.value(Member::ReadExpiredSec, repair::whole).map(Deadline::InSeconds)
            }
            [Member::ReadExpiredDays] => {
                let days = self.value(Member::ReadExpiredDays, repair::whole);
                days.map(|days| Deadline::InSeconds(days.saturating_mul(DAY_SECONDS)))
            }
            _ => {
                self.problems.push(Problem::of_row(Text::fixed(
                    "열람기한, 열람초, 열람일수 가운데 정확히 하나가 있어야 합니다",
                    "exactly one of read_expired_at, read_expired_sec and read_expired_days must be given",
                )));
                None
            }
        };
        // A missing deadline is already reported; any valid value prevents a second report.
        deadline.unwrap_or(Deadline::InSeconds(1))
    }

    fn cell(&self, member: Member) -> Result<Cell, usize> {
        match self.layout.source(member) {
            None => Ok(Cell::Empty),
            Some(Source::Column(column)) => Ok(self.cells.get(*column).cloned().unwrap_or_default()),
            Some(Source::Set(template)) => template.cell(self.record, self.cells),
        }
    }

    /// A member's normalised value; `None` if it is absent, or invalid, which is then reported.
    fn value<T>(&mut self, member: Member, mend: impl FnOnce(&Cell) -> Mended<T>) -> Option<T> {
        let column = match self.layout.source(member) {
            Some(Source::Column(column)) => self.layout.header.get(*column).cloned(),
            _ => None,
        };
        let problem = match self.cell(member) {
            Ok(Cell::Empty) => return None,
            Ok(cell) if cell.is_unreadable() => Problem {
                column,
                member: Some(member),
                cell: None,
                text: Text::fixed(
                    "셀의 값을 읽을 수 없습니다. 값을 다시 입력해 주십시오",
                    "the value of its cell cannot be told; enter it anew",
                ),
            },
            Ok(Cell::Failed(error)) => Problem {
                column,
                member: Some(member),
                cell: None,
                text: Text::made(format!("수식 오류({error})입니다"), format!("a formula failed ({error})")),
            },
            Ok(Cell::Stale) => {
                let row = u32::try_from(self.record.row.saturating_sub(1)).unwrap_or(u32::MAX);
                let cell = match self.layout.source(member) {
                    Some(Source::Column(column)) => u32::try_from(*column).ok(),
                    _ => None,
                };
                Problem {
                    column,
                    member: Some(member),
                    cell: cell.map(|column| cell_name((row, column))),
                    text: Text::fixed(
                        "수식의 값이 최신이 아닙니다. Excel에서 열어 다시 계산하고 저장하거나, 값으로 붙여 넣어 주십시오",
                        "the value of its formula is not the present one; open the file in Excel and save it, or paste it as a value",
                    ),
                }
            }
            Ok(cell) => match mend(&cell) {
                Ok((value, repair)) => {
                    self.repairs.extend(repair);
                    return Some(value);
                }
                Err(text) => Problem { column, member: Some(member), cell: None, text },
            },
            Err(column) => Problem {
                column: self.layout.header.get(column).cloned(),
                member: Some(member),
                cell: None,
                text: Text::fixed(
                    "서식에 넣을 값이 없거나 확실하지 않습니다",
                    "the value for its template is missing or not certain",
                ),
            },
        };
        self.problems.push(problem);
        None
    }
}
