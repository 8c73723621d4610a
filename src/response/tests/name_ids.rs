//! Formats of NameIDs: what request, metadata and settings choose.

use super::*;
use crate::attribute::pairwise::{Encoding, Salt};
use crate::attribute::{Attribute, SourceRecord};
use crate::authn::event::Event;
use crate::response::name_id::{Asked, Computed, Maker, NameIdRules};
use crate::saml::metadata::{EntityDescriptor, SpSsoDescriptor};
use crate::saml::name_id::{EMAIL, PERSISTENT, UNSPECIFIED};

fn rules() -> NameIdRules {
    NameIdRules {
        makers: vec![
            Maker::Transient,
            Maker::Persistent(Computed {
                sources: vec!["employeeNumber".to_owned(), "uid".to_owned()],
                salt: Salt::new(vec![9; 16]).unwrap(),
                encoding: Encoding::Base32,
            }),
            Maker::Attribute {
                format: EMAIL.to_owned(),
                sources: vec!["mail".to_owned()],
                unfiltered: true,
            },
            Maker::Attribute {
                format: UNSPECIFIED.to_owned(),
                sources: vec!["uid".to_owned()],
                unfiltered: true,
            },
        ],
        default_format: TRANSIENT.to_owned(),
    }
}

fn record(pairs: &[(&str, &[&str])]) -> SourceRecord {
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let pairs = pairs.iter();
    pairs
        .map(|(id, values)| ((*id).to_owned(), owned(values)))
        .collect()
}

fn jdoe() -> SourceRecord {
    record(&[
        ("uid", &["jdoe"]),
        ("mail", &["", "broken", "j@example.org"]),
    ])
}

/// Asks with a policy's format and metadata's formats.
fn ask(policy: Option<&str>, declared: &[&str]) -> Result<NameId, Event> {
    let mut request = request(Some("_1"));
    request.name_id_policy.format = policy.map(str::to_owned);
    decide(&rules(), &request, declared, &jdoe())
}

fn decide(
    rules: &NameIdRules,
    request: &AuthnRequest,
    declared: &[&str],
    record: &SourceRecord,
) -> Result<NameId, Event> {
    let released = [Attribute {
        id: "mail".to_owned(),
        name: "urn:mail".to_owned(),
        values: vec!["released@example.org".to_owned()],
    }];
    let relying_party = EntityDescriptor {
        entity_id: SP.to_owned(),
        sp: SpSsoDescriptor {
            name_id_formats: declared.iter().map(|format| (*format).to_owned()).collect(),
            ..SpSsoDescriptor::default()
        },
        ..EntityDescriptor::default()
    };
    rules.name_id(&Asked {
        request,
        relying_party: &relying_party,
        issuer: IDP,
        record,
        released: &released,
        token: "token",
        stored: None,
    })
}

fn format(outcome: Result<NameId, Event>) -> String {
    outcome.unwrap().format
}

#[test]
fn the_request_chooses_the_format_before_metadata_and_metadata_before_us() {
    assert_eq!(format(ask(Some(EMAIL), &[PERSISTENT])), EMAIL);
    assert_eq!(format(ask(None, &[PERSISTENT, EMAIL])), PERSISTENT);
    assert_eq!(format(ask(Some(UNSPECIFIED), &[EMAIL])), EMAIL);
    assert_eq!(format(ask(None, &[])), TRANSIENT);
    assert_eq!(format(ask(None, &["urn:other"])), TRANSIENT);
    assert_eq!(format(ask(None, &[UNSPECIFIED])), UNSPECIFIED);
}

#[test]
fn a_format_that_cannot_be_met_is_refused_and_not_replaced() {
    for wanted in ["urn:other", crate::saml::name_id::ENCRYPTED] {
        assert_eq!(ask(Some(wanted), &[]), Err(Event::InvalidNameIdPolicy));
    }
    let mut request = request(Some("_1"));
    request.name_id_policy.format = Some(EMAIL.to_owned());
    let nobody = record(&[("uid", &["jdoe"])]);
    assert_eq!(
        decide(&rules(), &request, &[], &nobody),
        Err(Event::InvalidNameIdPolicy)
    );
    request.name_id_policy.format = None;
    assert_eq!(
        format(decide(&rules(), &request, &[EMAIL], &nobody)),
        TRANSIENT
    );
}

#[test]
fn the_name_space_of_another_relying_party_is_refused() {
    let mut request = request(Some("_1"));
    request.name_id_policy.sp_name_qualifier = Some(SP.to_owned());
    assert!(decide(&rules(), &request, &[], &jdoe()).is_ok());
    request.name_id_policy.sp_name_qualifier = Some("https://other.example.org".to_owned());
    assert_eq!(
        decide(&rules(), &request, &[], &jdoe()),
        Err(Event::InvalidNameIdPolicy)
    );
}

#[test]
fn pairwise_formats_name_both_ends_and_others_neither() {
    for (wanted, qualified) in [(TRANSIENT, true), (PERSISTENT, true), (EMAIL, false)] {
        let name = ask(Some(wanted), &[]).unwrap();
        assert_eq!(name.name_qualifier.as_deref(), qualified.then_some(IDP));
        assert_eq!(name.sp_name_qualifier.as_deref(), qualified.then_some(SP));
    }
    assert_eq!(ask(Some(TRANSIENT), &[]).unwrap().value, "_token");
    assert_eq!(ask(Some(EMAIL), &[]).unwrap().value, "j@example.org");
}

#[test]
fn a_filtered_format_is_made_only_from_what_is_released() {
    let mut rules = rules();
    let Maker::Attribute { unfiltered, .. } = &mut rules.makers[2] else {
        panic!("{:?}", rules.makers);
    };
    *unfiltered = false;
    let mut request = request(Some("_1"));
    request.name_id_policy.format = Some(EMAIL.to_owned());
    let of = |mail: &[&str]| decide(&rules, &request, &[], &record(&[("mail", mail)]));
    let both = of(&["withheld@example.org", "released@example.org"]);
    assert_eq!(both.unwrap().value, "released@example.org");
    let withheld = of(&["withheld@example.org"]);
    assert_eq!(withheld, Err(Event::InvalidNameIdPolicy));
}

#[test]
fn a_persistent_identifier_stays_and_rests_on_one_single_value() {
    let mut request = request(Some("_1"));
    request.name_id_policy.format = Some(PERSISTENT.to_owned());
    let value = |record| decide(&rules(), &request, &[], &record).map(|name| name.value);
    let by_uid = value(jdoe());
    assert_eq!(by_uid, value(jdoe()));
    let ambiguous = record(&[("uid", &["jdoe"]), ("employeeNumber", &["1", "2"])]);
    assert_eq!(value(ambiguous), by_uid);
    let numbered = record(&[("uid", &["jdoe"]), ("employeeNumber", &["1"])]);
    assert_ne!(value(numbered), by_uid);
    let two = record(&[("uid", &["jdoe", "jane"])]);
    assert_eq!(value(two), Err(Event::InvalidNameIdPolicy));
}

#[test]
fn a_subject_that_the_request_names_must_be_the_one_that_logged_in() {
    let persistent = ask(Some(PERSISTENT), &[]).unwrap();
    let mut request = request(Some("_1"));
    let mut named = |subject: NameId| {
        request.subject = Some(subject);
        decide(&rules(), &request, &[], &jdoe())
    };
    assert_eq!(named(persistent.clone()), Ok(persistent.clone()));
    let plain = NameId {
        name_qualifier: None,
        sp_name_qualifier: None,
        ..persistent.clone()
    };
    assert_eq!(named(plain), Ok(persistent.clone()));
    let other = NameId {
        value: "SOMEBODYELSE".to_owned(),
        ..persistent.clone()
    };
    assert_eq!(named(other), Err(Event::InvalidSubject));
    let elsewhere = NameId {
        name_qualifier: Some("https://other.example.org".to_owned()),
        ..persistent
    };
    assert_eq!(named(elsewhere), Err(Event::InvalidSubject));
    assert_eq!(named(subject("_old")), Err(Event::InvalidSubject));
}
