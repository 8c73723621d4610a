//! The directory checks passwords: the user's own bind is the proof.

use super::account::{self, Account};
use super::connection::{Pool, Unavailable};
use super::search;
use crate::authn::login::Expiry;
use crate::config::ldap::{DnResolution, LdapPasswordSettings};
use crate::duo::secret::Secret;
use crate::server::back_end::is_sane;
use ldap3::LdapResult;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The directory took the password.
    Right,
    /// It took the password, which soon has to be changed.
    Expiring(Expiry),
    /// Unknown user or wrong password.
    Wrong,
    /// The account is locked or disabled.
    Locked,
    /// The password was right and has expired.
    Expired,
    /// The directory could not be asked.
    Unavailable,
}

/// Checks passwords by binding.
#[derive(Debug)]
pub struct LdapPassword {
    settings: LdapPasswordSettings,
    searching: Pool,
    binding: Pool,
}

impl LdapPassword {
    /// Connects when the first password is to be checked.
    pub fn new(settings: LdapPasswordSettings) -> Result<Self, String> {
        let bind = match &settings.dn {
            DnResolution::Format(_) => None,
            DnResolution::Search(search) => search.bind.clone(),
        };
        Ok(Self {
            searching: Pool::new(settings.servers.clone(), bind)?,
            binding: Pool::new(settings.servers.clone(), None)?,
            settings,
        })
    }

    /// Connects, and binds as the account that searches, if there is one.
    pub async fn reach(&self) -> Result<(), String> {
        for pool in [&self.searching, &self.binding] {
            pool.take().await.map_err(|error| error.to_string())?.keep();
        }
        Ok(())
    }

    /// Checks one password.
    pub async fn check(&self, username: &str, password: &Secret) -> Verdict {
        // An empty password would be an unauthenticated bind, which succeeds (RFC 4513 5.1.2).
        if password.expose().is_empty() || !is_sane(username) {
            return Verdict::Wrong;
        }
        let checked = match self.dn(username).await {
            Ok(Some(dn)) => self.bind(&dn, password).await,
            Ok(None) => return Verdict::Wrong,
            Err(error) => Err(error),
        };
        checked.unwrap_or_else(|error| {
            tracing::error!(%error, "the directory cannot check a password");
            Verdict::Unavailable
        })
    }

    async fn dn(&self, username: &str) -> Result<Option<String>, Unavailable> {
        let by_search = match &self.settings.dn {
            DnResolution::Format(format) => {
                return Ok(Some(format.replace("%s", &ldap3::dn_escape(username))));
            }
            DnResolution::Search(search) => search,
        };
        // 1.1 asks for no attributes at all (RFC 4511 4.5.1.8).
        let found = search(&self.searching, by_search, username, &["1.1".to_owned()]).await?;
        match <[_; 1]>::try_from(found) {
            Ok([entry]) if !entry.dn.is_empty() => Ok(Some(entry.dn)),
            Ok(_) => Ok(None),
            Err(found) => {
                if found.len() > 1 {
                    tracing::error!("more than one entry in the directory for one user name");
                }
                Ok(None)
            }
        }
    }

    async fn bind(&self, dn: &str, password: &Secret) -> Result<Verdict, Unavailable> {
        let mut connection = self.binding.take().await?;
        for retried in [false, true] {
            let ldap = connection
                .ldap()
                .with_timeout(self.binding.response_timeout());
            let ldap = ldap.with_controls(account::request());
            match ldap.simple_bind(dn, password.expose()).await {
                Ok(result) => {
                    connection.keep();
                    return judge(&result);
                }
                Err(_) if !retried && connection.is_used() => {
                    connection = self.binding.open(connection).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Unavailable::CLOSED)
    }
}

fn judge(result: &LdapResult) -> Result<Verdict, Unavailable> {
    let account = account::read(&result.ctrls, &result.text);
    match (result.rc, account) {
        (0 | 49 | 53 | 19, Account::Locked) => Ok(Verdict::Locked),
        (0 | 49 | 53 | 19, Account::Expired) => Ok(Verdict::Expired),
        (0, Account::Expiring(seconds)) => Ok(Verdict::Expiring(Expiry::Seconds(seconds))),
        (0, Account::Grace(logins)) => Ok(Verdict::Expiring(Expiry::Logins(logins))),
        (0, Account::Good) => Ok(Verdict::Right),
        // invalidCredentials, noSuchObject, inappropriateAuthentication, unwillingToPerform,
        // invalidDNSyntax: no reason to believe the user, and none to call the directory broken.
        (49 | 32 | 48 | 53 | 34, _) => Ok(Verdict::Wrong),
        (rc, _) => Err(Unavailable::code(rc)),
    }
}
