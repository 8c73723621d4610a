//! What a random login is asked to be.

use crate::world::{Choices, PHISHING_RESISTANT};
use std::collections::BTreeSet;
use vestibule::authn::duo_auth_api::Wish;
use vestibule::authn::facts::RequestFacts;
use vestibule::authn::flow::FlowId;
use vestibule::authn::login::{Presented, Terms};
use vestibule::authn::rules::FailMode;
use vestibule::duo::secret::Secret;
use vestibule::saml::context::{
    AuthnContextClassRef, Comparison, PASSWORD, PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA,
    RequestedAuthnContext,
};

/// Most relying parties have no terms of their own.
pub(crate) fn terms(choices: &mut Choices) -> Terms {
    let required = match choices.below(4) {
        0 => BTreeSet::from([FlowId::DuoOidc]),
        1 => BTreeSet::from([FlowId::Password]),
        _ => BTreeSet::new(),
    };
    let fail_mode = match choices.below(6) {
        0 => Some(FailMode::Open),
        1 => Some(FailMode::Closed),
        _ => None,
    };
    let preferred = (choices.below(4) == 0).then(|| AuthnContextClassRef::new(REFEDS_MFA));
    Terms {
        required,
        preferred: preferred.into_iter().collect(),
        fail_mode,
    }
}

pub(crate) fn request(choices: &mut Choices) -> RequestFacts {
    let classes = [
        PASSWORD_PROTECTED_TRANSPORT,
        PASSWORD,
        REFEDS_MFA,
        PHISHING_RESISTANT,
        "urn:unknown:class",
    ];
    let comparisons = [
        Comparison::Exact,
        Comparison::Minimum,
        Comparison::Maximum,
        Comparison::Better,
    ];
    let requested = (!choices.chance(3)).then(|| RequestedAuthnContext {
        comparison: *choices.of(&comparisons),
        classes: (0..=choices.below(2))
            .map(|_| AuthnContextClassRef::new(*choices.of(&classes)))
            .collect(),
        declarations: Vec::new(),
    });
    RequestFacts {
        requested,
        force_authn: choices.chance(4),
        is_passive: choices.chance(6),
        non_browser: choices.chance(5),
        ..RequestFacts::default()
    }
}

pub(crate) fn presented(choices: &mut Choices) -> Presented {
    let factors = ["", "auto", "push", "phone", "sms", "passcode", "other"];
    let passcodes = [None, Some("123456"), Some("123456789")];
    Presented {
        username: (*choices.of(&["alice", "alice", "bob", ""])).to_owned(),
        password: Secret::new(*choices.of(&["right", "right", "right", "wrong"])),
        duo: Wish {
            factor: (*choices.of(&factors)).to_owned(),
            device: String::new(),
            passcode: choices.of(&passcodes).map(Secret::new),
        },
    }
}
