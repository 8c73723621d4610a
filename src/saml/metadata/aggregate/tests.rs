use super::{Aggregate, scan};
use crate::saml::key::SigningKey;
use crate::saml::key::tests::{rsa, self_signed, signing_key};
use crate::saml::metadata::{TrustedKey, parse};
use crate::saml::signature::sign;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::Writer;
use proptest::prelude::*;
use std::collections::BTreeSet;

const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";

fn entity(id: &str, inside: &str) -> String {
    format!(
        "<md:EntityDescriptor entityID=\"{id}\">{inside}<md:SPSSODescriptor \
         protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
         <md:AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
         Location=\"https://sp.example.org/acs\" index=\"1\"></md:AssertionConsumerService>\
         </md:SPSSODescriptor></md:EntityDescriptor>"
    )
}

/// A signed group around this content, which must be canonical.
fn signed(content: &str, key: &SigningKey) -> String {
    let mut w = Writer::new();
    w.open(Namespace::METADATA, "EntitiesDescriptor");
    w.attribute("ID", "_a");
    w.attribute("validUntil", "2027-01-01T00:00:00Z");
    let place = w.place();
    w.close();
    w.insert(&place, content);
    sign(&mut w, &place, "_a", key).unwrap();
    w.finish()
}

fn keys() -> (SigningKey, Vec<TrustedKey>) {
    let private = rsa(2048);
    let public = self_signed(&private).public_key().unwrap();
    (signing_key(&private), vec![TrustedKey(public)])
}

fn reason(xml: &str, keys: Option<&[TrustedKey]>) -> &'static str {
    scan(xml.as_bytes(), keys).expect_err("refused").reason
}

fn ids(aggregate: &Aggregate) -> BTreeSet<String> {
    aggregate.entries().map(|(id, _)| id.to_owned()).collect()
}

#[test]
fn a_signed_aggregate_is_verified_and_its_entities_are_read_from_their_slices() {
    let (key, keys) = keys();
    let xml = signed(&[entity("a", ""), entity("b", "")].concat(), &key);
    let aggregate = scan(xml.as_bytes(), Some(&keys)).unwrap();
    assert_eq!(aggregate.len(), 2);
    assert_eq!(aggregate.valid_until, "2027-01-01T00:00:00Z".parse().ok());
    let entry = aggregate.find("b").unwrap();
    let (found, notes) = aggregate
        .entity(entry, &xml.as_bytes()[entry.range()])
        .unwrap();
    assert_eq!((found.entity_id.as_str(), notes), ("b", vec![]));
    assert_eq!(found.valid_until, aggregate.valid_until);
}

#[test]
fn s29_one_changed_octet_anywhere_is_refused() {
    let (key, keys) = keys();
    let xml = signed(&entity("https://sp.example.org/sp", ""), &key);
    for (from, to) in [
        ("https://sp.example.org/acs", "https://evil.example.org/"),
        ("2027-01-01", "2028-01-01"),
        ("index=\"1\"", "index=\"2\""),
        ("</md:EntityDescriptor>", "<!-- --> </md:EntityDescriptor>"),
    ] {
        let changed = xml.replacen(from, to, 1);
        assert_ne!(changed, xml);
        assert_eq!(
            reason(&changed, Some(&keys)),
            "the digest does not match",
            "{from}"
        );
    }
}

#[test]
fn s29_unsigned_wrongly_signed_and_misplaced_signatures_are_refused() {
    const FIRST: &str = "the root's first element is not its signature";
    let (key, keys) = keys();
    let (other, _) = self::keys();
    let bare = format!(
        "<md:EntitiesDescriptor xmlns:md=\"{MD}\">{}</md:EntitiesDescriptor>",
        entity("a", "")
    );
    assert_eq!(reason(&bare, Some(&keys)), FIRST);
    let empty = format!("<md:EntitiesDescriptor xmlns:md=\"{MD}\"/>");
    assert_eq!(reason(&empty, Some(&keys)), FIRST);
    let wrong = signed(&entity("a", ""), &other);
    assert_eq!(
        reason(&wrong, Some(&keys)),
        "no trusted key verifies the signature"
    );
    assert_eq!(reason(&wrong, Some(&[])), "no trusted key to verify with");
    let good = signed(&entity("a", ""), &key);
    let start = good.find("<ds:Signature").unwrap();
    let end = good.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    let signature = &good[start..end];
    let behind = good.replace(signature, "").replace(
        "</md:EntitiesDescriptor>",
        &format!("{signature}</md:EntitiesDescriptor>"),
    );
    assert_eq!(reason(&behind, Some(&keys)), FIRST);
    let twice = good.replace(signature, &[signature, signature].concat());
    assert_eq!(
        reason(&twice, Some(&keys)),
        "not exactly one signature on the root element"
    );
    // The signature of one entity proves nothing about the group around it.
    let wrapped = bare.replace("<md:SPSSO", &format!("{signature}<md:SPSSO"));
    assert_eq!(reason(&wrapped, Some(&keys)), FIRST);
}

#[test]
fn s29_a_slice_changed_since_it_was_verified_is_refused() {
    let xml = entity("a", "").replacen(
        "<md:EntityDescriptor",
        &format!("<md:EntityDescriptor xmlns:md=\"{MD}\""),
        1,
    );
    let aggregate = scan(xml.as_bytes(), None).unwrap();
    let entry = aggregate.find("a").unwrap();
    let changed = xml.replace("sp.example.org", "sq.example.org");
    assert!(aggregate.entity(entry, xml.as_bytes()).is_ok());
    let refused = aggregate
        .entity(entry, changed.as_bytes())
        .expect_err("changed");
    assert_eq!(
        refused.reason,
        "the entity is not the one that was verified"
    );
}

#[test]
fn s29_of_two_entities_with_one_id_in_a_document_the_first_stays() {
    let group = format!(
        "<md:EntitiesDescriptor xmlns:md=\"{MD}\">{}{}</md:EntitiesDescriptor>",
        entity("a", "<!-- 1 -->"),
        entity("a", "")
    );
    let aggregate = scan(group.as_bytes(), None).unwrap();
    assert_eq!((aggregate.len(), aggregate.warnings.len()), (1, 1));
    assert!(group[aggregate.find("a").unwrap().range()].contains("<!-- 1 -->"));
}

#[test]
fn what_is_no_metadata_is_refused_at_its_first_octets() {
    for junk in [
        "",
        "junk",
        "<a/>",
        "<!DOCTYPE a><a/>",
        "<?x?><a/>",
        "<md:EntitiesDescriptor/>",
    ] {
        assert!(scan(junk.as_bytes(), None).is_err(), "{junk}");
    }
    let cut = format!(
        "<md:EntitiesDescriptor xmlns:md=\"{MD}\">{}",
        entity("a", "")
    );
    assert_eq!(
        reason(&cut, None),
        "document ends before its root element does"
    );
}

/// Random groups and entities, good ones and bad ones.
fn member() -> impl Strategy<Value = String> {
    let id = prop::sample::select(vec!["a", "b", "c", "https://sp.example.org/x", ""]);
    let inside = prop::sample::select(vec![
        "",
        "<md:Extensions/>",
        "<!-- c -->",
        "\r\n",
        "<md:Extensions><md:EntityDescriptor entityID='no'/></md:Extensions>",
    ]);
    let leaf = (id, inside, 0..6u8).prop_map(|(id, inside, kind)| {
        let whole = entity(id, inside);
        match kind {
            0 => whole.replace("SPSSO", "IDPSSO"),
            1 => whole.replace("SAML:2.0:protocol", "SAML:1.1:protocol"),
            2 => whole.replace("entityID", "other"),
            _ => whole,
        }
    });
    leaf.prop_recursive(3, 12, 4, |inner| {
        let until = prop::sample::select(vec![
            "",
            " validUntil='2026-12-01T00:00:00Z'",
            " validUntil='soon'",
            " xmlns:x='urn:x' Name='n'",
        ]);
        (until, prop::collection::vec(inner, 0..4)).prop_map(|(until, members)| {
            format!(
                "<md:EntitiesDescriptor{until}>{}</md:EntitiesDescriptor>",
                members.concat()
            )
        })
    })
}

proptest! {
    #[test]
    fn the_walk_finds_what_the_tree_holds(members in prop::collection::vec(member(), 0..5)) {
        let xml = format!("<md:EntitiesDescriptor xmlns:md='{MD}'>{}</md:EntitiesDescriptor>", members.concat());
        let (document, aggregate) = (parse(xml.as_bytes()).unwrap(), scan(xml.as_bytes(), None).unwrap());
        let mut expected = BTreeSet::new();
        for entity in document.entities {
            if expected.insert(entity.entity_id.clone()) {
                let entry = aggregate.find(&entity.entity_id).expect("found by both");
                let (found, _) = aggregate.entity(entry, &xml.as_bytes()[entry.range()]).unwrap();
                prop_assert_eq!(format!("{found:?}"), format!("{entity:?}"));
            }
        }
        prop_assert_eq!(ids(&aggregate), expected);
    }
}

#[test]
fn a_slice_is_read_with_the_namespaces_around_it() {
    let xml = format!(
        "<EntitiesDescriptor xmlns='{MD}' xmlns:x='urn:x'>{}</EntitiesDescriptor>",
        entity("a", "").replace("md:", "")
    );
    let aggregate = scan(xml.as_bytes(), None).unwrap();
    let entry = aggregate.find("a").unwrap();
    assert!(
        aggregate
            .entity(entry, &xml.as_bytes()[entry.range()])
            .is_ok()
    );
}
