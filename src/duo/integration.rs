//! One Duo application as the operator declared it.

use crate::duo::secret::Secret;
use std::fmt;
use std::time::Duration;

/// Longest callback URL: the token endpoint has been seen to refuse more than 256 characters, and
/// may take more today.
pub const LONGEST_REDIRECT_URL: usize = 256;

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
    /// Show a page of our own before the browser leaves for Duo.
    pub interstitial: bool,
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
            clock_skew: Duration::from_mins(1),
            iat_window: Duration::from_mins(1),
            auth_lifetime: Duration::from_mins(1),
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
            interstitial: false,
        }
    }

    /// Begins an integration field by field; [`IntegrationBuilder::build`] says everything that is
    /// wrong at once.
    pub fn builder() -> IntegrationBuilder {
        IntegrationBuilder::default()
    }

    /// `https://` + API host + the path.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.api_host)
    }

    /// Every fault of its fields; empty when Duo can be called with it.
    pub fn faults(&self) -> Vec<IntegrationFault> {
        let client_id = fault(
            Field::ClientId,
            exactly(&self.client_id, 20, u8::is_ascii_alphanumeric),
        );
        let secret = fault(
            Field::ClientSecret,
            exactly(self.client_secret.expose(), 40, u8::is_ascii_graphic),
        );
        let host = fault(Field::ApiHost, host_fault(&self.api_host));
        let redirect = fault(
            Field::RedirectUrl,
            self.redirect_url.as_deref().and_then(redirect_fault),
        );
        [client_id, secret, host, redirect]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Makes an [`Integration`] that Duo can be called with.
///
/// ```
/// use vestibule::duo::integration::{Field, Integration, Problem};
/// use vestibule::duo::secret::Secret;
///
/// let faults = Integration::builder()
///     .api_host("https://api-00000000.duosecurity.com")
///     .client_id("DIXXXXXXXXXXXXXXXXXX")
///     .client_secret(Secret::new("deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"))
///     .redirect_url("https://app.example.org/duo-callback")
///     .build()
///     .unwrap_err();
/// assert_eq!(faults[0].field, Field::ApiHost);
/// assert_eq!(faults[0].problem, Problem::Scheme);
/// ```
#[derive(Clone, Debug)]
pub struct IntegrationBuilder(Integration);

impl Default for IntegrationBuilder {
    fn default() -> Self {
        Self(Integration::new("default", "", "", Secret::new("")))
    }
}

impl IntegrationBuilder {
    /// `api-xxxxxxxx.duosecurity.com`, without scheme.
    #[must_use]
    pub fn api_host(mut self, api_host: impl Into<String>) -> Self {
        self.0.api_host = api_host.into();
        self
    }

    /// The client id, 20 characters.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.0.client_id = client_id.into();
        self
    }

    /// The client secret, 40 characters.
    #[must_use]
    pub fn client_secret(mut self, client_secret: Secret) -> Self {
        self.0.client_secret = client_secret;
        self
    }

    /// Where Duo sends the browser back to; the Auth and Admin APIs need none.
    #[must_use]
    pub fn redirect_url(mut self, redirect_url: impl Into<String>) -> Self {
        self.0.redirect_url = Some(redirect_url.into());
        self
    }

    /// How results are verified, where the defaults do not do.
    #[must_use]
    pub fn verifier(mut self, verifier: Verifier) -> Self {
        self.0.verifier = verifier;
        self
    }

    /// The integration, or every fault of its fields.
    pub fn build(self) -> Result<Integration, Vec<IntegrationFault>> {
        let faults = self.0.faults();
        if faults.is_empty() {
            Ok(self.0)
        } else {
            Err(faults)
        }
    }
}

/// One field that Duo would not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegrationFault {
    /// Which.
    pub field: Field,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for IntegrationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.field, self.problem)
    }
}

impl std::error::Error for IntegrationFault {}

/// A field of an [`Integration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the fields' own names")]
pub enum Field {
    ApiHost,
    ClientId,
    ClientSecret,
    RedirectUrl,
}

/// What is wrong with a field; the value is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not this many characters.
    Length {
        /// As it is.
        found: usize,
        /// As it must be.
        expected: usize,
    },
    /// Longer than this many characters.
    TooLong(usize),
    /// Characters that Duo never uses there.
    Characters,
    /// `https://` in front: the bare host is wanted.
    Scheme,
    /// A slash: the bare host is wanted.
    Path,
    /// Not a host name, optionally with `:port`.
    Host,
    /// Not an absolute `https` URL (`http` on a loopback host), or one with a fragment.
    Url,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found, expected } => {
                write!(f, "{found} characters where {expected} are needed")
            }
            Self::TooLong(limit) => write!(f, "more than {limit} characters"),
            Self::Characters => f.write_str("characters that Duo never uses there"),
            Self::Scheme => f.write_str("a scheme where the bare host is wanted"),
            Self::Path => f.write_str("a slash where the bare host is wanted"),
            Self::Host => f.write_str("not a host name, optionally with a port"),
            Self::Url => f.write_str("not an absolute https URL without fragment"),
        }
    }
}

fn fault(field: Field, problem: Option<Problem>) -> Option<IntegrationFault> {
    problem.map(|problem| IntegrationFault { field, problem })
}

fn exactly(value: &str, expected: usize, allowed: fn(&u8) -> bool) -> Option<Problem> {
    let found = value.chars().count();
    if found != expected {
        Some(Problem::Length { found, expected })
    } else if value.as_bytes().iter().all(allowed) {
        None
    } else {
        Some(Problem::Characters)
    }
}

fn host_fault(api_host: &str) -> Option<Problem> {
    if api_host.contains("://") {
        return Some(Problem::Scheme);
    }
    if api_host.contains('/') {
        return Some(Problem::Path);
    }
    let (name, port) = match api_host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (api_host, None),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let name_is_good = !name.is_empty()
        && name.bytes().all(allowed)
        && !name.starts_with(['.', '-'])
        && !name.ends_with(['.', '-']);
    let port_is_good = port.is_none_or(is_port);
    (!name_is_good || !port_is_good).then_some(Problem::Host)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn redirect_fault(redirect_url: &str) -> Option<Problem> {
    if redirect_url.len() > LONGEST_REDIRECT_URL {
        return Some(Problem::TooLong(LONGEST_REDIRECT_URL));
    }
    let acceptable = url::Url::parse(redirect_url).is_ok_and(|url| {
        let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let scheme = url.scheme() == "https" || (url.scheme() == "http" && loopback);
        scheme && url.has_host() && url.fragment().is_none()
    });
    (!acceptable).then_some(Problem::Url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Integration {
        let secret = Secret::new("0123456789abcdefghijABCDEFGHIJ0123456789");
        Integration::new(
            "default",
            "api-0.duosecurity.test",
            "DITESTTESTTESTTEST01",
            secret,
        )
    }

    fn host(value: &str) -> Vec<IntegrationFault> {
        let mut integration = good();
        value.clone_into(&mut integration.api_host);
        integration.faults()
    }

    fn redirect(value: &str) -> Vec<IntegrationFault> {
        let mut integration = good();
        integration.redirect_url = Some(value.to_owned());
        integration.faults()
    }

    fn one(field: Field, problem: Problem) -> Vec<IntegrationFault> {
        vec![IntegrationFault { field, problem }]
    }

    #[test]
    fn a_host_is_bare_and_may_carry_a_port() {
        for value in [
            "api-0.duosecurity.com",
            "localhost:8443",
            "127.0.0.1:1",
            "h:65535",
        ] {
            assert_eq!(host(value), vec![], "{value}");
        }
        assert_eq!(host("https://api"), one(Field::ApiHost, Problem::Scheme));
        assert_eq!(host("api/"), one(Field::ApiHost, Problem::Path));
        for value in [
            "", ":1", "a b", "a:", "a:0", "a:65536", "a:+1", "a:1:2", "-a", "a.", "a@b",
        ] {
            assert_eq!(host(value), one(Field::ApiHost, Problem::Host), "{value}");
        }
    }

    #[test]
    fn the_client_id_has_20_letters_and_digits_and_the_secret_40_characters() {
        let mut integration = good();
        integration.client_id = "DITESTTESTTESTTEST0".to_owned();
        integration.client_secret = Secret::new("0".repeat(41));
        let length = |found, expected| Problem::Length { found, expected };
        assert_eq!(
            integration.faults(),
            [
                one(Field::ClientId, length(19, 20)),
                one(Field::ClientSecret, length(41, 40)),
            ]
            .concat()
        );
        integration = good();
        integration.client_id = "DITEST-ESTTESTTEST01".to_owned();
        assert_eq!(
            integration.faults(),
            one(Field::ClientId, Problem::Characters)
        );
    }

    #[test]
    fn a_blank_in_the_secret_is_a_fault() {
        let mut integration = good();
        integration.client_secret = Secret::new(" 123456789abcdefghijABCDEFGHIJ0123456789");
        assert_eq!(
            integration.faults(),
            one(Field::ClientSecret, Problem::Characters)
        );
    }

    #[test]
    fn a_redirect_url_is_https_or_loopback_http_without_fragment() {
        for value in [
            "https://idp.example.org/cb?x=1",
            "http://localhost:8080/cb",
            "http://[::1]/cb",
        ] {
            assert_eq!(redirect(value), vec![], "{value}");
        }
        for value in [
            "http://idp.example.org/cb",
            "/cb",
            "https://a/#x",
            "javascript:x",
        ] {
            assert_eq!(
                redirect(value),
                one(Field::RedirectUrl, Problem::Url),
                "{value}"
            );
        }
        let long = format!("https://a/{}", "x".repeat(LONGEST_REDIRECT_URL));
        assert_eq!(
            redirect(&long),
            one(Field::RedirectUrl, Problem::TooLong(256))
        );
    }

    #[test]
    fn a_builder_tells_every_fault_at_once() {
        let faults = Integration::builder().build().unwrap_err();
        let fields: Vec<Field> = faults.iter().map(|fault| fault.field).collect();
        assert_eq!(
            fields,
            [Field::ClientId, Field::ClientSecret, Field::ApiHost]
        );
        let whole = Integration::builder()
            .api_host("api-0.duosecurity.test")
            .client_id("DITESTTESTTESTTEST01")
            .client_secret(Secret::new("0123456789abcdefghijABCDEFGHIJ0123456789"))
            .redirect_url("http://localhost:8080/cb");
        assert!(whole.build().is_ok());
    }

    #[test]
    fn a_fault_never_repeats_the_value() {
        let mut integration = good();
        integration.client_secret = Secret::new("topsecret");
        let shown = format!("{integration:?} {:?}", integration.faults());
        assert!(!shown.contains("topsecret"), "{shown}");
    }
}
