//! Persistent NameIDs in Shibboleth's table `shibpid`, so that a deployment that kept them there
//! goes on with them, with both programs at the same time if need be.

use super::connection::{Connections, Unavailable, Use};
use crate::config::sql::PersistentIdTable;
use crate::server::back_end::{DirectoryError, PersistentIdOf, PersistentIds};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio_postgres::{Error, GenericClient};

/// The table.
#[derive(Debug)]
pub struct SqlPersistentIds {
    connections: Connections,
    find: String,
    taken: String,
    insert: String,
}

impl SqlPersistentIds {
    /// Connects when the first identifier is asked for.
    pub fn new(settings: &PersistentIdTable) -> Result<Self, String> {
        let table = &settings.table;
        Ok(Self {
            connections: Connections::new(&settings.database, Use::ReadWrite)?,
            find: format!(
                "SELECT persistentId FROM {table} WHERE localEntity = $1 AND peerEntity = $2 \
                 AND localId = $3 AND (deactivationDate IS NULL OR deactivationDate > LOCALTIMESTAMP) \
                 ORDER BY creationDate DESC LIMIT 1"
            ),
            taken: format!(
                "SELECT 1 FROM {table} WHERE localEntity = $1 AND peerEntity = $2 AND persistentId = $3"
            ),
            insert: format!(
                "INSERT INTO {table} (localEntity, peerEntity, persistentId, principalName, localId, \
                 creationDate) VALUES ($1, $2, $3, $4, $5, LOCALTIMESTAMP)"
            ),
        })
    }

    async fn look_up(
        &self,
        client: &impl GenericClient,
        of: &PersistentIdOf<'_>,
    ) -> Result<Option<String>, Error> {
        let row = client
            .query_opt(&self.find, &[&of.issuer, &of.relying_party, &of.local_id])
            .await?;
        row.map(|row| row.try_get(0)).transpose()
    }

    async fn found_or_created(
        &self,
        of: &PersistentIdOf<'_>,
        new: &[String],
    ) -> Result<Option<String>, Unavailable> {
        let mut client = self.connections.take().await?;
        let work = async {
            let client: &mut tokio_postgres::Client = &mut client;
            let found = self.look_up(&*client, of).await?;
            if found.is_some() || new.is_empty() {
                return Ok(found);
            }
            let transaction = client.transaction().await?;
            // The table has no constraint that keeps a user from having two: of two logins that race
            // the second waits here and finds what the first wrote.
            let name = format!("{}\n{}\n{}", of.issuer, of.relying_party, of.local_id);
            let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            transaction.execute(lock, &[&name]).await?;
            let mut found = self.look_up(&transaction, of).await?;
            for id in new {
                let (us, them) = (&of.issuer, &of.relying_party);
                // One that was ever anybody's, and taken back, is nobody's again (SAML core 8.3.7).
                if found.is_none()
                    && transaction
                        .query_opt(&self.taken, &[us, them, id])
                        .await?
                        .is_none()
                {
                    transaction
                        .execute(&self.insert, &[us, them, id, &of.username, &of.local_id])
                        .await?;
                    found = Some(id.clone());
                }
            }
            transaction.commit().await?;
            Ok(found)
        };
        self.connections.limited(work).await
    }
}

impl PersistentIds for SqlPersistentIds {
    fn find_or_create<'a>(
        &'a self,
        of: PersistentIdOf<'a>,
        new: &'a [String],
    ) -> BoxFuture<'a, Result<Option<String>, DirectoryError>> {
        async move {
            let found = self.found_or_created(&of, new).await;
            found.map_err(|error| DirectoryError(format!("persistent NameIDs: {error}")))
        }
        .boxed()
    }
}
