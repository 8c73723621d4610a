//! Independent programs that judge our octets: xmllint (libxml2) and xmlsec1.

use super::namespace::Namespace;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| {
        panic!(
            "{:?} could not be run ({error}): install libxml2-utils and xmlsec1",
            command.get_program()
        )
    })
}

fn file(directory: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// libxml2's exclusive canonical form of a whole document.
pub(crate) fn exclusive_c14n(xml: &str) -> String {
    try_exclusive_c14n(xml).unwrap_or_else(|error| panic!("{error} for {xml}"))
}

/// The same, or why libxml2 refuses the document.
pub(crate) fn try_exclusive_c14n(xml: &str) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "in.xml", xml.as_bytes());
    let output = run(Command::new("xmllint").arg("--exc-c14n").arg(path));
    let text = |octets| String::from_utf8(octets).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

/// Whether xmlsec1 verifies the signature that stands right inside the element `local`.
pub(crate) fn verifies(xml: &str, local: &str, certificate_pem: &[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let certificate = file(&directory, "certificate.pem", certificate_pem);
    let document = file(&directory, "in.xml", xml.as_bytes());
    let output = run(xmlsec1("--verify", local)
        .arg("--pubkey-cert-pem")
        .arg(certificate)
        .arg("--node-xpath")
        .arg(format!(
            "//*[local-name()='{local}']/*[local-name()='Signature']"
        ))
        .arg(document));
    output.status.success()
}

/// Fills in the signature template in the document, as xmlsec1 does.
pub(crate) fn sign(template: &str, local: &str, key_pem: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let key = file(&directory, "key.pem", key_pem);
    let document = file(&directory, "in.xml", template.as_bytes());
    let output = run(xmlsec1("--sign", local)
        .arg("--privkey-pem")
        .arg(key)
        .arg(document));
    assert!(output.status.success(), "{output:?} for {template}");
    String::from_utf8(output.stdout).unwrap()
}

/// The document with its encrypted data decrypted by xmlsec1.
pub(crate) fn decrypt(xml: &str, key_pem: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let key = file(&directory, "key.pem", key_pem);
    let document = file(&directory, "in.xml", xml.as_bytes());
    let output = run(Command::new("xmlsec1")
        .arg("--decrypt")
        .arg("--privkey-pem")
        .arg(key)
        .arg(document));
    assert!(output.status.success(), "{output:?} for {xml}");
    String::from_utf8(output.stdout).unwrap()
}

/// Fills in the encryption template in the document, as xmlsec1 does.
pub(crate) fn encrypt(template: &str, content: &str, certificate_pem: &[u8], key: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let certificate = file(&directory, "certificate.pem", certificate_pem);
    let content = file(&directory, "content.xml", content.as_bytes());
    let document = file(&directory, "in.xml", template.as_bytes());
    let output = run(Command::new("xmlsec1")
        .args(["--encrypt", "--session-key", key])
        .arg("--pubkey-cert-pem")
        .arg(certificate)
        .arg("--xml-data")
        .arg(content)
        .arg(document));
    assert!(output.status.success(), "{output:?} for {template}");
    String::from_utf8(output.stdout).unwrap()
}

fn xmlsec1(mode: &str, local: &str) -> Command {
    let mut command = Command::new("xmlsec1");
    let namespace = match local {
        "Assertion" => Namespace::ASSERTION,
        "EntityDescriptor" | "EntitiesDescriptor" => Namespace::METADATA,
        _ => Namespace::PROTOCOL,
    };
    command
        .arg(mode)
        .arg("--id-attr:ID")
        .arg(format!("{}:{local}", namespace.uri));
    command
}
