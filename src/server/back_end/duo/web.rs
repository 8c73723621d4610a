//! Duo for any web application: what Duo's Web SDK does, with typed errors, a nonce, and a result
//! that is believed only when Duo allowed it.

use super::HttpDuoClient;
use crate::config::settings::DuoHttpSettings;
use crate::duo::claims::{self, ClaimError, Expected, VerifiedClaims};
use crate::duo::integration::{Integration, IntegrationFault};
use crate::duo::oidc::{self, AuthorizeParameters, DuoError};
use crate::server::back_end::DuoClient;
use crate::server::back_end::duo::guard::GuardedDuoClient;
use crate::server::world::{Clock, Random, SystemClock, SystemRandom, hex};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Protects a page with Duo's Universal Prompt.
///
/// An application makes one and keeps it. For each login, after the password:
///
/// 1. [`health_check`](Self::health_check); on an error that [`is an outage`](DuoError::is_outage)
///    it decides whether to go on without Duo, on any other it does not;
/// 2. [`begin`](Self::begin), keep the [`Pending`] in the user's session, and send the browser to
///    the URL with a 302 or 303;
/// 3. on the callback take the `Pending` out of the session (it is good once) and
///    [`finish`](Self::finish) with the parameters that came.
///
/// `examples/duo_web.rs` is a whole application.
#[derive(Debug)]
pub struct DuoWeb {
    integration: Integration,
    client: Arc<dyn DuoClient>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// A login that is at Duo: what the application keeps in the user's session until the callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending(AuthorizeParameters);

/// Why a login did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DuoWebError {
    /// The integration cannot be used: every fault of its fields.
    Integration(Vec<IntegrationFault>),
    /// The client cannot be set up: a reason for the operator.
    Client(String),
    /// The callback's `state` is not this login's: another tab, another browser, or an attack.
    State,
    /// Duo refused, or could not be asked; [`DuoError::blame`] says whose fault it is.
    Duo(DuoError),
    /// The result was not believed.
    Result(ClaimError),
}

impl fmt::Display for DuoWebError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integration(faults) => {
                f.write_str("the Duo integration cannot be used")?;
                faults.iter().try_for_each(|fault| write!(f, "; {fault}"))
            }
            Self::Client(reason) => f.write_str(reason),
            Self::State => f.write_str("the answer does not belong to this login"),
            Self::Duo(error) => error.fmt(f),
            Self::Result(error) => write!(f, "Duo's result is not believed: {error}"),
        }
    }
}

impl std::error::Error for DuoWebError {}

impl DuoWeb {
    /// For this integration, reached in this way. It needs a redirect URL.
    pub fn new(integration: Integration, http: &DuoHttpSettings) -> Result<Self, DuoWebError> {
        let faults = integration.faults();
        if !faults.is_empty() {
            return Err(DuoWebError::Integration(faults));
        }
        if integration.redirect_url.is_none() {
            return Err(DuoWebError::Client("no redirect URL".to_owned()));
        }
        let client = HttpDuoClient::new(http).map_err(DuoWebError::Client)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let client = GuardedDuoClient::new(
            Arc::new(client),
            http,
            Arc::clone(&clock),
            Arc::clone(&random),
        );
        Ok(Self {
            integration,
            client: Arc::new(client),
            clock,
            random,
        })
    }

    /// Whether Duo can be used now.
    pub async fn health_check(&self) -> Result<(), DuoError> {
        let request = oidc::health_check(&self.integration, &self.token(), self.clock.now());
        let answer = self.client.send(&self.integration, &request).await;
        oidc::read_health(&answer, self.clock.now())
    }

    /// Begins a login of this user: where to send the browser, and what to keep.
    pub fn begin(&self, username: &str) -> (String, Pending) {
        let redirect_uri = self.integration.redirect_url.clone();
        let parameters = AuthorizeParameters {
            state: self.token(),
            nonce: self.token(),
            redirect_uri: redirect_uri.unwrap_or_default(),
            username: username.to_owned(),
        };
        let url = oidc::authorize_url(&self.integration, &parameters, self.clock.now());
        (url, Pending(parameters))
    }

    /// Ends a login with the callback's `state` and `duo_code`. The claims are those of a login
    /// that Duo allowed for this user; their factor and reason say what it proves.
    pub async fn finish(
        &self,
        pending: &Pending,
        state: &str,
        code: &str,
    ) -> Result<VerifiedClaims, DuoWebError> {
        let parameters = &pending.0;
        let digest = |text: &str| openssl::sha::sha256(text.as_bytes());
        if !openssl::memcmp::eq(&digest(state), &digest(&parameters.state)) {
            return Err(DuoWebError::State);
        }
        let (uri, now) = (&parameters.redirect_uri, self.clock.now());
        let request = oidc::token(&self.integration, code, uri, &self.token(), now);
        let answer = self.client.send(&self.integration, &request).await;
        let now = self.clock.now();
        let token = oidc::read_token(&answer, now).map_err(DuoWebError::Duo)?;
        let expected = Expected {
            integration: &self.integration,
            username: &parameters.username,
            nonce: &parameters.nonce,
            forced: false,
        };
        claims::verify(&token.id_token, &expected, now).map_err(DuoWebError::Result)
    }

    /// 36 unpredictable characters.
    fn token(&self) -> String {
        let mut bytes = [0; 18];
        self.random.fill(&mut bytes);
        hex(&bytes)
    }
}
