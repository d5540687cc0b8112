//! Volume plans (SPEC 9): what is announced beside what comes, and the alert when more comes.

mod forecast;
pub(crate) mod plans;
mod watch;

pub use watch::{VolumeWatch, VolumeWatchOptions};
