//! The directory as attribute source.

use super::connection::Pool;
use super::search;
use crate::config::ldap::LdapDirectorySettings;
use crate::server::back_end::{Directory, DirectoryError, UserRecord, is_sane};
use futures_util::future::{BoxFuture, FutureExt as _};

/// Looks users up by searching.
#[derive(Debug)]
pub struct LdapDirectory {
    settings: LdapDirectorySettings,
    pool: Pool,
}

impl LdapDirectory {
    /// Connects when the first user is looked up.
    pub fn new(settings: LdapDirectorySettings) -> Result<Self, String> {
        let pool = Pool::new(settings.servers.clone(), settings.search.bind.clone())?;
        Ok(Self { settings, pool })
    }

    /// Connects, and binds as the account that searches, if there is one.
    pub async fn reach(&self) -> Result<(), String> {
        let connection = self.pool.take().await.map_err(|error| error.to_string())?;
        connection.keep();
        Ok(())
    }
}

impl Directory for LdapDirectory {
    fn record<'a>(
        &'a self,
        username: &'a str,
    ) -> BoxFuture<'a, Result<UserRecord, DirectoryError>> {
        async move {
            if !is_sane(username) {
                return Ok(UserRecord::new());
            }
            let wanted = &self.settings.attributes;
            let all = ["*".to_owned()];
            let wanted: &[String] = if wanted.is_empty() { &all } else { wanted };
            let found = search(&self.pool, &self.settings.search, username, wanted).await;
            let found = found.map_err(|error| DirectoryError(format!("LDAP: {error}")))?;
            match <[_; 1]>::try_from(found) {
                Ok([entry]) => Ok(entry.attrs.into_iter().collect()),
                Err(found) if found.is_empty() => Ok(UserRecord::new()),
                Err(_) => Err(DirectoryError(
                    "LDAP: more than one entry for one user".to_owned(),
                )),
            }
        }
        .boxed()
    }
}
