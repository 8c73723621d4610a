//! Reads a home from disk: the only place where configuration meets files and the environment.
//! Nothing is judged here but what cannot be read at all, and keys that others can read.

use crate::config;
use crate::config::error::ConfigError;
use crate::config::properties;
use crate::config::raw::Raw;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Folders whose files are read whole, whatever they are.
const FOLDERS: [&str; 4] = ["scripts", "conf/lists", "views", "messages"];

/// What only the owner may read.
const SECRET_FILES: [&str; 4] = [
    "credentials/secrets.properties",
    "credentials/idp-signing.key",
    "credentials/idp-encryption.key",
    "credentials/sealer.key",
];

/// A file of configuration larger than this is refused: it is something else.
const SIZE_LIMIT: u64 = 16 << 20;

/// The deepest folder that is looked into.
const DEPTH_LIMIT: usize = 8;

/// Reads a home and the process's environment.
pub fn read(home: &Path) -> Raw {
    read_with(
        home,
        std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    )
}

/// Reads a home and this environment.
pub fn read_with(home: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Raw {
    let home = fs::canonicalize(home).unwrap_or_else(|_| home.to_owned());
    let mut raw = Raw {
        home: home.to_string_lossy().into_owned(),
        ..Raw::default()
    };
    if !home.join("conf").is_dir() {
        raw.unreadable.push(no_home(&home));
        return raw;
    }
    read_properties(&mut raw, &home);
    let overrides = environment
        .into_iter()
        .filter_map(|(name, value)| properties::from_environment(&name, &value));
    raw.properties.extend(overrides);
    for folder in FOLDERS {
        for path in files_below(&mut raw, &home, folder) {
            read_file(&mut raw, &home, &path);
        }
    }
    for named in [config::files_named, config::key_files_named] {
        for path in named(&raw) {
            if !raw.files.contains_key(&path) && home.join(&path).is_file() {
                read_file(&mut raw, &home, &path);
            }
        }
    }
    warn_of_open_secrets(&mut raw, &home);
    raw
}

fn no_home(home: &Path) -> ConfigError {
    ConfigError::error("home")
        .at(&home.to_string_lossy(), 0)
        .found("no folder conf/")
        .expected("a home")
        .fix("name one with --home or VESTIBULE_HOME, or make one with `vestibule init`")
}

fn read_properties(raw: &mut Raw, home: &Path) {
    let mut paths = files_below(raw, home, "conf");
    paths.retain(|path| path.ends_with(".properties"));
    let secrets = "credentials/secrets.properties";
    if home.join(secrets).exists() {
        paths.push(secrets.to_owned());
    }
    for path in paths {
        if let Some(contents) = contents(raw, home, &path) {
            let (properties, errors) = properties::parse(&path, &contents);
            raw.properties.extend(properties);
            raw.unreadable.extend(errors);
        }
    }
}

fn read_file(raw: &mut Raw, home: &Path, path: &str) {
    if let Some(contents) = contents(raw, home, path) {
        raw.files.insert(path.to_owned(), contents);
    }
}

fn contents(raw: &mut Raw, home: &Path, path: &str) -> Option<Vec<u8>> {
    let whole = home.join(path);
    let small = fs::metadata(&whole).map(|metadata| metadata.len() <= SIZE_LIMIT);
    let read = match small {
        Ok(true) => fs::read(&whole),
        Ok(false) => Err(io::Error::from(io::ErrorKind::FileTooLarge)),
        Err(error) => Err(error),
    };
    read.map_err(|error| raw.unreadable.push(unreadable(path, &error)))
        .ok()
}

fn unreadable(path: &str, error: &io::Error) -> ConfigError {
    ConfigError::error(path)
        .at(path, 0)
        .found(error.to_string())
        .expected("a readable file")
        .fix("correct its permissions, or remove it")
}

/// Files below a folder of the home, by path relative to the home, in order; hidden ones and
/// editors' leftovers are not configuration.
fn files_below(raw: &mut Raw, home: &Path, folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut open = vec![(PathBuf::from(folder), 0)];
    while let Some((folder, depth)) = open.pop() {
        let entries = match fs::read_dir(home.join(&folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let name = folder.to_string_lossy();
                raw.unreadable.push(unreadable(&name, &error));
                continue;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = folder.join(&name);
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            if home.join(&path).is_dir() {
                open.extend((depth < DEPTH_LIMIT).then_some((path, depth + 1)));
            } else {
                files.push(path.to_string_lossy().into_owned());
            }
        }
    }
    files.sort();
    files
}

fn warn_of_open_secrets(raw: &mut Raw, home: &Path) {
    let named: Vec<String> = raw.files.keys().cloned().collect();
    let keys = named.iter().map(String::as_str).filter(|path| is_key(path));
    let all: std::collections::BTreeSet<&str> = SECRET_FILES.into_iter().chain(keys).collect();
    for path in all {
        let Ok(metadata) = fs::metadata(home.join(path)) else {
            continue;
        };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            raw.unreadable.push(
                ConfigError::warning(path)
                    .at(path, 0)
                    .found(format!("mode {mode:03o}: everyone may read it"))
                    .expected("a file that its owner alone can read")
                    .fix(format!("chmod 600 {path}")),
            );
        }
    }
}

fn is_key(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "key")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for (path, contents) in files {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        home
    }

    #[test]
    fn a_home_is_read_in_order_with_its_environment() {
        let home = home_with(&[
            ("conf/idp.properties", "idp.scope = a\n"),
            ("conf/authn/mfa.properties", "x = y\n"),
            ("conf/.hidden.properties", "h = h\n"),
            ("credentials/secrets.properties", "s = t\n"),
            ("scripts/mfa/second-factor.rhai", "()"),
            ("conf/lists/require-mfa.txt", "https://sp"),
        ]);
        let environment = [("VESTIBULE__idp__scope".to_owned(), "b".to_owned())];
        let raw = read_with(home.path(), environment);
        let places: Vec<(&str, &str)> = raw
            .properties
            .iter()
            .map(|property| (property.file.as_str(), property.key.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                ("conf/authn/mfa.properties", "x"),
                ("conf/idp.properties", "idp.scope"),
                ("credentials/secrets.properties", "s"),
                ("environment", "idp.scope"),
            ]
        );
        let files: Vec<&str> = raw.files.keys().map(String::as_str).collect();
        assert_eq!(
            files,
            [
                "conf/lists/require-mfa.txt",
                "scripts/mfa/second-factor.rhai"
            ]
        );
    }

    #[test]
    fn a_file_that_a_setting_names_is_read_wherever_it_is() {
        let elsewhere = home_with(&[("tls.key", "k")]);
        let path = elsewhere.path().join("tls.key");
        let line = format!("vestibule.http.tls.key = {}", path.display());
        let home = home_with(&[("conf/idp.properties", &line)]);
        let raw = read_with(home.path(), []);
        assert_eq!(raw.file(path.to_str().unwrap()), Some(&b"k"[..]));
    }

    #[test]
    fn a_key_that_everyone_may_read_is_a_warning() {
        let home = home_with(&[
            ("conf/idp.properties", ""),
            ("credentials/idp-signing.key", "k"),
        ]);
        let path = home.path().join("credentials/idp-signing.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let raw = read_with(home.path(), []);
        assert_eq!(raw.unreadable.len(), 1);
        assert!(!raw.unreadable[0].is_error());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_with(home.path(), []).unreadable, Vec::new());
    }

    #[test]
    fn a_folder_without_conf_is_no_home() {
        let home = tempfile::tempdir().unwrap();
        let raw = read_with(home.path(), []);
        assert_eq!(raw.unreadable.len(), 1);
        assert!(raw.unreadable[0].is_error());
    }
}
