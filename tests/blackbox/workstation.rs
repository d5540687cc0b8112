//! An institution's workstation: a directory, a token, and the program's commands.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Client, binary, private_file};

pub(crate) struct Workstation {
    directory: TempDir,
    url: String,
    contract: String,
}

/// The output of a command.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    /// The last line of JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.out.lines().last().unwrap_or_default())
            .unwrap_or_else(|_| panic!("{}\n{}", self.out, self.err))
    }
}

/// Arguments that set the columns with a constant in the usual file.
pub(crate) const SETS: [&str; 10] = [
    "--set",
    "제목={{세목}} 고지서",
    "--set",
    "열람일수=30",
    "--set",
    "링크=https://tax.example.kr/notice",
    "--set",
    "문의전화=02-000-0000",
    "--set",
    "문의처=세무과",
];

impl Workstation {
    /// The workstation of `client`, which reaches the platform at `url`.
    pub(crate) fn of(client: &Client, url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        private_file(&directory.path().join("token"), &client.token);
        Self { directory, url: url.to_owned(), contract: client.contract.clone() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Rows for a person of the sandbox, in a typical format of an institution.
    pub(crate) fn table(rows: usize) -> String {
        let mut table = "관리번호,전화번호,이름,생년월일,세목\r\n".to_owned();
        for i in 0..rows {
            let _ = write!(table, "K-{i},1000000001,서함시험,1990-01-01,자동차세\r\n");
        }
        table
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.directory.path());
        command.env("HOME", self.directory.path()).env_remove("XDG_CONFIG_HOME");
        command.env_remove("LC_ALL").env_remove("LC_MESSAGES").env("LANG", "en_US.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A command with the platform's address, the token and the contract.
    pub(crate) fn on_platform(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.args(["--url", &self.url, "--token-file", "token", "--contract", &self.contract]);
        command
    }

    pub(crate) async fn run(&self, command: Command) -> Said {
        let mut command = command;
        tokio::task::spawn_blocking(move || {
            let output = command.output().unwrap();
            Said {
                code: output.status.code().unwrap_or(-1),
                out: String::from_utf8(output.stdout).unwrap(),
                err: String::from_utf8(output.stderr).unwrap(),
            }
        })
        .await
        .unwrap()
    }

    /// `seoham send` with the usual columns.
    pub(crate) async fn send(&self, file: &str, arguments: &[&str]) -> Said {
        let mut command = self.on_platform(&["send", file, "--yes"]);
        command.args(SETS).args(arguments);
        self.run(command).await
    }

    /// `seoham send --rest`, without repeating the options of the previous send.
    pub(crate) fn command_of_rest(&self, file: &str) -> Command {
        self.on_platform(&["send", "--rest", file, "--json", "--yes"])
    }

    /// The same, left running.
    pub(crate) fn start_sending(&self, file: &str, arguments: &[&str]) -> Child {
        let mut command = self.on_platform(&["send", file, "--yes"]);
        command.args(SETS).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// A file's lines, decoded from CP949 or UTF-8.
    pub(crate) fn lines(&self, name: impl AsRef<Path>) -> Vec<String> {
        let bytes = std::fs::read(self.directory.path().join(name)).unwrap();
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => encoding_rs::EUC_KR.decode(error.as_bytes()).0.into_owned(),
        };
        text.lines().map(str::to_owned).collect()
    }
}
