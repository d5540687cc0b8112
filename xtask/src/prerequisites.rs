//! What tests need in addition to Rust, from Debian's packages.

use std::process::Command;

use anyhow::{Result, bail};

use crate::run::run;

/// A program and the package that contains it.
const NEEDED: [(&str, &str); 7] = [
    ("openssl", "openssl"),
    ("cc", "build-essential"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("psql", "postgresql-client"),
    ("curl", "curl"),
    ("javac", "default-jdk-headless"),
];

/// Installs missing packages, or prints the command for a user who lacks the permission.
pub(crate) fn install() -> Result<()> {
    let mut missing: Vec<&str> =
        NEEDED.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    // Debian installs the server's programs outside the path, in one directory per version.
    let servers = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    if !is_there("initdb") && !servers.into_iter().any(|version| version.path().join("bin/initdb").is_file())
    {
        missing.push("postgresql");
    }
    // Without a Korean font, the browser shows the pages and the screenshots as empty squares.
    let of_korean = ["/usr/share/fonts/truetype/nanum", "/usr/share/fonts/opentype/noto"];
    if !of_korean.iter().any(|directory| std::path::Path::new(directory).is_dir()) {
        missing.push("fonts-nanum");
    }
    // The tests run the servlet filter in a servlet container.
    if !std::path::Path::new("/usr/share/java/jetty9-servlet.jar").is_file() {
        missing.push("libjetty9-java");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !is_root()? {
        bail!("tests need these packages: run `sudo apt-get install -y {packages}` and try again");
    }
    println!("installing what tests need: {packages}");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt(&["update"]))?;
    let mut install = apt(&["install", "-y", "--no-install-recommends"]);
    install.args(&missing);
    run(install)
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn is_root() -> Result<bool> {
    let mut id = Command::new("id");
    id.arg("-u");
    Ok(crate::run::output(id)?.trim() == "0")
}
