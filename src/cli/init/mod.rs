//! `vestibule init`: makes a home out of the files the program was built with.

use crate::cli::{Context, EXIT_FOUND, EXIT_USAGE, complain, credentials, say, say_error};
use crate::config;
use crate::config::error::ConfigError;
use crate::config::raw::Raw;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Every file of `conf/` and `scripts/`, by path.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/home_files.rs"));

/// Folders that begin empty.
const FOLDERS: [&str; 5] = ["metadata", "views", "messages", "logs", "db"];

/// The identity provider to be.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The URL under which browsers will see it, such as <https://idp.example.org/idp>.
    #[arg(long, value_name = "URL")]
    pub base_url: String,
    /// The name by which relying parties will know it; default: the base URL and /shibboleth.
    #[arg(long, value_name = "URI")]
    pub entity_id: Option<String>,
    /// The scope of its users' names, such as example.org.
    #[arg(long, value_name = "SCOPE")]
    pub scope: String,
    /// Bits of the RSA keys.
    #[arg(long, value_name = "BITS", default_value_t = 2048,
          value_parser = clap::value_parser!(u32).range(2048..=8192))]
    pub key_size: u32,
}

/// Why there is no new home.
#[derive(Debug)]
pub enum InitError {
    /// Something is there already.
    Exists(PathBuf),
    /// The values asked for make no working configuration.
    Wrong(Vec<ConfigError>),
    /// A file could not be written, or a key not be made.
    Failed(String),
}

/// Makes a home and says what to do next.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    match make_home(&context.home, args) {
        Ok(()) => {
            report(context, args);
            ExitCode::SUCCESS
        }
        Err(InitError::Exists(path)) => {
            say_error(&format!(
                "error: {} is there already; init does not change a home",
                path.display()
            ));
            ExitCode::from(EXIT_FOUND)
        }
        Err(InitError::Wrong(findings)) => {
            complain(&findings);
            ExitCode::from(EXIT_USAGE)
        }
        Err(InitError::Failed(reason)) => {
            say_error(&format!("error: {reason}"));
            ExitCode::from(EXIT_FOUND)
        }
    }
}

/// Writes a whole home, or nothing: what it will hold is checked before the first file.
pub fn make_home(home: &Path, args: &Args) -> Result<(), InitError> {
    let files = contents(args)?;
    for path in files.keys() {
        if home.join(path).exists() && !is_as_shipped(home, path) {
            return Err(InitError::Exists(home.join(path)));
        }
    }
    check(home, &files)?;
    write(home, &files).map_err(|error| {
        InitError::Failed(format!("cannot write below {}: {error}", home.display()))
    })
}

impl Args {
    /// The entityID, asked for or derived.
    pub fn entity_id(&self) -> String {
        let derived = || format!("{}/shibboleth", self.base_url);
        self.entity_id.clone().unwrap_or_else(derived)
    }
}

/// A file that nobody has edited is no obstacle: the sources' own folder can become a home.
fn is_as_shipped(home: &Path, path: &str) -> bool {
    let shipped = FILES.iter().find(|(known, _)| *known == path);
    let there = fs::read(home.join(path));
    shipped.is_some_and(|(_, text)| there.is_ok_and(|there| there == text.as_bytes()))
}

fn contents(args: &Args) -> Result<BTreeMap<String, Vec<u8>>, InitError> {
    let mut files: BTreeMap<String, Vec<u8>> = FILES
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect();
    files.insert("conf/idp.properties".to_owned(), identity(args)?.into());
    files.insert("conf/authn/htpasswd.txt".to_owned(), Vec::new());
    let made = credentials::make(&args.base_url, &args.entity_id(), args.key_size)
        .map_err(|error| InitError::Failed(format!("cannot make keys: {error}")))?;
    files.extend(made);
    Ok(files)
}

/// conf/idp.properties with the three values that are this identity provider's own.
fn identity(args: &Args) -> Result<String, InitError> {
    let entity_id = args.entity_id();
    let values = [
        ("idp.entityID", entity_id.as_str()),
        ("idp.scope", &args.scope),
        ("vestibule.baseURL", &args.base_url),
    ];
    for (key, value) in values {
        // A backslash or line break would be read as something else.
        if value.contains(|c: char| c == '\\' || c == '%' || c.is_control()) {
            let finding = ConfigError::error(key)
                .found_value(value)
                .expected("plain characters")
                .fix("leave out backslashes, percent signs and control characters");
            return Err(InitError::Wrong(vec![finding]));
        }
    }
    let listen = loopback_address(&args.base_url);
    let listen = listen.map(|address| ("vestibule.http.listen", address));
    let template = FILES
        .iter()
        .find(|(path, _)| *path == "conf/idp.properties");
    let (_, template) = template.expect("conf/idp.properties is part of the sources");
    let line = |line: &str| {
        let (key, _) = line.trim_start_matches('#').split_once(" =")?;
        let mut own = values.iter().map(|(known, value)| (*known, *value));
        let own = own.find(|(known, _)| *known == key);
        let listen = listen
            .as_ref()
            .map(|(known, value)| (*known, value.as_str()));
        let (key, value) = own.or(listen.filter(|(known, _)| *known == key))?;
        Some(format!("{key} = {value}\n"))
    };
    let or_as_it_is = |text: &str| line(text).unwrap_or_else(|| format!("{text}\n"));
    Ok(template.lines().map(or_as_it_is).collect())
}

/// Where to listen for a base URL that no proxy stands in front of: plain HTTP on this machine.
fn loopback_address(base_url: &str) -> Option<String> {
    let url = url::Url::parse(base_url).ok()?;
    let port = url.port_or_known_default()?;
    let address = match url.host()? {
        url::Host::Domain("localhost") => "127.0.0.1".parse().ok()?,
        url::Host::Domain(_) => return None,
        url::Host::Ipv4(address) => std::net::IpAddr::from(address),
        url::Host::Ipv6(address) => address.into(),
    };
    (url.scheme() == "http").then(|| std::net::SocketAddr::new(address, port).to_string())
}

/// The home as it would be read.
fn check(home: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), InitError> {
    let mut raw = Raw {
        home: home.to_string_lossy().into_owned(),
        files: files.clone(),
        ..Raw::default()
    };
    for (path, contents) in files {
        if path.ends_with(".properties") {
            let (properties, errors) = config::properties::parse(path, contents);
            raw.properties.extend(properties);
            raw.unreadable.extend(errors);
        }
    }
    match config::check(&raw) {
        Ok(_) => Ok(()),
        Err(findings) => Err(InitError::Wrong(findings)),
    }
}

fn write(home: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for folder in FOLDERS {
        make_folder(&home.join(folder))?;
    }
    for (path, contents) in files {
        let whole = home.join(path);
        if let Some(folder) = whole.parent() {
            make_folder(folder)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).mode(mode(path));
        if is_as_shipped(home, path) {
            options.truncate(true);
        } else {
            options.create_new(true);
        }
        let mut file = options.open(&whole)?;
        file.write_all(contents)?;
        file.sync_all()?;
    }
    Ok(())
}

/// What only the server may read is made so, whatever the umask is.
fn mode(path: &str) -> u32 {
    let public = Path::new(path)
        .extension()
        .is_some_and(|ending| ending == "crt");
    let secret = path.starts_with("credentials/") && !public;
    if secret || path.ends_with("htpasswd.txt") {
        0o600
    } else {
        0o644
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let private = ["credentials", "db"]
        .iter()
        .any(|name| folder.ends_with(name));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(if private { 0o700 } else { 0o755 })
        .create(folder)
}

fn report(context: &Context, args: &Args) {
    let home = context.home.display();
    if context.json {
        let value = serde_json::json!({
            "home": context.home,
            "entity_id": args.entity_id(),
            "base_url": args.base_url,
            "scope": args.scope,
        });
        say(&value.to_string());
        return;
    }
    say(&format!(
        "\
A home for {entity_id} is in {home}.

What to do next:

  1. Add a user:             vestibule --home {home} user add NAME
  2. Look it over:           vestibule --home {home} check
  3. Run it:                 vestibule --home {home} serve
  4. Let browsers reach it:  {base_url} has to lead to vestibule.http.listen
                             (conf/idp.properties), by a proxy or by vestibule.http.tls.*
  5. Know relying parties:   put their metadata into {home}/metadata/
  6. Be known by them:       vestibule --home {home} metadata
  7. Describe people:        conf/people.csv, or your directory; what is released to whom stands
                             in conf/attribute-filter.properties
  8. Switch Duo on:          idp.duo.oidc.apiHost and .clientId in conf/authn/duo-oidc.properties,
                             idp.duo.oidc.secretKey in credentials/secrets.properties
  9. Say who needs MFA:      conf/lists/require-mfa.txt, or scripts/mfa/second-factor.rhai
 10. Keep safe:              {home}/credentials is worth a backup that nobody else can read",
        entity_id = args.entity_id(),
        base_url = args.base_url,
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn args() -> Args {
        Args {
            base_url: "https://idp.example.org/idp".to_owned(),
            entity_id: None,
            scope: "example.org".to_owned(),
            key_size: 2048,
        }
    }

    #[test]
    fn a_new_home_checks_without_any_finding() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("idp");
        make_home(&home, &args()).unwrap();
        let raw = crate::server::load::read_with(&home, []);
        let (settings, findings) = config::check(&raw).unwrap();
        assert_eq!(findings, Vec::new());
        assert_eq!(settings.entity_id, "https://idp.example.org/idp/shibboleth");
        assert!(settings.rules.duo.integrations.is_empty());
    }

    #[test]
    fn secrets_of_a_new_home_are_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        make_home(folder.path(), &args()).unwrap();
        for path in [
            "credentials/idp-signing.key",
            "credentials/idp-encryption.key",
            "credentials/sealer.key",
            "credentials/secrets.properties",
            "conf/authn/htpasswd.txt",
        ] {
            let mode = fs::metadata(folder.path().join(path))
                .unwrap()
                .permissions();
            assert_eq!(mode.mode() & 0o777, 0o600, "{path}");
        }
    }

    #[test]
    fn a_loopback_home_listens_where_its_base_url_says() {
        let folder = tempfile::tempdir().unwrap();
        let local = Args {
            base_url: "http://localhost:8085/idp".to_owned(),
            ..args()
        };
        make_home(folder.path(), &local).unwrap();
        let raw = crate::server::load::read_with(folder.path(), []);
        let (settings, _) = config::check(&raw).unwrap();
        assert_eq!(settings.http.listen, ["127.0.0.1:8085".parse().unwrap()]);
    }

    #[test]
    fn a_home_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        make_home(folder.path(), &args()).unwrap();
        let before = fs::read(folder.path().join("credentials/idp-signing.key")).unwrap();
        assert!(matches!(
            make_home(folder.path(), &args()),
            Err(InitError::Exists(_))
        ));
        let after = fs::read(folder.path().join("credentials/idp-signing.key")).unwrap();
        assert_eq!(before, after);
    }

    #[test]
    fn a_folder_of_unedited_files_becomes_a_home() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in FILES {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        make_home(folder.path(), &args()).unwrap();
        let raw = crate::server::load::read_with(folder.path(), []);
        assert!(config::check(&raw).is_ok());
    }

    #[test]
    fn wrong_values_write_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("idp");
        let wrong = Args {
            base_url: "http://idp.example.org/idp".to_owned(),
            ..args()
        };
        assert!(matches!(make_home(&home, &wrong), Err(InitError::Wrong(_))));
        assert!(!home.exists());
    }
}
