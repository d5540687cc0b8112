//! Fakes of the messenger providers: one small server that speaks the wire formats of NHN Cloud, Solapi, Naver SENS,
//! Aligo and Bizppurio, and SMTP, as they are documented, with their refusals, limits, pushes and polls, and with the faults that
//! tests ask for.
//!
//! Nothing leaves the machine. It depends on no other crate of ours, so that it cannot share a mistake with an adapter.

mod aligo;
mod bizppurio;
mod faults;
mod ledger;
mod mail;
mod nhn;
mod pushes;
mod sens;
mod server;
mod solapi;

pub use faults::Faults;
pub use ledger::{FALLBACK_NUMBER, Message, REFUSED_NUMBER, TEMPLATE, TEMPLATE_CODE, TEMPLATES};
pub use mail::{Mail, MailServer, REFUSED_ADDRESS};
pub use server::{ACCOUNT, Fakes, SECRET, SENDER_KEY, settings};
