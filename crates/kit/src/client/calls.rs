//! The calls of the contract, one method each.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::RequestBuilder;
use seoham_model::Clock;
use seoham_model::bulk::ITEMS_MAX;
use seoham_model::contract::{Authentication, Notice, Product};
use seoham_model::document::NewDocument;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::transport::Answer;
use super::wire::{SendResult, StatusData, StatusResult, VerifiedToken};
use super::{CallError, Client};
use crate::exchange::Call;

/// The additional headers of a send (SPEC 10). A platform that does not know them ignores them.
#[derive(Clone, Debug, Default)]
pub struct SendOptions {
    /// 1 to 64 printable ASCII characters, used only for this request and its retries.
    pub idempotency_key: Option<String>,
    /// Validate everything, store nothing.
    pub dry_run: bool,
}

impl SendOptions {
    /// Sends under an idempotency key, so that the send can be repeated.
    pub fn keyed(key: &str) -> Self {
        Self { idempotency_key: Some(key.to_owned()), dry_run: false }
    }
}

/// The additions of SPEC 10 that a platform supports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// A send under a key can be repeated without creating duplicates.
    pub idempotency_key: bool,
    /// A send can be validated without storing anything (dry run).
    pub dry_run: bool,
    /// The institution that the access token belongs to, as recipients see its name; `None` if the platform
    /// does not report it.
    pub institution: Option<String>,
    /// Whether the platform is a sandbox; `None` if it does not report it.
    pub is_sandbox: Option<bool>,
    /// What the contract is (SPEC 14); `None` if the platform does not report it.
    pub product: Option<Product>,
}

#[derive(Deserialize)]
struct Documents<T> {
    documents: Vec<T>,
}

impl Client {
    /// Sends 1 to 100 documents; returns a verdict for each, in order (SPEC 5).
    ///
    /// # Errors
    /// [`CallError::Document`] before anything is sent, if a document breaks a rule. After
    /// [`CallError::Unknown`] the documents may or may not have been accepted: if they were sent under a key,
    /// send them again with the same key.
    pub async fn send(
        &self,
        documents: &[NewDocument],
        options: &SendOptions,
    ) -> Result<Vec<SendResult>, CallError> {
        let now = Clock::default().now();
        let checked = documents.iter().enumerate().map(|(index, document)| {
            document.check(now, true).map_err(|violations| CallError::Document { index, violations })
        });
        let items: Vec<String> = checked.collect::<Result<_, _>>()?;
        let repeatable = options.idempotency_key.is_some() || options.dry_run;
        self.retry.run(repeatable, async || self.send_json(&items, options).await).await
    }

    /// Sends 1 to 100 documents that are already JSON, once and without validation. The caller decides what
    /// to do after a failure.
    pub async fn send_json<T: AsRef<str>>(
        &self,
        items: &[T],
        options: &SendOptions,
    ) -> Result<Vec<SendResult>, CallError> {
        if !(1..=ITEMS_MAX).contains(&items.len()) {
            return Err(CallError::Items(items.len()));
        }
        let mut body =
            String::with_capacity(items.iter().map(|item| item.as_ref().len() + 1).sum::<usize>() + 16);
        for (i, item) in items.iter().enumerate() {
            body.push_str(if i == 0 { r#"{"documents":["# } else { "," });
            body.push_str(item.as_ref());
        }
        body.push_str("]}");
        let answer = self.send_body(body, options).await?;
        let reply: Documents<SendResult> = read(&answer)?;
        // A reply with the wrong number of verdicts is not usable.
        if reply.documents.len() == items.len() {
            Ok(reply.documents)
        } else {
            Err(CallError::Unintelligible(answer.status.as_u16()))
        }
    }

    /// Performs a dry run of 1 to 100 documents that are already JSON. It stores nothing and is retried like
    /// a query.
    pub async fn dry_run_json<T: AsRef<str>>(&self, items: &[T]) -> Result<Vec<SendResult>, CallError> {
        let options = SendOptions { idempotency_key: None, dry_run: true };
        self.retry.run(true, async || self.send_json(items, &options).await).await
    }

    async fn send_body(&self, body: String, options: &SendOptions) -> Result<Answer, CallError> {
        let request = self.transport.post(&format!("{}/v1/documents/bulk", self.bulk));
        self.call(with_options(with_json(request, body), options), Call::SEND_BULK).await
    }

    /// The status of 1 to 100 documents, in the order of the request (SPEC 6).
    pub async fn statuses<T: AsRef<str>>(&self, binders: &[T]) -> Result<Vec<StatusResult>, CallError> {
        if !(1..=ITEMS_MAX).contains(&binders.len()) {
            return Err(CallError::Items(binders.len()));
        }
        let ids: Vec<&str> = binders.iter().map(AsRef::as_ref).collect();
        let body = json!({ "document_binder_uuids": ids }).to_string();
        let ask = async || {
            let request = self.transport.post(&format!("{}/v1/documents/bulk/status", self.bulk));
            self.call(with_json(request, body.clone()), Call::STATUS_BULK).await
        };
        let answer = self.retry.run(true, ask).await?;
        let reply: Documents<StatusResult> = read(&answer)?;
        let answered = reply.documents.iter().map(|result| result.document_binder_uuid.as_str());
        if answered.eq(ids.iter().copied()) {
            Ok(reply.documents)
        } else {
            Err(CallError::Unintelligible(answer.status.as_u16()))
        }
    }

    /// The status of one document (SPEC 6).
    pub async fn status(&self, binder: &str) -> Result<StatusData, CallError> {
        let url = format!("{}/v1/documents/{}/status", self.api, segment(binder));
        let ask = async || self.call(self.transport.get(&url), Call::STATUS).await;
        read(&self.retry.run(true, ask).await?)
    }

    /// Verifies a one-time token, which uses it up (SPEC 7). Never retried once it was sent.
    pub async fn verify(&self, binder: &str, token: &str) -> Result<VerifiedToken, CallError> {
        let url = format!("{}/v1/documents/{}/tokens/{}", self.api, segment(binder), segment(token));
        let verify = async || {
            let request = self.transport.get(&url).header("seoham-external-document", "true");
            self.call(request, Call::VERIFY).await
        };
        read(&self.retry.run(false, verify).await?)
    }

    /// Reports that the page was shown (SPEC 7). Idempotent.
    pub async fn mark_read(&self, binder: &str) -> Result<(), CallError> {
        let url = format!("{}/v1/documents/{}", self.api, segment(binder));
        let body = json!({ "document": { "is_detail_read": true } }).to_string();
        let report = async || {
            self.call(with_json(self.transport.post(&url), body.clone()), Call::READ).await.map(drop)
        };
        self.retry.run(true, report).await
    }

    /// Queries the additions that the platform supports, with a send of one empty item, which every platform
    /// refuses. This also checks the address, the token and the contract.
    pub async fn capabilities(&self) -> Result<Capabilities, CallError> {
        let options =
            SendOptions { idempotency_key: Some("seoham-kit-capabilities".to_owned()), dry_run: true };
        let ask = async || self.send_body(r#"{"documents":[{}]}"#.to_owned(), &options).await;
        let answer = self.retry.run(true, ask).await?;
        let reply: Documents<SendResult> = read(&answer)?;
        if reply.documents.len() != 1 || reply.documents[0].error_code.is_none() {
            return Err(CallError::Unintelligible(answer.status.as_u16()));
        }
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let additions = header("seoham-additions");
        let knows = |name: &str| {
            additions.is_some_and(|additions| additions.split(',').any(|one| one.trim() == name))
        };
        let institution = header("seoham-institution").and_then(|name| {
            let name = percent_encoding::percent_decode_str(name).decode_utf8().ok()?;
            (!name.is_empty()).then(|| name.into_owned())
        });
        let is_sandbox = match header("seoham-mode") {
            Some("sandbox") => Some(true),
            Some("live") => Some(false),
            _ => None,
        };
        let (idempotency_key, dry_run) = (knows("idempotency-key"), knows("dry-run"));
        let product = (|| {
            Some(Product {
                authentication: Authentication::from_name(header("seoham-contract-authentication")?)?,
                certified: header("seoham-contract-certified")? == "true",
                notice: Notice::from_name(header("seoham-contract-notice")?)?,
            })
        })();
        Ok(Capabilities { idempotency_key, dry_run, institution, is_sandbox, product })
    }

    /// Performs one exchange; returns the response if it is a success.
    pub(super) async fn call(&self, request: RequestBuilder, call: Call) -> Result<Answer, CallError> {
        if self.log.as_ref().is_some_and(|log| !log.is_usable()) {
            return Err(CallError::Log);
        }
        let mut request = request.header("accept-language", self.language);
        if let Some(contract) = &self.contract_uuid {
            request = request.header("contract-uuid", contract);
        }
        let exchange = self.transport.exchange(request).await;
        if let Some(log) = &self.log
            && log.append(vec![exchange.entry(call)]).await.is_err()
        {
            // Return the result of this call anyway; the next call fails early.
            tracing::error!("the record of an exchange was lost");
        }
        match exchange.answer {
            Ok(answer) if answer.status.is_success() => Ok(answer),
            Ok(answer) => Err(CallError::of(&answer)),
            Err(no_answer) if no_answer.never_sent => Err(CallError::Unreachable),
            Err(no_answer) => Err(CallError::Unknown(no_answer.cause)),
        }
    }
}

pub(super) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, CallError> {
    serde_json::from_slice(&answer.body).map_err(|_| CallError::Unintelligible(answer.status.as_u16()))
}

pub(super) fn with_json(request: RequestBuilder, body: String) -> RequestBuilder {
    request.header("content-type", "application/json").body(body)
}

fn with_options(mut request: RequestBuilder, options: &SendOptions) -> RequestBuilder {
    if let Some(key) = &options.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    if options.dry_run {
        request = request.header("seoham-dry-run", "true");
    }
    request
}

pub(super) fn segment(text: &str) -> impl std::fmt::Display {
    // Ids and tokens need no encoding; anything else must not alter the path.
    const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
    utf8_percent_encode(text, KEPT)
}
