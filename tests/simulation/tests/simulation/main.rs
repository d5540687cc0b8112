//! The life of many documents, driven by a seed, on every store. `SIMULATION_SEED` replays a run, `SIMULATION_STEPS`
//! makes it longer.

#![allow(missing_docs, reason = "a test is documented by its name")]
#![allow(clippy::print_stderr, reason = "a run that cannot be replayed is worth nothing")]

mod openers;
mod saboteur;

use openers::{Postgres, Sqlite};
use saboteur::{Sabotage, Saboteur};
use seoham_simulation::{Opener, Plan, Report, run};

fn of_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

async fn succeeds(opener: &dyn Opener, plan: Plan) -> Report {
    eprintln!("SIMULATION_SEED={} SIMULATION_STEPS={}", plan.seed, plan.steps);
    match run(opener, plan).await {
        Ok(report) => {
            eprintln!("seed {}: {report}", plan.seed);
            report
        }
        Err(violation) => panic!("{violation}"),
    }
}

/// A random seed for each run, unless one is to be replayed.
fn chosen(steps: u64) -> Plan {
    let seed = of_environment("SIMULATION_SEED").unwrap_or_else(rand::random);
    Plan { seed, steps: of_environment("SIMULATION_STEPS").unwrap_or(steps) }
}

#[tokio::test]
async fn the_embedded_store_keeps_its_promises() {
    succeeds(&Sqlite::new(), chosen(20_000)).await;
}

#[tokio::test]
async fn the_embedded_store_keeps_its_promises_under_known_seeds() {
    // 4: a document is removed while a worker holds its delivery, which then fails and would be retried.
    for seed in [1, 4] {
        succeeds(&Sqlite::new(), Plan { seed, steps: 5_000 }).await;
    }
}

#[tokio::test]
async fn the_shared_store_keeps_its_promises() {
    let postgres = tokio::task::spawn_blocking(Postgres::new).await.expect("a database");
    succeeds(&postgres, chosen(1_500)).await;
}

#[tokio::test]
async fn a_run_is_a_function_of_its_seed() {
    let plan = Plan { seed: 7, steps: 1_000 };
    let (first, second) = (succeeds(&Sqlite::new(), plan).await, succeeds(&Sqlite::new(), plan).await);
    assert_eq!(first, second);
    assert!(first.faults.crashes > 0 && first.read > 0, "the run is worth it: {first}");
}

#[tokio::test]
async fn a_run_over_the_shared_store_is_a_function_of_its_seed() {
    let plan = Plan { seed: 8, steps: 300 };
    let mut reports = Vec::new();
    for _ in 0..2 {
        let postgres = tokio::task::spawn_blocking(Postgres::new).await.expect("a database");
        reports.push(succeeds(&postgres, plan).await);
    }
    assert_eq!(reports[0], reports[1]);
}

#[tokio::test]
async fn every_saboteur_is_found() {
    for sabotage in Sabotage::ALL {
        let saboteur = Saboteur { within: Sqlite::new(), sabotage };
        match run(&saboteur, Plan { seed: 11, steps: 5_000 }).await {
            Ok(report) => panic!("{sabotage:?} was not found: {report}"),
            Err(found) => {
                eprintln!("{sabotage:?}: found at step {}: {}", found.step, found.broken);
                assert!(found.to_string().contains("SIMULATION_SEED=11"), "it can be replayed");
            }
        }
    }
}
