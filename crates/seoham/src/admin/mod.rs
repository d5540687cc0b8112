//! `seoham admin`: SPEC 11 from the command line, as a client of the admin listener.

mod admins;
mod client;
mod clock;
mod contract;
mod deliveries;
mod document;
mod institution;
mod messenger;
mod notifications;
mod output;
mod person;
mod plan;
mod statistics;
mod template;
mod token;
mod webhooks;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use seoham_institution_cli::terminal::{complain, localized, say};
use seoham_vault::read_private;
use serde_json::Value;

use admins::AdminsCommand;
use clock::ClockCommand;
use contract::ContractCommand;
use deliveries::DeliveriesCommand;
use document::FindArgs;
use institution::InstitutionCommand;
use messenger::MessengerArgs;
use notifications::NotificationsCommand;
use output::for_people;
use person::PersonCommand;
use plan::PlanCommand;
use statistics::StatisticsArgs;
use template::TemplateCommand;
use token::TokenCommand;
use webhooks::WebhooksArgs;

pub(crate) use client::AdminClient;

#[derive(Args)]
pub(crate) struct AdminArgs {
    /// The admin listener.
    #[arg(long, default_value = "http://127.0.0.1:8083", global = true)]
    url: String,
    /// The file that holds the operator's token. Without it `SEOHAM_ADMIN__TOKEN` is used, or else
    /// the token of ./seoham-data.
    #[arg(long, global = true)]
    token_file: Option<PathBuf>,
    /// For programs: times as Unix seconds instead of dates.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Institutions.
    #[command(subcommand)]
    Institution(InstitutionCommand),
    /// An institution's contracts.
    #[command(subcommand)]
    Contract(ContractCommand),
    /// An institution's access tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// The texts of messages: the platform's, and those of institutions' own channels.
    #[command(subcommand)]
    Template(TemplateCommand),
    /// Named operators, who may do everything.
    #[command(subcommand)]
    Operator(AdminsCommand),
    /// Agencies, which may do everything with their own institutions.
    #[command(subcommand)]
    Agency(AdminsCommand),
    /// What operators and agencies did, newest first: who, from where, on what, and why.
    Log {
        /// INS-…: on one institution alone.
        #[arg(long)]
        institution: Option<String>,
        /// ACT-…: before this action, as `next_before` of the page before says.
        #[arg(long)]
        before: Option<String>,
    },
    /// Volumes that institutions announce, beside what comes.
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Add or update people from a file of NDJSON, `-` for standard input.
    ImportPeople {
        /// A line each: `{"phone_number","phone_assigned_on"?,"name","birthday","ci"?,"email"?,"member":bool}`; in a sandbox
        /// also `"pin"`
        file: PathBuf,
    },
    /// Help for a person who is locked out.
    #[command(subcommand)]
    Person(PersonCommand),
    /// All that is known of a document, personal values masked.
    Document {
        /// BIN-…
        binder: String,
    },
    /// Find an institution's documents for somebody who asks: by their receiver, or by its own id within some days.
    FindDocuments(FindArgs),
    /// Notifications that the messenger did not take: why, and sending them again.
    #[command(subcommand)]
    Notifications(NotificationsCommand),
    /// The messenger providers: how they fare, trying them, and messages of unknown outcome.
    Messenger(MessengerArgs),
    /// Every institution's webhooks: how far each is behind, why it does not deliver, and removing one.
    Webhooks(WebhooksArgs),
    /// What was accepted, refused, notified, read, expired and withdrawn on each day, by contract.
    Statistics(StatisticsArgs),
    /// Whether workers deliver.
    #[command(subcommand)]
    Deliveries(DeliveriesCommand),
    /// The process's clock.
    #[command(subcommand)]
    Clock(ClockCommand),
}

impl AdminCommand {
    async fn run(self, client: &AdminClient, json: bool) -> Result<Value> {
        match self {
            Self::Institution(command) => command.run(client).await,
            Self::Contract(command) => command.run(client).await,
            Self::Token(command) => command.run(client).await,
            Self::Template(command) => command.run(client).await,
            Self::Operator(command) => command.run(client, "operators").await,
            Self::Agency(command) => command.run(client, "agencies").await,
            Self::Log { institution, before } => {
                let path = institution.map_or_else(String::new, |id| format!("institutions/{id}/"));
                let before = before.map_or_else(String::new, |before| format!("?before={before}"));
                client.get(&format!("{path}log{before}")).await
            }
            Self::Plan(command) => command.run(client).await,
            Self::ImportPeople { file } => person::import(client, &file).await,
            Self::Person(command) => command.run(client).await,
            Self::Document { binder } => client.get(&format!("documents/{binder}")).await,
            Self::FindDocuments(args) => args.run(client).await,
            Self::Notifications(command) => command.run(client).await,
            Self::Messenger(args) => args.run(client).await,
            Self::Webhooks(args) => args.run(client).await,
            Self::Statistics(args) => args.run(client, json).await,
            Self::Deliveries(command) => command.run(client).await,
            Self::Clock(command) => command.run(client).await,
        }
    }
}

/// `seoham admin`.
pub(crate) fn run(args: AdminArgs) -> Result<ExitCode> {
    let token = match (&args.token_file, std::env::var("SEOHAM_ADMIN__TOKEN")) {
        (None, Ok(token)) => token,
        (file, _) => {
            let file = file.clone().unwrap_or_else(|| PathBuf::from("./seoham-data/admin.token"));
            read_private(&file).with_context(|| localized("운영자 토큰", "the operator's token"))?.to_string()
        }
    };
    let client = AdminClient::new(&args.url, token.trim())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(args.command.run(&client, args.json))?;
    if let Some(same) = answer.get("same_name_as").and_then(Value::as_str) {
        complain(&localized(
            &format!("seoham: {same}도 이름이 같습니다. 받는 사람이 두 기관을 구별할 수 없습니다"),
            &format!("seoham: {same} has the same name: recipients cannot tell the two apart"),
        ));
    }
    let rejected = answer.get("rejected").and_then(Value::as_array).is_some_and(|lines| !lines.is_empty());
    if !answer.is_null() {
        let shown = if args.json { answer } else { for_people(answer) };
        say(&serde_json::to_string_pretty(&shown)?);
    }
    // Rejected lines of an import must be visible to a script.
    Ok(if rejected { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
