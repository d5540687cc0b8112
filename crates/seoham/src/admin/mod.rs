//! `seoham admin`: SPEC 11 from the command line, as a client of the admin listener.

mod notifications;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use reqwest::header::ACCEPT_LANGUAGE;
use reqwest::{Method, RequestBuilder};
use seoham_model::UnixSeconds;
use seoham_model::clock::seoul_seconds;
use seoham_vault::read_private;
use serde_json::{Value, json};

use notifications::NotificationsCommand;
use seoham_institution_cli::terminal::{complain, localized, say};

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
    /// Volumes that institutions announce, beside what comes.
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Add or update people from a file of NDJSON, `-` for standard input.
    ImportPeople {
        /// A line each: `{"phone_number","name","birthday","ci"?,"member":bool}`; in a sandbox also `"pin"`
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
    /// Notifications that the messenger did not take: why, and sending them again.
    #[command(subcommand)]
    Notifications(NotificationsCommand),
    /// Whether workers deliver.
    #[command(subcommand)]
    Deliveries(DeliveriesCommand),
    /// The process's clock.
    #[command(subcommand)]
    Clock(ClockCommand),
}

#[derive(Subcommand)]
enum PersonCommand {
    /// Lift every lock after wrong attempts.
    Unlock {
        /// The telephone number that the person is registered with.
        phone_number: String,
    },
    /// Forget the PIN: the person sets a new one by a link to the telephone and the birthday.
    ForceNewPin {
        /// The telephone number that the person is registered with.
        phone_number: String,
    },
}

#[derive(Subcommand)]
enum DeliveriesCommand {
    /// What workers do with what is queued.
    Show,
    /// Decide what becomes of what was queued in a backup that was restored.
    Release {
        /// Send it: whoever was told since the backup is told again.
        #[arg(long, conflicts_with = "drop", required_unless_present = "drop")]
        send: bool,
        /// Put it into the boxes, and tell nobody.
        #[arg(long)]
        drop: bool,
    },
}

#[derive(Subcommand)]
enum ClockCommand {
    /// The process's clock beside the machine's.
    Show,
    /// The machine's clock is right: take it, and serve again.
    Confirm,
}

#[derive(Subcommand)]
enum PlanCommand {
    /// Announce a volume: for an institution that expects 500,000 documents or more a day.
    Announce(AnnounceArgs),
    /// An institution's plans, beside what came on each day.
    List {
        /// INS-…
        institution: String,
    },
    /// Plans of all institutions that wait for a decision.
    Waiting,
    /// Approve a plan.
    Approve {
        /// INS-…
        institution: String,
        /// VPL-…
        plan: String,
    },
    /// Decline a plan.
    Decline {
        /// INS-…
        institution: String,
        /// VPL-…
        plan: String,
    },
}

#[derive(Args)]
struct AnnounceArgs {
    /// INS-…
    institution: String,
    /// What it is called.
    #[arg(long)]
    name: String,
    /// The first day, YYYY-MM-DD in Seoul.
    #[arg(long)]
    from: String,
    /// The last day.
    #[arg(long)]
    to: String,
    /// Documents on each of these days.
    #[arg(long)]
    documents_per_day: u64,
    /// Requests a second to be expected at most.
    #[arg(long)]
    expected_tps: u32,
    /// What is sent.
    #[arg(long)]
    purpose: String,
}

#[derive(Subcommand)]
enum InstitutionCommand {
    /// A new institution.
    Create {
        /// Its name, as recipients see it.
        name: String,
    },
    /// All institutions.
    List,
    /// One institution with its contracts, its tokens and what it sent today.
    Show {
        /// INS-…
        institution: String,
    },
    /// Set the picture by which recipients know an institution.
    Mark {
        /// INS-…
        institution: String,
        /// A PNG of at most 64 KiB.
        #[arg(required_unless_present = "remove")]
        file: Option<PathBuf>,
        /// Take the picture away: letters of the name take its place.
        #[arg(long, conflicts_with = "file")]
        remove: bool,
    },
}

#[derive(Subcommand)]
enum ContractCommand {
    /// A new contract.
    Create {
        /// INS-…
        institution: String,
        /// How recipients authenticate.
        #[arg(long, value_enum, default_value_t = Authentication::Pin)]
        authentication: Authentication,
        /// Documents need a hash of their original.
        #[arg(long)]
        certified: bool,
    },
    /// Say which members of a JSON payload the box shows on a document's card; neither: nothing of it.
    Card {
        /// CON-…
        contract: String,
        /// The member with the amount in won.
        #[arg(long)]
        amount: Option<String>,
        /// The member with the day until which it is to be paid.
        #[arg(long)]
        due: Option<String>,
    },
    /// Close a contract for good; asks first.
    Close {
        /// It is meant: do not ask.
        #[arg(long)]
        yes: bool,
        /// INS-…
        institution: String,
        /// CON-…
        contract: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Authentication {
    Pin,
    Certificate,
    None,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// A new access token; it is shown this once.
    Create {
        /// INS-…
        institution: String,
        /// What it is for.
        #[arg(long, default_value = "default")]
        label: String,
        /// Unix seconds from which on it is no longer valid.
        #[arg(long)]
        expires_at: Option<i64>,
    },
    /// Revoke an access token at once.
    Revoke {
        /// INS-…
        institution: String,
        /// TOK-…
        token: String,
    },
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
    let answer = runtime.block_on(client.run(args.command))?;
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
    // Some lines of an import are not there: whoever runs it from a script is to know.
    Ok(if rejected { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The same answer with its times as a person reads them, in Seoul's civil time.
fn for_people(answer: Value) -> Value {
    match answer {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| {
                    let is_time =
                        name.ends_with("_at") || ["now", "machine", "drop_before"].contains(&&*name);
                    let shown = match value.as_i64().filter(|_| is_time) {
                        Some(seconds) => seoul_seconds(UnixSeconds(seconds)).into(),
                        None => for_people(value),
                    };
                    (name, shown)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(for_people).collect()),
        other => other,
    }
}

/// Asks whether a contract is to be closed, which cannot be undone; without a terminal it is not.
fn confirm(contract: &str) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!(localized(
            &format!("{contract}: 해지하면 되돌릴 수 없습니다. 해지하시려면 --yes를 붙여 주십시오"),
            &format!("{contract}: closing cannot be undone; give --yes if it is meant"),
        ));
    }
    let question = localized(
        &format!("{contract}: 해지할까요? 되돌릴 수 없습니다"),
        &format!("Close {contract} for good?"),
    );
    if dialoguer::Confirm::new().with_prompt(question).default(false).interact()? {
        return Ok(());
    }
    bail!(localized(&format!("{contract}: 해지하지 않았습니다"), &format!("{contract}: left open")))
}

/// A client of the admin listener.
pub(crate) struct AdminClient {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl AdminClient {
    /// A client; nothing is sent yet.
    pub(crate) fn new(url: &str, token: &str) -> Result<Self> {
        let client = reqwest::Client::builder().build().context("HTTP client")?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned(), token: token.to_owned() })
    }

    async fn run(&self, command: AdminCommand) -> Result<Value> {
        match command {
            AdminCommand::Institution(command) => self.institution(command).await,
            AdminCommand::Contract(command) => self.contract(command).await,
            AdminCommand::Token(command) => self.token(command).await,
            AdminCommand::Plan(command) => self.plan(command).await,
            AdminCommand::ImportPeople { file } => self.import_people(&file).await,
            AdminCommand::Person(command) => self.person(command).await,
            AdminCommand::Document { binder } => self.get(&format!("documents/{binder}")).await,
            AdminCommand::Deliveries(DeliveriesCommand::Show) => self.get("deliveries").await,
            AdminCommand::Deliveries(DeliveriesCommand::Release { drop, .. }) => {
                let queued = if drop { "drop" } else { "send" };
                self.post("deliveries/release", &json!({ "queued": queued })).await
            }
            AdminCommand::Clock(ClockCommand::Show) => self.get("clock").await,
            AdminCommand::Clock(ClockCommand::Confirm) => self.post("clock/confirm", &json!({})).await,
            AdminCommand::Notifications(command) => self.notifications(command).await,
        }
    }

    async fn institution(&self, command: InstitutionCommand) -> Result<Value> {
        match command {
            InstitutionCommand::Create { name } => self.post("institutions", &json!({ "name": name })).await,
            InstitutionCommand::Show { institution } => {
                self.get(&format!("institutions/{institution}")).await
            }
            InstitutionCommand::Mark { institution, file, remove: _ } => {
                let path = format!("institutions/{institution}/mark");
                let Some(file) = file else { return self.delete(&path).await };
                let picture = tokio::fs::read(&file).await.with_context(|| file.display().to_string())?;
                self.put(&path, |request| request.header("content-type", "image/png").body(picture)).await
            }
            InstitutionCommand::List => {
                let mut all = Vec::new();
                let mut path = "institutions".to_owned();
                loop {
                    let mut page = self.get(&path).await?;
                    if let Some(Value::Array(found)) = page.get_mut("institutions").map(Value::take) {
                        all.extend(found);
                    }
                    match page.get("next_after").and_then(Value::as_str) {
                        Some(after) => path = format!("institutions?after={after}"),
                        None => return Ok(json!({ "institutions": all })),
                    }
                }
            }
        }
    }

    async fn contract(&self, command: ContractCommand) -> Result<Value> {
        match command {
            ContractCommand::Create { institution, authentication, certified } => {
                let authentication = match authentication {
                    Authentication::Pin => "pin",
                    Authentication::Certificate => "certificate",
                    Authentication::None => "none",
                };
                let terms = json!({ "authentication": authentication, "certified": certified });
                self.post(&format!("institutions/{institution}/contracts"), &terms).await
            }
            ContractCommand::Card { contract, amount, due } => {
                self.set_card(&contract, amount.as_deref(), due.as_deref()).await
            }
            ContractCommand::Close { institution, contract, yes } => {
                if !yes {
                    confirm(&contract)?;
                }
                self.delete(&format!("institutions/{institution}/contracts/{contract}")).await
            }
        }
    }

    async fn token(&self, command: TokenCommand) -> Result<Value> {
        match command {
            TokenCommand::Create { institution, label, expires_at } => {
                let mut body = json!({ "label": label });
                if let Some(at) = expires_at {
                    body["expires_at"] = at.into();
                }
                self.post(&format!("institutions/{institution}/tokens"), &body).await
            }
            TokenCommand::Revoke { institution, token } => {
                self.delete(&format!("institutions/{institution}/tokens/{token}")).await
            }
        }
    }

    async fn plan(&self, command: PlanCommand) -> Result<Value> {
        let decide = async |institution: String, plan: String, action: &str| {
            self.post(&format!("institutions/{institution}/volume-plans/{plan}/{action}"), &json!({})).await
        };
        match command {
            PlanCommand::Announce(args) => {
                let plan = json!({
                    "name": args.name, "from": args.from, "to": args.to, "purpose": args.purpose,
                    "documents_per_day": args.documents_per_day, "expected_tps": args.expected_tps,
                });
                self.post(&format!("institutions/{}/volume-plans", args.institution), &plan).await
            }
            PlanCommand::List { institution } => {
                self.get(&format!("institutions/{institution}/volume-plans")).await
            }
            PlanCommand::Waiting => self.get("volume-plans").await,
            PlanCommand::Approve { institution, plan } => decide(institution, plan, "approve").await,
            PlanCommand::Decline { institution, plan } => decide(institution, plan, "decline").await,
        }
    }

    async fn person(&self, command: PersonCommand) -> Result<Value> {
        let (action, phone_number) = match command {
            PersonCommand::Unlock { phone_number } => ("unlock", phone_number),
            PersonCommand::ForceNewPin { phone_number } => ("new-pin", phone_number),
        };
        self.post(&format!("people/{action}"), &json!({ "phone_number": phone_number })).await
    }

    async fn import_people(&self, file: &Path) -> Result<Value> {
        let body = if file == Path::new("-") {
            reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(tokio::io::stdin()))
        } else {
            let opened = tokio::fs::File::open(file).await;
            opened.with_context(|| file.display().to_string())?.into()
        };
        self.import(body).await
    }

    /// Says which members of a payload the box shows under a contract.
    pub(crate) async fn set_card(
        &self,
        contract: &str,
        amount: Option<&str>,
        due: Option<&str>,
    ) -> Result<Value> {
        let card = json!({ "amount": amount, "due": due });
        self.put(&format!("contracts/{contract}/card"), |request| request.json(&card)).await
    }

    /// Adds or updates people.
    pub(crate) async fn import(&self, body: reqwest::Body) -> Result<Value> {
        let request = self.request(Method::POST, "people").header("content-type", "application/x-ndjson");
        self.send(request.body(body)).await
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    async fn put(&self, path: &str, with: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Result<Value> {
        self.send(with(self.request(Method::PUT, path))).await
    }

    async fn delete(&self, path: &str) -> Result<Value> {
        self.send(self.request(Method::DELETE, path)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/admin/v1/{path}", self.url));
        // Its messages are shown as they come.
        request.bearer_auth(&self.token).header(ACCEPT_LANGUAGE, localized("ko", "en"))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value> {
        let response = request.send().await.with_context(|| {
            localized("운영자 API가 응답하지 않습니다", "the admin listener does not answer")
        })?;
        let status = response.status();
        let body = response.bytes().await.with_context(|| {
            localized("운영자 API와의 연결이 끊어졌습니다", "the admin listener broke off")
        })?;
        let value: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        if !status.is_success() {
            let message = value.get("error_message").and_then(Value::as_str);
            let message =
                message.map_or_else(|| localized("이유를 알 수 없습니다", "no reason given"), str::to_owned);
            bail!("{status}: {message}");
        }
        Ok(value)
    }
}
