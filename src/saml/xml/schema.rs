//! The OASIS schemas as judge of what we write, by xmllint.

use std::path::Path;
use std::process::Command;

/// Imported in this order, so that no schema asks the net for another one.
const SCHEMAS: [(&str, &str); 15] = [
    (
        "http://www.w3.org/XML/1998/namespace",
        "/usr/share/xml/xmltooling/xml.xsd",
    ),
    (
        "http://www.w3.org/2000/09/xmldsig#",
        "/usr/share/xml/xmltooling/xmldsig-core-schema.xsd",
    ),
    (
        "http://www.w3.org/2001/04/xmlenc#",
        "/usr/share/xml/xmltooling/xenc-schema.xsd",
    ),
    (
        "http://www.w3.org/2009/xmldsig11#",
        "/usr/share/xml/xmltooling/xmldsig11-schema.xsd",
    ),
    (
        "http://www.w3.org/2009/xmlenc11#",
        "/usr/share/xml/xmltooling/xenc11-schema.xsd",
    ),
    (
        "http://schemas.xmlsoap.org/soap/envelope/",
        "/usr/share/xml/xmltooling/soap-envelope.xsd",
    ),
    (
        "urn:oasis:names:tc:SAML:2.0:assertion",
        "/usr/share/xml/opensaml/saml-schema-assertion-2.0.xsd",
    ),
    (
        "urn:oasis:names:tc:SAML:2.0:protocol",
        "/usr/share/xml/opensaml/saml-schema-protocol-2.0.xsd",
    ),
    (
        "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp",
        "/usr/share/xml/opensaml/saml-schema-ecp-2.0.xsd",
    ),
    (
        "urn:oasis:names:tc:SAML:2.0:metadata",
        "/usr/share/xml/opensaml/saml-schema-metadata-2.0.xsd",
    ),
    (
        "urn:oasis:names:tc:SAML:metadata:attribute",
        "/usr/share/xml/opensaml/sstc-metadata-attr.xsd",
    ),
    (
        "urn:oasis:names:tc:SAML:metadata:ui",
        "/usr/share/xml/opensaml/sstc-saml-metadata-ui-v1.0.xsd",
    ),
    (
        "urn:oasis:names:tc:SAML:metadata:algsupport",
        "/usr/share/xml/opensaml/sstc-saml-metadata-algsupport-v1.0.xsd",
    ),
    (
        "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo",
        "/usr/share/xml/opensaml/saml-async-slo-v1.0.xsd",
    ),
    (
        "urn:mace:shibboleth:metadata:1.0",
        "/usr/share/xml/shibboleth/shibboleth-metadata-1.0.xsd",
    ),
];

/// What xmllint says against the document; nothing when it is valid.
pub(crate) fn errors(xml: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let (schema, document) = (
        directory.path().join("all.xsd"),
        directory.path().join("in.xml"),
    );
    std::fs::write(&schema, imports()).expect("the schema is written");
    std::fs::write(&document, xml).expect("the document is written");
    let output = Command::new("xmllint")
        .args(["--nonet", "--noout", "--schema"])
        .args([&schema, &document])
        .output()
        .expect("xmllint runs: install libxml2-utils");
    if output.status.success() {
        return String::new();
    }
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn imports() -> String {
    let mut imports = String::new();
    for (namespace, path) in SCHEMAS {
        assert!(
            Path::new(path).exists(),
            "{path} is missing: install opensaml-schemas, xmltooling-schemas and shibboleth-sp-common"
        );
        let location = [
            "<import namespace='",
            namespace,
            "' schemaLocation='",
            path,
            "'/>",
        ];
        imports.extend(location);
    }
    format!("<schema xmlns='http://www.w3.org/2001/XMLSchema'>{imports}</schema>")
}

#[test]
fn the_judge_refuses_what_the_schema_does_not_allow() {
    let metadata = |inner: &str| {
        format!(
            "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"a\">\
             {inner}</EntityDescriptor>"
        )
    };
    let role = "<SPSSODescriptor protocolSupportEnumeration=\"a\"><AssertionConsumerService \
                Binding=\"a\" Location=\"b\" index=\"1\"/></SPSSODescriptor>";
    assert_eq!(errors(&metadata(role)), "");
    assert!(errors(&metadata(&role.replace(" index=\"1\"", ""))).contains("index"));
}
