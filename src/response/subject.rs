//! The subject's identifier: a transient NameID, or the reason why the request cannot have one.

use crate::authn::event::Event;
use crate::saml::name_id::{NameId, NameIdPolicy, TRANSIENT, UNSPECIFIED};
use crate::saml::request::AuthnRequest;

/// The NameID for this request: transient, fresh from the caller's randomness (SAML core 8.3.8).
///
/// `token` is unpredictable and of this session at this relying party alone.
pub fn name_id(request: &AuthnRequest, issuer: &str, token: &str) -> Result<NameId, Event> {
    // SAML core 3.4.1.4: the answer must be about that very subject; a new transient never is.
    if request.subject.is_some() {
        return Err(Event::InvalidSubject);
    }
    if !is_satisfied_by_transient(&request.name_id_policy, &request.issuer) {
        return Err(Event::InvalidNameIdPolicy);
    }
    Ok(NameId {
        value: format!("_{token}"),
        format: TRANSIENT.to_owned(),
        name_qualifier: Some(issuer.to_owned()),
        sp_name_qualifier: Some(request.issuer.clone()),
    })
}

/// SAML core 3.4.1.1: a stated Format or SPNameQualifier is met or the request fails.
fn is_satisfied_by_transient(policy: &NameIdPolicy, relying_party: &str) -> bool {
    let format = policy.format.as_deref().unwrap_or(UNSPECIFIED);
    let qualifier = policy.sp_name_qualifier.as_deref();
    matches!(format, UNSPECIFIED | TRANSIENT)
        && qualifier.is_none_or(|wanted| wanted == relying_party)
}
