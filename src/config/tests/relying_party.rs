//! Overrides, attributes, release rules and NameIDs as operators write them.

use super::*;
use crate::attribute::{Merge, Otherwise, Requested, Rewrite, Source};
use crate::policy::audience::Audience;
use crate::response::name_id::Maker;
use crate::saml::encryption::{BlockEncryption, EncryptionPolicy};
use crate::saml::name_id::{EMAIL, PERSISTENT, TRANSIENT};

const RP: &str = "vestibule.rp.x.match = https://sp.example.org\n";

fn over(lines: &str) -> crate::config::relying_party::Override {
    let (settings, _) = settings(&format!("{RP}{lines}"));
    settings.relying_parties.overrides[0].clone()
}

/// The only error of an override with this line.
fn wrong(line: &str) -> String {
    error(&format!("{RP}{line}\n")).to_string()
}

#[test]
fn an_override_is_read_with_its_owner_and_its_end() {
    let over = over(
        "vestibule.rp.x.owner = J. Doe\n\
         vestibule.rp.x.until = 2027-06-30\n\
         vestibule.rp.x.encryptAssertions = false\n\
         vestibule.rp.x.requiredFlows = authn/DuoOIDC\n\
         vestibule.rp.x.disallowedFeatures = 0x1\n\
         vestibule.rp.x.nameIDFormats = persistent, urn:example:own\n\
         vestibule.rp.x.duo.failMode = closed\n",
    );
    assert_eq!(over.owner.as_deref(), Some("J. Doe"));
    assert_eq!(over.until, Some("2027-07-01T00:00:00Z".parse().unwrap()));
    assert_eq!(over.changes.encryption, Some(EncryptionPolicy::Never));
    assert_eq!(
        over.changes.required_flows,
        Some(BTreeSet::from([FlowId::DuoOidc]))
    );
    assert_eq!(over.changes.may_name_classes, Some(false));
    let formats = over.changes.name_id_formats.unwrap();
    assert_eq!(formats, [PERSISTENT, "urn:example:own"]);
}

#[test]
fn overrides_apply_by_order_and_a_preset_stands_behind_its_own_override() {
    let (settings, _) = settings(
        "vestibule.rp.a.match = *\n\
         vestibule.rp.b.match = https://sp.example.org\n\
         vestibule.rp.b.order = 1\n\
         vestibule.rp.b.preset = aws\n\
         vestibule.rp.b.encryptAssertions = optional\n",
    );
    let overrides = &settings.relying_parties.overrides;
    let names: Vec<&str> = overrides.iter().map(|each| each.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    let changes = &overrides[0].changes;
    assert_eq!(changes.encryption, Some(EncryptionPolicy::Optional));
    let formats = changes.name_id_formats.as_deref().unwrap();
    assert_eq!(formats, [PERSISTENT, TRANSIENT]);
}

#[test]
fn cbc_is_an_explicit_override_with_a_warning() {
    let (settings, findings) =
        settings(&format!("{RP}vestibule.rp.x.dataAlgorithm = aes128-cbc\n"));
    let block = settings.relying_parties.overrides[0].changes.block;
    assert_eq!(block, Some(BlockEncryption::Aes128Cbc));
    assert_eq!(findings.len(), 1);
    assert!(!findings[0].is_error() && findings[0].found.contains("CBC"));
}

#[test]
fn every_kind_of_match_is_read_and_a_slip_is_no_entity_id() {
    let lines = "vestibule.rp.x.match = https://a.example, urn:b, list:l, category:urn:c, \
         attribute:urn:n=v, registrationAuthority:urn:r, group:g, tag:t, \
         script:relying-party/s, *\n";
    let raw = home(&[
        ("conf/idp.properties", IDENTITY),
        ("conf/authn/mfa.properties", MFA),
        ("conf/x.properties", lines),
        ("conf/lists/l.txt", "https://l.example # why\n"),
        ("scripts/relying-party/s.rhai", "rp.id == \"x\""),
    ]);
    let (settings, _) = check(&raw).unwrap_or_else(|findings| panic!("{}", report(&findings)));
    let matches = &settings.relying_parties.overrides[0].matches;
    let shown: Vec<String> = matches.iter().map(ToString::to_string).collect();
    let expected = "https://a.example urn:b list:l category:urn:c attribute:urn:n=v \
                    registrationAuthority:urn:r group:g tag:t script:relying-party/s *";
    assert_eq!(shown.join(" "), expected);
    assert!(matches.contains(&Audience::Everyone));
    for (slip, meant) in [
        ("categroy:urn:c", "category"),
        ("lists:l", "list"),
        ("list:none", "conf/lists/none.txt"),
        ("script:mfa/second-factor", "relying-party"),
        ("attribute:urn:n", "attribute"),
        ("tag:", "tag"),
    ] {
        let error = error(&format!("vestibule.rp.x.match = {slip}\n")).to_string();
        assert!(error.contains(meant), "{slip}: {error}");
    }
}

#[test]
fn what_an_override_cannot_mean_is_an_error() {
    for (line, says) in [
        ("vestibule.rp.x.until = next year", "date"),
        ("vestibule.rp.x.requiredFlows = authn/MFA", "factors"),
        ("vestibule.rp.x.requiredFlows = authn/Nope", "factors"),
        ("vestibule.rp.x.allowedProfiles = sso, slo", "logout"),
        ("vestibule.rp.x.attributes = none-such", "release"),
        ("vestibule.rp.x.preset = awss", "aws"),
        ("vestibule.rp.x.nameIDFormats = eMail", "URI"),
        (
            "vestibule.rp.x.signResponses = false\nvestibule.rp.x.signAssertions = false",
            "signature",
        ),
    ] {
        let error = wrong(line);
        assert!(error.contains(says), "{line}: {error}");
    }
    let missing = error("vestibule.rp.x.signAssertions = true\n");
    assert_eq!(missing.key, "vestibule.rp.x.match");
}

#[test]
fn definitions_have_one_kind_of_source_and_ordered_rewrites() {
    let (settings, _) = settings(
        "vestibule.attribute.mail.source = mail, login.username\n\
         vestibule.attribute.mail.merge = first\n\
         vestibule.attribute.mail.regex = (.*)@old\n\
         vestibule.attribute.mail.replacement = $1@new\n\
         vestibule.attribute.eduPersonAffiliation.map = 1=staff, *=member\n\
         vestibule.attribute.schacHomeOrganization.constant = example.org\n\
         idp.persistentId.sourceAttribute = uid\n\
         idp.persistentId.salt = 0123456789abcdef\n\
         vestibule.release.x.to = *\n\
         vestibule.release.x.attributes = pairwise-id\n",
    );
    let attributes = &settings.attributes;
    assert!(attributes.reads_login);
    let of = |id: &str| {
        let mut definitions = attributes.definitions.iter();
        definitions.find(|definition| definition.id == id).unwrap()
    };
    assert!(matches!(&of("mail").source, Source::Named(names, Merge::First) if names.len() == 2));
    assert!(
        matches!(&of("mail").rewrites[..], [Rewrite::Regex { replacement, .. }] if replacement == "$1@new")
    );
    let becomes = Otherwise::Become("member".to_owned());
    assert!(matches!(
        &of("eduPersonAffiliation").rewrites[..],
        [Rewrite::Map { otherwise, .. }] if *otherwise == becomes
    ));
    assert!(matches!(
        &of("schacHomeOrganization").source,
        Source::Constant(_)
    ));
    assert!(matches!(&of("pairwise-id").source, Source::Pairwise(source, _) if source == "uid"));
    assert_eq!(of("pairwise-id").scope.as_deref(), Some("example.org"));
    for (lines, says) in [
        (
            "vestibule.attribute.mail.constant = a\nvestibule.attribute.mail.source = b",
            "one kind",
        ),
        ("vestibule.attribute.mail.template = none", "{source}"),
        ("vestibule.attribute.mail.regex = (", "unclosed"),
        (
            "vestibule.attribute.mail.script = script:mfa/second-factor",
            "attribute/",
        ),
        ("vestibule.attribute.mail.pairwise = true", "salt"),
        ("idp.persistentId.salt = short", "16 octets"),
    ] {
        let error = error(&format!("{lines}\n")).to_string();
        assert!(error.contains(says), "{lines}: {error}");
    }
}

#[test]
fn a_bundle_fills_a_rule_in_and_a_rule_without_anybody_is_an_error() {
    let (settings, _) = settings(
        "vestibule.release.c.bundle = coco\n\
         vestibule.release.r.bundle = rs\n\
         vestibule.release.r.only = registrationAuthority:urn:good\n\
         vestibule.release.r.attributes = mail\n",
    );
    let [coco, rs] = &settings.attributes.release[..] else {
        panic!("two rules");
    };
    assert_eq!(coco.requested, Requested::Required);
    assert!(coco.to[0].to_string().contains("code-of-conduct/v2"));
    assert!(coco.attributes.len() > 5);
    assert_eq!((rs.attributes.len(), rs.only.len()), (1, 1));
    assert_eq!(rs.requested, Requested::Ignore);
    let nobody = error("vestibule.release.x.attributes = mail\n");
    assert_eq!(nobody.key, "vestibule.release.x.to");
    let named =
        format!("{RP}vestibule.rp.x.attributes = hr\nvestibule.release.hr.attributes = mail\n");
    assert!(check(&home_with(&named)).is_ok());
}

#[test]
fn name_ids_are_made_as_written() {
    let formats = |lines: &str| {
        let (settings, _) = settings(lines);
        let makers = settings.relying_parties.name_ids.makers;
        let formats = makers.iter().map(|maker| maker.format().to_owned());
        formats.collect::<Vec<_>>()
    };
    assert_eq!(formats(""), [TRANSIENT]);
    let salt = "idp.persistentId.salt = 0123456789abcdef\nidp.persistentId.sourceAttribute = uid\n";
    assert_eq!(formats(salt), [TRANSIENT, PERSISTENT]);
    let mail = "vestibule.nameid.emailAddress.attribute = mail\n";
    assert_eq!(formats(mail), [TRANSIENT, EMAIL]);
    let all = format!(
        "{salt}vestibule.nameid.formats = transient, emailAddress, own\n\
         vestibule.nameid.emailAddress.attribute = mail\n\
         vestibule.nameid.own.format = urn:example:own\n\
         vestibule.nameid.own.attribute = uid\n"
    );
    assert_eq!(formats(&all), [TRANSIENT, EMAIL, "urn:example:own"]);
    let (kept, _) = settings(
        "vestibule.nameid.formats = transient, persistent\n\
         vestibule.nameid.persistent.attribute = storedId\n",
    );
    let makers = &kept.relying_parties.name_ids.makers;
    assert!(matches!(&makers[1], Maker::Attribute { sources, .. } if sources[0] == "storedId"));
    for (lines, says) in [
        ("vestibule.nameid.formats = transient, persistent", "salt"),
        (
            "vestibule.nameid.formats = transient, emailAddress",
            "attribute",
        ),
        ("vestibule.nameid.formats = transient, own", "URI"),
        (
            "idp.nameid.saml2.default = persistent",
            "vestibule.nameid.formats",
        ),
    ] {
        let error = error(&format!("{lines}\n")).to_string();
        assert!(error.contains(says), "{lines}: {error}");
    }
}
