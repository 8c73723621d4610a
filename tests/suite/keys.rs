//! Keys are changed while the server runs and relying parties read our metadata when they please.

use crate::harness::browser::{ALICE, Browser, Prompt};
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::pysaml2::{Pysaml2, Verdict};
use crate::harness::relying_party::{AuthnRequest, RelyingParty, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::encrypt::Encrypter;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, encrypt_aead};
use openssl::x509::X509;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use url::Url;

const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

/// What the running server publishes of itself.
fn published(deployment: &Deployment) -> String {
    Request::get(Url::parse(&deployment.url("/shibboleth")).unwrap())
        .send()
        .body
}

/// A step that must succeed, and that the running server has read.
fn step(deployment: &Deployment, words: &[&str]) -> Value {
    let printed = deployment.home.run(&[words, &["--json"]].concat(), "");
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["reloaded"], true, "{report}");
    report
}

/// A step that must be refused: what it said.
fn refused(deployment: &Deployment, words: &[&str]) -> String {
    let output = deployment.home.command(words).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{words:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn states(deployment: &Deployment) -> Vec<(String, String)> {
    let status = Request::get(Url::parse(&deployment.url("/status")).unwrap())
        .send()
        .body;
    let status: Value = serde_json::from_str(&status).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let keys = status["keys"].as_array().unwrap().iter();
    keys.map(|key| (text(&key["name"]), text(&key["state"])))
        .collect()
}

fn state(deployment: &Deployment, name: &str) -> String {
    let states = states(deployment);
    let found = states.iter().find(|(known, _)| known == name);
    found
        .unwrap_or_else(|| panic!("{name}: {states:?}"))
        .1
        .clone()
}

#[test]
fn a_provider_that_knows_the_new_key_in_time_works_throughout_and_one_that_does_not_fails() {
    let mut deployment = Deployment::prepare();
    let providers = Pysaml2::start(&deployment, &[]);
    deployment.serve();
    let accepts = |number: u8| {
        let arrival = Browser::new().log_in(&providers.login(number, ""), ALICE);
        Verdict::read(&arrival.page).0["refused"].is_null()
    };
    assert!(accepts(0) && accepts(1));

    step(&deployment, &["key", "stage", "signing"]);
    assert_eq!(state(&deployment, "signing-2"), "staged");
    let before = published(&deployment);
    step(&deployment, &["key", "publish", "signing"]);
    assert_ne!(published(&deployment), before);
    // The first provider reads our metadata now, and not again before the end.
    providers.refresh(0, &published(&deployment));
    assert!(accepts(0) && accepts(1), "the old key still signs");

    let said = refused(&deployment, &["key", "switch", "signing-2"]);
    assert!(said.contains("--force"), "{said}");
    step(&deployment, &["key", "switch", "signing-2", "--force"]);
    assert!(accepts(0), "it knows both keys");
    assert!(!accepts(1), "it never saw the new key");
    providers.refresh(1, &published(&deployment));
    assert!(accepts(1), "it has caught up");

    let said = refused(&deployment, &["key", "retire", "signing-1"]);
    assert!(said.contains("--force"), "{said}");
    step(&deployment, &["key", "retire", "signing-1", "--force"]);
    assert!(accepts(0), "what it read at the publication is enough");
    providers.refresh(1, &published(&deployment));
    assert!(accepts(1));
    nothing_is_lost(&deployment);
}

/// Every key is still there, for its owner alone, and a new start finds all it needs.
fn nothing_is_lost(deployment: &Deployment) {
    let credentials = deployment.home.path.join("credentials");
    for file in ["idp-signing-2.key", "keys.toml", "retired/idp-signing.key"] {
        let mode = fs::metadata(credentials.join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{file}: {mode:o}");
    }
    assert!(credentials.join("retired/idp-signing.crt").exists());
    assert!(!credentials.join("idp-signing.key").exists());
    assert_eq!(state(deployment, "signing-1"), "retired");
    let listed = deployment.home.run(&["key", "list"], "");
    assert!(listed.contains("RSA 3072"), "{listed}");
    let checked = deployment.home.run(&["check"], "");
    assert!(checked.contains("0 errors, 0 warnings"), "{checked}");
    assert!(checked.contains("signing-2 active"), "{checked}");
    assert!(refused(deployment, &["key", "retire", "signing-2", "--force"]).contains("only one"));
}

/// `EncryptedID` with the e-mail address, for the key of this certificate (AES-128-GCM, RSA-OAEP).
fn encrypted_id(address: &str, certificate: &X509) -> String {
    let name = format!(
        r#"<a:NameID xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" Format="{EMAIL}">{address}</a:NameID>"#
    );
    let (key, iv) = ([7; 16], [9; 12]);
    let mut tag = [0; 16];
    let text = encrypt_aead(
        Cipher::aes_128_gcm(),
        &key,
        Some(&iv),
        &[],
        name.as_bytes(),
        &mut tag,
    )
    .unwrap();
    let public = certificate.public_key().unwrap();
    let mut encrypter = Encrypter::new(&public).unwrap();
    encrypter.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
    let mut wrapped = vec![0; encrypter.encrypt_len(&key).unwrap()];
    let length = encrypter.encrypt(&key, &mut wrapped).unwrap();
    let wrapped = STANDARD.encode(&wrapped[..length]);
    let content = STANDARD.encode([&iv[..], &text, &tag].concat());
    format!(
        r#"<a:EncryptedID><x:EncryptedData xmlns:x="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element"><x:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes128-gcm"/><d:KeyInfo xmlns:d="http://www.w3.org/2000/09/xmldsig#"><x:EncryptedKey><x:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/><x:CipherData><x:CipherValue>{wrapped}</x:CipherValue></x:CipherData></x:EncryptedKey></d:KeyInfo><x:CipherData><x:CipherValue>{content}</x:CipherValue></x:CipherData></x:EncryptedData></a:EncryptedID>"#
    )
}

#[test]
fn an_encrypted_id_is_read_with_both_keys_until_the_old_one_is_retired() {
    let mut deployment = Deployment::prepare();
    deployment.home.append(
        "conf/idp.properties",
        "\nvestibule.nameid.formats = transient, emailAddress\nvestibule.nameid.emailAddress.attribute = mail\n",
    );
    let party = RelyingParty::new("secretive");
    deployment.trust("party", &party.metadata());
    deployment.serve();
    let certificate = |name: &str| {
        let pem = fs::read(deployment.home.path.join("credentials").join(name)).unwrap();
        X509::from_pem(&pem).unwrap()
    };
    let names_alice = |certificate: &X509| {
        let subject = encrypted_id("alice@example.org", certificate);
        let endpoint = deployment.url("/profile/SAML2/Redirect/SSO");
        let request = AuthnRequest {
            body: format!("<a:Subject>{subject}</a:Subject>"),
            ..party.request().with("Destination", &endpoint)
        };
        let url = format!("{endpoint}?{}", request.signed_query());
        let arrival = Browser::that_keeps_the_response().log_in(&url, ALICE);
        let response = Response::on(&arrival.page);
        response.is_some_and(|r| r.is_success() && r.texts("NameID") == ["alice@example.org"])
    };
    let old = certificate("idp-encryption.crt");
    let is_published = |certificate: &X509| {
        published(&deployment).contains(&STANDARD.encode(certificate.to_der().unwrap()))
    };
    assert!(names_alice(&old));

    step(
        &deployment,
        &["key", "stage", "encryption", "--bits", "2048"],
    );
    let new = certificate("idp-encryption-2.crt");
    assert!(!names_alice(&new) && !is_published(&new));
    step(&deployment, &["key", "publish", "encryption"]);
    assert!(names_alice(&old) && names_alice(&new) && is_published(&old) && is_published(&new));
    step(&deployment, &["key", "switch", "encryption", "--force"]);
    assert!(names_alice(&old) && names_alice(&new) && is_published(&new));
    assert!(
        !is_published(&old),
        "who reads metadata now must not encrypt to a key that goes"
    );
    step(&deployment, &["key", "retire", "encryption", "--force"]);
    assert!(!names_alice(&old) && names_alice(&new));
}

#[test]
fn a_relying_party_that_lists_one_algorithm_gets_a_key_that_fits() {
    let mut deployment = Deployment::prepare();
    let mut modern = RelyingParty::new("modern");
    modern.extensions = format!(
        r#"<md:Extensions><alg:SigningMethod xmlns:alg="urn:oasis:names:tc:SAML:metadata:algsupport" Algorithm="{ECDSA_SHA256}"/></md:Extensions>"#
    );
    let plain = RelyingParty::new("plain");
    deployment.trust("modern", &modern.metadata());
    deployment.trust("plain", &plain.metadata());
    deployment.serve();
    let signed_by = |party: &RelyingParty| {
        let url = party.request().url(&deployment.base_url);
        let arrival = Browser::that_keeps_the_response().log_in(&url, ALICE);
        Response::of(&arrival).values("SignatureMethod", "Algorithm")
    };
    assert_eq!(signed_by(&modern), [RSA_SHA256], "there is no other key");
    step(&deployment, &["key", "stage", "signing", "--type", "ec"]);
    step(&deployment, &["key", "publish", "signing"]);
    assert_eq!(
        signed_by(&modern),
        [RSA_SHA256],
        "a published key does not sign"
    );
    step(
        &deployment,
        &["key", "switch", "signing", "--beside", "--force"],
    );
    assert_eq!(signed_by(&modern), [ECDSA_SHA256]);
    assert_eq!(signed_by(&plain), [RSA_SHA256]);
    let metadata = published(&deployment);
    assert_eq!(
        metadata.matches(r#"use="signing""#).count(),
        2,
        "{metadata}"
    );
}

#[test]
fn a_rotated_sealer_still_opens_what_was_sealed_before() {
    let mut deployment = Deployment::prepare();
    let party = RelyingParty::new("sealed");
    deployment.trust("party", &party.metadata());
    deployment.serve();
    let mut browser = Browser::that_keeps_the_response();
    let mut prompts = || {
        browser
            .log_in(&party.request().url(&deployment.base_url), ALICE)
            .prompts
    };
    assert_eq!(prompts(), [Prompt::Password]);
    step(&deployment, &["sealer", "rotate"]);
    assert_eq!(prompts(), [], "the session is still there");
    let file = deployment.home.path.join("credentials/sealer.key");
    assert_eq!(fs::read_to_string(file).unwrap().lines().count(), 2);
    deployment
        .home
        .run(&["sealer", "rotate", "--keep", "0"], "");
    assert_eq!(
        prompts(),
        [Prompt::Password],
        "its key is gone, and so is the session"
    );
}
