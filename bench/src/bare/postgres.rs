//! Bare PostgreSQL: two connections, each one transaction after the other.

use std::time::Instant;

use anyhow::Result;
use seoham_scratch_postgres::Cluster;
use tokio_postgres::{Client, NoTls, Row};
use uuid::Uuid;

use super::{Bare, ROWS_MAX};

const SCHEMA: &str = include_str!("../../../crates/store-postgres/migrations/V1__initial.sql");
const CONNECTIONS: usize = 2;
const COLUMNS: &str = "document_id, institution_id, contract_id, person_id, content_id, sealed, hash, deadline_at, \
                       sent_at, received_at";

#[derive(Default)]
struct Rows {
    ids: Vec<Uuid>,
    institutions: Vec<Uuid>,
    contracts: Vec<Uuid>,
    people: Vec<Uuid>,
    contents: Vec<Option<Uuid>>,
    sealed: Vec<Vec<u8>>,
    hashes: Vec<Option<String>>,
    deadlines: Vec<i64>,
    sent: Vec<i64>,
    received: Vec<Option<i64>>,
}

impl Rows {
    fn of(rows: &[Row]) -> Self {
        let mut all = Self::default();
        for row in rows {
            all.ids.push(row.get(0));
            all.institutions.push(row.get(1));
            all.contracts.push(row.get(2));
            all.people.push(row.get(3));
            all.contents.push(row.get(4));
            all.sealed.push(row.get(5));
            all.hashes.push(row.get(6));
            all.deadlines.push(row.get(7));
            all.sent.push(row.get(8));
            all.received.push(row.get(9));
        }
        all
    }
}

/// Inserts what `source` holds into databases of their own in the same cluster.
pub(crate) async fn insert_again(cluster: &Cluster, source: &str, batches: &[usize]) -> Result<Vec<Bare>> {
    let client = connect(source).await?;
    let sql = format!("SELECT {COLUMNS} FROM documents ORDER BY document_id LIMIT {ROWS_MAX}");
    let rows = client.query(&sql, &[]).await?;
    let mut results = Vec::new();
    for batch in batches {
        let database = cluster.database();
        let setup = connect(database.url()).await?;
        setup.batch_execute(SCHEMA).await?;
        setup.batch_execute("CREATE TABLE documents_all PARTITION OF documents DEFAULT").await?;
        // Every other batch goes to the other connection, ready made.
        let chunks: Vec<Rows> = rows.chunks(*batch).map(Rows::of).collect();
        let clients =
            futures_util::future::try_join_all((0..CONNECTIONS).map(|_| connect(database.url()))).await?;
        let started = Instant::now();
        let lanes = clients.iter().enumerate().map(|(n, client)| {
            let own: Vec<&Rows> = chunks.iter().skip(n).step_by(CONNECTIONS).collect();
            async move {
                for rows in own {
                    insert(client, rows).await?;
                }
                anyhow::Ok(())
            }
        });
        futures_util::future::try_join_all(lanes).await?;
        let engine = format!("bare PostgreSQL, same rows, {batch} a transaction, {CONNECTIONS} connections");
        results.push(Bare {
            engine,
            batch: *batch,
            documents: rows.len(),
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    Ok(results)
}

async fn insert(client: &Client, rows: &Rows) -> Result<()> {
    let documents = format!(
        "INSERT INTO documents ({COLUMNS}) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], \
         $5::uuid[], $6::bytea[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[])"
    );
    let (documents, deliveries) = futures_util::try_join!(
        client.prepare(&documents),
        client.prepare("INSERT INTO deliveries (institution_id, document_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])"),
    )?;
    let of_documents: [&(dyn tokio_postgres::types::ToSql + Sync); 10] = [
        &rows.ids,
        &rows.institutions,
        &rows.contracts,
        &rows.people,
        &rows.contents,
        &rows.sealed,
        &rows.hashes,
        &rows.deadlines,
        &rows.sent,
        &rows.received,
    ];
    let of_deliveries: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&rows.institutions, &rows.ids];
    futures_util::try_join!(
        client.batch_execute("BEGIN"),
        client.execute(&documents, &of_documents),
        client.execute(&deliveries, &of_deliveries),
        client.batch_execute("COMMIT"),
    )?;
    Ok(())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
