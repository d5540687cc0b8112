//! Several processes on one database.

use seoham_scratch_postgres::Cluster;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Backing, Client, QUEUED, Server, Start, document, documents, eventually, member_document,
};

/// The same institution, calling another node.
fn through(node: &Server, client: &Client) -> Client {
    Client { api: node.url("api"), bulk: node.url("bulk"), ..client.clone() }
}

fn node(deployment: &Start, role: &str, n: u32) -> Server {
    deployment.node(&format!("{role}-{n}")).argument(&format!("--role={role}")).up()
}

#[tokio::test]
async fn each_role_has_its_own_listeners() {
    let deployment = Start::on(Backing::postgres());
    for (role, listeners) in [
        ("gateway", vec!["admin", "api", "bulk"]),
        ("delivery", vec!["admin"]),
        ("web", vec!["admin", "web"]),
        ("all", vec!["admin", "api", "bulk", "web"]),
    ] {
        let server = node(&deployment, role, 1);
        let ready = server.ready().as_object().unwrap();
        let mut named: Vec<&str> = ready
            .iter()
            .filter(|(_, v)| v.as_str().is_some_and(|v| v.starts_with("http")))
            .map(|(k, _)| &**k)
            .collect();
        named.sort_unstable();
        assert_eq!(named, listeners, "{role}");
    }
    let said = Start::on(Backing::embedded()).argument("--role=gateway").try_up().err().expect("refused");
    assert!(said.contains("need --database"), "{said}");
    let unnamed = Start::on(Backing::postgres()).env("SEOHAM_KEYS__MASTER_FILE", "");
    assert!(unnamed.try_up().is_err(), "nodes share a key that is named");
}

#[tokio::test]
async fn a_document_goes_its_way_through_many_nodes() {
    let deployment = Start::on(Backing::postgres());
    let (first, second) = (node(&deployment, "gateway", 1), node(&deployment, "gateway", 2));
    let city = first.institution("가상시청").await;
    let there = through(&second, &city);
    let ids = city.accepted(&documents(50)).await;
    assert_eq!(there.statuses(&ids).await.len(), 50, "what one node accepted every node knows");
    let waiting: i64 = deployment.backing().count(QUEUED);
    assert_eq!(waiting, 50, "gateways deliver nothing");
    let _worker = node(&deployment, "delivery", 1);
    for id in &ids {
        there.until_notified(id).await;
    }
    let token = city.open_token(&ids[0]).await;
    assert_eq!(there.verify(&ids[0], &token).await.status, 200);
    assert_eq!(city.verify(&ids[0], &token).await.status, 400, "used on the other node");
    there.mark_read(&ids[0]).await;
    assert_eq!(city.status(&ids[0]).await["doc_box_status"], "READ");
}

#[tokio::test]
async fn people_clock_and_revocations_are_everybodys() {
    let deployment = Start::on(Backing::postgres());
    let (first, second) = (node(&deployment, "gateway", 1), node(&deployment, "gateway", 2));
    let city = first.institution("가상시청").await;
    let there = through(&second, &city);
    let person =
        json!({ "phone_number": "01099990000", "name": "김공유", "birthday": "19900101", "member": false });
    assert_eq!(city.sandbox("people", person).await.status, 201);
    let id = there.accepted(&[document("01099990000", "P")]).await.remove(0);
    assert_eq!(there.sandbox("people/join", json!({ "phone_number": "01099990000" })).await.status, 204);
    assert_eq!(city.status(&id).await["doc_box_status"], "RECEIVED");

    let now = city.advance(86_400 * 40).await;
    eventually("the other node's clock has moved", async || (there.advance(0).await >= now).then_some(()))
        .await;
    eventually("it is expired on every node", async || {
        (there.status(&id).await["doc_box_status"] == "EXPIRED").then_some(())
    })
    .await;
    assert_eq!(there.accepted(&[member_document("M")]).await.len(), 1, "there is room for the time to come");

    let revoked =
        first.admin("DELETE", &format!("institutions/{}/tokens/{}", city.id, city.token_id), None).await;
    assert_eq!(revoked.0, 204);
    for client in [&city, &there] {
        Answer::of(client.get(&format!("/v1/documents/{id}/status"))).await.is_error(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn the_database_is_reached_over_tls_and_its_certificate_is_checked() {
    let (cluster, authority) = Cluster::start_with_tls();
    let database = cluster.database();
    let url = format!("postgres://postgres@127.0.0.1:{}/{}?sslmode=require", cluster.port(), database.name());
    let deployment = Start::on(Backing::at(url));
    let said = deployment.try_up().err().expect("nobody known has signed it");
    assert!(said.contains("database"), "{said}");
    let server = deployment.env("SEOHAM_STORE__DATABASE_CA_FILE", authority.to_str().unwrap()).up();
    let city = server.institution("가상시청").await;
    city.accepted(&documents(3)).await;
    let sessions = |tls: bool| {
        let asked = format!(
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = '{}' AND ssl = {tls}",
            database.name()
        );
        cluster.sql("postgres", &asked).trim().parse::<u32>().unwrap()
    };
    assert!(sessions(true) > 0);
    assert_eq!(sessions(false), 0);
}

#[tokio::test]
async fn the_schema_is_brought_up_to_date_by_whoever_is_told_to() {
    let backing = Backing::postgres();
    let migrate = |backing: &Backing| {
        let mut command = std::process::Command::new(crate::harness::binary());
        command.arg("migrate").env("SEOHAM_STORE__DATABASE", backing.url());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let deployment = Start::on(backing).argument("--no-migrate");
    let said = deployment.try_up().err().expect("an empty database is refused");
    assert!(said.contains("seoham migrate"), "{said}");
    assert!(!migrate(deployment.backing()).contains("(0 steps"));
    assert!(migrate(deployment.backing()).contains("(0 steps"), "once");
    let ready: &Value = &deployment.up().ready().clone();
    assert_eq!(ready["ready"], true);
}
