//! The DuoOIDC flow: integrations, strategies, evidence, and how Duo is reached.

use super::identity::is_loopback;
use super::remember;
use crate::authn::evidence::{EvidenceTable, Grade};
use crate::authn::rules::{DuoRules, DuoUsername, FailMode, Passwordless};
use crate::config::reader::Reader;
use crate::config::settings::{
    BaseUrl, CircuitSettings, DuoAuthApiSettings, DuoHttpSettings, DuoTrust,
};
use crate::config::value;
use crate::duo::integration::{Integration, Verifier};
use crate::duo::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

/// The key that says whose certificates Duo may present.
pub(in crate::config) const TRUST: &str = "vestibule.duo.trustedCertificates";

/// The key that names revocation lists.
pub(in crate::config) const REVOCATION_LISTS: &str = "vestibule.duo.crlFiles";

/// The origins a callback may be computed from.
const ORIGINS: &str = "idp.duo.oidc.redirecturl.allowedOrigins";

/// The name of the integration of `idp.duo.oidc.*`.
const DEFAULT: &str = "default";

pub(super) fn rules(
    reader: &mut Reader<'_>,
    base_url: Option<&BaseUrl>,
    auth_api: Option<&DuoAuthApiSettings>,
) -> Option<DuoRules> {
    let integrations = integrations(reader);
    let integration_strategy = reader.script("vestibule.duo.integrationStrategy");
    let principal_strategy = reader.script("vestibule.duo.principalStrategy");
    let username = username(reader);
    let health_check = reader.flag("idp.duo.oidc.healthcheck.enabled");
    let evidence = evidence(reader);
    let allowed_origins = allowed_origins(reader);
    let callback_path = callback_path(reader, base_url);
    let max_starts = reader.count("vestibule.duo.maxStarts");
    let fail_mode = fail_mode(reader);
    let passwordless = passwordless(reader);
    let pending_lifetime = reader.duration("vestibule.duo.pendingLifetime");
    Some(DuoRules {
        integrations,
        integration_strategy,
        principal_strategy,
        username: username?,
        health_check: health_check?,
        evidence,
        pending_lifetime: pending_lifetime?,
        allowed_origins,
        callback_path: callback_path?,
        max_starts: max_starts?,
        fail_mode: fail_mode?,
        passwordless,
        auth_api: auth_api.map(DuoAuthApiSettings::rules),
        remember: remember::rules(reader)?,
    })
}

/// Origins as browsers write them: lower case, without a default port (RFC 6454 section 6.2).
fn allowed_origins(reader: &mut Reader<'_>) -> Vec<String> {
    let origins = reader.list(ORIGINS);
    for origin in &origins {
        let serialized = Url::parse(origin).map(|url| url.origin().ascii_serialization());
        if serialized.as_ref() != Ok(origin) {
            let fix = "write scheme, host and port only, without a default port";
            reader.wrong(ORIGINS, origin, fix);
        }
    }
    origins
}

fn passwordless(reader: &mut Reader<'_>) -> Option<Passwordless> {
    let enabled = reader.flag("vestibule.duo.passwordless.enabled")?;
    let factors = reader.list("vestibule.duo.passwordless.factors");
    let factors = (!factors.is_empty()).then(|| factors.into_iter().collect());
    enabled.then_some(Passwordless { factors })
}

fn fail_mode(reader: &mut Reader<'_>) -> Option<FailMode> {
    if let Some(script) = reader.script("vestibule.duo.failModeStrategy") {
        return Some(FailMode::Script(script));
    }
    Some(match reader.choice("vestibule.duo.failMode")?.as_str() {
        "open" => FailMode::Open,
        _ => FailMode::Closed,
    })
}

/// How our user's name becomes the name at Duo: a script, else a rule.
fn username(reader: &mut Reader<'_>) -> Option<DuoUsername> {
    match reader.script("vestibule.duo.usernameStrategy") {
        Some(script) => Some(DuoUsername::Script(script)),
        None => reader.parsed("vestibule.duo.username", username_rule),
    }
}

fn username_rule(text: &str) -> Option<DuoUsername> {
    Some(match text.split_once(':') {
        None => match text {
            "asis" => DuoUsername::AsIs,
            "lowercase" => DuoUsername::Lowercase,
            "stripDomain" => DuoUsername::StripDomain,
            _ => return None,
        },
        Some((_, "")) => return None,
        Some(("addDomain", domain)) => DuoUsername::AddDomain(domain.to_owned()),
        Some(("attribute", name)) => DuoUsername::Attribute(name.to_owned()),
        Some(("template", template)) if template.contains("{user}") => {
            DuoUsername::Template(template.to_owned())
        }
        Some(_) => return None,
    })
}

/// The default integration exists once one of its three keys is set; then it needs all three.
fn integrations(reader: &mut Reader<'_>) -> BTreeMap<String, Arc<Integration>> {
    let default = ["apiHost", "clientId", "secretKey"]
        .iter()
        .any(|part| is_written(reader, &default_key(part)));
    let mut integrations = BTreeMap::new();
    let read = integration(reader, DEFAULT, default_key);
    if let Some(integration) = read.filter(|_| default) {
        integrations.insert(DEFAULT.to_owned(), Arc::new(integration));
    } else if default {
        for part in ["apiHost", "clientId", "secretKey"] {
            incomplete(reader, &default_key(part));
        }
    }
    for name in reader.values.names_under("vestibule.duo.integration.") {
        let key = |part: &str| format!("vestibule.duo.integration.{name}.{part}");
        if name == DEFAULT {
            let found = "the name default";
            let fix = "rename it, or use idp.duo.oidc.*";
            reader.error(&key("apiHost"), found, "another name", fix);
        } else if let Some(integration) = integration(reader, &name, key) {
            integrations.insert(name, Arc::new(integration));
        }
    }
    integrations
}

/// The default integration's keys: Shibboleth's, and two of ours.
fn default_key(part: &str) -> String {
    match part {
        "displayName" | "supportedPrincipals" | "interstitial" => format!("vestibule.duo.{part}"),
        part => format!("idp.duo.oidc.{part}"),
    }
}

fn is_written(reader: &Reader<'_>, key: &str) -> bool {
    reader.values.written(key).is_some()
}

fn incomplete(reader: &mut Reader<'_>, key: &str) {
    if !is_written(reader, key) {
        reader.error(
            key,
            "no value beside the other Duo keys",
            "apiHost, clientId and secretKey together",
            format!("set {key}, or comment the others out"),
        );
    }
}

fn integration(
    reader: &mut Reader<'_>,
    name: &str,
    key: impl Fn(&str) -> String,
) -> Option<Integration> {
    let api_host = reader.parsed(&key("apiHost"), api_host);
    let client_id = client_id(reader, &key("clientId"));
    let secret = client_secret(reader, &key("secretKey"));
    // The callback is computed from the Host header only where none is written and origins are.
    let computed = is_written(reader, ORIGINS) && !is_written(reader, &key("redirectURL"));
    let redirect_url = (!computed).then(|| redirect_url(reader, &key("redirectURL")));
    let health = endpoint(reader, &key("endpoint.health"));
    let token = endpoint(reader, &key("endpoint.token"));
    let authorize = endpoint(reader, &key("endpoint.authorize"));
    let verifier = verifier(reader, &key);
    let principals = reader.principals(&key("supportedPrincipals"));
    let display_name = reader.text(&key("displayName"));
    let interstitial = reader.flag(&key("interstitial"));
    Some(Integration {
        redirect_url: match redirect_url {
            Some(fixed) => Some(fixed?),
            None => None,
        },
        health_endpoint: health?,
        token_endpoint: token?,
        authorize_endpoint: authorize?,
        verifier: verifier?,
        supported_principals: principals
            .into_iter()
            .map(|class| class.to_string())
            .collect(),
        display_name: display_name?,
        interstitial: interstitial?,
        ..Integration::new(name, api_host?, client_id?, secret?)
    })
}

/// A host, perhaps with a port: nothing that would change the URL it is put into.
pub(super) fn api_host(text: &str) -> Option<String> {
    let url = Url::parse(&format!("https://{text}/")).ok()?;
    let host = url.host_str()?;
    let written = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    (written == text).then_some(written)
}

/// Duo's own clients refuse ids of another length.
pub(super) fn client_id(reader: &mut Reader<'_>, key: &str) -> Option<String> {
    let text = reader.text(key)?;
    if text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Some(text);
    }
    reader.error(
        key,
        format!("{} characters", text.chars().count()),
        "20 letters and digits",
        "copy the Client ID from Duo's admin panel",
    );
    None
}

/// The secret itself is never repeated.
pub(super) fn client_secret(reader: &mut Reader<'_>, key: &str) -> Option<Secret> {
    let text = reader.text(key)?;
    if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Some(Secret::new(text));
    }
    reader.error(
        key,
        format!("{} characters (not shown)", text.chars().count()),
        "40 letters and digits",
        "copy the Client secret from Duo's admin panel",
    );
    None
}

/// Absolute, and https but for loopback hosts, like the base URL.
fn redirect_url(reader: &mut Reader<'_>, key: &str) -> Option<String> {
    reader.parsed(key, |text| {
        let url = Url::parse(text).ok()?;
        let safe = match url.scheme() {
            "https" => url.has_host(),
            "http" => is_loopback(&url.host()?),
            _ => false,
        };
        (safe && url.fragment().is_none()).then(|| text.to_owned())
    })
}

fn endpoint(reader: &mut Reader<'_>, key: &str) -> Option<String> {
    let text = reader.text(key)?;
    if text.starts_with('/') && !text.contains(['?', '#', ' ']) {
        return Some(text);
    }
    reader.wrong(key, &text, "write a path that begins with a slash");
    None
}

fn verifier(reader: &mut Reader<'_>, key: &impl Fn(&str) -> String) -> Option<Verifier> {
    let clock_skew = reader.duration(&key("jwt.verifier.clockSkew"));
    let iat_window = reader.duration(&key("jwt.verifier.iatWindow"));
    let auth_lifetime = reader.duration(&key("jwt.verifier.authLifetime"));
    let issuer_path = endpoint(reader, &key("jwt.verifier.issuerPath"));
    let preferred_username = reader.text(&key("jwt.verifier.preferredUsername"));
    Some(Verifier {
        clock_skew: clock_skew?,
        iat_window: iat_window?,
        auth_lifetime: auth_lifetime?,
        issuer_path: issuer_path?,
        preferred_username: preferred_username?,
    })
}

/// The built-in table with the operator's changes.
fn evidence(reader: &mut Reader<'_>) -> EvidenceTable {
    let mut table = EvidenceTable::default();
    table.factors.extend(grades(reader, "factor"));
    table.reasons.extend(grades(reader, "reason"));
    table
}

fn grades(reader: &mut Reader<'_>, of: &str) -> Vec<(String, Grade)> {
    let prefix = format!("vestibule.duo.evidence.{of}.");
    let names = reader.values.names_under(&prefix);
    let mut grade = |name: &String| match reader.choice(&format!("{prefix}{name}"))?.as_str() {
        "none" => Some(Grade::None),
        "mfa" => Some(Grade::Mfa),
        _ => Some(Grade::PhishingResistant),
    };
    names
        .iter()
        .filter_map(|name| Some((name.clone(), grade(name)?)))
        .collect()
}

pub(super) fn http(reader: &mut Reader<'_>) -> Option<DuoHttpSettings> {
    for name in [
        "connectionTimeout",
        "socketTimeout",
        "connectionRequestTimeout",
    ] {
        reader.duration(&format!("idp.httpclient.{name}"));
    }
    for name in ["maxConnectionsPerRoute", "maxConnectionsTotal"] {
        reader.count::<usize>(&format!("idp.httpclient.{name}"));
    }
    let connect_timeout = reader.duration("idp.duo.oidc.connectionTimeout");
    let total_timeout = reader.duration("idp.duo.oidc.socketTimeout");
    let permit_timeout = reader.duration("idp.duo.oidc.connectionRequestTimeout");
    let max_connections = reader.count("idp.duo.oidc.maxConnectionsPerRoute");
    let max_connections_total = reader.count("idp.duo.oidc.maxConnectionsTotal");
    let retries = reader.count("vestibule.duo.retries");
    let deadline = reader.duration("vestibule.duo.deadline");
    let answer_timeout = reader.duration("vestibule.duo.answerTimeout");
    let health_cache = reader.parsed("vestibule.duo.healthcheck.cache", value::duration);
    let circuit = circuit(reader);
    let proxy = reader.parsed("vestibule.duo.proxy", |text| {
        let url = Url::parse(text).ok()?;
        (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| text.to_owned())
    });
    let trust = trust(reader);
    let pins = pins(reader);
    let revocation_lists = files(reader, REVOCATION_LISTS, "DER or PEM files");
    let check_revocation = reader.flag("idp.duo.oidc.nimbus.checkRevocation");
    Some(DuoHttpSettings {
        connect_timeout: connect_timeout?,
        total_timeout: total_timeout?,
        permit_timeout: permit_timeout?,
        max_connections: max_connections?,
        max_connections_total: max_connections_total?,
        retries: retries?,
        deadline: deadline?,
        answer_timeout: answer_timeout?,
        health_cache: health_cache?,
        circuit: circuit?,
        trust: trust?,
        pins: pins?,
        revocation_lists: revocation_lists?,
        check_revocation: check_revocation?,
        proxy,
    })
}

fn circuit(reader: &mut Reader<'_>) -> Option<CircuitSettings> {
    let failures = reader.count("vestibule.duo.circuit.failures");
    let open_for = reader.duration("vestibule.duo.circuit.openTime");
    Some(CircuitSettings {
        failures: failures?,
        open_for: open_for?,
    })
}

/// The path of the computed callback: the base URL's, then Shibboleth's.
fn callback_path(reader: &mut Reader<'_>, base_url: Option<&BaseUrl>) -> Option<String> {
    let middle = reader.parsed("idp.duo.oidc.externalAuthnPath", |text| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        let good =
            |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
        text.split('/').all(good).then(|| text.to_owned())
    })?;
    Some(format!("{}/profile/{middle}/duo-callback", base_url?.path))
}

fn trust(reader: &mut Reader<'_>) -> Option<DuoTrust> {
    let words = reader.list(TRUST);
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bundled"] => return Some(DuoTrust::Bundled),
        ["system"] => return Some(DuoTrust::System),
        _ => {}
    }
    let files = files(reader, TRUST, "bundled, system, or PEM files")?;
    (!files.is_empty()).then_some(DuoTrust::Pem(files))
}

/// SHA-256 of SubjectPublicKeyInfo in base64, as Duo's own clients and RFC 7469 write them.
fn pins(reader: &mut Reader<'_>) -> Option<Vec<[u8; 32]>> {
    const PINS: &str = "vestibule.duo.pins";
    let mut pins = Vec::new();
    let mut good = true;
    for text in reader.list(PINS) {
        let octets = STANDARD.decode(&text).unwrap_or_default();
        if let Ok(pin) = <[u8; 32]>::try_from(octets) {
            pins.push(pin);
        } else {
            good = false;
            reader.wrong(PINS, &text, "write the base64 of a SHA-256, 44 characters");
        }
    }
    good.then_some(pins)
}

/// The contents of the files that a list names.
fn files(reader: &mut Reader<'_>, key: &str, expected: &str) -> Option<Vec<Vec<u8>>> {
    let words = reader.list(key);
    let mut files = Vec::new();
    for path in &words {
        match reader.raw.file(path) {
            Some(contents) => files.push(contents.to_vec()),
            None => reader.error(
                key,
                format!("no readable file at {path}"),
                expected,
                "correct the path, or make the file readable",
            ),
        }
    }
    (files.len() == words.len()).then_some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_host_is_a_host_and_perhaps_a_port() {
        for good in ["api-1234.duosecurity.com", "127.0.0.1:8443", "[::1]:8443"] {
            assert_eq!(api_host(good).as_deref(), Some(good));
        }
        for bad in [
            "https://api.duosecurity.com",
            "api.duosecurity.com/",
            "api.duosecurity.com/x",
            "u@api.duosecurity.com",
            "API.duosecurity.com",
            "a b",
            "",
            "api.duosecurity.com:x",
            "api.duosecurity.com?x",
        ] {
            assert_eq!(api_host(bad), None, "{bad}");
        }
    }
}
