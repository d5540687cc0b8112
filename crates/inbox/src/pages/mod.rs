//! The pages, each with what its forms do.

pub(crate) mod document;
pub(crate) mod join;
pub(crate) mod messenger;
pub(crate) mod open;
mod secret;
pub(crate) mod settings;
pub(crate) mod shelves;
pub(crate) mod sign_in;
mod words;
