//! Which column or constant each member of a document comes from.

use std::collections::HashSet;

use seoham_model::document::{CheckContext, Deadline, NewDocument, NewReceiver, ReadItem};
use seoham_model::violation::{self, Place, Violation};
use seoham_model::{Text, UnixSeconds};
use serde_json::Value;

use crate::repair::{self, Mended};
use crate::row::{Content, Good, Problem, Record, Repair};
use crate::template::{Template, column, shown_header};
use crate::{Cell, Format, Member, Sheet, SheetError};

const DAY_SECONDS: u32 = 86_400;

/// How rows become documents.
pub struct Layout {
    header: Vec<String>,
    sources: Vec<(Member, Source)>,
    /// What is set in lines of JSON.
    constants: Vec<(Member, Value)>,
    numbers_rows: bool,
}

enum Source {
    Column(usize),
    Set(Template),
}

impl Layout {
    /// The layout of a sheet: columns are found by their names, or by `maps` (member and column), and
    /// overridden by `sets` (member and constant or template).
    pub fn new(
        sheet: &Sheet,
        maps: &[(Member, String)],
        sets: &[(Member, String)],
    ) -> Result<Self, SheetError> {
        let header = sheet.header().to_vec();
        if *sheet.format() == Format::JsonLines {
            return Self::of_json(maps, sets);
        }
        if header.iter().any(|name| name == crate::annotate::BINDER) {
            return Err(SheetError::new(
                "이미 발송한 결과 파일입니다(document_binder_uuid 열이 있습니다). 다시 보내려면 그 열을 지워 주십시오",
                "this is the result of a send (it has a column document_binder_uuid); remove that column to send it again",
            ));
        }
        let mut sources: Vec<(Member, Source)> = Vec::new();
        for (member, template) in sets {
            put(&mut sources, *member, Source::Set(Template::parse(template, &header)?))?;
        }
        for (member, name) in maps {
            put(&mut sources, *member, Source::Column(column(name, &header)?))?;
        }
        let taken: HashSet<Member> = sources.iter().map(|(member, _)| *member).collect();
        let mapped: HashSet<usize> = sources
            .iter()
            .filter_map(|(_, source)| match source {
                Source::Column(column) => Some(*column),
                Source::Set(_) => None,
            })
            .collect();
        for (i, name) in header.iter().enumerate() {
            let Some(member) = Member::of_column(name) else { continue };
            if taken.contains(&member) || mapped.contains(&i) {
                continue;
            }
            if let Some((_, Source::Column(first))) = sources.iter().find(|(known, _)| *known == member) {
                let first = &header[*first];
                return Err(SheetError::made(
                    format!(
                        "'{first}' 열과 '{name}' 열이 모두 {member}로 보입니다. --map {member}=열이름 으로 정해 주십시오"
                    ),
                    format!(
                        "columns {first:?} and {name:?} both look like {member}; choose with --map {member}=COLUMN"
                    ),
                ));
            }
            sources.push((member, Source::Column(i)));
        }
        let numbers_rows = !sources.iter().any(|(member, _)| *member == Member::ExternalDocumentUuid);
        if numbers_rows {
            sources.push((Member::ExternalDocumentUuid, Source::Set(Template::row_number("ROW-"))));
        }
        let layout = Self { header, sources, constants: Vec::new(), numbers_rows };
        layout.check_whole()?;
        Ok(layout)
    }

    fn of_json(maps: &[(Member, String)], sets: &[(Member, String)]) -> Result<Self, SheetError> {
        if !maps.is_empty() {
            return Err(SheetError::new(
                "--map은 표(CSV, XLSX)에만 쓸 수 있습니다",
                "--map is for tables (CSV, XLSX) alone",
            ));
        }
        let mut constants = Vec::new();
        for (member, template) in sets {
            let constant = Template::parse(template, &[])?.constant().ok_or_else(|| {
                SheetError::new(
                    "JSON Lines의 --set은 고정된 값이어야 합니다",
                    "--set on JSON Lines must be a constant",
                )
            })?;
            let cell = Cell::of_text(&constant);
            let wrong = |text: Text| SheetError(text.about(&format_args!("--set {member}")));
            let value = match member {
                Member::ReadExpiredAt => repair::deadline(&cell).map_err(wrong)?.0.0.into(),
                Member::ReadExpiredSec => repair::whole(&cell).map_err(wrong)?.0.into(),
                Member::ReadExpiredDays => {
                    repair::whole(&cell).map_err(wrong)?.0.saturating_mul(DAY_SECONDS).into()
                }
                Member::IsRequiredVerifyName => repair::flag(&cell).map_err(wrong)?.0.into(),
                Member::CommonCategories => categories(&constant).into(),
                _ => constant.into(),
            };
            constants.push((*member, value));
        }
        Ok(Self { header: Vec::new(), sources: Vec::new(), constants, numbers_rows: false })
    }

    /// Every member that a document must have has a source.
    fn check_whole(&self) -> Result<(), SheetError> {
        let has = |member: Member| self.sources.iter().any(|(known, _)| *known == member);
        let mut missing: Vec<Member> = [Member::Title, Member::Link, Member::CsNumber, Member::CsName]
            .into_iter()
            .filter(|m| !has(*m))
            .collect();
        if !has(Member::Ci) {
            let identity = [Member::PhoneNumber, Member::Name, Member::Birthday];
            missing.extend(identity.into_iter().filter(|m| !has(*m)));
        }
        let deadlines = [Member::ReadExpiredAt, Member::ReadExpiredSec, Member::ReadExpiredDays];
        if !deadlines.iter().any(|member| has(*member)) {
            missing.push(Member::ReadExpiredAt);
        }
        if missing.is_empty() {
            return Ok(());
        }
        let names = |korean: bool| {
            let name = |m: &Member| if korean { format!("{}({m})", m.korean()) } else { m.to_string() };
            missing.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let first = missing[0];
        let columns = shown_header(&self.header);
        Err(SheetError::made(
            format!(
                "필요한 열이 없습니다: {}. 열 이름이 다르면 --map {first}=열이름, 모든 행에 같은 값이면 \
                 --set {first}=값 으로 정해 주십시오. 파일에 있는 열: {columns}",
                names(true)
            ),
            format!(
                "columns are missing: {}. Name a column with --map {first}=COLUMN, or give all rows one value \
                 with --set {first}=VALUE. The file has: {columns}",
                names(false)
            ),
        ))
    }

    /// Where each member comes from, as a person reads it: a column's name, or none for what is set.
    pub fn described(&self) -> Vec<(Member, Option<&str>)> {
        let column = |source: &Source| match source {
            Source::Column(column) => Some(self.header[*column].as_str()),
            Source::Set(_) => None,
        };
        self.sources.iter().map(|(member, source)| (*member, column(source))).collect()
    }

    /// Columns that nothing is taken from.
    pub fn unused(&self) -> Vec<&str> {
        let used = self.used_columns();
        let unused = self.header.iter().enumerate().filter(|(i, name)| !used.contains(i) && !name.is_empty());
        unused.map(|(_, name)| name.as_str()).collect()
    }

    /// The table has no ids of its own, so the rows' numbers are used.
    pub fn numbers_rows(&self) -> bool {
        self.numbers_rows
    }

    fn used_columns(&self) -> HashSet<usize> {
        let mut used = HashSet::new();
        for (_, source) in &self.sources {
            match source {
                Source::Column(column) => {
                    used.insert(*column);
                }
                Source::Set(template) => used.extend(template.columns()),
            }
        }
        used
    }

    /// The document of a row, checked by every rule of SPEC 4 at `now`; or all that is wrong.
    pub fn document(&self, record: &Record, now: UnixSeconds) -> Result<Good, Vec<Problem>> {
        if let Some(damage) = &record.damage {
            return Err(vec![Problem::of_row(damage.clone())]);
        }
        match &record.content {
            Content::Json(line) => self.of_line(line, now),
            Content::Cells(cells) => {
                self.refuse_merged(record)?;
                Making { layout: self, record, cells, problems: Vec::new(), repairs: Vec::new() }.make(now)
            }
        }
    }

    fn refuse_merged(&self, record: &Record) -> Result<(), Vec<Problem>> {
        if record.merged.is_empty() {
            return Ok(());
        }
        let used = self.used_columns();
        let touched =
            record.merged.iter().filter(|(from, to, _)| used.iter().any(|c| (from..=to).contains(&c)));
        let problems: Vec<Problem> = touched
            .map(|(from, _, range)| Problem {
                column: self.header.get(*from).cloned(),
                member: None,
                text: Text::made(
                    format!("병합된 셀입니다({range}). 병합을 풀고 행마다 값을 채워 주십시오"),
                    format!("is merged ({range}); unmerge it and fill in every row"),
                ),
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn of_line(&self, line: &str, now: UnixSeconds) -> Result<Good, Vec<Problem>> {
        let malformed = |error: &serde_json::Error| {
            let column = error.column();
            vec![Problem::of_row(Text::made(
                format!("올바른 JSON이 아닙니다({column}열)"),
                format!("malformed JSON at column {column}"),
            ))]
        };
        let set;
        let line = if self.constants.is_empty() {
            line
        } else {
            let mut value: Value = serde_json::from_str(line).map_err(|e| malformed(&e))?;
            for (member, constant) in &self.constants {
                set_member(&mut value, *member, constant);
            }
            set = value.to_string();
            &set
        };
        let raw: &serde_json::value::RawValue = serde_json::from_str(line).map_err(|e| malformed(&e))?;
        let sent: Option<serde_json::Map<String, Value>> = serde_json::from_str(line).ok();
        if sent.is_some_and(|line| line.contains_key(crate::annotate::BINDER)) {
            return Err(vec![Problem::of_row(Text::fixed(
                "이미 발송한 결과입니다(document_binder_uuid가 있습니다)",
                "is the result of a send (it has a document_binder_uuid)",
            ))]);
        }
        let item = ReadItem::read(raw);
        match item.check(CheckContext { now, certified: false, bulk: true }) {
            Ok(_) => Ok(Good {
                external_document_uuid: item.external_document_uuid().unwrap_or_default(),
                json: raw.get().to_owned(),
                repairs: Vec::new(),
            }),
            Err(violations) => Err(violations.iter().map(|v| self.problem(v)).collect()),
        }
    }

    fn problem(&self, violation: &Violation) -> Problem {
        let member = match violation.member {
            "read_expired_sec" if self.source(Member::ReadExpiredSec).is_none() => {
                Some(Member::ReadExpiredDays)
            }
            path => Member::of_path(path),
        };
        let column = match member.and_then(|member| self.source(member)) {
            Some(Source::Column(column)) => self.header.get(*column).cloned(),
            _ => None,
        };
        Problem { column, member, text: violation::text(std::slice::from_ref(violation), Place::Body) }
    }

    fn source(&self, member: Member) -> Option<&Source> {
        self.sources.iter().find(|(known, _)| *known == member).map(|(_, source)| source)
    }
}

fn put(sources: &mut Vec<(Member, Source)>, member: Member, source: Source) -> Result<(), SheetError> {
    if sources.iter().any(|(known, _)| *known == member) {
        return Err(SheetError::made(
            format!("{member}를 두 번 정했습니다(--map, --set)"),
            format!("{member} is given twice (--map, --set)"),
        ));
    }
    sources.push((member, source));
    Ok(())
}

/// Sets a member of a document in JSON, and takes away what it stands against.
fn set_member(document: &mut Value, member: Member, constant: &Value) {
    let deadlines = ["read_expired_at", "read_expired_sec"];
    let path = if member == Member::ReadExpiredDays { "read_expired_sec" } else { member.path() };
    let Some(object) = document.as_object_mut() else { return };
    if deadlines.contains(&path) {
        for deadline in deadlines {
            object.remove(deadline);
        }
    }
    let (object, name) = match path.split_once('.') {
        None => (Some(object), path),
        Some((outer, name)) => {
            let inner = object.entry(outer).or_insert_with(|| Value::Object(serde_json::Map::new()));
            (inner.as_object_mut(), name)
        }
    };
    if let Some(object) = object {
        object.insert(name.to_owned(), constant.clone());
    }
}

fn categories(text: &str) -> Vec<String> {
    text.split([',', '/', ';', ' ']).map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect()
}

/// A document in the making.
struct Making<'a> {
    layout: &'a Layout,
    record: &'a Record,
    cells: &'a [Cell],
    problems: Vec<Problem>,
    repairs: Vec<Repair>,
}

impl Making<'_> {
    fn make(mut self, now: UnixSeconds) -> Result<Good, Vec<Problem>> {
        let receiver = self.receiver();
        let text = |making: &mut Self, member| making.value(member, repair::text).unwrap_or_default();
        let (title, link) = (text(&mut self, Member::Title), text(&mut self, Member::Link));
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
                    // What could not be read is not also missing.
                    let told = self.problems.iter().any(|p| p.member.is_some() && p.member == problem.member);
                    if !told {
                        self.problems.push(problem);
                    }
                }
                Err(self.problems)
            }
        }
    }

    fn receiver(&mut self) -> NewReceiver {
        let ci = self.value(Member::Ci, repair::text);
        let name = self.value(Member::Name, repair::text);
        let receiver = if let Some(ci) = ci {
            NewReceiver::by_ci(&ci).named(name.as_deref())
        } else {
            let phone_number = self.value(Member::PhoneNumber, repair::phone_number).unwrap_or_default();
            let birthday = self.value(Member::Birthday, repair::birthday).unwrap_or_default();
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
        // One that is missing is told already; any sound one keeps it from being told twice.
        deadline.unwrap_or(Deadline::InSeconds(1))
    }

    fn cell(&self, member: Member) -> Result<Cell, usize> {
        match self.layout.source(member) {
            None => Ok(Cell::Empty),
            Some(Source::Column(column)) => Ok(self.cells.get(*column).cloned().unwrap_or_default()),
            Some(Source::Set(template)) => template.cell(self.record, self.cells),
        }
    }

    /// A member's value, mended; none when there is none, or it is no good, which is then told.
    fn value<T>(&mut self, member: Member, mend: impl FnOnce(&Cell) -> Mended<T>) -> Option<T> {
        let column = match self.layout.source(member) {
            Some(Source::Column(column)) => self.layout.header.get(*column).cloned(),
            _ => None,
        };
        let problem = match self.cell(member) {
            Ok(Cell::Empty) => return None,
            Ok(Cell::Failed(error)) => Problem {
                column,
                member: Some(member),
                text: Text::made(
                    format!("{member}: 수식 오류({error})입니다"),
                    format!("{member}: a formula failed ({error})"),
                ),
            },
            Ok(cell) => match mend(&cell) {
                Ok((value, repair)) => {
                    self.repairs.extend(repair);
                    return Some(value);
                }
                Err(text) => Problem { column, member: Some(member), text: text.about(&member) },
            },
            Err(column) => Problem {
                column: self.layout.header.get(column).cloned(),
                member: Some(member),
                text: Text::fixed(
                    "서식에 넣을 값이 없거나 확실하지 않습니다",
                    "the value for its template is missing or not certain",
                )
                .about(&member),
            },
        };
        self.problems.push(problem);
        None
    }
}
