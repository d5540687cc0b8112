//! The commands.

use anyhow::{Context, Result, bail};

use crate::audit;
use crate::layers;
use crate::prerequisites;
use crate::references;
use crate::run::{cargo, output, root, run};

/// Tests at the same time, for each core: most of them wait for a process under test, a lease or a retry.
const TESTS_PER_CORE: usize = 3;

/// Runs all tests.
pub(crate) fn test(rest: &[String]) -> Result<()> {
    prerequisites::install()?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) * TESTS_PER_CORE;
    let tests = |arguments: &[&str]| {
        let mut tests = cargo(arguments);
        tests.args(rest).env("RUST_TEST_THREADS", threads.to_string());
        tests
    };
    run(tests(&["test", "--workspace", "--locked"]))?;
    // The black-box tests again, on the other store. For the whole workspace again, because a single package has
    // other features and would be rebuilt.
    let mut on_postgres = tests(&["test", "--workspace", "--test", "blackbox", "--locked"]);
    on_postgres.env("BLACKBOX_STORE", "postgres");
    run(on_postgres)
}

/// All checks that a change must pass.
pub(crate) fn ci() -> Result<()> {
    prerequisites::install()?;
    check()?;
    // The same command as in the README.
    run(cargo(&["xtask", "test"]))
}

/// The checks that a change must pass before its tests.
pub(crate) fn check() -> Result<()> {
    run(cargo(&["fmt", "--all", "--check"]))?;
    audit::audit()?;
    layers::check()?;
    references::check()?;
    run(cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    let mut docs = cargo(&["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    run(docs)?;
    check_openapi()
}

/// Runs the benchmark.
pub(crate) fn bench(rest: &[String]) -> Result<()> {
    run(cargo(&["build", "--release", "--locked", "--package", "seoham", "--package", "seoham-bench"]))?;
    let mut bench = cargo(&["run", "--release", "--locked", "--quiet", "--package", "seoham-bench", "--"]);
    bench.args(rest);
    run(bench)
}

/// Runs the chaos tests for longer than the regular tests do.
pub(crate) fn chaos(rest: &[String]) -> Result<()> {
    prerequisites::install()?;
    let mut chaos = cargo(&["test", "--workspace", "--test", "chaos", "--locked", "--"]);
    chaos.args(["--nocapture", "--test-threads=1"]);
    let mut rest = rest.iter();
    while let Some(flag) = rest.next() {
        let name = match flag.as_str() {
            "--minutes" => "CHAOS_MINUTES",
            "--seed" => "CHAOS_SEED",
            other => bail!("unknown option {other}: --minutes N, --seed S"),
        };
        let value = rest.next().with_context(|| format!("{flag}: a number"))?;
        let number: u64 = value.parse().with_context(|| format!("{flag} {value}: a number"))?;
        chaos.env(name, number.to_string());
    }
    run(chaos)
}

/// Regenerates the committed OpenAPI document.
pub(crate) fn write_openapi() -> Result<()> {
    std::fs::write(root().join("docs/openapi.json"), openapi()?).context("docs/openapi.json")
}

fn check_openapi() -> Result<()> {
    let committed = std::fs::read_to_string(root().join("docs/openapi.json")).context("docs/openapi.json")?;
    if committed != openapi()? {
        bail!("docs/openapi.json is not what the routes say; run `cargo xtask openapi` and commit it");
    }
    println!("\ndocs/openapi.json is what the routes say");
    Ok(())
}

fn openapi() -> Result<String> {
    output(cargo(&["run", "--quiet", "--locked", "--package", "seoham", "--", "openapi"]))
}
