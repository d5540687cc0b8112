//! The peers in `bench/peers`: what a team would write itself, on a database of its own in one scratch PostgreSQL. Their
//! dependencies are installed beside the build.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use seoham_scratch_postgres::{Cluster, Database};

use crate::engine::SETTINGS;
use crate::node::Target;

/// Time for a peer to answer after its start.
const START_TIME: Duration = Duration::from_secs(60);

/// A peer.
#[derive(Clone, Copy)]
pub(crate) enum Peer {
    Fastify,
    FastApi,
    Spring,
}

impl Peer {
    pub(crate) const ALL: [Self; 3] = [Self::Fastify, Self::FastApi, Self::Spring];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fastify => "Fastify with hand-written SQL",
            Self::FastApi => "FastAPI with hand-written SQL",
            Self::Spring => "Spring Boot with JdbcTemplate",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Fastify => "fastify",
            Self::FastApi => "fastapi",
            Self::Spring => "spring",
        }
    }

    /// Installs what it needs into a copy of its folder.
    fn install(self) -> Result<PathBuf> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(self.folder());
        let beside = std::env::current_exe()?;
        let built = beside.parent().and_then(Path::parent).context("the build directory")?.join("peers");
        std::fs::create_dir_all(&built)?;
        run(Command::new("cp").arg("-R").arg(&source).arg(&built), "coreutils")?;
        let folder = built.join(self.folder());
        match self {
            Self::Fastify => {
                run(
                    Command::new("npm")
                        .args(["install", "--silent", "--no-audit", "--no-fund"])
                        .current_dir(&folder),
                    "nodejs npm",
                )?;
            }
            Self::FastApi => {
                let python = "python3 python3-venv";
                run(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(&folder), python)?;
                let install = ["install", "--quiet", "--requirement", "requirements.txt"];
                run(Command::new(folder.join("venv/bin/pip")).args(install).current_dir(&folder), python)?;
            }
            Self::Spring => {
                run(
                    Command::new("mvn").args(["--quiet", "--batch-mode", "package"]).current_dir(&folder),
                    "default-jdk maven",
                )?;
            }
        }
        Ok(folder)
    }

    fn command(self, folder: &Path) -> Command {
        let mut command = match self {
            Self::Fastify => {
                let mut command = Command::new("node");
                command.arg("server.js");
                command
            }
            Self::FastApi => {
                let mut command = Command::new(folder.join("venv/bin/uvicorn"));
                command.args(["server:app", "--workers", "2", "--no-access-log", "--log-level", "warning"]);
                command
            }
            Self::Spring => {
                let mut command = Command::new("java");
                command.args(["-jar", "target/peer.jar"]);
                command
            }
        };
        command.current_dir(folder);
        command
    }
}

/// Runs a command of an installation. `packages` are the system's packages that have it.
fn run(command: &mut Command, packages: &str) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let asked = || format!("{name}: a peer needs it; install it with: apt-get install {packages}");
    let output = command.output().with_context(asked)?;
    if !output.status.success() {
        bail!("{}\n{}", asked(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// A cluster for peers, which some reach over TCP only.
pub(crate) fn cluster() -> Cluster {
    let mut settings = SETTINGS.to_vec();
    settings.push("listen_addresses=127.0.0.1");
    Cluster::start(&settings)
}

/// A running peer with its database; dropping it ends the process.
pub(crate) struct PeerServer {
    child: Child,
    pub(crate) url: String,
    pub(crate) target: Target,
    _database: Database,
}

impl PeerServer {
    /// Installs and starts a peer that knows `people` invented people.
    pub(crate) async fn start(peer: Peer, cluster: &Cluster, people: u32) -> Result<Self> {
        let folder = peer.install()?;
        let database = cluster.database();
        let target = Target { access_token: "peer-token".to_owned(), contract_uuid: "CON-peer".to_owned() };
        let schema = include_str!("../peers/schema.sql");
        let fill = format!(
            "INSERT INTO institutions VALUES ('{}', gen_random_uuid(), '{}');
             INSERT INTO people SELECT '0101' || lpad(i::text, 7, '0'), gen_random_uuid(), '김측정', '19800101', true
             FROM generate_series(0, {people} - 1) AS i; ANALYZE people",
            target.access_token, target.contract_uuid
        );
        cluster.sql(database.name(), &format!("{schema};{fill}"));
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let jdbc =
            format!("jdbc:postgresql://127.0.0.1:{}/{}?sslmode=disable", cluster.port(), database.name());
        let child = peer
            .command(&folder)
            .env("PORT", port.to_string())
            .env("UVICORN_PORT", port.to_string())
            .env("UVICORN_HOST", "127.0.0.1")
            .env("PGHOST", cluster.socket_directory())
            .env("PGPORT", cluster.port().to_string())
            .env("PGUSER", "postgres")
            .env("PGDATABASE", database.name())
            .env("JDBC_URL", jdbc)
            .stdin(Stdio::null())
            .spawn()
            .context("a peer")?;
        let url = format!("http://127.0.0.1:{port}/v1/documents/bulk");
        let server = Self { child, url, target, _database: database };
        server.answers().await?;
        Ok(server)
    }

    /// Waits until it answers.
    async fn answers(&self) -> Result<()> {
        let (http, since) = (reqwest::Client::new(), Instant::now());
        while since.elapsed() < START_TIME {
            if http.post(&self.url).body("{}").header("content-type", "application/json").send().await.is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("a peer does not answer");
    }
}

impl Drop for PeerServer {
    fn drop(&mut self) {
        // Workers end with their parent when it is told to end, not when it is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
