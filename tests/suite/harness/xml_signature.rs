//! Signatures inside messages, made by xmlsec1 with the key that every relying party of the suite has.

use super::relying_party::{RSA_SHA256, key_pair_files};
use std::process::Command;

/// The message signed behind its Issuer (`a:Issuer`), with the `ID` it has.
pub(crate) fn signed(message: &str) -> String {
    let (_, after) = message.split_once(" ID=\"").unwrap();
    let (id, _) = after.split_once('"').unwrap();
    let template = format!(
        r##"</a:Issuer><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="{RSA_SHA256}"/><ds:Reference URI="#{id}"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature>"##
    );
    let (root, _) = message
        .trim_start_matches('<')
        .split_once([' ', '>'])
        .unwrap();
    let local = root.rsplit(':').next().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (key, _) = key_pair_files(directory.path(), "signing");
    let file = directory.path().join("template.xml");
    std::fs::write(&file, message.replacen("</a:Issuer>", &template, 1)).unwrap();
    let signing = Command::new("xmlsec1")
        .arg("--sign")
        .args([
            "--id-attr:ID",
            &format!("urn:oasis:names:tc:SAML:2.0:protocol:{local}"),
        ])
        .arg("--privkey-pem")
        .args([&key, &file])
        .output()
        .expect("xmlsec1 is installed; run scripts/setup test");
    let complaint = String::from_utf8_lossy(&signing.stderr);
    assert!(signing.status.success(), "{complaint}");
    let signed = String::from_utf8(signing.stdout).unwrap();
    let (_, document) = signed.split_once("?>").unwrap();
    document.trim().to_owned()
}
