//! The pages, each with what its forms do.

pub(crate) mod assets;
pub(crate) mod document;
pub(crate) mod join;
pub(crate) mod link;
mod link_message;
pub(crate) mod list;
pub(crate) mod messenger;
pub(crate) mod new_pin;
mod notice;
pub(crate) mod open;
pub(crate) mod receipt;
pub(crate) mod refusal;
mod secret;
pub(crate) mod settings;
pub(crate) mod sign_in;
mod words;
