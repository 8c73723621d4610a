use super::*;
use crate::config::metadata::Refresh;
use crate::saml::key::tests::{rsa, self_signed, signing_key};
use crate::saml::signature::sign;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::Writer;
use std::fs;
use std::path::Path;
use std::time::Duration;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn entity(id: &str) -> String {
    format!(
        "<md:EntityDescriptor entityID=\"{id}\"><md:SPSSODescriptor \
         protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
         <md:AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
         Location=\"https://sp.example.org/acs\" index=\"1\"></md:AssertionConsumerService>\
         </md:SPSSODescriptor></md:EntityDescriptor>"
    )
}

fn single(id: &str) -> String {
    entity(id).replacen(
        "<md:EntityDescriptor",
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\"",
        1,
    )
}

fn group(valid_until: &str, ids: &[&str]) -> String {
    let members: String = ids.iter().map(|id| entity(id)).collect();
    format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\"{valid_until}>\
         {members}</md:EntitiesDescriptor>"
    )
}

fn provider(name: &str, origin: Origin) -> ProviderSettings {
    ProviderSettings {
        name: name.to_owned(),
        origin,
        ..ProviderSettings::folder(PathBuf::new())
    }
}

fn settings(home: &Path, providers: Vec<ProviderSettings>) -> MetadataSettings {
    MetadataSettings {
        poll_interval: Duration::from_secs(1),
        copies: home.join("copies"),
        providers,
    }
}

fn open(home: &Path, providers: Vec<ProviderSettings>) -> Metadata {
    Metadata::open(&settings(home, providers), NOW)
}

fn knows(metadata: &Metadata, id: &str) -> bool {
    metadata.current().entity(id, NOW).is_some()
}

fn problem(metadata: &Metadata) -> String {
    let statuses = metadata.statuses(NOW);
    statuses
        .into_iter()
        .find_map(|status| status.problem)
        .unwrap_or_default()
}

#[test]
fn files_are_added_changed_and_removed_and_a_broken_one_keeps_its_last_content() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    let metadata = open(
        home.path(),
        vec![ProviderSettings::folder(home.path().to_owned())],
    );
    let known = |id: &str| {
        metadata.look(NOW);
        knows(&metadata, id)
    };
    assert!(!known("one"));
    write("one.xml", &single("one"));
    write("ignored.txt", &single("ignored"));
    assert!(known("one"));
    assert!(!known("ignored"));
    write("two.xml", &single("two"));
    write("one.xml", "<broken");
    assert!(known("one"), "the last good content stays");
    assert!(known("two"));
    assert_eq!(problem(&metadata), "one.xml: not well-formed XML");
    write("one.xml", &single("another"));
    assert!(known("another"));
    assert!(!known("one"));
    assert_eq!(problem(&metadata), "");
    fs::remove_file(home.path().join("two.xml")).unwrap();
    assert!(!known("two"));
}

#[test]
fn s29_the_first_source_counts_whatever_later_ones_say() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs::write(&path, text).unwrap();
        provider(name, Origin::File(path))
    };
    let first = file(
        "first",
        &single("a").replace("sp.example.org", "first.example.org"),
    );
    let second = file("second", &group("", &["a", "b"]));
    for (order, expected) in [
        (
            vec![first.clone(), second.clone()],
            "https://first.example.org/acs",
        ),
        (vec![second, first], "https://sp.example.org/acs"),
    ] {
        let metadata = open(home.path(), order);
        let entity = metadata.current().entity("a", NOW).unwrap();
        let acs = &entity.sp.assertion_consumer_services[0];
        assert_eq!(acs.endpoint.location, expected);
        assert!(knows(&metadata, "b"));
    }
}

#[test]
fn s29_a_provider_with_a_certificate_takes_only_what_that_certificate_signed() {
    let home = tempfile::tempdir().unwrap();
    let (ours, theirs) = (rsa(2048), rsa(2048));
    let path = home.path().join("federation.xml");
    let mut settings = provider("federation", Origin::File(path.clone()));
    settings.certificates = Some(self_signed(&ours).to_pem().unwrap());
    let signed = |key| {
        let mut w = Writer::new();
        w.open(Namespace::METADATA, "EntitiesDescriptor");
        w.attribute("ID", "_f");
        let place = w.place();
        w.close();
        w.insert(&place, &entity("a"));
        sign(&mut w, &place, "_f", &signing_key(key)).unwrap();
        w.finish()
    };
    for (text, known) in [
        (group("", &["a"]), false),
        (signed(&theirs), false),
        (signed(&ours), true),
        (
            signed(&ours).replace("sp.example.org", "evil.example"),
            false,
        ),
    ] {
        fs::write(&path, text).unwrap();
        let metadata = open(home.path(), vec![settings.clone()]);
        assert_eq!(knows(&metadata, "a"), known);
        assert_eq!(problem(&metadata).is_empty(), known);
    }
}

#[test]
fn s29_validity_is_required_bounded_and_ends() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("federation.xml");
    let mut settings = provider("federation", Origin::File(path.clone()));
    settings.require_valid_until = true;
    settings.max_validity = Some(Duration::from_hours(24 * 14));
    for (valid_until, why) in [
        ("", "no validUntil, which is required"),
        (
            " validUntil=\"1969-12-31T00:00:00Z\"",
            "expired on 1969-12-31T00:00:00Z",
        ),
        (
            " validUntil=\"1970-01-16T00:00:00Z\"",
            "validUntil 1970-01-16T00:00:00Z is further away than maxValidityInterval",
        ),
        (" validUntil=\"1970-01-14T00:00:00Z\"", ""),
    ] {
        fs::write(&path, group(valid_until, &["a"])).unwrap();
        let metadata = open(home.path(), vec![settings.clone()]);
        assert_eq!(knows(&metadata, "a"), why.is_empty());
        assert!(problem(&metadata).ends_with(why), "{}", problem(&metadata));
    }
    let metadata = open(home.path(), vec![settings]);
    let later: Timestamp = "1970-01-14T00:00:00Z".parse().unwrap();
    assert!(metadata.current().entity("a", later).is_none());
    assert!(metadata.statuses(later)[0].problem.is_some());
}

#[test]
fn s28_denied_entities_are_unknown_and_with_a_list_only_its_entities_are_known() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("federation.xml");
    fs::write(&path, group("", &["a", "b", "c"])).unwrap();
    let mut settings = provider("federation", Origin::File(path));
    let set = |ids: &[&str]| {
        ids.iter()
            .map(|id| (*id).to_owned())
            .collect::<BTreeSet<_>>()
    };
    settings.deny = set(&["a"]);
    settings.allow = Some(set(&["a", "b"]));
    let metadata = open(home.path(), vec![settings.clone()]);
    let known = ["a", "b", "c"].map(|id| knows(&metadata, id));
    assert_eq!(known, [false, true, false]);
    settings.deny = set(&["b"]);
    metadata.configure(&self::settings(home.path(), vec![settings]), NOW);
    assert!(!knows(&metadata, "b"), "a reload takes effect");
}

#[test]
fn entity_attributes_are_added_by_rule() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("federation.xml");
    fs::write(&path, group("", &["a", "b"])).unwrap();
    let mut settings = provider("federation", Origin::File(path));
    settings.entity_attributes = vec![EntityAttributeRule {
        name: "category".to_owned(),
        values: vec!["x".to_owned()],
        entities: Some(BTreeSet::from(["a".to_owned()])),
    }];
    let metadata = open(home.path(), vec![settings]);
    let category = |id: &str| {
        let entity = metadata.current().entity(id, NOW).unwrap();
        entity
            .entity_attributes
            .get("category")
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(category("a"), ["x"]);
    assert!(category("b").is_empty());
}

#[test]
fn a_large_document_is_read_from_a_copy_that_no_path_leads_to() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("federation.xml");
    let ids: Vec<String> = (0..4000)
        .map(|n| format!("https://sp{n}.example.org/"))
        .collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    fs::write(&path, group("", &ids)).unwrap();
    assert!(fs::metadata(&path).unwrap().len() > 1024 * 1024);
    let metadata = open(
        home.path(),
        vec![provider("federation", Origin::File(path.clone()))],
    );
    fs::write(&path, "junk").unwrap();
    assert!(ids.iter().all(|id| knows(&metadata, id)));
    assert_eq!(fs::read_dir(home.path().join("copies")).unwrap().count(), 0);
}

#[test]
fn a_source_that_stays_in_the_settings_keeps_what_it_holds() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.xml");
    fs::write(&path, single("a")).unwrap();
    let kept = provider("kept", Origin::File(path.clone()));
    let metadata = open(home.path(), vec![kept.clone()]);
    let of = |metadata: &Metadata| Arc::as_ptr(metadata.current().documents().next().unwrap().1);
    let before = of(&metadata);
    let more = provider("more", Origin::File(home.path().join("none.xml")));
    metadata.configure(&settings(home.path(), vec![kept.clone(), more]), NOW);
    assert_eq!(of(&metadata), before);
    let mut other = kept;
    other.refresh = Refresh {
        factor: 0.5,
        ..other.refresh
    };
    metadata.configure(&settings(home.path(), vec![other]), NOW);
    assert_ne!(of(&metadata), before);
}
