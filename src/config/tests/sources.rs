//! Where metadata, passwords and attributes come from.

use super::{IDENTITY, MFA, check, errors, home, key_pair, report, settings};
use crate::config::raw::Raw;
use crate::config::sql::AttributeSource;

#[test]
fn a_provider_has_one_origin_and_unsigned_metadata_comes_by_tls() {
    for (lines, found) in [
        (
            "vestibule.metadata.providers = f\n",
            "none of file, folder, url and mdq",
        ),
        (
            "vestibule.metadata.providers = f\nvestibule.metadata.f.file = a\nvestibule.metadata.f.mdq = https://b.example\n",
            "file and mdq",
        ),
        (
            "vestibule.metadata.providers = f\nvestibule.metadata.f.url = http://b.example/m\n",
            "http without a certificate to verify the document with",
        ),
        (
            "vestibule.metadata.f.file = a\n",
            "a provider f that vestibule.metadata.providers does not name",
        ),
    ] {
        assert!(
            report(&errors(lines)).contains(found),
            "{}",
            report(&errors(lines))
        );
    }
}

#[test]
fn a_provider_whose_certificate_cannot_be_read_is_no_provider() {
    let lines = "vestibule.metadata.providers = f\nvestibule.metadata.f.file = a\n\
                 vestibule.metadata.f.certificate = nowhere.crt\n";
    assert!(report(&errors(lines)).contains("nowhere.crt"));
}

#[test]
fn s56_a_directory_is_asked_over_tls_or_on_loopback() {
    let lines = "vestibule.password.validators = ldap\nidp.authn.LDAP.useStartTLS = false\n\
                 idp.authn.LDAP.baseDN = dc=x\nidp.authn.LDAP.userFilter = (uid={user})\n";
    let with = |url: &str| format!("{lines}idp.authn.LDAP.ldapURL = {url}\n");
    assert!(report(&errors(&with("ldap://ldap.example.org"))).contains("without StartTLS"));
    for good in [
        "ldaps://ldap.example.org",
        "ldap://127.0.0.1:389",
        "ldap://localhost",
    ] {
        let (settings, _) = settings(&with(good));
        assert_eq!(settings.password.ldap.unwrap().servers.urls, [good]);
    }
}

#[test]
fn s55_s56_a_database_gets_parameters_over_tls_or_on_loopback() {
    let with = |url: &str, query: &str| {
        format!("vestibule.sql.people.url = {url}\nvestibule.sql.people.query = {query}\n")
    };
    let good = "SELECT mail FROM people WHERE uid = $1";
    for (url, query, found) in [
        (
            "postgres://u@db.example.org/x?sslmode=disable",
            good,
            "goes without TLS",
        ),
        (
            "postgres://u@db.example.org/x?sslmode=prefer",
            good,
            "goes without TLS",
        ),
        (
            "postgres://u:hunter2@db.example.org/x",
            good,
            "an address with a password",
        ),
        ("mysql://u@db.example.org/x", good, "no PostgreSQL URL"),
        ("postgres://u@localhost/x", "SELECT 1", "a query without $1"),
        (
            "postgres://u@localhost/x",
            "SELECT $1, $2",
            "a query without $1",
        ),
        (
            "postgres://u@localhost/x",
            "SELECT $10",
            "a query without $1",
        ),
        (
            "postgres://u@localhost/x",
            "SELECT $1; DROP TABLE x",
            "a query without $1",
        ),
    ] {
        let report = report(&errors(&with(url, query)));
        assert!(
            report.contains(found) && !report.contains("hunter2"),
            "{report}"
        );
    }
    for (url, tls) in [
        ("postgres://u@db.example.org/x", true),
        ("postgres://u@127.0.0.1:5433/x", false),
        ("postgres://u@localhost/x?sslmode=require", true),
        ("postgres://u@%2Frun%2Fpostgresql/x", false),
    ] {
        let (settings, _) = settings(&with(url, good));
        let [AttributeSource::Csv, AttributeSource::Sql(source)] = &settings.attribute_sources[..]
        else {
            panic!("{:?}", settings.attribute_sources);
        };
        assert_eq!(source.database.tls, tls, "{url}");
    }
}

#[test]
fn sources_are_asked_in_the_order_that_is_written_and_unknown_ones_are_errors() {
    let database = "vestibule.sql.people.url = postgres://u@localhost/x\n";
    let query = "vestibule.sql.people.query = SELECT 1 WHERE '' = $1\n";
    let order = "vestibule.attribute.sources = people, csv\n";
    let (with_order, _) = settings(&format!("{database}{query}{order}"));
    let names: Vec<&str> = with_order
        .attribute_sources
        .iter()
        .map(AttributeSource::name)
        .collect();
    assert_eq!(names, ["people", "csv"]);
    assert!(report(&errors(&format!("{database}{order}"))).contains("people"));
    let (_, warnings) = settings(database);
    assert!(
        report(&warnings).contains("nothing is asked"),
        "{}",
        report(&warnings)
    );
}

#[test]
fn identifiers_are_kept_in_a_database_that_is_there() {
    let stored = "idp.persistentId.generator = shibboleth.StoredPersistentIdGenerator\n\
                  idp.persistentId.sourceAttribute = uid\nidp.persistentId.dataSource = ids\n";
    assert!(report(&errors(stored)).contains("ids, which is no database here"));
    let with =
        |line: &str| format!("{stored}vestibule.sql.ids.url = postgres://u@localhost/x\n{line}\n");
    let (settings, warnings) = settings(&with(""));
    assert_eq!(settings.persistent_ids.unwrap().table, "shibpid");
    assert_eq!(report(&warnings), "");
    for table in ["a b", "a;b", "a.b.c", "1a", "\"a\""] {
        let line = format!("vestibule.persistentId.table = {table}");
        assert!(
            report(&errors(&with(&line))).contains("vestibule.persistentId.table"),
            "{table}"
        );
    }
}

/// A home whose keys a ring names, with further lines of configuration.
fn home_with_ring(ring: &str, lines: &str) -> Raw {
    let (key, certificate) = key_pair();
    home(&[
        ("conf/idp.properties", IDENTITY),
        ("conf/authn/mfa.properties", MFA),
        ("conf/x.properties", lines),
        ("credentials/keys.toml", ring),
        ("credentials/two.key", key),
        ("credentials/two.crt", certificate),
    ])
}

fn entry(name: &str, state: &str) -> String {
    format!(
        "[[key]]\nname = \"{name}\"\npurpose = \"signing\"\nstate = \"{state}\"\n\
         key = \"credentials/two.key\"\ncertificate = \"credentials/two.crt\"\n"
    )
}

#[test]
fn a_ring_names_the_keys_and_a_property_that_names_others_is_told_so() {
    let ring = entry("signing-2", "active") + &*entry("signing-3", "published");
    let line = "idp.signing.key = %{idp.home}/credentials/idp-signing.key\n";
    let (settings, warnings) = check(&home_with_ring(&ring, line)).unwrap();
    assert_eq!(settings.signing_keys.len(), 1);
    assert_eq!(settings.signing_certificates.len(), 2);
    assert!(
        report(&warnings).contains("a setting without effect"),
        "{}",
        report(&warnings)
    );
    let same = "idp.signing.key = %{idp.home}/credentials/two.key\n";
    assert!(check(&home_with_ring(&ring, same)).unwrap().1.is_empty());
}

#[test]
fn a_ring_that_cannot_be_used_stops_the_start() {
    let missing = entry("signing-2", "active").replace("two.key", "three.key");
    for (ring, found) in [
        ("[[key]]\nname = 1\n".to_owned(), "vestibule.keys.file"),
        (
            entry("signing-2", "published"),
            "no signing key that is active",
        ),
        (missing, "no readable file at credentials/three.key"),
    ] {
        let findings = check(&home_with_ring(&ring, "")).map(|_| ()).unwrap_err();
        assert!(report(&findings).contains(found), "{}", report(&findings));
    }
}
