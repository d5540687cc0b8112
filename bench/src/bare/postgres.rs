//! Bare PostgreSQL: two connections, each with sequential transactions.

use std::time::{Duration, Instant};

use anyhow::Result;
use seoham_scratch_postgres::Cluster;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::rows;

const SCHEMA: &str = include_str!("postgres.sql");
/// Documents per queue row.
const PARCEL: usize = 100;
const CONNECTIONS: usize = 2;
/// The number of documents that are looked up repeatedly.
const IDS: u64 = 50_000;
const COLUMNS: &str = "document_id, institution_id, contract_id, person_id, content_id, sealed, hash, deadline_at, \
                       sent_at, received_at";

#[derive(Default)]
struct Rows<'a> {
    ids: Vec<Uuid>,
    institutions: Vec<Uuid>,
    contracts: Vec<Uuid>,
    people: Vec<Uuid>,
    contents: Vec<Option<Uuid>>,
    sealed: Vec<&'a [u8]>,
    hashes: Vec<Option<&'a str>>,
    deadlines: Vec<i64>,
    sent: Vec<i64>,
    received: Vec<Option<i64>>,
}

impl<'a> Rows<'a> {
    fn of(rows: &'a [rows::Row]) -> Self {
        let mut all = Self::default();
        for row in rows {
            all.ids.push(row.id);
            all.institutions.push(row.institution);
            all.contracts.push(row.contract);
            all.people.push(row.person);
            all.contents.push(row.content);
            all.sealed.push(&row.sealed);
            all.hashes.push(row.hash.as_deref());
            all.deadlines.push(row.deadline_at);
            all.sent.push(row.sent_at);
            all.received.push(row.received_at);
        }
        all
    }
}

/// The greatest parcel so far.
pub(crate) async fn last(source: &str) -> Result<Option<Uuid>> {
    let sql = "SELECT parcel_id FROM parcels ORDER BY parcel_id DESC LIMIT 1";
    Ok(connect(source).await?.query_opt(sql, &[]).await?.map(|row| row.get(0)))
}

pub(crate) async fn count(source: &str) -> Result<u64> {
    let sql = "SELECT coalesce(sum(length(persons)), 0) / 16 FROM parcels";
    Ok(connect(source).await?.query_one(sql, &[]).await?.get::<_, i64>(0).unsigned_abs())
}

/// `count` documents after the parcel `after`.
async fn documents(source: &str, after: Option<Uuid>, count: u64) -> Result<Vec<rows::Row>> {
    let client = connect(source).await?;
    let sql = "SELECT parcel_id, institution_id, contract_id, sent_at, head, persons, parts FROM parcels
               WHERE $1::uuid IS NULL OR parcel_id > $1 ORDER BY parcel_id LIMIT 5000";
    let (mut documents, mut after, count) = (Vec::new(), after, usize::try_from(count)?);
    while documents.len() < count {
        let page = client.query(sql, &[&after]).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.get(0));
        for row in page {
            let id = |i: usize| *row.get::<_, Uuid>(i).as_bytes();
            let parcel = rows::Parcel {
                id: id(0),
                institution: id(1),
                contract: id(2),
                sent_at: row.get(3),
                head: row.get(4),
                persons: row.get(5),
                parts: row.get(6),
            };
            documents.extend(parcel.rows()?);
        }
    }
    documents.truncate(count);
    Ok(documents)
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
    let rows = documents(source, after, count).await?;
    let mut rates = Vec::new();
    for batch in batches {
        let database = cluster.database();
        connect(database.url()).await?.batch_execute(SCHEMA).await?;
        // Prebuilt batches, alternating between the connections.
        let chunks: Vec<Rows<'_>> = rows.chunks(*batch).map(Rows::of).collect();
        let clients =
            futures_util::future::try_join_all((0..CONNECTIONS).map(|_| connect(database.url()))).await?;
        let started = Instant::now();
        let lanes = clients.iter().enumerate().map(|(n, client)| {
            let own: Vec<&Rows<'_>> = chunks.iter().skip(n).step_by(CONNECTIONS).collect();
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

/// The lookup rate in documents per second, a hundred ids per query, on two connections, in a new database of the same
/// cluster with the last documents and their people.
pub(crate) async fn look_ups(cluster: &Cluster, source: &str, duration: Duration) -> Result<f64> {
    let client = connect(source).await?;
    let sql = "SELECT parcel_id FROM parcels ORDER BY parcel_id DESC OFFSET $1 LIMIT 1";
    let offset = i64::try_from(IDS / 100)?;
    let after = client.query_opt(sql, &[&offset]).await?.map(|row| row.get(0));
    let rows = documents(source, after, IDS).await?;
    let people = client.query("SELECT person_id, wrapped_key FROM people", &[]).await?;
    let person = |row: &tokio_postgres::Row| (row.get::<_, Uuid>(0), row.get::<_, Vec<u8>>(1));
    let (people, keys): (Vec<Uuid>, Vec<Vec<u8>>) = people.iter().map(person).unzip();
    let database = cluster.database();
    let client = connect(database.url()).await?;
    client.batch_execute(SCHEMA).await?;
    let copy = "INSERT INTO people SELECT * FROM unnest($1::uuid[], $2::bytea[])";
    client.execute(copy, &[&people, &keys]).await?;
    for rows in rows.chunks(1_000) {
        insert(&client, &Rows::of(rows)).await?;
    }
    // As in a database in use: without statistics, a new database chooses plans that do not occur in
    // practice.
    client.batch_execute("ANALYZE people, documents").await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let started = Instant::now();
    let looking = (0..CONNECTIONS).map(|n| {
        let (ids, database) = (&ids, &database);
        async move {
            let client = connect(database.url()).await?;
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

async fn insert(client: &Client, rows: &Rows<'_>) -> Result<()> {
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
