//! Where metadata, passwords and attributes come from.

use super::{IDENTITY, MFA, check, errors, home, key_pair, report, settings};
use crate::config::raw::Raw;

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
    let ring = entry("signing-2", "active") + &entry("signing-3", "published");
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
