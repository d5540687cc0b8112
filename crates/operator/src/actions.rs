//! The audit log: a line for every call of the operator's API, with who, from where, which action, on what
//! and the result. Separate from the process log, which has its own level and destination.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use seoham_model::PersonId;
use serde::Serialize;

use crate::state::Operator;

/// The audit log file.
pub struct ActionLog {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

#[derive(Serialize)]
struct Action<'a> {
    /// Unix seconds.
    at: i64,
    /// The first digits of the token's hash, which identify the token.
    token: &'a str,
    from: Option<String>,
    method: &'a str,
    what: &'a str,
    /// The ids of the objects affected, as far as the path contains ids.
    on: Vec<&'a str>,
    status: u16,
}

impl ActionLog {
    /// A log in the file `path`, which the first action creates.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: Mutex::default() }
    }

    fn write(&self, action: &Action<'_>) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(action)?;
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

pub(crate) async fn record(State(operator): State<Operator>, request: Request, next: Next) -> Response {
    let method = request.method().as_str().to_owned();
    let what = request.extensions().get::<MatchedPath>().map_or("unknown", |path| path.as_str()).to_owned();
    let path = request.uri().path().to_owned();
    let from =
        request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(from)| from.to_string());
    let response = next.run(request).await;
    let person = response.extensions().get::<OnPerson>().map(|OnPerson(person)| person.to_string());
    let on_path = path.split('/').filter(|segment| is_id(segment));
    let action = Action {
        at: operator.now().0,
        token: operator.token_name(),
        from,
        method: &method,
        what: &what,
        on: on_path.chain(person.as_deref()).collect(),
        status: response.status().as_u16(),
    };
    if let Err(error) = operator.actions.write(&action) {
        tracing::error!(%error, "an action of the operator could not be written to the action log");
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
