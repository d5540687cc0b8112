//! The audit log: who called the operator's API, from where, which action, on what and the result. Every call is a line
//! of a file, separate from the process log, which has its own level and destination. What changed something or looked
//! at a document is also in the store, where every node writes it and an agency can read its part.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use seoham_http::client_address;
use seoham_model::{ActionId, InstitutionId, PersonId};
use seoham_store::admins::Action;
use serde::Serialize;

use crate::access::Administrator;
use crate::state::Operator;

/// The audit log file.
pub struct ActionLog {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

/// A line of the file.
#[derive(Serialize)]
struct Line<'a> {
    /// Unix seconds.
    at: i64,
    /// `OPR-…`, `AGC-…`, or `operator` for the token of the first start.
    by: &'a str,
    /// The token's public name, or the first digits of the first token's hash.
    token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    what: &'a str,
    /// The ids of the objects affected, as far as the path contains ids.
    on: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    institution: Option<InstitutionId>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl ActionLog {
    /// A log in the file `path`, which the first action creates.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: Mutex::default() }
    }

    fn write(&self, action: &Action) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(&Line {
            at: action.at.0,
            by: &action.by,
            token: &action.token,
            from: action.from.as_deref(),
            what: &action.what,
            on: &action.on,
            institution: action.institution,
            status: action.status,
            reason: action.reason.as_deref(),
        })?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = Some(File::options().append(true).create(true).mode(0o600).open(&self.path)?);
        }
        match &mut *file {
            // A single write, so that a line is complete or absent.
            Some(file) => file.write_all(&line),
            None => Ok(()),
        }
    }
}

/// A response extension: the affected person, whom the call identifies by personal data.
#[derive(Clone, Copy)]
pub(crate) struct OnPerson(pub(crate) PersonId);

/// A response extension: the institution that the call is about.
#[derive(Clone, Copy)]
pub(crate) struct OnInstitution(pub(crate) InstitutionId);

/// A response extension: why the call was made, as it said.
#[derive(Clone)]
pub(crate) struct Reason(pub(crate) String);

/// Whether a path segment is an id of the platform: three letters and 32 hex digits. Anything else could be a
/// personal value that somebody typed.
fn is_id(segment: &str) -> bool {
    segment.split_once('-').is_some_and(|(kind, digits)| {
        kind.len() == 3
            && kind.bytes().all(|b| b.is_ascii_uppercase())
            && digits.len() == 32
            && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

pub(crate) async fn record(
    State(operator): State<Operator>,
    administrator: Administrator,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", |path| path.as_str()).to_owned();
    let path = request.uri().path().to_owned();
    let from = client_address(request.extensions(), request.headers(), operator.behind_proxy);
    let response = next.run(request).await;
    let said = response.extensions();
    let person = said.get::<OnPerson>().map(|OnPerson(person)| person.to_string());
    let on_path = path.split('/').filter(|segment| is_id(segment)).map(str::to_owned);
    let action = Action {
        id: ActionId::generate(operator.store.clock()),
        at: operator.now(),
        by: administrator.name(),
        token: administrator.token().to_owned(),
        from: Some(from.to_string()),
        what: format!("{method} {route}"),
        on: on_path.chain(person).collect(),
        institution: said.get::<OnInstitution>().map(|OnInstitution(id)| *id),
        status: response.status().as_u16(),
        reason: said.get::<Reason>().map(|Reason(reason)| reason.clone()),
    };
    if let Err(error) = operator.actions.write(&action) {
        tracing::error!(%error, "an action of the operator could not be written to the action log");
    }
    // What only lists is in the file alone: a script that watches would fill the store.
    let looks_at_document = route.contains("/documents/");
    if (method != Method::GET || looks_at_document)
        && let Err(error) = operator.store.record_action(action).await
    {
        tracing::error!(%error, "an action could not be recorded in the store; it is in the action log");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_are_told() {
        assert!(is_id("INS-0193b2c4d5e67f8091a2b3c4d5e6f708"));
        for not in ["01012345678", "INS-", "홍길동", "INS-0193b2c4d5e67f8091a2b3c4d5e6f70", "x"] {
            assert!(!is_id(not), "{not}");
        }
    }
}
