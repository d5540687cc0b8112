//! A typed client for the contract's calls (SPEC 5 to 7, 10, 12, 15, 16). A single document is sent as a bulk send of one.
//!
//! The model's rules validate documents before they are sent. Transient failures are retried, but never where
//! a retry could repeat an effect: after a lost response a send is repeated only under an idempotency key,
//! and a token is verified only once.
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
mod events;
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
pub use events::{Event, EventData, EventPage, EventReader, FeedError, Position};
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

/// Builds a [`Client`].
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
    /// The address for bulk calls, if it differs (SPEC 9).
    #[must_use]
    pub fn bulk_url(mut self, url: &str) -> Self {
        self.bulk = Some(url.to_owned());
        self
    }

    /// The contract for sends and queries; without one the platform refuses them with 400.
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

    /// Records every exchange (SPEC 9, c) before its result is returned.
    #[must_use]
    pub fn exchange_log(mut self, log: ExchangeLog) -> Self {
        self.log = Some(log);
        self
    }

    /// The retry policy.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The total timeout of one exchange; 30 seconds by default.
    #[must_use]
    pub fn timeout(mut self, total: Duration) -> Self {
        self.times.total = total;
        self
    }

    /// Builds the client with the institution's access token. Sends nothing yet.
    pub fn build(self, access_token: SecretString) -> Result<Client, BuildError> {
        let api = base("url", &self.api)?;
        let bulk = self.bulk.map_or_else(|| Ok(api.clone()), |url| base("bulk_url", &url))?;
        let transport = Transport::new(access_token, self.times)?.ok_or(BuildError::AccessToken)?;
        let Self { contract_uuid, language, log, retry, .. } = self;
        Ok(Client { transport, api, bulk, contract_uuid, language, log, retry })
    }
}

/// A base URL without trailing slashes.
fn base(name: &'static str, text: &str) -> Result<String, BuildError> {
    crate::address::base(text).ok_or(BuildError::Address(name))
}
