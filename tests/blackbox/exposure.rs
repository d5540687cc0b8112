//! TLS, and the refusal to be reachable without it.

use std::process::Command;

use crate::harness::{Start, http, member_document};

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
    let (certificate, key) = (start.directory().join("cert.pem"), start.directory().join("key.pem"));
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
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .expect("openssl is installed");
    assert!(made.status.success());
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
    assert_eq!(http().get(server.url("web")).send().await.unwrap().status(), 200);
    assert!(http().get(server.url("api").replace("https", "http")).send().await.is_err(), "no plain HTTP");
}

#[tokio::test]
async fn half_a_tls_configuration_is_refused() {
    let said = Start::sandbox().env("SEOHAM_TLS__KEY_FILE", "/nowhere").try_up().err().expect("refused");
    assert!(said.contains("certificate_file and key_file"), "{said}");
}
