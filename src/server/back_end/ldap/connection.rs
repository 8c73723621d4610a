//! Connections: verified TLS, one of several servers, a bounded number, kept for the next use.

use crate::config::ldap::{LdapBind, LdapServers};
use crate::server::back_end::duo::install_tls_provider;
use crate::server::back_end::tls::client_config;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError};
use rustls::ClientConfig;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The directory could not be asked: a reason that is safe to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unavailable(pub(super) String);

impl Unavailable {
    pub(super) const CLOSED: Self = Self(String::new());

    pub(super) fn code(rc: u32) -> Self {
        Self(format!("LDAP result {rc}"))
    }
}

impl From<LdapError> for Unavailable {
    /// The library's own text may hold what the other side sent, so its kind alone is told.
    fn from(error: LdapError) -> Self {
        let word = match &error {
            LdapError::Timeout { .. } => "timeout",
            LdapError::Io { source } if source.kind() == std::io::ErrorKind::InvalidData => "tls",
            LdapError::Io { .. } => "connect",
            LdapError::Rustls { .. } | LdapError::DNSName { .. } => "tls",
            LdapError::LdapResult { result } => return Self::code(result.rc),
            _ => "protocol",
        };
        Self(word.to_owned())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Connections of one kind.
pub(super) struct Pool {
    servers: LdapServers,
    tls: Option<Arc<ClientConfig>>,
    bind: Option<LdapBind>,
    idle: Arc<Mutex<Vec<Ldap>>>,
    permits: Arc<Semaphore>,
}

/// A connection in use; dropped unless it is kept.
pub(super) struct Connection {
    ldap: Ldap,
    idle: Arc<Mutex<Vec<Ldap>>>,
    used: bool,
    permit: OwnedSemaphorePermit,
}

impl Pool {
    /// No connection is made yet. With `bind`, every connection binds as that first.
    pub(super) fn new(servers: LdapServers, bind: Option<LdapBind>) -> Result<Self, String> {
        install_tls_provider();
        Ok(Self {
            tls: servers
                .trusted
                .as_deref()
                .map(|pem| client_config(Some(pem)).map(Arc::new))
                .transpose()?,
            permits: Arc::new(Semaphore::new(servers.connections)),
            idle: Arc::default(),
            servers,
            bind,
        })
    }

    pub(super) fn response_timeout(&self) -> Duration {
        self.servers.response_timeout
    }

    /// A connection that was kept, or a new one.
    pub(super) async fn take(&self) -> Result<Connection, Unavailable> {
        let patience = self.servers.connect_timeout + self.servers.response_timeout;
        let acquired = tokio::time::timeout(patience, Arc::clone(&self.permits).acquire_owned());
        let Ok(Ok(permit)) = acquired.await else {
            return Err(Unavailable("too many are waiting".to_owned()));
        };
        let kept = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match kept {
            Some(ldap) => Ok(self.connection(ldap, true, permit)),
            None => Ok(self.connection(self.connect().await?, false, permit)),
        }
    }

    /// A new connection in the place of one that failed.
    pub(super) async fn open(&self, failed: Connection) -> Result<Connection, Unavailable> {
        let ldap = self.connect().await?;
        Ok(self.connection(ldap, false, failed.permit))
    }

    fn connection(&self, ldap: Ldap, used: bool, permit: OwnedSemaphorePermit) -> Connection {
        Connection {
            ldap,
            idle: Arc::clone(&self.idle),
            used,
            permit,
        }
    }

    /// The first server that answers.
    async fn connect(&self) -> Result<Ldap, Unavailable> {
        let mut last = Unavailable::CLOSED;
        for url in &self.servers.urls {
            match self.connect_to(url).await {
                Ok(ldap) => return Ok(ldap),
                Err(error) => {
                    tracing::error!(url, %error, "directory server not usable");
                    last = error;
                }
            }
        }
        Err(last)
    }

    async fn connect_to(&self, url: &str) -> Result<Ldap, Unavailable> {
        let mut settings = LdapConnSettings::new()
            .set_conn_timeout(self.servers.connect_timeout)
            .set_starttls(self.servers.start_tls && url.starts_with("ldap:"));
        if let Some(tls) = &self.tls {
            settings = settings.set_config(Arc::clone(tls));
        }
        let connecting = LdapConnAsync::with_settings(settings, url);
        let limit = self.servers.connect_timeout;
        let connected = tokio::time::timeout(limit, connecting).await;
        let (connection, mut ldap) = connected.map_err(|_| Unavailable("timeout".to_owned()))??;
        tokio::spawn(async move {
            if connection.drive().await.is_err() {
                tracing::debug!("directory connection ended");
            }
        });
        if let Some(bind) = &self.bind {
            let timeout = self.servers.response_timeout;
            let bound = ldap
                .with_timeout(timeout)
                .simple_bind(&bind.dn, bind.credential.expose());
            bound.await?.success()?;
        }
        Ok(ldap)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({:?})", self.servers.urls)
    }
}

impl Connection {
    pub(super) fn ldap(&mut self) -> &mut Ldap {
        &mut self.ldap
    }

    /// Whether it was used before, so that the server may have closed it.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// It works: the next one may have it.
    pub(super) fn keep(self) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.ldap);
        drop(self.permit);
    }
}
