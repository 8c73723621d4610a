//! One Duo application as the operator declared it.

use crate::duo::secret::Secret;
use std::time::Duration;

/// One Duo application: API host, client id, secret, and how to talk to it.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Its name in the configuration; `default` for `idp.duo.oidc.*`.
    pub name: String,
    /// `api-xxxxxxxx.duosecurity.com`, optionally with a port; no scheme.
    pub api_host: String,
    /// 20 characters.
    pub client_id: String,
    /// 40 characters.
    pub client_secret: Secret,
    /// The callback URL, absolute. (Computed per request when only origins are allowed: issue of
    /// `redirecturl.allowedOrigins`; then this is `None`.)
    pub redirect_url: Option<String>,
    /// Path on `api_host`.
    pub health_endpoint: String,
    /// Path on `api_host`.
    pub token_endpoint: String,
    /// Path on `api_host`.
    pub authorize_endpoint: String,
    /// How to verify the result token.
    pub verifier: Verifier,
    /// Principals every result of this integration carries, evidence permitting.
    pub supported_principals: Vec<String>,
    /// What our pages call it.
    pub display_name: String,
}

/// `idp.duo.oidc.jwt.verifier.*`.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// Leeway on `exp`.
    pub clock_skew: Duration,
    /// Greatest distance of `iat` from now, either way.
    pub iat_window: Duration,
    /// Greatest age of `auth_time` when the request was forced.
    pub auth_lifetime: Duration,
    /// The expected issuer is `https://` + API host + this.
    pub issuer_path: String,
    /// The claim compared with the name that was sent.
    pub preferred_username: String,
}

impl Default for Verifier {
    fn default() -> Self {
        Self {
            clock_skew: Duration::from_secs(60),
            iat_window: Duration::from_secs(60),
            auth_lifetime: Duration::from_secs(60),
            issuer_path: "/oauth/v1/token".to_owned(),
            preferred_username: "preferred_username".to_owned(),
        }
    }
}

impl Integration {
    /// An integration with Duo's own endpoint paths.
    pub fn new(
        name: impl Into<String>,
        api_host: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: Secret,
    ) -> Self {
        Self {
            name: name.into(),
            api_host: api_host.into(),
            client_id: client_id.into(),
            client_secret,
            redirect_url: None,
            health_endpoint: "/oauth/v1/health_check".to_owned(),
            token_endpoint: "/oauth/v1/token".to_owned(),
            authorize_endpoint: "/oauth/v1/authorize".to_owned(),
            verifier: Verifier::default(),
            supported_principals: Vec::new(),
            display_name: "Duo".to_owned(),
        }
    }

    /// `https://` + API host + the path.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.api_host)
    }
}
