//! What a node requires of a database: durability, privileges and connections.

use std::process::Command;

use seoham_scratch_postgres::{Cluster, Database};

use crate::harness::{Backing, Server, Start, documents, eventually, http};

async fn readiness(server: &Server) -> (u16, String) {
    let request = http().get(format!("{}/readyz", server.url("admin"))).header("Accept-Language", "en");
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn until_said(server: &Server, status: u16, text: &str) {
    eventually(&format!("readiness says {status} {text}"), async || {
        let (now, said) = readiness(server).await;
        (now == status && said.contains(text)).then_some(())
    })
    .await;
}

fn on(database: &Database) -> Start {
    Start::on(Backing::at(database.url().to_owned()))
}

#[tokio::test]
async fn a_database_that_may_forget_is_refused_unless_that_is_meant() {
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let cluster = Cluster::start(&[&format!("{setting}=off")]);
        let start = on(&cluster.database());
        let said = start.try_up().err().expect("refused");
        assert!(said.contains(setting) && said.contains("--allow-data-loss"), "{said}");
        assert_eq!(start.backing().count("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 0);
        let server = start.argument("--allow-data-loss").up();
        until_said(&server, 200, "ready").await;
    }
}

#[tokio::test]
async fn a_database_that_begins_to_forget_is_not_written_to() {
    let cluster = Cluster::start(&[]);
    let server = on(&cluster.database()).up();
    let city = server.institution("가상시청").await;
    city.accepted(&documents(1)).await;
    cluster.sql("postgres", "ALTER SYSTEM SET full_page_writes = off");
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    until_said(&server, 503, "full_page_writes").await;
    let refused = city.bulk_request("/v1/documents/bulk", "{}").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(server.metrics().await.contains("seoham_obstacle{kind=\"not_durable\"} 1"));
    cluster.sql("postgres", "ALTER SYSTEM RESET full_page_writes");
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    until_said(&server, 200, "ready").await;
    city.accepted(&documents(1)).await;
}

#[tokio::test]
async fn a_role_without_rights_or_connections_is_told_so() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let first = on(&database);
    first.up().kill();
    let reader = "CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
        CREATE ROLE few LOGIN CONNECTION LIMIT 6; GRANT postgres TO few";
    cluster.sql(database.name(), reader);
    for (role, text) in [("reader", "lacks rights"), ("few", "fewer connections")] {
        let url = database.url().replace("postgres://postgres@", &format!("postgres://{role}@"));
        let node = Start::on(Backing::at(url))
            .env("SEOHAM_KEYS__MASTER_FILE", first.backing().key().to_str().unwrap());
        let server = node.up();
        until_said(&server, 503, text).await;
        let page = http().get(server.url("web")).send().await.unwrap();
        assert_eq!(page.status(), 503, "{role}");
    }
}

#[tokio::test]
async fn an_empty_database_is_not_taken_for_a_new_one() {
    let start = Start::live_on(Backing::postgres());
    let said = start.try_up().err().expect("refused");
    assert!(said.contains("seoham init-store"), "{said}");
    assert_eq!(start.backing().count("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 0);
    let start = start.argument("--create");
    start.up().kill();

    // Foreign tables, and those of a newer program.
    let sql = |sql: &str| {
        let psql =
            Command::new("psql").args(["-Xqv", "ON_ERROR_STOP=1", "-c", sql, start.backing().url()]).status();
        assert!(psql.unwrap().success());
    };
    sql(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (99, 'later', '', '1')",
    );
    let said = start.try_up().err().expect("refused");
    assert!(said.contains("step 99"), "{said}");
    let foreign = Start::live_on(Backing::postgres());
    let psql = Command::new("psql").args(["-Xqc", "CREATE TABLE other ()", foreign.backing().url()]).status();
    assert!(psql.unwrap().success());
    let said = foreign.argument("--create").try_up().err().expect("refused");
    assert!(said.contains("not Seoham's"), "{said}");
}
