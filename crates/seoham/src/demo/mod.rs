//! `seoham demo`: the main use case on a sandbox of invented people, through real sockets.
//!
//! It calls itself over HTTP like an institution and an operator. It derives the expected results from the input by
//! the model's rules, independently of the server's replies, and compares both at the end.

mod client;
mod expectation;
mod input;
mod institution;
mod journal;
mod messenger;
mod notice;
mod recipients;
mod report;
mod sender;
mod setup;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use seoham_kit::client::{SendResult, StatusData};
use seoham_model::{Lang, Text};

use crate::config::{Config, ListenArgs};
use crate::landing::LandingServer;
use crate::logging;
use crate::server::{Runtimes, Server};
use client::Client;
use expectation::Expected;
use journal::Journal;
use messenger::FakeMessenger;
use seoham_institution_cli::terminal::{language, say};

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// The data directory.
    #[arg(long, value_name = "DIRECTORY", default_value = "./seoham-data")]
    data: PathBuf,
    /// End after the table; 0 only if the counts are what the input demands.
    #[arg(long)]
    exit: bool,
    /// Deliver through a real adapter, to a fake of this provider that runs beside the demo.
    #[arg(long, value_enum, value_name = "PROVIDER")]
    messenger: Option<messenger::Provider>,
    #[command(flatten)]
    listen: ListenArgs,
}

/// How long deliveries may take to settle.
const PATIENCE: Duration = Duration::from_secs(60);

/// `seoham demo`.
pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode> {
    let mut config = Config::default();
    config.store.data.clone_from(&args.data);
    config.store.sandbox = true;
    // A demo may be continued after any length of time.
    (config.store.create, config.store.accept_clock) = (true, true);
    config.listen.apply(&args.listen);
    config.log.level = logging::asked("error");
    logging::start(&config.log)?;
    let runtimes = Runtimes::start()?;
    let bulk = runtimes.bulk();
    runtimes.run(async {
        let mut terminate = seoham_institution_cli::terminal::termination()?;
        choose_ports(&mut config, args);
        let fake = match args.messenger {
            Some(provider) => Some(FakeMessenger::start(provider, &mut config).await?),
            None => None,
        };
        let phones = fake.as_ref().map(FakeMessenger::phones);
        let server = Server::start_with(&config, &bulk, phones).await?;
        let done = tokio::select! {
            done = Demo::play(&config, &server, fake.as_ref(), args.exit) => Some(done),
            _ = terminate.recv() => None,
        };
        let code = match done {
            None => Ok(ExitCode::FAILURE),
            Some(Err(error)) => Err(error),
            Some(Ok((agrees, landing_server))) => {
                if !args.exit {
                    terminate.recv().await;
                }
                landing_server.close().await?;
                let fine = agrees || !args.exit;
                Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
        };
        // Without a receiver, a second signal ends the process at once.
        drop(terminate);
        server.stop().await?;
        code
    })
}

/// Uses any free port in place of a default port that is taken, so that the demo still runs. A port given explicitly
/// is not replaced.
fn choose_ports(config: &mut Config, args: &DemoArgs) {
    let asked = &args.listen;
    let listen = &mut config.listen;
    for (address, asked) in [
        (&mut listen.api, asked.api_listen),
        (&mut listen.bulk, asked.bulk_listen),
        (&mut listen.web, asked.web_listen),
        (&mut listen.admin, asked.admin_listen),
    ] {
        if asked.is_none() && std::net::TcpListener::bind(*address).is_err() {
            *address = SocketAddr::new(address.ip(), 0);
        }
    }
}

struct Demo<'a> {
    client: Client,
    server: &'a Server,
    lang: Lang,
    expected: Vec<Expected>,
}

impl Demo<'_> {
    /// Runs the demo. Returns whether the results match the expected ones, and the sample institution's gateway,
    /// which is still running.
    async fn play(
        config: &Config,
        server: &Server,
        fake: Option<&FakeMessenger>,
        exit: bool,
    ) -> Result<(bool, LandingServer)> {
        let lang = language();
        let people = input::people()?;
        let admin = setup::admin(config, server)?;
        let institution = setup::institution(config, &admin).await?;
        setup::register(&admin).await?;
        if let Some(fake) = fake {
            fake.set_templates(&admin).await?;
        }
        let client = Client::new(server, &institution)?;
        let landing_server = institution::start(config, server, &institution).await?;
        let lead = |notice: String| institution::lead_to(&notice, &landing_server.url);
        let notices: Vec<String> = input::notices().into_iter().map(lead).collect();
        let expected = expectation::expect(&notices, &people, client.kit.sandbox().advance_clock(0).await?);
        let demo = Demo { client, server, lang, expected };

        let mut journal = Journal::open(&config.store.data.join("demo-sent.jsonl"))?;
        demo.send(&notices, &mut journal).await?;
        let results = journal.results(notices.len());
        demo.client.kit.sandbox().advance_clock(11).await?;
        demo.settle(&results).await?;
        recipients::read_a_few(&demo.client, &results).await?;

        let statuses = demo.client.statuses(&results).await?;
        let agrees = report::table(lang, &demo.expected, &results, &statuses);
        if !exit {
            report::way_on(lang, demo.server, &institution, &results, &landing_server.url);
        }
        Ok((agrees, landing_server))
    }

    async fn send(&self, notices: &[String], journal: &mut Journal) -> Result<()> {
        let bar = self.bar(notices.len(), &Text::fixed("전송", "sending"));
        sender::send(&self.client, notices, journal, &bar).await?;
        bar.finish();
        Ok(())
    }

    /// Waits until every accepted document has reached its expected final status.
    async fn settle(&self, results: &[SendResult]) -> Result<()> {
        let accepted = results.iter().filter(|r| r.document_binder_uuid.is_some()).count();
        let bar = self.bar(accepted, &Text::fixed("전달", "delivering"));
        let settling = async {
            loop {
                let statuses = self.client.statuses(results).await?;
                let settled = self.settled(results, &statuses);
                bar.set_position(settled as u64);
                if settled >= accepted {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, settling).await {
            Ok(done) => done?,
            Err(_) => bail!("deliveries did not settle within {} seconds", PATIENCE.as_secs()),
        }
        bar.finish();
        Ok(())
    }

    fn settled(&self, results: &[SendResult], statuses: &BTreeMap<String, StatusData>) -> usize {
        results
            .iter()
            .zip(&self.expected)
            .filter(|(result, expected)| {
                let id = result.document_binder_uuid.as_ref();
                id.and_then(|id| statuses.get(id)).is_some_and(|status| expected.is_settled(status))
            })
            .count()
    }

    fn bar(&self, length: usize, what: &Text) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix:>12} [{bar:40}] {pos}/{len} {per_sec}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(length as u64).with_style(style);
        bar.set_prefix(what.in_lang(self.lang).to_owned());
        if bar.is_hidden() {
            say(&format!("{}: {length}", what.in_lang(self.lang)));
        }
        bar
    }
}
