//! Connections: verified TLS, a bounded number, kept for the next use, every wait limited.

use super::tls::Verified;
use crate::config::sql::SqlDatabase;
use crate::server::back_end::duo::install_tls_provider;
use crate::server::back_end::tls::client_config;
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts,
};
use std::fmt;
use std::time::Duration;
use tokio_postgres::config::{Config, SslMode};
use tokio_postgres::{Error, NoTls};

/// The database could not be asked: a reason that is safe to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unavailable(pub(super) String);

impl From<Error> for Unavailable {
    /// A server's own text may hold values of rows, so its code alone is told.
    fn from(error: Error) -> Self {
        Self(match error.code() {
            Some(code) => format!("SQLSTATE {}", code.code()),
            None if error.is_closed() => "closed".to_owned(),
            None => {
                // The kinds that remain are about the connection or a type, not about a value.
                let whole = error.to_string();
                let kind = whole.split(':').next().unwrap_or_default();
                kind.to_owned()
            }
        })
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What connections may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A query that would change something fails.
    ReadOnly,
    /// Rows are added.
    ReadWrite,
}

/// A bounded number of connections to one database.
pub(super) struct Connections {
    name: String,
    pool: Pool,
    response_timeout: Duration,
}

impl Connections {
    /// Connects when the first query comes.
    pub(super) fn new(database: &SqlDatabase, what_for: Use) -> Result<Self, String> {
        let failed = |error: String| format!("vestibule.sql.{}: {error}", database.name);
        let mut config: Config = database
            .url
            .parse()
            .map_err(|_| failed("no PostgreSQL URL".to_owned()))?;
        config
            .application_name("vestibule")
            .connect_timeout(database.connect_timeout);
        if let Some(password) = &database.password {
            config.password(password.expose());
        }
        // A round trip, so that no query meets a connection that the server has closed meanwhile.
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Verified,
        };
        let manager = if database.tls {
            install_tls_provider();
            config.ssl_mode(SslMode::Require);
            let tls = client_config(database.trusted.as_deref()).map_err(failed)?;
            Manager::from_config(config, Verified::new(tls), recycling)
        } else {
            config.ssl_mode(SslMode::Disable);
            Manager::from_config(config, NoTls, recycling)
        };
        let patience = Some(database.connect_timeout);
        let begin = session(what_for, database.response_timeout);
        let pool = Pool::builder(manager)
            .max_size(database.connections)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: patience,
                create: patience,
                recycle: patience,
            })
            .post_create(Hook::async_fn(move |client, _| {
                let begin = begin.clone();
                Box::pin(async move {
                    client
                        .batch_execute(&begin)
                        .await
                        .map_err(HookError::Backend)
                })
            }))
            .build();
        Ok(Self {
            name: database.name.clone(),
            pool: pool.map_err(|error| failed(error.to_string()))?,
            response_timeout: database.response_timeout,
        })
    }

    /// A connection that works, as far as can be known.
    pub(super) async fn take(&self) -> Result<Object, Unavailable> {
        use deadpool_postgres::PoolError;
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                error.into()
            }
            PoolError::Timeout(_) => Unavailable("timeout".to_owned()),
            _ => Unavailable("no connection".to_owned()),
        })
    }

    /// Waits for work on a connection no longer than the limit. The connection of work that is given
    /// up is looked over before it is used again.
    pub(super) async fn limited<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Unavailable> {
        let done = tokio::time::timeout(self.response_timeout, work).await;
        Ok(done.map_err(|_| Unavailable("timeout".to_owned()))??)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connections({})", self.name)
    }
}

/// What every connection begins with: the server too gives up in time.
fn session(what_for: Use, limit: Duration) -> String {
    let milliseconds = limit.as_millis();
    let limited = format!("SET statement_timeout = {milliseconds}");
    match what_for {
        Use::ReadOnly => format!("{limited}; SET default_transaction_read_only = on"),
        Use::ReadWrite => limited,
    }
}
