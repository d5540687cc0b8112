//! A typed client for the contract's calls (SPEC 5 to 7, 10, 12). A single document is sent as a bulk send of one.
//!
//! Documents are checked by the model's rules before they are sent. A call that failed in passing
//! is tried again, but never one that could be done twice by it: a send is repeated after a lost
//! answer only under an idempotency key, and a token is verified once.
//!
//! ```no_run
//! use seoham_kit::client::{Client, Deadline, NewDocument, NewReceiver, SendOptions};
//!
//! # async fn example(token: String) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("https://api.example.kr")
//!     .bulk_url("https://bulk.example.kr")
//!     .contract_uuid("CON-0123456789abcdef0123456789abcdef")
//!     .build(token.into())?;
//! let receiver = NewReceiver::by_phone("01000000001", "서함시험", "19900101");
//! let notice = NewDocument::new("자동차세 고지서", "https://tax.example.kr/notice", receiver)
//!     .customer_service("02-000-0000", "세무과")
//!     .deadline(Deadline::InSeconds(2_592_000))
//!     .external_document_uuid("CAR-2026-000001");
//! let results = client.send(&[notice], &SendOptions::keyed("car-tax-2026-1")).await?;
//! if let Some(binder) = &results[0].document_binder_uuid {
//!     println!("{:?}", client.status(binder).await?.doc_box_status);
//! }
//! # Ok(())
//! # }
//! ```

mod calls;
mod error;
pub(crate) mod retry;
mod sandbox;
pub(crate) mod transport;
mod wire;

use std::time::Duration;

use secrecy::SecretString;

use crate::exchange::ExchangeLog;
use transport::{Times, Transport};

pub use calls::{Capabilities, SendOptions};
pub use error::{BuildError, CallError};
pub use retry::Retry;
pub use sandbox::Sandbox;
pub use seoham_model::document::{Deadline, NewDocument, NewReceiver};
pub use wire::{SendResult, StatusData, StatusResult, VerifiedToken};

/// A client of one institution under one contract. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    api: String,
    bulk: String,
    contract_uuid: Option<String>,
    language: &'static str,
    log: Option<ExchangeLog>,
    retry: Retry,
}

/// Makes a [`Client`].
pub struct Builder {
    api: String,
    bulk: Option<String>,
    contract_uuid: Option<String>,
    language: &'static str,
    log: Option<ExchangeLog>,
    retry: Retry,
    times: Times,
}

impl Client {
    /// A client of the platform at `url`, `https://host` with or without a port and a path.
    pub fn builder(url: &str) -> Builder {
        Builder {
            api: url.to_owned(),
            bulk: None,
            contract_uuid: None,
            language: "ko",
            log: None,
            retry: Retry::default(),
            times: Times { connect: Duration::from_secs(5), total: Duration::from_secs(30) },
        }
    }
}

impl Builder {
    /// Where bulk calls go, when that is another address (SPEC 9).
    #[must_use]
    pub fn bulk_url(mut self, url: &str) -> Self {
        self.bulk = Some(url.to_owned());
        self
    }

    /// The contract that sends and queries are under; without one they are refused with 400.
    #[must_use]
    pub fn contract_uuid(mut self, uuid: &str) -> Self {
        self.contract_uuid = Some(uuid.to_owned());
        self
    }

    /// The platform's messages in English instead of Korean.
    #[must_use]
    pub fn in_english(mut self) -> Self {
        self.language = "en";
        self
    }

    /// Records every exchange (SPEC 9, c) before its outcome is told.
    #[must_use]
    pub fn exchange_log(mut self, log: ExchangeLog) -> Self {
        self.log = Some(log);
        self
    }

    /// How calls are tried again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// How long one exchange may take in all; 30 seconds by default.
    #[must_use]
    pub fn timeout(mut self, total: Duration) -> Self {
        self.times.total = total;
        self
    }

    /// Makes the client with the institution's access token. Nothing is sent yet.
    pub fn build(self, access_token: SecretString) -> Result<Client, BuildError> {
        let api = base("url", &self.api)?;
        let bulk = self.bulk.map_or_else(|| Ok(api.clone()), |url| base("bulk_url", &url))?;
        let transport = Transport::new(access_token, self.times)?.ok_or(BuildError::AccessToken)?;
        let Self { contract_uuid, language, log, retry, .. } = self;
        Ok(Client { transport, api, bulk, contract_uuid, language, log, retry })
    }
}

/// An address as the base of others: no `/` at its end.
fn base(name: &'static str, text: &str) -> Result<String, BuildError> {
    crate::address::base(text).ok_or(BuildError::Address(name))
}
