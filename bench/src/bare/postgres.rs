//! Bare PostgreSQL: two connections, each with sequential transactions.

use std::time::{Duration, Instant};

use anyhow::Result;
use seoham_scratch_postgres::Cluster;
use tokio_postgres::{Client, NoTls, Row};
use uuid::Uuid;

const SCHEMA: [&str; 2] = [
    include_str!("../../../crates/store-postgres/migrations/V1__initial.sql"),
    include_str!("../../../crates/store-postgres/migrations/V5__delivery_parcels.sql"),
];
/// Documents per queue row.
const PARCEL: usize = 100;
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

/// The greatest id so far.
pub(crate) async fn last(source: &str) -> Result<Option<Uuid>> {
    let sql = "SELECT document_id FROM documents ORDER BY document_id DESC LIMIT 1";
    Ok(connect(source).await?.query_opt(sql, &[]).await?.map(|row| row.get(0)))
}

pub(crate) async fn count(source: &str) -> Result<u64> {
    let row = connect(source).await?.query_one("SELECT count(*) FROM documents", &[]).await?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}

/// Inserts the `count` documents after `after` into new databases in the same cluster; returns the rate of
/// each transaction size.
pub(crate) async fn insert_again(
    cluster: &Cluster,
    source: &str,
    after: Option<Uuid>,
    count: u64,
    batches: &[usize],
) -> Result<Vec<(usize, f64)>> {
    let client = connect(source).await?;
    let sql = format!(
        "SELECT {COLUMNS} FROM documents WHERE $1::uuid IS NULL OR document_id > $1 ORDER BY document_id LIMIT $2"
    );
    let rows = client.query(&sql, &[&after, &count.cast_signed()]).await?;
    let mut rates = Vec::new();
    for batch in batches {
        let database = cluster.database();
        let setup = connect(database.url()).await?;
        setup.batch_execute(&SCHEMA.concat()).await?;
        setup.batch_execute("CREATE TABLE documents_all PARTITION OF documents DEFAULT").await?;
        // Prebuilt batches, alternating between the connections.
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
        rates.push((*batch, rows.len() as f64 / started.elapsed().as_secs_f64()));
    }
    Ok(rates)
}

/// The lookup rate in documents per second, a hundred ids per query, on two connections.
pub(crate) async fn look_ups(source: &str, duration: Duration) -> Result<f64> {
    let client = connect(source).await?;
    // As in a database in use: without statistics, a new database chooses plans that do not occur in
    // practice.
    client.batch_execute("ANALYZE people, documents").await?;
    let ids =
        client.query("SELECT document_id FROM documents ORDER BY document_id DESC LIMIT 50000", &[]).await?;
    let ids: Vec<Uuid> = ids.iter().map(|row| row.get(0)).collect();
    let started = Instant::now();
    let looking = (0..CONNECTIONS).map(|n| {
        let ids = &ids;
        async move {
            let client = connect(source).await?;
            // By index, as in the store.
            client.batch_execute("SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off").await?;
            let statement = client
                .prepare(
                    "SELECT d.document_id, d.sent_at, d.received_at, d.authenticated_at, d.token_used_at, d.read_at,
                            d.notified_at, d.deadline_at, d.sealed, p.wrapped_key
                     FROM unnest($1::uuid[]) AS asked (id) JOIN documents d ON d.document_id = asked.id
                     JOIN people p USING (person_id)",
                )
                .await?;
            let mut found = 0;
            for ids in ids.chunks(100).cycle().skip(n * 13) {
                if started.elapsed() > duration {
                    break;
                }
                found += client.query(&statement, &[&ids]).await?.len();
            }
            anyhow::Ok(found)
        }
    });
    let found: usize = futures_util::future::try_join_all(looking).await?.into_iter().sum();
    Ok(found as f64 / started.elapsed().as_secs_f64())
}

async fn insert(client: &Client, rows: &Rows) -> Result<()> {
    let documents = format!(
        "INSERT INTO documents ({COLUMNS}) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], \
         $5::uuid[], $6::bytea[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[])"
    );
    let (documents, parcels) = futures_util::try_join!(
        client.prepare(&documents),
        client.prepare(
            "INSERT INTO delivery_parcels (institution_id, first_id, document_ids)
             SELECT institution_id, ($3::uuid[])[first], ($3::uuid[])[first:first + $4::integer - 1]
             FROM unnest($1::uuid[], $2::integer[]) AS parcel (institution_id, first)"
        ),
    )?;
    let firsts = (0..rows.ids.len()).step_by(PARCEL);
    let (institutions, firsts): (Vec<Uuid>, Vec<i32>) =
        firsts.map(|n| (rows.institutions[n], i32::try_from(n + 1).unwrap_or(i32::MAX))).unzip();
    let size = i32::try_from(PARCEL)?;
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
    let of_parcels: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&institutions, &firsts, &rows.ids, &size];
    futures_util::try_join!(
        client.batch_execute("BEGIN"),
        client.execute(&documents, &of_documents),
        client.execute(&parcels, &of_parcels),
        client.batch_execute("COMMIT"),
    )?;
    Ok(())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
