//! What the operator wrote: raw properties, then checked, immutable settings.
//!
//! Owns: the properties syntax, placeholders, the one table of keys (which is also the
//! documentation), and every check that can be made without a login. Pure: `server::load` reads
//! the files into [`raw::Raw`], [`check`] turns that into [`settings::Settings`] or reports every
//! error at once.

pub mod error;
pub mod key_life;
pub mod key_ring;
pub mod keys;
mod layers;
pub mod ldap;
pub mod metadata;
mod nearest;
pub mod properties;
pub mod raw;
mod read;
mod reader;
pub mod relying_party;
pub mod settings;
pub mod sql;
mod value;
mod values;

use crate::policy::tests::Report;
use error::ConfigError;
use key_ring::{KeyRing, KeyState};
use keys::{Class, Kind};
use raw::Raw;
use reader::Reader;
use settings::Settings;
use std::path::PathBuf;
use values::Values;

/// Checks everything. Warnings come beside the settings; errors come all at once. A policy whose
/// tests fail is an error like any other.
pub fn check(raw: &Raw) -> Result<(Settings, Vec<ConfigError>), Vec<ConfigError>> {
    let (settings, mut findings) = check_without_tests(raw)?;
    let report = read::policy_tests(raw, &settings.rules);
    if report.passed() {
        return Ok((settings, findings));
    }
    findings.extend(report.failures.into_iter().map(read::failed_test));
    Err(findings)
}

/// Runs the policy tests alone, once everything else is right.
pub fn policy_tests(raw: &Raw) -> Result<Report, Vec<ConfigError>> {
    let (settings, _) = check_without_tests(raw)?;
    Ok(read::policy_tests(raw, &settings.rules))
}

fn check_without_tests(raw: &Raw) -> Result<(Settings, Vec<ConfigError>), Vec<ConfigError>> {
    // Where nothing could be read, everything would be missing: the reason is enough.
    if raw.properties.is_empty() && raw.unreadable.iter().any(ConfigError::is_error) {
        return Err(raw.unreadable.clone());
    }
    let (merged, duplicates) = layers::merge(&raw.properties);
    let values = Values::new(&raw.home, merged);
    let mut findings = raw.unreadable.clone();
    findings.extend(duplicates);
    findings.extend(names(&values));
    let mut reader = Reader::new(raw, values, findings);
    let settings = read::settings(&mut reader);
    let mut findings = reader.findings;
    findings.sort_by(|a, b| (&a.file, a.line, &a.key).cmp(&(&b.file, b.line, &b.key)));
    findings.dedup();
    match settings {
        Some(settings) if !findings.iter().any(ConfigError::is_error) => Ok((settings, findings)),
        _ => Err(findings),
    }
}

/// The files that settings name, as [`Raw::files`] has to hold them: paths relative to the home
/// where they lie below it.
pub fn files_named(raw: &Raw) -> Vec<String> {
    let (merged, _) = layers::merge(&raw.properties);
    let values = Values::new(&raw.home, merged);
    let keys = keys::groups().iter().flat_map(|group| &group.keys);
    let mut named: Vec<String> = keys
        .filter(|key| key.kind == Kind::File)
        .filter_map(|key| values.value(key.name).ok()?)
        .collect();
    let of_families = values.keys().filter(|(key, _)| {
        keys::find(key).is_some_and(|row| row.kind == Kind::File && row.name != *key)
    });
    named.extend(of_families.filter_map(|(key, _)| values.value(key).ok()?));
    for key in [read::DUO_TRUST, read::DUO_REVOCATION_LISTS] {
        let files = values.value(key).ok().flatten();
        named.extend(files.map(|text| value::list(&text)).unwrap_or_default());
    }
    named.iter().map(|path| raw.file_path(path)).collect()
}

/// The files of the keys that `credentials/keys.toml` names, once it is in [`Raw::files`]; what is
/// wrong with it is told by [`check`].
pub fn key_files_named(raw: &Raw) -> Vec<String> {
    let (merged, _) = layers::merge(&raw.properties);
    let path = Values::new(&raw.home, merged)
        .value(read::KEY_RING_FILE)
        .ok()
        .flatten();
    let contents = path.and_then(|path| raw.file(&path));
    let text = contents.map(String::from_utf8_lossy);
    let ring = text
        .and_then(|text| KeyRing::parse(&text).ok())
        .unwrap_or_default();
    let in_life = ring
        .keys
        .iter()
        .filter(|key| key.state != KeyState::Retired);
    let files = in_life.flat_map(|key| [&key.key, &key.certificate]);
    files.map(|path| raw.file_path(path)).collect()
}

/// The htpasswd file, whatever else may be wrong; relative paths are below the home.
pub fn htpasswd(raw: &Raw) -> PathBuf {
    const KEY: &str = "vestibule.password.htpasswd";
    let (merged, _) = layers::merge(&raw.properties);
    let named = Values::new(&raw.home, merged).value(KEY).ok().flatten();
    PathBuf::from(&raw.home).join(named.unwrap_or_else(|| "conf/authn/htpasswd.txt".to_owned()))
}

/// Names that nobody knows are errors, names that do nothing here are warnings.
fn names(values: &Values) -> Vec<ConfigError> {
    let referred = values.referred();
    let unknown = values.keys().filter(|(key, _)| !referred.contains(*key));
    unknown
        .filter_map(|(key, placed)| {
            let finding = match keys::classify(key) {
                Class::Ours(_) => return None,
                Class::NotImplemented => ConfigError::warning(key)
                    .found("a setting that is not implemented here and has no effect")
                    .expected("settings of docs/configuration.md")
                    .fix("remove it when you do not rely on it"),
                Class::Unknown { nearest } => ConfigError::error(key)
                    .found("an unknown name")
                    .expected("a name of docs/configuration.md")
                    .fix(match nearest {
                        Some(near) => format!("did you mean {near}?"),
                        None => "remove the line".to_owned(),
                    }),
            };
            Some(finding.at(&placed.file, placed.line))
        })
        .collect()
}

#[cfg(test)]
mod tests;
