//! The directory, as settings: whom to ask, how to bind, what to look for.

use crate::duo::secret::Secret;
use std::time::Duration;

/// Servers of one directory and how they are reached.
#[derive(Clone, Debug)]
pub struct LdapServers {
    /// `ldap://` and `ldaps://` URLs; the first that answers is used.
    pub urls: Vec<String>,
    /// Whether `ldap://` begins with StartTLS. Only loopback goes without.
    pub start_tls: bool,
    /// PEM certificates to trust; the system's when absent.
    pub trusted: Option<Vec<u8>>,
    /// Limit for connecting, TLS included.
    pub connect_timeout: Duration,
    /// Limit for one answer.
    pub response_timeout: Duration,
    /// The most connections of one kind.
    pub connections: usize,
}

/// Who searches.
#[derive(Clone, Debug)]
pub struct LdapBind {
    /// The DN.
    pub dn: String,
    /// Its password.
    pub credential: Secret,
}

/// A search for one user.
#[derive(Clone, Debug)]
pub struct LdapSearch {
    /// Where the search begins.
    pub base: String,
    /// Whether it goes below the first level.
    pub subtree: bool,
    /// The filter, with `{user}` in it.
    pub filter: String,
    /// Who searches; nobody when absent.
    pub bind: Option<LdapBind>,
}

/// How a password is checked.
#[derive(Clone, Debug)]
pub struct LdapPasswordSettings {
    /// The directory.
    pub servers: LdapServers,
    /// How a user name becomes a DN.
    pub dn: DnResolution,
}

/// How a user name becomes a DN.
#[derive(Clone, Debug)]
pub enum DnResolution {
    /// By a pattern with `%s` in it.
    Format(String),
    /// By a search.
    Search(LdapSearch),
}

/// The attribute source.
#[derive(Clone, Debug)]
pub struct LdapDirectorySettings {
    /// The directory.
    pub servers: LdapServers,
    /// How the user's entry is found.
    pub search: LdapSearch,
    /// Attributes asked for; all user attributes when empty.
    pub attributes: Vec<String>,
}

/// Who checks passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordValidator {
    /// The htpasswd file.
    Htpasswd,
    /// The directory.
    Ldap,
}
