//! Where metadata, passwords and attributes come from.

use super::{errors, report, settings};

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
