//! TLS, and the refusal to listen publicly without it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Start, binary, eventually, http, member_document};

#[tokio::test]
async fn plain_http_off_loopback_is_refused() {
    for listen in ["--api-listen=0.0.0.0:0", "--admin-listen=0.0.0.0:0"] {
        let said = Start::sandbox().argument(listen).try_up().err().expect("refused");
        assert!(said.contains("without TLS"), "{said}");
    }
    let behind_proxy =
        Start::sandbox().argument("--api-listen=0.0.0.0:0").env("SEOHAM_LISTEN__BEHIND_TLS_PROXY", "true");
    assert!(behind_proxy.try_up().is_ok());
}

#[tokio::test]
async fn tls_protects_the_three_public_listeners() {
    let start = Start::sandbox();
    let (certificate, key) = new_certificate(start.directory(), "localhost");
    let server = start
        .env("SEOHAM_TLS__CERTIFICATE_FILE", certificate.to_str().unwrap())
        .env("SEOHAM_TLS__KEY_FILE", key.to_str().unwrap())
        .up();
    for listener in ["api", "bulk", "web"] {
        assert!(server.url(listener).starts_with("https://127.0.0.1:"), "{}", server.url(listener));
    }
    assert!(server.url("admin").starts_with("http://"), "loopback");
    let city = server.institution("가상시청").await;
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    city.until(&id, "RECEIVED").await;
    for listener in ["api", "bulk", "web"] {
        let answer = http().get(server.url(listener)).send().await.unwrap();
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000", "{listener}");
    }
    assert_eq!(http().get(server.url("web")).send().await.unwrap().status(), 200);
    assert!(http().get(server.url("api").replace("https", "http")).send().await.is_err(), "no plain HTTP");
}

/// A self-signed certificate with this name, and its key.
pub(crate) fn new_certificate(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .expect("openssl is installed");
    assert!(made.status.success());
    (certificate, key)
}

/// The name in a listener's certificate.
fn shown_name(url: &str) -> String {
    let address = url.strip_prefix("https://").unwrap();
    let shown = Command::new("sh")
        .args([
            "-c",
            "openssl s_client -connect $0 </dev/null 2>/dev/null | openssl x509 -noout -subject",
            address,
        ])
        .output()
        .unwrap();
    String::from_utf8(shown.stdout).unwrap()
}

#[tokio::test]
async fn a_renewed_certificate_needs_no_restart() {
    let start = Start::sandbox();
    let (certificate, key) = new_certificate(start.directory(), "first");
    let server = start
        .clone()
        .env("SEOHAM_TLS__CERTIFICATE_FILE", certificate.to_str().unwrap())
        .env("SEOHAM_TLS__KEY_FILE", key.to_str().unwrap())
        .up();
    let shows = async |name: &str| {
        eventually(&format!("{name} is shown"), async || {
            ["api", "web"]
                .iter()
                .all(|listener| shown_name(&server.url(listener)).contains(name))
                .then_some(())
        })
        .await;
    };
    shows("first").await;
    new_certificate(start.directory(), "second");
    server.signal("HUP");
    shows("second").await;
    std::fs::write(&certificate, "no certificate").unwrap();
    server.signal("HUP");
    shows("second").await;
    // This time without SIGHUP.
    new_certificate(start.directory(), "third");
    shows("third").await;
    server.terminate();
    assert!(server.wait().0.success());
}

#[tokio::test]
async fn a_hangup_without_tls_ends_nothing() {
    let server = Start::sandbox().up();
    server.signal("HUP");
    let city = server.institution("가상시청").await;
    city.accepted(&[member_document("A")]).await;
}

#[tokio::test]
async fn secrets_that_others_can_read_are_refused() {
    let start = Start::sandbox();
    start.up().kill();
    let data = start.directory().join("data");
    let set = |file: &Path, mode| std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
    let refused = |text: &str| {
        let said = start.try_up().err().expect("refused");
        assert!(said.contains(text), "{said}");
    };
    set(&data.join("admin.token"), 0o644);
    refused("admin.token: holds a secret that others can read");
    set(&data.join("admin.token"), 0o600);
    if start.backing().is_embedded() {
        set(&data, 0o777);
        refused("chmod 700");
        set(&data, 0o700);
    }
    let (certificate, key) = new_certificate(start.directory(), "a");
    set(&key, 0o644);
    let tls = start
        .clone()
        .env("SEOHAM_TLS__CERTIFICATE_FILE", certificate.to_str().unwrap())
        .env("SEOHAM_TLS__KEY_FILE", key.to_str().unwrap());
    let said = tls.try_up().err().expect("refused");
    assert!(said.contains("key.pem: holds a secret"), "{said}");
    let token = start.directory().join("token");
    std::fs::write(&token, "0".repeat(32)).unwrap();
    set(&token, 0o644);
    for (language, text) in [("ko_KR.UTF-8", "chmod 600"), ("C", "holds a secret that others can read")] {
        let mut command = Command::new(binary());
        command.args([
            "status",
            "--url",
            "http://127.0.0.1:1",
            "--contract",
            &format!("CON-{}", "0".repeat(32)),
        ]);
        command
            .arg("--token-file")
            .arg(&token)
            .arg(format!("BIN-{}", "0".repeat(32)))
            .env("LC_ALL", language);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(text), "{said}");
    }
    start.up();
}

#[tokio::test]
async fn half_a_tls_configuration_is_refused() {
    let said = Start::sandbox().env("SEOHAM_TLS__KEY_FILE", "/nowhere").try_up().err().expect("refused");
    assert!(said.contains("certificate_file and key_file"), "{said}");
}
