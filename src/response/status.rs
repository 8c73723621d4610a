//! The one total mapping from events to two-level SAML status (Shibboleth's).

use crate::authn::event::Event;
use crate::saml::status::{Status, TopStatus, second};

/// The status that tells a relying party how a login ended. The message is the fixed text unless
/// the caller sets another (`idp.errors.detailed`).
pub fn status_of(event: Event) -> Status {
    let (top, second) = codes(event);
    Status {
        top,
        second,
        message: None,
    }
}

fn codes(event: Event) -> (TopStatus, Option<&'static str>) {
    use TopStatus::{Requester, Responder, Success};
    match event {
        Event::Proceed => (Success, None),
        Event::RequestUnsupported => (Requester, Some(second::NO_AUTHN_CONTEXT)),
        Event::NoPassive => (Requester, Some(second::NO_PASSIVE)),
        Event::NoPotentialFlow
        | Event::NoCredentials
        | Event::InvalidCredentials
        | Event::AccountError
        | Event::IdentitySwitch
        | Event::AuthenticationException => (Requester, Some(second::AUTHN_FAILED)),
        Event::InvalidSubject | Event::SubjectCanonicalizationError => {
            (Requester, Some(second::UNKNOWN_PRINCIPAL))
        }
        Event::InvalidNameIdPolicy => (Requester, Some(second::INVALID_NAME_ID_POLICY)),
        Event::ProxyCountExceeded => (Responder, Some(second::PROXY_COUNT_EXCEEDED)),
        // Nothing is sent then; if something were, this is what it would say.
        Event::AccessDenied | Event::AttributeReleaseRejected | Event::TermsRejected => {
            (Requester, Some(second::REQUEST_DENIED))
        }
        Event::ReselectFlow
        | Event::AccountLocked
        | Event::ExpiredPassword
        | Event::InvalidAuthenticationContext
        | Event::InvalidSecurityConfiguration
        | Event::RuntimeException => (Responder, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_but_success_is_told_as_a_failure() {
        for event in Event::ALL {
            let success = status_of(*event).top == TopStatus::Success;
            assert_eq!(success, *event == Event::Proceed, "{event}");
        }
    }

    #[test]
    fn events_map_as_shibboleth_maps_them() {
        let urn = |code: &str| format!("urn:oasis:names:tc:SAML:2.0:status:{code}");
        for (event, top, second) in [
            (Event::RequestUnsupported, "Requester", "NoAuthnContext"),
            (Event::NoPassive, "Requester", "NoPassive"),
            (Event::NoCredentials, "Requester", "AuthnFailed"),
            (Event::IdentitySwitch, "Requester", "AuthnFailed"),
            (Event::InvalidSubject, "Requester", "UnknownPrincipal"),
            (
                Event::InvalidNameIdPolicy,
                "Requester",
                "InvalidNameIDPolicy",
            ),
            (Event::ProxyCountExceeded, "Responder", "ProxyCountExceeded"),
            (Event::AccessDenied, "Requester", "RequestDenied"),
            (Event::AccountLocked, "Responder", ""),
            (Event::RuntimeException, "Responder", ""),
        ] {
            let status = status_of(event);
            assert_eq!(status.top.uri(), urn(top), "{event}");
            let expected = (!second.is_empty()).then(|| urn(second));
            assert_eq!(status.second.map(str::to_owned), expected, "{event}");
        }
    }
}
