//! Checked settings: immutable, one value per generation of the configuration.

use crate::authn::rules::{AuthApiRules, Rules};
use crate::authn::self_service::SelfService;
use crate::config::key_life::KeyLife;
use crate::config::ldap::{LdapPasswordSettings, PasswordValidator};
use crate::config::metadata::MetadataSettings;
use crate::config::sql::{AttributeSource, PersistentIdTable};
use crate::duo::integration::Integration;
use crate::saml::key::SigningKey;
use crate::saml::metadata::EntityDescriptor;
use crate::saml::own_metadata::{OwnMetadata, OwnProfiles};
use crate::saml::request::Acceptance;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that is in force.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The home.
    pub home: PathBuf,
    /// `idp.entityID`
    pub entity_id: String,
    /// `idp.scope`
    pub scopes: Vec<String>,
    /// `vestibule.baseURL`
    pub base_url: BaseUrl,
    /// `vestibule.http.*`
    pub http: HttpSettings,
    /// What decides logins.
    pub rules: Rules,
    /// What inbound messages must satisfy.
    pub acceptance: Acceptance,
    /// `idp.logout.*`, `vestibule.logout.*`
    pub logout: LogoutSettings,
    /// Keys that may sign, the preferred one first; see [`Self::signing_key_for`].
    pub signing_keys: Vec<SigningKey>,
    /// Certificates published for verifying us, base64 DER.
    pub signing_certificates: Vec<String>,
    /// Certificates published for encryption to us, base64 DER.
    pub encryption_certificates: Vec<String>,
    /// `conf/own-metadata.properties`: what our metadata says that no other setting does.
    pub described: OwnMetadata,
    /// `idp.artifact.*`: the index of our artifact resolution service, if answers may go by artifact.
    pub artifact_index: Option<u16>,
    /// How far each key has come.
    pub key_life: KeyLife,
    /// `vestibule.sealer.key`: keys that seal the records of the store; the first one seals, all
    /// open. Never empty.
    pub sealer_keys: Vec<SealerKey>,
    /// The file they come from.
    pub sealer_file: PathBuf,
    /// `idp.session.*`
    pub session: SessionSettings,
    /// `vestibule.storage`
    pub storage: StorageSettings,
    /// `conf/authn/password.properties`
    pub password: PasswordSettings,
    /// Attributes: source, definitions, release.
    pub attributes: crate::attribute::AttributeSettings,
    /// What holds for which relying party.
    pub relying_parties: crate::config::relying_party::Profiles,
    /// What users are asked before their attributes go out.
    pub consent: crate::attribute::consent::ConsentSettings,
    /// `vestibule.ecp.enabled`: whether enhanced clients are served.
    pub ecp: bool,
    /// What our responses look like.
    pub response: crate::response::ResponseSettings,
    /// What is audited and how.
    pub audit: crate::audit::AuditSettings,
    /// `conf/logging.properties`
    pub logging: LoggingSettings,
    /// How Duo is reached.
    pub duo_http: DuoHttpSettings,
    /// `idp.duo.oidc.nonbrowser.*`: Duo's Auth API, if it is set up.
    pub duo_auth_api: Option<DuoAuthApiSettings>,
    /// Enrolment with Duo.
    pub enrolment: EnrolmentSettings,
    /// `vestibule.duo.admin.*`: Duo's Admin API, if it is set up.
    pub duo_admin_api: Option<Arc<Integration>>,
    /// Where relying parties' metadata comes from.
    pub metadata: MetadataSettings,
    /// What user records are made of, in the order in which values come.
    pub attribute_sources: Vec<AttributeSource>,
    /// `idp.persistentId.dataSource`, where persistent NameIDs are kept in a table.
    pub persistent_ids: Option<PersistentIdTable>,
    /// What pages look like.
    pub ui: UiSettings,
    /// Hexadecimal SHA-256 over everything in `Raw` (properties and files): tells generations of
    /// the configuration apart, across restarts too.
    pub fingerprint: String,
}

impl Settings {
    /// The key to sign with for this relying party: the first whose algorithm its metadata lists
    /// (`alg:SigningMethod`), or simply the first where none is listed or none fits.
    pub fn signing_key_for(&self, relying_party: &EntityDescriptor) -> Option<&SigningKey> {
        let listed = &relying_party.sp.signing_methods;
        let fits = |key: &&SigningKey| listed.iter().any(|uri| uri == key.algorithm());
        let mut keys = self.signing_keys.iter();
        keys.find(fits).or(self.signing_keys.first())
    }

    /// What our metadata says.
    pub fn own_metadata(&self) -> OwnMetadata {
        OwnMetadata {
            entity_id: self.entity_id.clone(),
            scopes: self.scopes.clone(),
            base_url: self.base_url.url.clone(),
            signing_certificates: self.signing_certificates.clone(),
            encryption_certificates: self.encryption_certificates.clone(),
            want_authn_requests_signed: self.acceptance.require_signed,
            name_id_formats: self.relying_parties.name_ids.formats(),
            profiles: OwnProfiles {
                ecp: self.ecp,
                artifact: self.artifact_index,
                logout: true,
            },
            ..self.described.clone()
        }
    }
}

/// `vestibule.baseURL`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// As configured, no trailing slash.
    pub url: String,
    /// Its path, empty or beginning with a slash, no trailing slash.
    pub path: String,
    /// `scheme://host[:port]`.
    pub origin: String,
    /// False only for http on a loopback host: cookies then go without `Secure` and `__Host-`.
    pub secure: bool,
}

/// The listener.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// `vestibule.http.listen`
    pub listen: Vec<SocketAddr>,
    /// `vestibule.http.tls.certificate` and `.key`: PEM contents.
    pub tls: Option<TlsFiles>,
    /// `vestibule.http.trustedProxies`
    pub trusted_proxies: Vec<IpNet>,
    /// `vestibule.http.adminNetworks`: who may see /status and /metrics (loopback).
    pub admin_networks: Vec<IpNet>,
    /// `vestibule.http.workers`: threads that serve; 0 is one per core.
    pub workers: usize,
}

/// A server certificate chain and its key, PEM.
#[derive(Clone)]
pub struct TlsFiles {
    /// PEM chain.
    pub certificate: Vec<u8>,
    /// PEM key.
    pub key: crate::duo::secret::Secret,
}

impl std::fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsFiles(***)")
    }
}

/// A key that seals the records of the store; `Debug` shows stars.
#[derive(Clone)]
pub struct SealerKey(zeroize::Zeroizing<[u8; 32]>);

impl SealerKey {
    /// Takes the key over.
    pub fn new(key: [u8; 32]) -> Self {
        Self(zeroize::Zeroizing::new(key))
    }

    /// The keys of a file: base64 lines, `#` begins a comment. `None` when a line is no key, or
    /// there is none.
    pub fn parse(text: &str) -> Option<Vec<Self>> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys: Option<Vec<Self>> = lines.map(Self::decode).collect();
        keys.filter(|keys| !keys.is_empty())
    }

    fn decode(line: &str) -> Option<Self> {
        let bytes = zeroize::Zeroizing::new(STANDARD.decode(line).ok()?);
        Some(Self::new(bytes.as_slice().try_into().ok()?))
    }

    /// The key itself; the name is loud so that every use can be found.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for SealerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealerKey(***)")
    }
}

/// Single sign-on sessions.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// `idp.session.timeout` (PT60M): inactivity.
    pub timeout: Duration,
    /// `vestibule.session.lifetime` (PT12H): absolute.
    pub lifetime: Duration,
    /// `idp.session.consistentAddress`: bind to the client's address (false here; see
    /// docs/from-shibboleth.md).
    pub consistent_address: bool,
    /// `vestibule.login.lifetime` (PT15M): how long an unfinished login is kept.
    pub login_lifetime: Duration,
}

/// Single logout.
#[derive(Clone, Debug)]
pub struct LogoutSettings {
    /// What inbound logout messages must satisfy.
    pub acceptance: Acceptance,
    /// `idp.logout.promptUser` (false): ask before a relying party's request ends the session.
    pub prompt_user: bool,
    /// `idp.logout.assumeAsync` (false): take requests of those who cannot be answered.
    pub assume_async: bool,
    /// `vestibule.logout.encryptNameIDs` (false): where the relying party has a key (SDP-IDP27).
    pub encrypt_name_ids: bool,
    /// `vestibule.logout.timeout` (PT5S): how long one may take over the back channel.
    pub timeout: Duration,
}

/// Where state lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageSettings {
    /// `memory:`
    Memory,
    /// `redb:PATH`
    Redb(PathBuf),
    /// `redis://...`, `rediss://...`
    Redis(String),
    /// `postgres://...`
    Postgres(String),
}

/// The Password flow's back end.
#[derive(Clone, Debug)]
pub struct PasswordSettings {
    /// `vestibule.password.htpasswd`: absolute path (conf/authn/htpasswd.txt).
    pub htpasswd: PathBuf,
    /// `vestibule.password.validators`: asked in this order.
    pub validators: Vec<PasswordValidator>,
    /// `idp.authn.LDAP.*`, when the directory is among them.
    pub ldap: Option<LdapPasswordSettings>,
    /// `idp.authn.Password.trim` (true).
    pub trim: bool,
    /// `idp.authn.Password.lowercase` (false).
    pub lowercase: bool,
    /// `idp.authn.Password.uppercase` (false).
    pub uppercase: bool,
    /// `vestibule.password.hashThreads`: hashes computed at once; 0 is one per core.
    pub hash_threads: usize,
    /// `vestibule.password.queue`: checks that may wait; beyond that the page says try again.
    pub queue: usize,
    /// `vestibule.password.queueTimeout` (PT10S).
    pub queue_timeout: Duration,
    /// `vestibule.password.expiryNotice` (P14D).
    pub expiry_notice: Duration,
    /// `vestibule.password.changeURL`: where people change their passwords.
    pub change_url: Option<String>,
    /// `vestibule.password.throttle.*`
    pub throttle: ThrottleSettings,
}

/// How guessing passwords is slowed.
#[derive(Clone, Debug)]
pub struct ThrottleSettings {
    /// `.mode`
    pub mode: ThrottleMode,
    /// `.interval` (PT5M): in which failures are forgotten.
    pub interval: Duration,
    /// `.attempts` (5): failures at one account from one network.
    pub attempts: u32,
    /// `.account` (50): failures at one account from anywhere.
    pub account: u32,
    /// `.network` (200): failures from one network.
    pub network: u32,
    /// `.everyone` (2000): failures of everybody, beyond which the other limits shrink.
    pub everyone: u32,
    /// `.lockDuration` (PT5M), where the mode is lock.
    pub lock: Duration,
    /// `.exemptNetworks`: networks with too many people behind one address.
    pub exempt: Vec<IpNet>,
}

/// What happens to an account with too many failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleMode {
    /// Nothing.
    Off,
    /// One attempt goes through now and then.
    Slow,
    /// None goes through from that network for a time.
    Lock,
}

/// Process logs.
#[derive(Clone, Debug)]
pub struct LoggingSettings {
    /// `idp.logfiles`: absolute path.
    pub directory: PathBuf,
    /// `idp.loghistory` (180): days kept.
    pub history_days: u32,
    /// `vestibule.logging.maxSize`: bytes before a file rolls within the day.
    pub max_bytes: u64,
    /// `idp.loglevel.*` as a tracing filter directive.
    pub filter: String,
}

/// The HTTP client that talks to Duo, and how far it goes when Duo is in trouble.
#[derive(Clone, Debug)]
pub struct DuoHttpSettings {
    /// `idp.duo.oidc.connectionTimeout`
    pub connect_timeout: Duration,
    /// `idp.duo.oidc.socketTimeout`: one exchange.
    pub total_timeout: Duration,
    /// `idp.duo.oidc.connectionRequestTimeout`: waiting for one of the connections.
    pub permit_timeout: Duration,
    /// `idp.duo.oidc.maxConnectionsPerRoute`
    pub max_connections: usize,
    /// `idp.duo.oidc.maxConnectionsTotal`
    pub max_connections_total: usize,
    /// `vestibule.duo.retries`
    pub retries: u32,
    /// `vestibule.duo.deadline`: one call with its retries.
    pub deadline: Duration,
    /// `vestibule.duo.answerTimeout`: a call that ends when the user has answered.
    pub answer_timeout: Duration,
    /// `vestibule.duo.healthcheck.cache`; zero keeps nothing.
    pub health_cache: Duration,
    /// `vestibule.duo.circuit.failures` and `.openTime`
    pub circuit: CircuitSettings,
    /// `vestibule.duo.trustedCertificates`
    pub trust: DuoTrust,
    /// `vestibule.duo.pins`: SHA-256 of SubjectPublicKeyInfo; empty pins nothing.
    pub pins: Vec<[u8; 32]>,
    /// `vestibule.duo.crlFiles`: their contents, DER or PEM.
    pub revocation_lists: Vec<Vec<u8>>,
    /// `idp.duo.oidc.nimbus.checkRevocation`
    pub check_revocation: bool,
    /// `vestibule.duo.proxy`: an outbound proxy's URL.
    pub proxy: Option<String>,
}

impl Default for DuoHttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(10),
            permit_timeout: Duration::from_secs(5),
            max_connections: 100,
            max_connections_total: 100,
            retries: 1,
            deadline: Duration::from_secs(12),
            answer_timeout: Duration::from_secs(75),
            health_cache: Duration::from_secs(5),
            circuit: CircuitSettings {
                failures: 5,
                open_for: Duration::from_secs(30),
            },
            trust: DuoTrust::Bundled,
            pins: Vec::new(),
            revocation_lists: Vec::new(),
            check_revocation: false,
            proxy: None,
        }
    }
}

/// When calls to a Duo host in trouble stop for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitSettings {
    /// Failures in a row that open the circuit; 0 never does.
    pub failures: u32,
    /// How long it stays open before one call may try again.
    pub open_for: Duration,
}

/// Duo without a browser, and before the redirect.
#[derive(Clone, Debug)]
pub struct DuoAuthApiSettings {
    /// The application of kind Auth API.
    pub integration: Arc<Integration>,
    /// `idp.duo.oidc.nonbrowser.header.factor`, lower case.
    pub factor_header: String,
    /// `idp.duo.oidc.nonbrowser.header.device`, lower case.
    pub device_header: String,
    /// `idp.duo.oidc.nonbrowser.header.passcode`, lower case.
    pub passcode_header: String,
    /// `idp.duo.oidc.nonbrowser.auto`
    pub auto: bool,
    /// `idp.duo.oidc.nonbrowser.clientAddressTrusted`
    pub client_address_trusted: bool,
}

impl DuoAuthApiSettings {
    /// What a login needs to know of it.
    pub(in crate::config) fn rules(&self) -> AuthApiRules {
        AuthApiRules {
            integration: Arc::clone(&self.integration),
            auto: self.auto,
            client_address_trusted: self.client_address_trusted,
        }
    }
}

/// Enrolment with Duo.
#[derive(Clone, Debug)]
pub struct EnrolmentSettings {
    /// `vestibule.duo.selfService.*`, if users may change their own factors.
    pub self_service: Option<SelfService>,
    /// `vestibule.duo.enrolmentLifetime`
    pub lifetime: Duration,
}

/// What pages look like, beside `views/` and `messages/`.
#[derive(Clone, Debug, Default)]
pub struct UiSettings {
    /// `idp.ui.fallbackLanguages`
    pub fallback_languages: Vec<String>,
    /// `vestibule.ui.poweredBy`
    pub powered_by: bool,
    /// `vestibule.duo.style` and those of further integrations: style sheets by integration.
    pub duo_styles: BTreeMap<String, Vec<u8>>,
}

/// Whose certificates Duo may present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DuoTrust {
    /// Duo's pinned roots, bundled with the program.
    Bundled,
    /// The system's roots.
    System,
    /// PEM contents of operator's files.
    Pem(Vec<Vec<u8>>),
}
