//! The templates of messages.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::InstitutionId;
use seoham_model::message::{MessageKind, MessageTemplate};
use seoham_store::templates::{LISTED_MAX, OwnedTemplate, TemplateOwner, stored, stored_row};
use seoham_store::{Lane, Result, Templates};

use crate::SqliteStore;
use crate::columns::Id;

#[async_trait]
impl Templates for SqliteStore {
    async fn set_template(
        &self,
        owner: TemplateOwner,
        kind: MessageKind,
        template: Option<MessageTemplate>,
    ) -> Result<bool> {
        let callers = Arc::clone(&self.inner.callers);
        let content = template.map(|template| template.to_json());
        let work = move |connection: &Connection| {
            let TemplateOwner::Institution(institution) = owner else {
                set_platform(connection, kind, content.as_deref())?;
                return Ok(true);
            };
            callers.invalidate_after();
            Ok(set_of_institution(connection, institution, kind, content.as_deref())?)
        };
        self.inner.writer.interactive(work).await
    }

    async fn template(&self, owner: TemplateOwner, kind: MessageKind) -> Result<Option<MessageTemplate>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found: Option<String> = match owner {
                TemplateOwner::Platform => connection
                    .prepare_cached("SELECT content FROM platform_templates WHERE kind = ?1")?
                    .query_row([kind.name()], |row| row.get(0))
                    .optional()?,
                TemplateOwner::Institution(id) => connection
                    .prepare_cached(
                        "SELECT content FROM institution_templates WHERE institution_id = ?1 AND kind = ?2",
                    )?
                    .query_row(params![Id(id), kind.name()], |row| row.get(0))
                    .optional()?,
            };
            Ok(found)
        });
        read.await?.as_deref().map(stored).transpose()
    }

    async fn templates(&self) -> Result<Vec<OwnedTemplate>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT NULL, kind, content FROM platform_templates
                 UNION ALL SELECT institution_id, kind, content FROM institution_templates
                 ORDER BY 1, 2 LIMIT ?1",
            )?;
            let rows = statement.query_map([LISTED_MAX], |row| {
                let institution = row.get::<_, Option<Id<InstitutionId>>>(0)?.map(|id| id.0);
                Ok((institution, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            })?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        });
        let rows = read.await?;
        rows.iter().map(|(institution, kind, content)| stored_row(*institution, kind, content)).collect()
    }
}

fn set_platform(connection: &Connection, kind: MessageKind, content: Option<&str>) -> rusqlite::Result<()> {
    match content {
        Some(content) => connection
            .prepare_cached(
                "INSERT INTO platform_templates (kind, content) VALUES (?1, ?2)
                 ON CONFLICT (kind) DO UPDATE SET content = excluded.content",
            )?
            .execute([kind.name(), content])?,
        None => connection
            .prepare_cached("DELETE FROM platform_templates WHERE kind = ?1")?
            .execute([kind.name()])?,
    };
    Ok(())
}

fn set_of_institution(
    connection: &Connection,
    institution: InstitutionId,
    kind: MessageKind,
    content: Option<&str>,
) -> rusqlite::Result<bool> {
    let known = connection
        .prepare_cached("SELECT 1 FROM institutions WHERE institution_id = ?1")?
        .exists([Id(institution)])?;
    match content {
        _ if !known => return Ok(false),
        Some(content) => connection
            .prepare_cached(
                "INSERT INTO institution_templates (institution_id, kind, content) VALUES (?1, ?2, ?3)
                 ON CONFLICT (institution_id, kind) DO UPDATE SET content = excluded.content",
            )?
            .execute(params![Id(institution), kind.name(), content])?,
        None => connection
            .prepare_cached("DELETE FROM institution_templates WHERE institution_id = ?1 AND kind = ?2")?
            .execute(params![Id(institution), kind.name()])?,
    };
    Ok(true)
}
