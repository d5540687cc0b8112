//! The templates of messages.

use async_trait::async_trait;
use seoham_model::message::{MessageKind, MessageTemplate};
use seoham_store::templates::{LISTED_MAX, OwnedTemplate, TemplateOwner, stored, stored_row};
use seoham_store::{Result, Templates};
use uuid::Uuid;

use crate::PostgresStore;
use crate::columns::{Columns, Id};

#[async_trait]
impl Templates for PostgresStore {
    async fn set_template(
        &self,
        owner: TemplateOwner,
        kind: MessageKind,
        template: Option<MessageTemplate>,
    ) -> Result<bool> {
        let session = self.inner.sessions.interactive().await?;
        let (what, kind) = ("a template", kind.name());
        let content = template.map(|template| template.to_json());
        match (owner, content) {
            (TemplateOwner::Platform, Some(content)) => {
                let sql = "INSERT INTO platform_templates (kind, content) VALUES ($1, $2)
                           ON CONFLICT (kind) DO UPDATE SET content = excluded.content";
                session.write(what, sql, &[&kind, &content]).await.map(|_| true)
            }
            (TemplateOwner::Platform, None) => {
                let sql = "DELETE FROM platform_templates WHERE kind = $1";
                session.write(what, sql, &[&kind]).await.map(|_| true)
            }
            (TemplateOwner::Institution(institution), Some(content)) => {
                let sql = "INSERT INTO institution_templates (institution_id, kind, content)
                           SELECT institution_id, $2, $3 FROM institutions WHERE institution_id = $1
                           ON CONFLICT (institution_id, kind) DO UPDATE SET content = excluded.content
                           RETURNING institution_id";
                let rows = session.write(what, sql, &[&institution.uuid(), &kind, &content]).await?;
                Ok(!rows.is_empty())
            }
            (TemplateOwner::Institution(institution), None) => {
                let sql = "WITH gone AS (
                             DELETE FROM institution_templates WHERE institution_id = $1 AND kind = $2)
                           SELECT 1 FROM institutions WHERE institution_id = $1";
                Ok(!session.write(what, sql, &[&institution.uuid(), &kind]).await?.is_empty())
            }
        }
    }

    async fn template(&self, owner: TemplateOwner, kind: MessageKind) -> Result<Option<MessageTemplate>> {
        let session = self.inner.sessions.interactive().await?;
        let found = match owner {
            TemplateOwner::Platform => {
                let sql = "SELECT content FROM platform_templates WHERE kind = $1";
                session.query_opt(sql, &[&kind.name()]).await?
            }
            TemplateOwner::Institution(id) => {
                let sql = "SELECT content FROM institution_templates WHERE institution_id = $1 AND kind = $2";
                session.query_opt(sql, &[&id.uuid(), &kind.name()]).await?
            }
        };
        found.map(|row| stored(row.value("content")?)).transpose()
    }

    async fn templates(&self) -> Result<Vec<OwnedTemplate>> {
        let sql = "SELECT NULL::uuid AS institution_id, kind, content FROM platform_templates
                   UNION ALL SELECT institution_id, kind, content FROM institution_templates
                   ORDER BY institution_id NULLS FIRST, kind LIMIT $1";
        let session = self.inner.sessions.interactive().await?;
        let rows = session.query(sql, &[&i64::from(LISTED_MAX)]).await?;
        let owned = rows.iter().map(|row| {
            let institution = row.value::<Option<Uuid>>("institution_id")?.map(Id::of);
            stored_row(institution, row.value("kind")?, row.value("content")?)
        });
        owned.collect()
    }
}
