//! Back ends: small traits, a real one and a fake one each.

pub mod directory;
pub mod duo;
pub mod ldap;
pub mod logout;
pub mod password;
pub mod sql;
mod tls;

use crate::duo::auth_api::ApiCall;
use crate::duo::integration::Integration;
use crate::duo::oidc::{FormRequest, HttpAnswer};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::fmt;

/// Sends Duo's requests. A failure is an [`HttpAnswer::Transport`], never a panic.
pub trait DuoClient: Send + Sync + fmt::Debug {
    /// Posts a form to this integration's host and returns what came back.
    fn send<'a>(
        &'a self,
        integration: &'a Integration,
        request: &'a FormRequest,
    ) -> BoxFuture<'a, HttpAnswer>;

    /// Makes a signed call of the Auth or Admin API and returns what came back.
    fn call<'a>(
        &'a self,
        integration: &'a Integration,
        call: &'a ApiCall,
    ) -> BoxFuture<'a, HttpAnswer>;

    /// How the circuit of each API host stands (closed, open, probing), where there are any.
    fn circuits(&self) -> Vec<(String, &'static str)> {
        Vec::new()
    }
}

/// A user's attributes as a source holds them: attribute name to values.
pub type UserRecord = BTreeMap<String, Vec<String>>;

/// Looks users up.
pub trait Directory: Send + Sync + fmt::Debug {
    /// The user's record; empty when the source does not know the user.
    fn record<'a>(&'a self, username: &'a str)
    -> BoxFuture<'a, Result<UserRecord, DirectoryError>>;
}

/// Whose persistent identifier is wanted at which relying party.
#[derive(Clone, Copy, Debug)]
pub struct PersistentIdOf<'a> {
    /// Our entityID.
    pub issuer: &'a str,
    /// The relying party's.
    pub relying_party: &'a str,
    /// The user's name.
    pub username: &'a str,
    /// The user, as the table knows it.
    pub local_id: &'a str,
}

/// Keeps persistent identifiers: one for each user and relying party, for ever.
pub trait PersistentIds: Send + Sync + fmt::Debug {
    /// The identifier that is kept; if there is none and one may be created, the first of these that
    /// nobody ever had.
    fn find_or_create<'a>(
        &'a self,
        of: PersistentIdOf<'a>,
        new: &'a [String],
    ) -> BoxFuture<'a, Result<Option<String>, DirectoryError>>;
}

/// What a user name may hold: control characters have no place in one.
fn is_sane(username: &str) -> bool {
    !username.is_empty() && !username.chars().any(char::is_control)
}

/// The source could not be asked: a reason that is safe to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryError(pub String);

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DirectoryError {}
