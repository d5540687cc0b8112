//! Messenger providers (SPEC 13): one file for each, with its wire format and what its answers mean.
//!
//! What becomes of an answer, and which provider a message goes through, is decided in the delivery crate, whose port
//! these implement. Nothing here knows the store's rows; no personal value reaches a log.

mod aligo;
mod bizppurio;
mod call;
mod check;
mod fallback;
mod grouping;
mod http;
mod nhn;
mod sens;
mod signature;
mod simulator;
mod smtp;
mod solapi;
mod time;
mod token;

pub use aligo::{Aligo, AligoOptions};
pub use bizppurio::{Bizppurio, BizppurioOptions};
pub use call::CallOptions;
pub use check::{Finding, check};
pub use http::{Http, HttpOptions};
pub use nhn::{Nhn, NhnOptions};
pub use sens::{Sens, SensOptions};
pub use simulator::{ShownMessage, Simulator};
pub use smtp::{Smtp, SmtpOptions, SmtpOptionsError};
pub use solapi::{Solapi, SolapiOptions};
