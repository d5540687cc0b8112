//! Arguments of `seoham status`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::platform::PlatformArgs;

/// The call.
#[derive(Args)]
pub struct StatusArgs {
    /// The result file of a send, or documents' ids, BIN-….
    #[arg(required = true, value_name = "FILE|BIN-…")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    /// Ask again until all have settled, and draw how they fare.
    #[arg(long)]
    pub(crate) watch: bool,
    /// When a document has settled.
    #[arg(long, value_enum, default_value_t = Until::Read, requires = "watch")]
    pub(crate) until: Until,
    /// Seconds between two rounds; the platform asks for 5 at least.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(5..))]
    pub(crate) every: u32,
    /// Also write ids, statuses and times into this file: an XLSX, or a CSV that Korean Excel opens as it is.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Also write the rows that need paper mail into this file, XLSX or CSV: not accepted, not a member, not opened in time.
    #[arg(long, value_name = "FILE")]
    pub(crate) post: Option<PathBuf>,
    /// Lines of JSON instead of text, for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// When a document counts as settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// It is in the recipient's box, or further.
    Received,
    /// It is read or expired: nothing changes any more.
    Read,
}
