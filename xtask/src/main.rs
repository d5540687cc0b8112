//! The developer commands: `cargo xtask test`, `cargo xtask ci`, `cargo xtask bench`, `cargo xtask chaos`. Runs the
//! project's tools and installs what a fresh Debian machine lacks.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

mod audit;
mod ci;
mod layers;
mod prerequisites;
mod references;
mod run;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  test [-- ARGUMENTS]   every test: unit, contract, black-box, crash. Installs what tests need
  ci                    format, lints, docs, dependency audit, OpenAPI drift, then the tests
  check                 everything ci checks before it runs the tests: format, lints, docs, audit,
                        layers between crates, references, OpenAPI drift
  openapi               write docs/openapi.json anew from the routes
  bench [-- ARGUMENTS]  acceptance and delivery beside the bare engine, in one run;
                        --store postgres for the other store
  chaos [--minutes N] [--seed S]
                        kills, pauses, lost primaries, failing disks and jumping clocks,
                        for N minutes in all, or again as they were
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.skip_while(|a| a == "--").collect();
    let done = match command.as_str() {
        "test" => ci::test(&rest),
        "ci" => ci::ci(),
        "check" => ci::check(),
        "openapi" => ci::write_openapi(),
        "bench" => ci::bench(&rest),
        "chaos" => ci::chaos(&rest),
        "help" | "--help" | "-h" | "" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(anyhow::anyhow!("unknown command {other}\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
