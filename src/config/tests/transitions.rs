//! What is found in the transition map.

use super::*;
use crate::authn::event::Event;
use crate::authn::transition::{Stage, Target};

#[test]
fn a_step_that_can_be_reached_needs_a_rule_for_proceed() {
    let raw = home(&[
        ("conf/idp.properties", IDENTITY),
        (
            "conf/authn/mfa.properties",
            "idp.authn.MFA.transition.start = authn/Password\n\
             idp.authn.MFA.transition.Password = script:mfa/second-factor\n",
        ),
    ]);
    let errors = check(&raw).map(|_| ()).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].key, "idp.authn.MFA.transition.DuoOIDC");
    let raw = home(&[("conf/idp.properties", IDENTITY)]);
    let errors = check(&raw).map(|_| ()).unwrap_err();
    assert_eq!(errors[0].key, "idp.authn.MFA.transition.start");
}

#[test]
fn a_rule_that_can_never_apply_warns() {
    let raw = home(&[
        ("conf/idp.properties", IDENTITY),
        (
            "conf/authn/mfa.properties",
            "idp.authn.MFA.transition.start = authn/Password\n\
             idp.authn.MFA.transition.Password = end\n\
             idp.authn.MFA.transition.DuoOIDC = end\n",
        ),
    ]);
    let (_, findings) = check(&raw).unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].key, "idp.authn.MFA.transition.DuoOIDC");
    assert!(!findings[0].is_error());
}

#[test]
fn a_circle_that_no_user_passes_is_refused_and_a_retry_is_not() {
    let with = |lines: &str| {
        check(&home(&[
            ("conf/idp.properties", IDENTITY),
            ("conf/authn/mfa.properties", lines),
        ]))
    };
    let circle = with(
        "idp.authn.MFA.transition.start = authn/Password\n\
         idp.authn.MFA.transition.Password = authn/DuoOIDC\n\
         idp.authn.MFA.transition.DuoOIDC = authn/Password\n",
    );
    assert!(circle.is_err());
    let outage = with(
        "idp.authn.MFA.transition.start = authn/Password\n\
         idp.authn.MFA.transition.Password = authn/DuoOIDC\n\
         idp.authn.MFA.transition.DuoOIDC = end\n\
         idp.authn.MFA.transition.DuoOIDC.* = authn/DuoOIDC\n",
    );
    let findings = outage.map(|_| ()).unwrap_err();
    assert_eq!(findings[0].key, "idp.authn.MFA.transition.DuoOIDC.*");
    let retry = with(
        "idp.authn.MFA.transition.start = authn/Password\n\
         idp.authn.MFA.transition.Password = authn/DuoOIDC\n\
         idp.authn.MFA.transition.DuoOIDC = end\n\
         idp.authn.MFA.transition.DuoOIDC.ReselectFlow = authn/DuoOIDC\n",
    );
    assert!(retry.is_ok());
}

#[test]
fn transitions_become_rules() {
    let (settings, _) = settings(
        "idp.authn.MFA.transition.DuoOIDC.ReselectFlow = fail:AccessDenied\n\
         idp.authn.MFA.transition.DuoOIDC.* = fail\n",
    );
    let map = &settings.rules.transitions;
    let after = Stage::After(FlowId::DuoOidc);
    assert_eq!(map.target(after, Event::Proceed), &Target::End);
    assert_eq!(
        map.target(after, Event::ReselectFlow),
        &Target::FailWith(Event::AccessDenied)
    );
    assert_eq!(map.target(after, Event::AccountLocked), &Target::Fail);
}

#[test]
fn the_composite_and_unknown_flows_are_no_steps() {
    assert!(
        error("idp.authn.MFA.transition.Password.* = authn/MFA")
            .found
            .contains("itself")
    );
    assert_eq!(
        error("idp.authn.MFA.transition.Password.* = authn/DuoOdic").fix,
        "did you mean authn/DuoOIDC?"
    );
    assert!(
        error("idp.authn.MFA.transition.DuoOICD = end")
            .fix
            .contains("DuoOIDC")
    );
}

#[test]
fn one_factor_alone_has_its_own_map() {
    let (settings, _) = settings("idp.authn.flows = Password\n");
    let map = &settings.rules.transitions;
    assert_eq!(
        map.target(Stage::Start, Event::Proceed),
        &Target::Flow(FlowId::Password)
    );
    assert_eq!(
        map.target(Stage::After(FlowId::Password), Event::Proceed),
        &Target::End
    );
}
