//! Databases, as settings: where they are and what is asked of them.

use crate::duo::secret::Secret;
use std::time::Duration;

/// A PostgreSQL database and how it is reached.
#[derive(Clone, Debug)]
pub struct SqlDatabase {
    /// Its name in `vestibule.sql.NAME.*`.
    pub name: String,
    /// `postgres://USER@HOST[:PORT]/DATABASE`, without a password.
    pub url: String,
    /// The user's password.
    pub password: Option<Secret>,
    /// Whether TLS is required; only loopback goes without.
    pub tls: bool,
    /// PEM certificates to trust; the system's when absent.
    pub trusted: Option<Vec<u8>>,
    /// Limit for connecting, TLS included, and for waiting for a free connection.
    pub connect_timeout: Duration,
    /// Limit for one query.
    pub response_timeout: Duration,
    /// The most connections.
    pub connections: usize,
}

/// A database as an attribute source.
#[derive(Clone, Debug)]
pub struct SqlSource {
    /// The database.
    pub database: SqlDatabase,
    /// The query, with `$1` for the user's name.
    pub query: String,
}

/// The table that persistent NameIDs are kept in: Shibboleth's `shibpid`.
#[derive(Clone, Debug)]
pub struct PersistentIdTable {
    /// The database.
    pub database: SqlDatabase,
    /// The table's name, perhaps with its schema's: letters, digits and low lines.
    pub table: String,
}

/// A source of user records, in the order in which they are asked.
#[derive(Clone, Debug)]
pub enum AttributeSource {
    /// The file of `vestibule.attribute.csv`.
    Csv,
    /// `idp.attribute.resolver.LDAP.*`.
    Ldap(Box<crate::config::ldap::LdapDirectorySettings>),
    /// `vestibule.sql.NAME.*`.
    Sql(Box<SqlSource>),
}

impl AttributeSource {
    /// Its name in `vestibule.attribute.sources`.
    pub fn name(&self) -> &str {
        match self {
            Self::Csv => "csv",
            Self::Ldap(_) => "ldap",
            Self::Sql(source) => &source.database.name,
        }
    }
}
