//! `vestibule.sql.*` and `vestibule.attribute.sources`: databases, and which sources are asked.

use crate::config::ldap::LdapDirectorySettings;
use crate::config::reader::Reader;
use crate::config::sql::{AttributeSource, SqlDatabase, SqlSource};
use crate::duo::secret::Secret;
use tokio_postgres::config::{Config, Host, SslMode};

const PREFIX: &str = "vestibule.sql.";
const SOURCES: &str = "vestibule.attribute.sources";

/// Every database with its query, if it has one.
pub(super) type Databases = Vec<(SqlDatabase, Option<String>)>;

/// Every database that is set up.
pub(super) fn databases(reader: &mut Reader<'_>) -> Databases {
    let names = reader.values.names_under(PREFIX);
    names
        .iter()
        .filter_map(|name| database(reader, name))
        .collect()
}

fn database(reader: &mut Reader<'_>, name: &str) -> Option<(SqlDatabase, Option<String>)> {
    let key = |part: &str| format!("{PREFIX}{name}.{part}");
    if ["csv", "ldap"].contains(&name) {
        let fix = "name the database otherwise";
        reader.error(
            &key("url"),
            "a name that another source has",
            "a name of its own",
            fix,
        );
    }
    let address = address(reader, &key("url"));
    let password = reader.text(&key("password")).map(Secret::new);
    let query = query(reader, &key("query"));
    let trusted = reader.file(&key("trustCertificates"));
    let connect_timeout = reader.duration(&key("connectTimeout"));
    let response_timeout = reader.duration(&key("responseTimeout"));
    let connections = reader.parsed(&key("maxSize"), |text| {
        text.parse().ok().filter(|size| *size > 0)
    });
    let unreadable =
        reader.values.written(&key("trustCertificates")).is_some() && trusted.is_none();
    let (url, tls) = address.filter(|_| !unreadable)?;
    let database = SqlDatabase {
        name: name.to_owned(),
        url,
        password,
        tls,
        trusted,
        connect_timeout: connect_timeout?,
        response_timeout: response_timeout?,
        connections: connections?,
    };
    Some((database, query))
}

/// The address and whether TLS is required: personal data go nowhere unencrypted (attack S56).
fn address(reader: &mut Reader<'_>, key: &str) -> Option<(String, bool)> {
    let text = reader.text(key)?;
    let config = text
        .parse::<Config>()
        .ok()
        .filter(|config| !config.get_hosts().is_empty());
    let scheme = ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    let Some(config) = config.filter(|_| scheme) else {
        let fix = "write postgres://USER@HOST:PORT/DATABASE";
        reader.error(
            key,
            "no PostgreSQL URL",
            "the address of a PostgreSQL database",
            fix,
        );
        return None;
    };
    if config.get_password().is_some() {
        let fix = "move it into credentials/secrets.properties: vestibule.sql.NAME.password";
        reader.error(
            key,
            "an address with a password (not shown)",
            "an address without",
            fix,
        );
        return None;
    }
    let near = config.get_hosts().iter().all(is_near);
    let written = text.contains("sslmode=");
    if !near && written && config.get_ssl_mode() != SslMode::Require {
        let fix = "leave sslmode out: TLS is then required";
        reader.error(
            key,
            "an sslmode that goes without TLS",
            "TLS beyond loopback",
            fix,
        );
        return None;
    }
    Some((
        text,
        !near || written && config.get_ssl_mode() == SslMode::Require,
    ))
}

fn is_near(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address = name.parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
    }
}

/// What a user types reaches the database as a parameter and never as a part of the text (S55).
fn query(reader: &mut Reader<'_>, key: &str) -> Option<String> {
    let text = reader.text(key)?;
    let query = text.trim().trim_end_matches(';');
    let others = query.match_indices('$').any(|(at, _)| {
        let rest = &query[at + 1..];
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        !number.is_empty() && number != "1"
    });
    if others || !query.contains("$1") || query.contains(';') {
        let found = "a query without $1, with further parameters, or with a semicolon in it";
        let fix = "write SELECT ... WHERE uid = $1";
        reader.error(key, found, "one query with $1 for the user's name", fix);
        return None;
    }
    Some(query.to_owned())
}

/// A database that nobody asks is a slip.
pub(super) fn unused(reader: &mut Reader<'_>, databases: &Databases, data_source: Option<&str>) {
    for (database, query) in databases {
        if query.is_none() && data_source != Some(&*database.name) {
            let key = format!("{PREFIX}{}.url", database.name);
            let fix = "give it a query, or name it in idp.persistentId.dataSource";
            reader.warn(&key, "a database that nothing is asked", fix);
        }
    }
}

/// The sources in their order: those that are named, else every one that is set up.
pub(super) fn sources(
    reader: &mut Reader<'_>,
    ldap: Option<LdapDirectorySettings>,
    databases: &Databases,
) -> Vec<AttributeSource> {
    let mut known = vec![AttributeSource::Csv];
    known.extend(ldap.map(|ldap| AttributeSource::Ldap(Box::new(ldap))));
    let with_query = databases.iter().filter_map(|(database, query)| {
        let (database, query) = (database.clone(), query.clone()?);
        Some(AttributeSource::Sql(Box::new(SqlSource {
            database,
            query,
        })))
    });
    known.extend(with_query);
    let wanted = reader.required_list(SOURCES);
    if wanted.is_empty() {
        return known;
    }
    for source in &known {
        // The file is part of every home; what was set up by hand is meant to be asked.
        if !wanted.iter().any(|name| name == source.name()) && source.name() != "csv" {
            let found = format!(
                "{} set up, and not named here: it is never asked",
                source.name()
            );
            reader.warn(
                SOURCES,
                found,
                format!("name {}, or remove its settings", source.name()),
            );
        }
    }
    let found = |name: &String| known.iter().find(|source| source.name() == name).cloned();
    let unknown: Vec<&String> = wanted.iter().filter(|name| found(name).is_none()).collect();
    for name in unknown {
        let fix = "csv, ldap where idp.attribute.resolver.LDAP.ldapURL is set, or the NAME of a vestibule.sql.NAME.query";
        reader.wrong(SOURCES, name, fix);
    }
    wanted.iter().filter_map(found).collect()
}
