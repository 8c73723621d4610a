//! How the server runs: listener, sessions, storage, passwords, logs.

use crate::config::reader::Reader;
use crate::config::settings::{
    HttpSettings, LoggingSettings, PasswordSettings, SessionSettings, StorageSettings,
    ThrottleMode, ThrottleSettings, TlsFiles,
};
use crate::duo::secret::Secret;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Settings of the server itself.
pub(super) struct Operation {
    pub(super) http: HttpSettings,
    pub(super) session: SessionSettings,
    pub(super) storage: StorageSettings,
    pub(super) password: PasswordSettings,
    pub(super) logging: LoggingSettings,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Operation> {
    let http = http(reader);
    let session = session(reader);
    let storage = reader.parsed("vestibule.storage", storage);
    let password = password(reader);
    let logging = logging(reader);
    Some(Operation {
        http: http?,
        session: session?,
        storage: relative_to_home(reader, storage?),
        password: password?,
        logging: logging?,
    })
}

fn http(reader: &mut Reader<'_>) -> Option<HttpSettings> {
    let listen = listen(reader);
    let tls = tls(reader);
    let trusted_proxies = reader.networks("vestibule.http.trustedProxies");
    let admin_networks = reader.networks("vestibule.http.adminNetworks");
    let workers = reader.count("vestibule.http.workers");
    Some(HttpSettings {
        listen,
        tls,
        trusted_proxies,
        admin_networks,
        workers: workers?,
    })
}

fn listen(reader: &mut Reader<'_>) -> Vec<SocketAddr> {
    const KEY: &str = "vestibule.http.listen";
    let mut addresses = Vec::new();
    for text in reader.list(KEY) {
        match text.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => reader.error(
                KEY,
                format!("\"{}\"", text.escape_debug()),
                "an address and port such as 127.0.0.1:8080 or [::1]:8080",
                "write the IP address and the port",
            ),
        }
    }
    addresses
}

fn tls(reader: &mut Reader<'_>) -> Option<TlsFiles> {
    const CERTIFICATE: &str = "vestibule.http.tls.certificate";
    const KEY: &str = "vestibule.http.tls.key";
    let certificate = reader.file(CERTIFICATE);
    let key = reader.file(KEY);
    for (given, other) in [(CERTIFICATE, KEY), (KEY, CERTIFICATE)] {
        if reader.values.written(given).is_some() && reader.values.written(other).is_none() {
            reader.error(
                given,
                format!("no {other} beside it"),
                "both, or neither",
                format!("set {other}"),
            );
        }
    }
    let key = String::from_utf8(key?).ok()?;
    Some(TlsFiles {
        certificate: certificate?,
        key: Secret::new(key),
    })
}

fn session(reader: &mut Reader<'_>) -> Option<SessionSettings> {
    let timeout = reader.duration("idp.session.timeout");
    let lifetime = reader.duration("vestibule.session.lifetime");
    let consistent_address = reader.flag("idp.session.consistentAddress");
    let login_lifetime = reader.duration("vestibule.login.lifetime");
    Some(SessionSettings {
        timeout: timeout?,
        lifetime: lifetime?,
        consistent_address: consistent_address?,
        login_lifetime: login_lifetime?,
    })
}

fn storage(text: &str) -> Option<StorageSettings> {
    let (scheme, rest) = text.split_once(':')?;
    match scheme {
        "memory" if rest.is_empty() => Some(StorageSettings::Memory),
        "redb" if !rest.is_empty() => Some(StorageSettings::Redb(PathBuf::from(rest))),
        "redis" | "rediss" if rest.starts_with("//") => {
            Some(StorageSettings::Redis(text.to_owned()))
        }
        "postgres" | "postgresql" if rest.starts_with("//") => {
            Some(StorageSettings::Postgres(text.to_owned()))
        }
        _ => None,
    }
}

fn relative_to_home(reader: &Reader<'_>, storage: StorageSettings) -> StorageSettings {
    match storage {
        StorageSettings::Redb(path) => StorageSettings::Redb(reader.below_home(&path)),
        other => other,
    }
}

fn password(reader: &mut Reader<'_>) -> Option<PasswordSettings> {
    let htpasswd = reader.path("vestibule.password.htpasswd");
    let trim = reader.flag("idp.authn.Password.trim");
    let lowercase = reader.flag("idp.authn.Password.lowercase");
    let uppercase = reader.flag("idp.authn.Password.uppercase");
    let hash_threads = reader.count("vestibule.password.hashThreads");
    let queue = reader.count("vestibule.password.queue");
    let queue_timeout = reader.duration("vestibule.password.queueTimeout");
    let expiry_notice = reader.duration("vestibule.password.expiryNotice");
    let change_url = reader.parsed("vestibule.password.changeURL", web_address);
    let throttle = throttle(reader);
    let (validators, ldap) = super::ldap::password(reader);
    if lowercase == Some(true) && uppercase == Some(true) {
        reader.error(
            "idp.authn.Password.uppercase",
            "true beside idp.authn.Password.lowercase",
            "one of the two",
            "remove one of the two lines",
        );
    }
    Some(PasswordSettings {
        htpasswd: htpasswd?,
        validators,
        ldap,
        trim: trim?,
        lowercase: lowercase?,
        uppercase: uppercase?,
        hash_threads: hash_threads?,
        queue: queue?,
        queue_timeout: queue_timeout?,
        expiry_notice: expiry_notice?,
        change_url,
        throttle: throttle?,
    })
}

fn throttle(reader: &mut Reader<'_>) -> Option<ThrottleSettings> {
    let mode = reader.choice("vestibule.password.throttle.mode");
    let interval = reader.duration("vestibule.password.throttle.interval");
    let attempts = reader.count("vestibule.password.throttle.attempts");
    let account = reader.count("vestibule.password.throttle.account");
    let network = reader.count("vestibule.password.throttle.network");
    let everyone = reader.count("vestibule.password.throttle.everyone");
    let lock = reader.duration("vestibule.password.throttle.lockDuration");
    let exempt = reader.networks("vestibule.password.throttle.exemptNetworks");
    Some(ThrottleSettings {
        mode: match mode?.as_str() {
            "off" => ThrottleMode::Off,
            "lock" => ThrottleMode::Lock,
            _ => ThrottleMode::Slow,
        },
        interval: interval?,
        attempts: attempts?,
        account: account?,
        network: network?,
        everyone: everyone?,
        lock: lock?,
        exempt,
    })
}

/// A page that a link may lead to.
fn web_address(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    matches!(url.scheme(), "https" | "http").then(|| url.into())
}

fn logging(reader: &mut Reader<'_>) -> Option<LoggingSettings> {
    let directory = reader.path("idp.logfiles");
    let history_days = reader.count("idp.loghistory");
    let max_bytes = reader.size("vestibule.logging.maxSize");
    let filter = log_filter(reader);
    Some(LoggingSettings {
        directory: directory?,
        history_days: history_days?,
        max_bytes: max_bytes?,
        filter: filter?,
    })
}

/// Shibboleth's log levels as a tracing directive.
fn log_filter(reader: &mut Reader<'_>) -> Option<String> {
    let mut level = |key| Some(reader.choice(key)?.to_lowercase());
    let root = level("idp.loglevel.root");
    let ours = level("idp.loglevel.idp");
    let client = level("idp.loglevel.httpclient");
    let container = level("idp.loglevel.container");
    let (client, container) = (client?, container?);
    Some(format!(
        "{},vestibule={},reqwest={client},hyper={client},hyper_util={client},rustls={client},\
         actix_web={container},actix_server={container},actix_http={container}",
        root?, ours?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_is_named_by_its_scheme() {
        assert_eq!(storage("memory:"), Some(StorageSettings::Memory));
        assert_eq!(
            storage("redb:/var/db"),
            Some(StorageSettings::Redb(PathBuf::from("/var/db")))
        );
        assert!(matches!(
            storage("rediss://h:1"),
            Some(StorageSettings::Redis(_))
        ));
        for wrong in ["memory", "redb:", "mysql://x", "redis:x", ""] {
            assert_eq!(storage(wrong), None, "{wrong}");
        }
    }
}
