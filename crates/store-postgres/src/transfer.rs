//! Fills an empty database with another store's rows, in one transaction.

use std::pin::pin;

use futures_util::TryStreamExt;
use seoham_model::UnixSeconds;
use seoham_store::deployment::master_key_row;
use seoham_store::restore::names::FEED_EPOCH;
use seoham_store::transfer::{Fingerprint, Kind, Table, Value};
use seoham_vault::{KeyId, Vault};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::connect::Connector;
use crate::migrations::State;
use crate::open::{self, OpenError, Options};
use crate::partitions::{self, Month};
use secrecy::ExposeSecret;

/// A database being filled. Nothing is visible before [`Target::commit`].
pub struct Target {
    client: Client,
}

impl Target {
    /// Opens an empty database and migrates its schema. Other nodes wait with starting until this is done.
    ///
    /// `sealing_keys` are the master keys that values may be sealed under.
    pub async fn open(
        options: &Options,
        vault: &Vault,
        sealing_keys: &[KeyId],
        advanced_seconds: i64,
        feed_epoch: u64,
    ) -> Result<Self, OpenError> {
        let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
        let mut client = open::connect(&connector).await?;
        open::lock(&client).await?;
        match crate::migrations::state(&client).await? {
            State::Known | State::Empty => crate::migrations::run(&mut client).await?,
            State::Foreign => return Err(OpenError::Foreign),
            State::Older => return Err(OpenError::Older),
            State::Newer { version, known } => return Err(OpenError::Newer { version, known }),
        };
        for table in ["institutions", "people", "parcels"] {
            let sql = format!("SELECT 1 FROM {table} LIMIT 1");
            if client.query_opt(&sql, &[]).await?.is_some() {
                return Err(OpenError::NotEmpty);
            }
        }
        if client.query_opt("SELECT 1 FROM deployment LIMIT 1", &[]).await?.is_some() {
            return Err(OpenError::NotEmpty);
        }
        client
            .batch_execute(
                "SET idle_in_transaction_session_timeout = 0; BEGIN; SET LOCAL seoham.moving = 'on'",
            )
            .await?;
        open::fixed(&client, "key_check", &open::key_check(vault)).await?;
        for id in sealing_keys {
            open::fixed(&client, &master_key_row(*id), "").await?;
        }
        open::fixed(&client, "mode", options.mode.name()).await?;
        open::fixed(&client, "clock_advanced_seconds", &advanced_seconds.to_string()).await?;
        open::fixed(&client, FEED_EPOCH, &feed_epoch.to_string()).await?;
        Ok(Self { client })
    }

    /// Creates the monthly partitions from `first` to `last`.
    pub async fn make_months(&self, first: UnixSeconds, last: UnixSeconds) -> Result<(), OpenError> {
        let mut month = Month::of(first);
        while month <= Month::of(last) {
            self.client.batch_execute(&partitions::make_sql(month)).await?;
            month = month.next();
        }
        Ok(())
    }

    /// Copies rows into a table as they arrive.
    pub async fn fill(
        &self,
        table: &Table,
        rows: &mut tokio::sync::mpsc::Receiver<Vec<Value>>,
    ) -> Result<Fingerprint, OpenError> {
        let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        let sql = format!("COPY {} ({}) FROM STDIN BINARY", table.name, names.join(", "));
        let types: Vec<Type> = table.columns.iter().map(|(_, kind)| column_type(*kind)).collect();
        let mut writer = pin!(BinaryCopyInWriter::new(self.client.copy_in(&sql).await?, &types));
        let mut fingerprint = Fingerprint::default();
        while let Some(row) = rows.recv().await {
            fingerprint.add(&row);
            let parameters = parameters(table, &row)?;
            let parameters: Vec<&(dyn ToSql + Sync)> =
                parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect();
            writer.as_mut().write(&parameters).await?;
        }
        writer.finish().await?;
        Ok(fingerprint)
    }

    /// Reads a table back.
    pub async fn fingerprint(&self, table: &Table) -> Result<Fingerprint, OpenError> {
        let mut fingerprint = Fingerprint::default();
        read_rows(&self.client, table, |row| fingerprint.add(&row)).await?;
        Ok(fingerprint)
    }

    /// Commits the transaction.
    pub async fn commit(self) -> Result<(), OpenError> {
        self.client.batch_execute("COMMIT").await?;
        // Otherwise autovacuum would collect the statistics, but later.
        if let Err(error) = self.client.batch_execute("ANALYZE").await {
            tracing::warn!(%error, "ANALYZE");
        }
        Ok(())
    }
}

/// Passes every row of a table to `take`.
pub(crate) async fn read_rows(
    client: &Client,
    table: &Table,
    mut take: impl FnMut(Vec<Value>),
) -> Result<(), OpenError> {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let sql = format!("SELECT {} FROM {}", names.join(", "), table.name);
    let mut rows = pin!(client.query_raw(&sql, Vec::<&str>::new()).await?);
    while let Some(row) = rows.try_next().await? {
        take(values(table, &row)?);
    }
    Ok(())
}

fn column_type(kind: Kind) -> Type {
    match kind {
        Kind::Id => Type::UUID,
        Kind::Bytes => Type::BYTEA,
        Kind::Text => Type::TEXT,
        Kind::Number => Type::INT8,
        Kind::Number32 => Type::INT4,
        Kind::Number16 => Type::INT2,
        Kind::Flag => Type::BOOL,
    }
}

type Parameter = Box<dyn ToSql + Sync + Send>;

fn parameters(table: &Table, row: &[Value]) -> Result<Vec<Parameter>, OpenError> {
    let damaged = || OpenError::Damaged(table.name);
    let parameter = |(kind, value): (Kind, &Value)| -> Result<Parameter, OpenError> {
        let number = match value {
            Value::Number(number) => Some(*number),
            _ => None,
        };
        Ok(match (kind, value) {
            (Kind::Id, Value::Bytes(bytes)) => {
                Box::new(Some(Uuid::from_slice(bytes).map_err(|_| damaged())?))
            }
            (Kind::Id, Value::Null) => Box::new(None::<Uuid>),
            (Kind::Bytes, Value::Bytes(bytes)) => Box::new(Some(bytes.clone())),
            (Kind::Bytes, Value::Null) => Box::new(None::<Vec<u8>>),
            (Kind::Text, Value::Text(text)) => Box::new(Some(text.clone())),
            (Kind::Text, Value::Null) => Box::new(None::<String>),
            (Kind::Number, Value::Number(_) | Value::Null) => Box::new(number),
            (Kind::Number32, Value::Null) => Box::new(None::<i32>),
            (Kind::Number16, Value::Null) => Box::new(None::<i16>),
            (Kind::Number32, Value::Number(n)) => Box::new(i32::try_from(*n).map_err(|_| damaged())?),
            (Kind::Number16, Value::Number(n)) => Box::new(i16::try_from(*n).map_err(|_| damaged())?),
            (Kind::Flag, Value::Number(n)) => Box::new(*n != 0),
            _ => return Err(damaged()),
        })
    };
    table.columns.iter().map(|(_, kind)| *kind).zip(row).map(parameter).collect()
}

fn values(table: &Table, row: &Row) -> Result<Vec<Value>, OpenError> {
    let value = |(i, kind): (usize, Kind)| -> Result<Value, tokio_postgres::Error> {
        let number = |number: Option<i64>| number.map_or(Value::Null, Value::Number);
        let bytes = |bytes: Option<Vec<u8>>| bytes.map_or(Value::Null, Value::Bytes);
        Ok(match kind {
            Kind::Id => bytes(row.try_get::<_, Option<Uuid>>(i)?.map(|id| id.as_bytes().to_vec())),
            Kind::Bytes => bytes(row.try_get(i)?),
            Kind::Text => row.try_get::<_, Option<String>>(i)?.map_or(Value::Null, Value::Text),
            Kind::Number => number(row.try_get(i)?),
            Kind::Number32 => number(row.try_get::<_, Option<i32>>(i)?.map(i64::from)),
            Kind::Number16 => number(row.try_get::<_, Option<i16>>(i)?.map(i64::from)),
            Kind::Flag => number(row.try_get::<_, Option<bool>>(i)?.map(i64::from)),
        })
    };
    let kinds = table.columns.iter().map(|(_, kind)| *kind).enumerate();
    Ok(kinds.map(value).collect::<Result<_, _>>()?)
}
