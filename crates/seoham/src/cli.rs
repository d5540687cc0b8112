//! The command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use seoham_model::Lang;
use seoham_vault::KeyRing;

use crate::config::ServeArgs;
use crate::demo::DemoArgs;
use crate::server::Runtimes;
use crate::server::secrets::of_key_file;
use crate::{admin, backup, config, demo, korean, landing, logging, server, store_move};
use seoham_institution_cli::events::EventsArgs;
use seoham_institution_cli::send::SendArgs;
use seoham_institution_cli::status::StatusArgs;
use seoham_institution_cli::terminal::{complain, say};
use seoham_institution_cli::withdraw::WithdrawArgs;
use seoham_institution_cli::{columns, events, exchange_log, init, send, status, terminal, withdraw};

/// Seoham (서함): electronic documents in bulk, provably read.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole platform at work on a sandbox of invented people.
    ///
    /// Makes a data directory, starts every listener, sends the example notices over HTTP, waits
    /// until they are delivered, opens and reads a few, prints what came of them, and stays up
    /// to be looked at until Ctrl-C. Run again on the same directory, it goes on from there.
    Demo(DemoArgs),
    /// Run the platform.
    Serve(ServeArgs),
    /// Print the configuration in force, with secrets masked, and check that it can be used.
    ///
    /// With --deep, read everything in the store instead: every page, every sealed value, every reference. A process
    /// may go on using it. Exit status: 0 all is sound, 1 something is not.
    Check(CheckArgs),
    /// Make a new, empty store: the embedded one, or in an empty database.
    InitStore(ServeArgs),
    /// Bring the database's schema up to date.
    Migrate(ServeArgs),
    /// Copy the store into a file while it is in use; synced and checked.
    Backup(BackupArgs),
    /// Make a store from a backup: in a new data directory, or in an empty database.
    Restore(BackupArgs),
    /// Move a stopped embedded data directory into an empty database, and check that all is there.
    Move(ServeArgs),
    /// Stand in front of an institution's page: verify tokens, let people in, report reads.
    Landing(landing::LandingArgs),
    /// Set up where an institution sends: address, token, contract, tried and kept in a profile.
    #[command(after_help = INIT_EXAMPLES)]
    Init(init::InitArgs),
    /// Send a spreadsheet or lines of JSON, no row lost and none sent twice.
    #[command(after_help = SEND_EXAMPLES)]
    Send(Box<SendArgs>),
    /// Keep the columns of a list that comes every month under a name.
    #[command(subcommand, after_help = COLUMNS_EXAMPLES)]
    Columns(columns::ColumnsCommand),
    /// Ask where documents are, once or until all have settled.
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Withdraw documents that were not opened yet, from the result file of a send or by their ids.
    #[command(after_help = WITHDRAW_EXAMPLES)]
    Withdraw(WithdrawArgs),
    /// Print what happened to the institution's documents, in order and complete.
    #[command(after_help = EVENTS_EXAMPLES)]
    Events(EventsArgs),
    /// Look at an exchange log.
    #[command(subcommand)]
    Log(exchange_log::LogCommand),
    /// Master keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Operate a running platform through its admin listener.
    Admin(admin::AdminArgs),
    /// Print the OpenAPI document of the institution API.
    Openapi,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of all commands.
    Man {
        /// Where; made if it is not there.
        directory: PathBuf,
    },
}

const INIT_EXAMPLES: &str = "\
Examples:
  seoham init
  seoham init --profile test --url https://sandbox.example.kr --token-file token --contract CON-…";

const SEND_EXAMPLES: &str = "\
Examples:
  seoham send 고지서.xlsx --check
  seoham send 고지서.csv --set title='{{세목}} 고지서' --set read_expired_days=30 \\
    --set link=https://tax.example.kr/notice --set cs_number=02-000-0000 --set cs_name=세무과
  seoham send --resume 고지서.csv

Exit status: 0 all accepted, 1 some refused, 2 not finished (--resume goes on), 64 a wrong call or file.";

const COLUMNS_EXAMPLES: &str = "\
Examples:
  seoham columns save car-tax --set title='{{세목}} 고지서' --set read_expired_days=30 --set cs_number=02-000-0000 \\
    --set cs_name=세무과 --set link=https://tax.example.kr/notice
  seoham send 고지서.xlsx --columns car-tax";

const STATUS_EXAMPLES: &str = "\
Examples:
  seoham status 고지서.result.csv --watch --csv times.csv
  seoham status BIN-0123456789abcdef0123456789abcdef

Exit status: 0 asked (with --watch: all settled), 2 not finished, 64 a wrong call or file.";

const WITHDRAW_EXAMPLES: &str = "\
Examples:
  seoham withdraw BIN-0123456789abcdef0123456789abcdef
  seoham withdraw 고지서.result.csv

Exit status: 0 all withdrawn, 1 some were opened before or are unknown, 2 not finished (run it again), 64 a wrong call or \
file.";

const EVENTS_EXAMPLES: &str = "\
Examples:
  seoham events --follow
  seoham events --follow --json --position /var/lib/notices/position
  seoham events --types document.read,document.expired --after 120000

Exit status: 0 read, 2 not finished, 64 a wrong call or file.";

/// The command line in the language of the terminal.
fn command() -> clap::Command {
    korean::in_language(Cli::command(), terminal::language())
}

/// Parses the command line. Reports errors and returns the exit status.
pub(crate) fn parse() -> std::result::Result<Cli, ExitCode> {
    command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        let korean = if terminal::language() == Lang::Ko { korean::in_korean(&error) } else { None };
        match korean {
            Some(text) => complain(&format!("seoham: {text}")),
            None => drop(error.print()),
        }
        if error.use_stderr() { ExitCode::from(terminal::USAGE) } else { ExitCode::SUCCESS }
    })
}

fn write_manual(directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(without_help(command()), directory)?;
    Ok(())
}

/// Hides the `help` subcommands, whose manual pages nobody reads.
fn without_help(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|sub| {
        let is_help = sub.get_name() == "help";
        without_help(sub).hide(is_help)
    })
}

/// Runs a command for institutions.
fn institution(work: impl Future<Output = terminal::Outcome>) -> Result<ExitCode> {
    // An institution's machine has no server configuration. Logs only errors unless the environment sets a level.
    logging::start(&config::Log { level: logging::asked("error"), ..config::Log::default() })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(terminal::ended(runtime.block_on(work)))
}

#[derive(Args)]
struct CheckArgs {
    /// Read everything in the store.
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Args)]
struct BackupArgs {
    /// The backup.
    file: PathBuf,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Make a new master key in a file of mode 0600. Back it up: without it the data is lost.
    New {
        /// The file; it must not exist yet.
        file: PathBuf,
    },
    /// Put a new master key first in a key file: it seals what is new, and the keys before it still open the rest.
    Exchange {
        /// The key file.
        file: PathBuf,
    },
}

impl KeysCommand {
    fn run(self) -> Result<()> {
        match self {
            Self::New { file } => {
                KeyRing::generate().write_new(&file).map_err(|error| of_key_file(&error))?;
                let name = file.display();
                say(&terminal::localized(
                    &format!(
                        "{name}: 새 마스터 키를 만들었습니다(권한 0600). 사본을 데이터와 다른 곳에 보관해 주십시오."
                    ),
                    &format!("{name}: a new master key, mode 0600. Keep a copy where the data is not."),
                ));
            }
            Self::Exchange { file } => {
                KeyRing::exchange_in(&file).map_err(|error| of_key_file(&error))?;
                let name = file.display();
                say(&terminal::localized(
                    &format!(
                        "{name}: 새 마스터 키를 맨 앞에 넣었습니다. 이전 키로 봉인한 데이터가 남아 있으므로 이전 키를 지우지 \
                         마십시오. 사본을 데이터와 다른 곳에 보관하고, 서버를 다시 시작해 주십시오."
                    ),
                    &format!(
                        "{name}: a new master key is first. Keep the keys before it: what they sealed needs them. Keep a copy \
                         where the data is not, and start the server again."
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl Cli {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Demo(args) => demo::run(&args),
            Command::Serve(args) => {
                let config = config::load(&args)?;
                server::serve(&config, args.ready_json)
            }
            Command::Check(CheckArgs { deep: true, serve }) => server::check_deep(&config::load(&serve)?),
            Command::Backup(args) => {
                backup::backup(&config::load(&args.serve)?, &args.file).map(|()| ExitCode::SUCCESS)
            }
            Command::Restore(args) => {
                backup::restore(&config::load(&args.serve)?, &args.file).map(|()| ExitCode::SUCCESS)
            }
            Command::Check(CheckArgs { serve, .. }) => {
                let config = config::load(&serve)?;
                say(&config::shown(&config)?);
                server::check(&config)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::InitStore(args) => {
                server::init_store(&config::load(&args)?)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Migrate(args) => {
                let config = config::load(&args)?;
                logging::start(&config.log)?;
                let options = server::store::database(&config)?;
                let steps = Runtimes::start()?.run(seoham_store_postgres::migrate(&options))?;
                say(&terminal::localized(
                    &format!("스키마가 최신입니다({steps}단계 적용)"),
                    &format!("the schema is up to date ({steps} steps taken)"),
                ));
                Ok(ExitCode::SUCCESS)
            }
            Command::Move(args) => {
                store_move::run(&config::load(&args)?)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Landing(args) => landing::run(&args).map(|()| ExitCode::SUCCESS),
            Command::Init(args) => institution(init::run(&args)),
            Command::Send(args) => institution(send::run(&args)),
            Command::Columns(command) => institution(async { columns::run(&command) }),
            Command::Status(args) => institution(status::run(&args)),
            Command::Withdraw(args) => institution(withdraw::run(&args)),
            Command::Events(args) => institution(events::run(&args)),
            Command::Log(command) => exchange_log::run(command),
            Command::Keys(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Admin(args) => admin::run(args),
            Command::Openapi => {
                say(&seoham_gateway::openapi().to_pretty_json()?);
                Ok(ExitCode::SUCCESS)
            }
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut command(), "seoham", &mut script);
                say(String::from_utf8_lossy(&script).trim_end());
                Ok(ExitCode::SUCCESS)
            }
            Command::Man { directory } => write_manual(&directory).map(|()| ExitCode::SUCCESS),
        }
    }
}
