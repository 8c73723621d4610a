use super::*;
use crate::policy::Policy;
use std::collections::BTreeMap;

const SP: &str = "https://sp.example.org";

fn entity() -> EntityDescriptor {
    EntityDescriptor {
        entity_id: SP.to_owned(),
        ..EntityDescriptor::default()
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn profile(overrides: Vec<Override>, now: &str) -> Profile {
    let profiles = Profiles {
        overrides,
        ..Profiles::default()
    };
    let policy = Policy::compile(&BTreeMap::new(), &BTreeMap::new()).unwrap();
    let ground = Ground {
        attributes: &AttributeSettings::default(),
        strategies: &policy,
        now: at(now),
    };
    profiles.profile_for(&entity(), &ground).unwrap()
}

fn over(name: &str, audience: Audience, changes: Changes) -> Override {
    Override {
        name: name.to_owned(),
        matches: vec![audience],
        changes,
        ..Override::default()
    }
}

const NOW: &str = "2026-11-23T10:00:00Z";

#[test]
fn each_setting_comes_from_the_first_override_that_has_it() {
    let first = Changes {
        sign_assertions: Some(true),
        tags: BTreeSet::from(["a".to_owned()]),
        ..Changes::default()
    };
    let second = Changes {
        sign_assertions: Some(false),
        session_lifetime: Some(Duration::from_hours(8)),
        tags: BTreeSet::from(["b".to_owned()]),
        ..Changes::default()
    };
    let third = Changes {
        sign_responses: Some(false),
        ..Changes::default()
    };
    let entity = Audience::Entity(SP.to_owned());
    let other = Audience::Entity("urn:other".to_owned());
    let tagged = Audience::Tag("a".to_owned());
    let profile = profile(
        vec![
            over("one", entity, first),
            over("two", tagged, second),
            over("three", other, third),
        ],
        NOW,
    );
    assert_eq!(profile.overrides, ["one", "two"]);
    assert!(profile.response.sign_assertions && profile.response.sign_responses);
    assert_eq!(profile.session_lifetime, Some(Duration::from_hours(8)));
    assert_eq!(profile.facts.tags.len(), 2);
}

#[test]
fn an_exception_ends_with_its_last_day() {
    let exception = || Override {
        until: Some(at("2026-12-01T00:00:00Z")),
        ..over(
            "x",
            Audience::Everyone,
            Changes {
                encryption: Some(EncryptionPolicy::Never),
                ..Changes::default()
            },
        )
    };
    let before = profile(vec![exception()], "2026-11-30T23:59:59Z");
    assert_eq!(before.encryption.policy, EncryptionPolicy::Never);
    assert_eq!(before.until, Some(at("2026-12-01T00:00:00Z")));
    let after = profile(vec![exception()], "2026-12-01T00:00:00Z");
    assert_eq!(after.encryption.policy, EncryptionPolicy::Required);
    assert_eq!((after.until, after.overrides.len()), (None, 0));
}

#[test]
fn r28_a_relying_party_may_be_kept_from_naming_classes() {
    let requested = |classes: &[&str]| RequestedAuthnContext {
        comparison: crate::saml::context::Comparison::Exact,
        classes: classes
            .iter()
            .map(|uri| AuthnContextClassRef::new(*uri))
            .collect(),
        declarations: Vec::new(),
    };
    let with = |changes| profile(vec![over("x", Audience::Everyone, changes)], NOW);
    let none = with(Changes {
        may_name_classes: Some(false),
        ..Changes::default()
    });
    assert!(none.may_request(None));
    assert!(!none.may_request(Some(&requested(&["urn:a"]))));
    let some = with(Changes {
        allowed_classes: Some(vec![AuthnContextClassRef::new("urn:a")]),
        ..Changes::default()
    });
    assert!(some.may_request(Some(&requested(&["urn:a"]))));
    assert!(!some.may_request(Some(&requested(&["urn:a", "urn:b"]))));
}

#[test]
fn profiles_are_allowed_unless_a_list_leaves_them_out() {
    let all = profile(Vec::new(), NOW);
    assert!(ProfileId::ALL.into_iter().all(|id| all.allows(id)));
    let changes = Changes {
        allowed_profiles: Some(BTreeSet::from([ProfileId::Sso])),
        ..Changes::default()
    };
    let sso = profile(vec![over("x", Audience::Everyone, changes)], NOW);
    assert!(sso.allows(ProfileId::Sso) && !sso.allows(ProfileId::Unsolicited));
}

#[test]
fn every_preset_of_the_key_table_exists() {
    let key = crate::config::keys::find("vestibule.rp.x.preset").unwrap();
    let crate::config::keys::Kind::Choice(names) = key.kind else {
        panic!("presets are a choice");
    };
    for name in names.split(' ') {
        assert!(
            preset(name).is_some_and(|changes| changes != Changes::default()),
            "{name}"
        );
    }
    assert!(preset("other").is_none());
}
