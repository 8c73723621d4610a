//! `vestibule check`: everything that can be known before a login.

mod online;

use crate::cli::{Context, EXIT_CONFIG, EXIT_FOUND, say};
use crate::config;
use crate::config::error::ConfigError;
use crate::config::key_ring::KeyState;
use crate::config::settings::Settings;
use crate::saml::metadata::Warning;
use crate::server::back_end::duo::trust::ending_roots;
use crate::server::metadata::Metadata;
use crate::server::world::{Clock as _, SystemClock};
use jiff::{SignedDuration, Timestamp};
use openssl::asn1::Asn1Time;
use openssl::x509::X509;
use std::fs;
use std::process::ExitCode;

/// How far to look.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask what a login needs as well: Duo and its clock, directories, metadata, the store.
    #[arg(long)]
    online: bool,
}

/// A certificate that ends within this many days is worth a warning.
const EXPIRY_WARNING_DAYS: i32 = 30;

/// Prints every finding; errors of the configuration end with 78, others with 1.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    let raw = crate::server::load::read(&context.home);
    let (findings, facts, probes, code) = match config::check(&raw) {
        Ok((settings, mut findings)) => {
            let (metadata, entities) = relying_parties(&settings);
            findings.extend(certificates(&settings));
            findings.extend(key_steps(&settings, SystemClock.now()));
            findings.extend(duo_roots(&settings));
            findings.extend(exceptions(&settings, SystemClock.now()));
            findings.extend(metadata);
            let asked = args.online.then(|| online::probe(&settings, context.json));
            let probes = asked.unwrap_or_default();
            let found =
                findings.iter().any(ConfigError::is_error) || probes.iter().any(|probe| !probe.ok);
            let code = if found { EXIT_FOUND } else { 0 };
            (findings, facts(&settings, entities), probes, code)
        }
        Err(findings) => (findings, Vec::new(), Vec::new(), EXIT_CONFIG),
    };
    if context.json {
        print_json((&findings, &facts, &probes), code);
    } else {
        online::print(&probes);
        print(&findings, &facts);
    }
    ExitCode::from(code)
}

/// What is in force, for the report.
type Facts = Vec<(&'static str, String)>;

fn facts(settings: &Settings, relying_parties: usize) -> Facts {
    let rules = &settings.rules;
    let duo: Vec<&str> = rules.duo.integrations.keys().map(String::as_str).collect();
    let flows: Vec<&str> = rules.top_level.iter().map(|flow| flow.as_str()).collect();
    let listen: Vec<String> = settings
        .http
        .listen
        .iter()
        .map(ToString::to_string)
        .collect();
    let users = fs::read_to_string(&settings.password.htpasswd).unwrap_or_default();
    let users = users
        .lines()
        .filter(|line| line.contains(':') && !line.starts_with('#'))
        .count();
    vec![
        ("home", settings.home.display().to_string()),
        ("entityID", settings.entity_id.clone()),
        ("base URL", settings.base_url.url.clone()),
        ("listens on", listen.join(", ")),
        ("flows", flows.join(", ")),
        (
            "Duo",
            match &duo[..] {
                [] => "no integration: a login that needs Duo is refused".to_owned(),
                names => names.join(", "),
            },
        ),
        ("users", users.to_string()),
        ("keys", keys(settings)),
        ("relying parties", relying_parties.to_string()),
        ("fingerprint", settings.fingerprint.clone()),
    ]
}

fn keys(settings: &Settings) -> String {
    let keys = settings
        .key_life
        .ring
        .keys
        .iter()
        .filter(|key| key.state != KeyState::Retired);
    let keys: Vec<String> = keys
        .map(|key| format!("{} {}", key.name, key.state.as_str()))
        .collect();
    keys.join(", ")
}

fn print(findings: &[ConfigError], facts: &Facts) {
    for finding in findings {
        let severity = if finding.is_error() {
            "error"
        } else {
            "warning"
        };
        let place = match (finding.file.is_empty(), finding.line) {
            (true, _) => String::new(),
            (false, 0) => finding.file.clone(),
            (false, line) => format!("{}:{line}", finding.file),
        };
        say(&format!("{severity}: {place}: {}", finding.key));
        say(&format!("    found     {}", finding.found));
        say(&format!("    expected  {}", finding.expected));
        say(&format!("    fix       {}", finding.fix));
    }
    for (name, value) in facts {
        say(&format!("{name:16}{value}"));
    }
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let warnings = findings.len() - errors;
    say(&format!("{errors} errors, {warnings} warnings"));
}

fn print_json((findings, facts, probes): (&[ConfigError], &Facts, &[online::Probe]), code: u8) {
    let facts: serde_json::Map<String, serde_json::Value> = facts
        .iter()
        .map(|(name, value)| (name.replace(' ', "_"), value.clone().into()))
        .collect();
    let report = serde_json::json!({
        "ok": code == 0, "findings": findings, "facts": facts, "online": probes,
    });
    say(&report.to_string());
}

/// Every source that is on this machine can be read; how many relying parties there are.
fn relying_parties(settings: &Settings) -> (Vec<ConfigError>, usize) {
    let metadata = Metadata::open(&settings.metadata, SystemClock.now());
    let mut findings = Vec::new();
    for status in metadata.statuses(SystemClock.now()) {
        let finding = status.problem.map(|problem| {
            ConfigError::error(&status.name)
                .at(&status.place, 0)
                .found(problem)
                .expected("SAML metadata of relying parties")
                .fix("replace the document, or remove it")
        });
        findings.extend(finding);
    }
    let snapshot = metadata.current();
    for (source, held) in snapshot.documents() {
        let warnings = held.warnings.iter();
        findings.extend(warnings.map(|warning| skipped(source, warning)));
    }
    (findings, snapshot.len())
}

fn skipped(source: &str, warning: &Warning) -> ConfigError {
    ConfigError::warning(source)
        .found(warning.to_string())
        .expected("metadata that can be used whole")
        .fix("ask the relying party for a corrected document")
}

/// Published certificates that have ended or soon will.
fn certificates(settings: &Settings) -> Vec<ConfigError> {
    let signing = settings.signing_certificates.iter();
    let named = signing
        .map(|certificate| ("idp.signing.cert", certificate))
        .chain(
            settings
                .encryption_certificates
                .iter()
                .map(|each| ("idp.encryption.cert", each)),
        );
    named
        .filter_map(|(key, certificate)| expiry(key, certificate))
        .collect()
}

/// Steps in the life of keys whose time has come.
fn key_steps(settings: &Settings, now: Timestamp) -> Vec<ConfigError> {
    let life = &settings.key_life;
    let standings = life.standings(&life.ring);
    let due = standings
        .iter()
        .filter(|key| key.next_from.is_some_and(|from| from <= now));
    due.filter_map(|standing| {
        let (name, state) = (&standing.key.name, standing.key.state.as_str());
        let finding = ConfigError::warning("vestibule.keys.file")
            .at("credentials/keys.toml", 0)
            .found(format!(
                "{name}, {state} for so long that the next step can be taken"
            ))
            .expected("a change of keys that comes to its end")
            .fix(format!("vestibule key {} {name}", standing.next?));
        Some(finding)
    })
    .collect()
}

/// A root that ends takes Duo away from everybody at once, so it is told half a year before.
fn duo_roots(settings: &Settings) -> Vec<ConfigError> {
    const KEY: &str = "vestibule.duo.trustedCertificates";
    let ending = ending_roots(&settings.duo_http.trust, SystemClock.now());
    ending
        .iter()
        .map(|root| {
            let finding = if root.ended {
                ConfigError::error(KEY)
            } else {
                ConfigError::warning(KEY)
            };
            finding
                .found(format!("{}, which ends on {}", root.name, root.ends))
                .expected("roots that stay good for 180 days")
                .fix("install a newer version, or name newer PEM files")
        })
        .collect()
}

/// Overrides with an end that has come, or soon will.
fn exceptions(settings: &Settings, now: Timestamp) -> Vec<ConfigError> {
    let soon = now + SignedDuration::from_hours(24 * i64::from(EXPIRY_WARNING_DAYS));
    let overrides = settings.relying_parties.overrides.iter();
    overrides
        .filter_map(|each| Some((each, each.until?)))
        .filter(|(_, until)| *until <= soon)
        .map(|(each, until)| {
            let owner = each.owner.as_deref().unwrap_or("nobody is named");
            let reason = each.reason.as_deref().unwrap_or("none is given");
            let (what, fix) = if until <= now {
                ("ended", "remove it, or set another date with its owner")
            } else {
                (
                    "ends soon",
                    "ask its owner, then remove it or set another date",
                )
            };
            ConfigError::warning(format!("vestibule.rp.{}.until", each.name))
                .at("conf/relying-party.properties", 0)
                .found(format!(
                    "an exception that {what}: {until} (owner: {owner}; reason: {reason})"
                ))
                .expected("an end in the future")
                .fix(fix)
        })
        .collect()
}

fn expiry(key: &str, certificate: &str) -> Option<ConfigError> {
    use base64::Engine as _;
    let der = base64::engine::general_purpose::STANDARD.decode(certificate);
    let certificate = X509::from_der(&der.ok()?).ok()?;
    let left = Asn1Time::days_from_now(0)
        .and_then(|now| now.diff(certificate.not_after()))
        .ok()?;
    let ended = left.days < 0 || left.secs < 0;
    if !ended && left.days >= EXPIRY_WARNING_DAYS {
        return None;
    }
    // Relying parties that follow the metadata interoperability profile ignore the dates; some
    // do not.
    Some(
        ConfigError::warning(key)
            .found(format!(
                "a certificate that ends on {}",
                certificate.not_after()
            ))
            .expected(format!("at least {EXPIRY_WARNING_DAYS} days"))
            .fix("begin a change of keys in time: `vestibule key stage`, then as it says"),
    )
}
