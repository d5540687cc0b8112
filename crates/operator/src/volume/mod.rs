//! Volume plans (SPEC 9): announced and actual volumes, and the alert when the actual volume is higher.

mod forecast;
pub(crate) mod plans;
mod watch;

pub use watch::{VolumeWatch, VolumeWatchOptions};
