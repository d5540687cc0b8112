//! `seoham`: the command line, the configuration, and the wiring of roles into one process.
//!
//! Contains almost no logic: each role is implemented in its own crate.

mod admin;
mod backup;
mod cli;
mod config;
mod demo;
mod korean;
mod landing;
mod logging;
mod server;
mod store_move;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Selects one of the TLS providers that may be linked in, for the whole process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match cli::parse().map(cli::Cli::run) {
        Err(code) | Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            seoham_institution_cli::terminal::complain(&format!("seoham: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
