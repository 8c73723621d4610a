//! The directory: passwords by binding, attributes by searching.
//!
//! TLS is always verified, host name included (attack S56); what users type goes into filters and
//! names escaped, and an empty password never reaches the directory (S55). Searching and checking
//! passwords use connections of their own, so that a user's bind never lends its rights to a search.

mod account;
mod connection;
mod directory;
mod password;

pub use directory::LdapDirectory;
pub use password::{LdapPassword, Verdict};

use crate::config::ldap::LdapSearch;
use connection::{Pool, Unavailable};
use ldap3::{Scope, SearchEntry, SearchOptions};

/// The entries that a user's search finds; more than one is an answer, and never a user.
async fn search(
    pool: &Pool,
    search: &LdapSearch,
    username: &str,
    attributes: &[String],
) -> Result<Vec<SearchEntry>, Unavailable> {
    let filter = search
        .filter
        .replace("{user}", &ldap3::ldap_escape(username));
    let scope = if search.subtree {
        Scope::Subtree
    } else {
        Scope::OneLevel
    };
    let mut connection = pool.take().await?;
    for retried in [false, true] {
        let timeout = pool.response_timeout();
        let ldap = connection.ldap().with_timeout(timeout);
        let ldap = ldap.with_search_options(SearchOptions::new().sizelimit(2));
        let found = ldap
            .search(&search.base, scope, &filter, attributes.to_vec())
            .await;
        let found = found.map_err(Unavailable::from).and_then(|found| {
            // noSuchObject is an empty answer; sizeLimitExceeded comes with two entries.
            match found.1.rc {
                0 | 4 | 32 => Ok(found.0),
                rc => Err(Unavailable::code(rc)),
            }
        });
        match found {
            Ok(entries) => {
                connection.keep();
                let entries = entries.into_iter().filter(|entry| !entry.is_ref());
                return Ok(entries.map(SearchEntry::construct).collect());
            }
            // A kept connection may have been closed by the server meanwhile.
            Err(_) if !retried && connection.is_used() => {
                connection = pool.open(connection).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Err(Unavailable::CLOSED)
}
