//! One cluster and the databases in it.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::program::{command, directory, unprivileged_user};

/// Runs postgres until its standard input closes, which happens however the process that started it ends. Then stops
/// postgres and removes its directory. `$1` is the directory, `$2` the program, the rest its arguments.
const KEEPER: &str = r#"
directory=$1; shift
"$@" >>"$directory/log" 2>&1 &
postgres=$!
trap '' INT TERM HUP
cat >/dev/null
kill -CONT $postgres $(cat "/proc/$postgres/task/$postgres/children" 2>/dev/null) 2>/dev/null
kill -QUIT $postgres 2>/dev/null
wait $postgres
rm -rf "$directory"
"#;

/// The configuration of a self-signed certificate.
const OPENSSL: &str = "[req]\ndistinguished_name=name\nx509_extensions=extensions\nprompt=no\n\
    [name]\nCN=localhost\n\
    [extensions]\nbasicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1\n";

/// A running cluster.
pub struct Cluster {
    directory: PathBuf,
    programs: PathBuf,
    keeper: Mutex<Option<Child>>,
    port: u16,
    databases: AtomicU32,
}

impl Cluster {
    /// The cluster that the tests of a process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// The cluster that tests of a process share whose plans are looked at: it logs the plan of each statement.
    pub fn explaining() -> &'static Self {
        static EXPLAINING: OnceLock<Cluster> = OnceLock::new();
        EXPLAINING.get_or_init(|| {
            Self::start(&[
                "shared_preload_libraries=auto_explain",
                "auto_explain.log_min_duration=0",
                "auto_explain.log_nested_statements=on",
                "log_line_prefix=@@%a@%d ",
            ])
        })
    }

    /// A new, empty cluster with `settings` (`name=value`) in addition to the defaults.
    pub fn start(settings: &[&str]) -> Self {
        let cluster = Self::initialized();
        cluster.run(settings);
        cluster
    }

    fn initialized() -> Self {
        let cluster = Self::prepared();
        let data = cluster.data();
        let mut initdb = command(&cluster.programs.join("initdb"));
        initdb.args([
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--no-locale",
            "--no-instructions",
        ]);
        run(initdb.arg("--pgdata").arg(&data));
        cluster
    }

    /// A new cluster that uses TLS on 127.0.0.1, and the file of the authority that signed its certificate.
    pub fn start_with_tls() -> (Self, PathBuf) {
        let cluster = Self::initialized();
        let (certificate, key) = (cluster.directory.join("server.crt"), cluster.directory.join("server.key"));
        let settings = cluster.directory.join("openssl.cnf");
        std::fs::write(&settings, OPENSSL).expect("a file can be written");
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        run(openssl.arg("-config").arg(settings).arg("-out").arg(&certificate).arg("-keyout").arg(&key));
        if let Some(user) = unprivileged_user() {
            run(Command::new("chown").arg(user).arg(&certificate).arg(&key));
        }
        let file = |name: &str, path: &Path| format!("{name}={}", path.display());
        let (certificate_setting, key) = (file("ssl_cert_file", &certificate), file("ssl_key_file", &key));
        cluster.run(&["ssl=on", "listen_addresses=127.0.0.1", &certificate_setting, &key]);
        (cluster, certificate)
    }

    /// A standby of `primary` with streaming replication, under the name `application_name`.
    pub fn standby_of(primary: &Self, application_name: &str, settings: &[&str]) -> Self {
        let cluster = Self::prepared();
        let mut copy = command(&cluster.programs.join("pg_basebackup"));
        let from = format!(
            "host={} port={} user=postgres application_name={application_name}",
            primary.directory.display(),
            primary.port
        );
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--dbname"]).arg(from);
        run(copy.arg("--pgdata").arg(cluster.data()));
        cluster.run(settings);
        cluster
    }

    /// A new directory that belongs to the user who runs postgres.
    fn prepared() -> Self {
        let programs = directory().expect("PostgreSQL is installed (apt-get install postgresql)");
        let directory = tempfile::Builder::new().prefix("seoham-pg-").tempdir().expect("a directory").keep();
        if let Some(user) = unprivileged_user() {
            run(Command::new("chown").arg(user).arg(&directory));
        }
        // The port is part of the socket's name, and of the address if there is one.
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        Self { directory, programs, keeper: Mutex::default(), port, databases: AtomicU32::new(0) }
    }

    fn run(&self, settings: &[&str]) {
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(&self.directory);
        let mut postgres = command(&self.programs.join("postgres"));
        postgres.arg("-D").arg(self.data());
        let own = [
            format!("unix_socket_directories={}", self.directory.display()),
            format!("port={}", self.port),
            "listen_addresses=".to_owned(),
            "max_connections=300".to_owned(),
        ];
        for setting in own.iter().map(String::as_str).chain(settings.iter().copied()) {
            postgres.arg("-c").arg(setting);
        }
        keeper.arg(postgres.get_program()).args(postgres.get_args());
        // A separate process group, so that Ctrl-C in the terminal does not reach postgres.
        std::os::unix::process::CommandExt::process_group(&mut keeper, 0);
        let keeper = keeper
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        *self.keeper() = Some(keeper);
        self.wait_until_ready();
    }

    /// Waits until it accepts connections.
    pub fn wait_until_ready(&self) {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let mut ready = command(&self.programs.join("pg_isready"));
            ready.args(["--quiet", "--port", &self.port.to_string(), "--host"]).arg(&self.directory);
            if ready.status().is_ok_and(|status| status.success()) {
                return;
            }
            let log = || std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(Instant::now() < patience, "PostgreSQL did not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A new, empty database.
    pub fn database(&self) -> Database {
        let name = format!("scratch_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        Database { url: self.url(&name) }
    }

    /// The URL of a database, through the socket.
    pub fn url(&self, database: &str) -> String {
        let socket = self.directory.to_string_lossy().replace('/', "%2F");
        format!("postgres://postgres@{socket}:{}/{database}", self.port)
    }

    /// What the server has logged since the log had `from` bytes.
    pub fn log(&self, from: u64) -> String {
        let mut log = std::fs::File::open(self.directory.join("log")).expect("there is a log");
        let mut bytes = Vec::new();
        log.seek(SeekFrom::Start(from)).and_then(|_| log.read_to_end(&mut bytes)).expect("it can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The size of the log in bytes.
    pub fn log_bytes(&self) -> u64 {
        std::fs::metadata(self.directory.join("log")).map_or(0, |log| log.len())
    }

    /// The directory of its socket.
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// The cluster's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its port: part of the socket's name, and of the address if it listens on one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs statements in `database`. Returns their output, unformatted.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = command(&self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--username=postgres"]);
        psql.args(["--set=ON_ERROR_STOP=1", "--port", &self.port.to_string(), "--host"]).arg(&self.directory);
        run(psql.args(["--dbname", database, "--command", statements]))
    }

    /// The process ids of the server's sessions in `database`.
    pub fn backends(&self, database: &str) -> Vec<u32> {
        let asked = format!(
            "SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND pid <> pg_backend_pid()"
        );
        self.sql("postgres", &asked).lines().filter_map(|line| line.trim().parse().ok()).collect()
    }

    /// Kills a session, and waits until the server has recovered from that: it ends all sessions.
    pub fn crash(&self, session: u32) {
        signal("KILL", &[&session.to_string()]);
        // The server notices the end of a process when it reaps it. Until then it says that it is ready.
        let patience = Instant::now() + Duration::from_secs(60);
        while Path::new(&format!("/proc/{session}")).exists() {
            assert!(Instant::now() < patience, "session {session} does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.wait_until_ready();
    }

    /// Promotes a standby to primary.
    pub fn promote(&self) {
        self.sql("postgres", "SELECT pg_promote(true, 60)");
    }

    /// Kills the whole server at once, like the loss of its machine.
    pub fn kill(&self) {
        self.signal_all("KILL");
    }

    /// Freezes the whole server: it keeps its connections open and stops answering.
    pub fn freeze(&self) {
        self.signal_all("STOP");
    }

    fn signal_all(&self, name: &str) {
        let postmaster = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let pid: Option<u32> = postmaster.lines().next().and_then(|line| line.parse().ok());
        let Some(pid) = pid else { return };
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let pid = pid.to_string();
        signal(name, &std::iter::once(pid.as_str()).chain(children.split_whitespace()).collect::<Vec<_>>());
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper().take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}

/// A database of a cluster. It is removed with the cluster.
pub struct Database {
    url: String,
}

impl Database {
    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }
}

/// Sends a signal to processes, as far as they are still there.
fn signal(name: &str, pids: &[&str]) {
    let mut kill = Command::new("kill");
    let _ = kill.arg(format!("-{name}")).args(pids).stderr(Stdio::null()).status();
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", said(&output.stdout), said(&output.stderr));
    said(&output.stdout)
}
