//! Logins that no relying party asked for: a page of ours has to know who is there.

use super::AuthnRequest;
use crate::saml::context::{AuthnContextClassRef, Comparison, RequestedAuthnContext};
use crate::saml::metadata::EntityDescriptor;

/// A request of our own page, which is described like a relying party so that the same rules decide
/// about it. `None` when the description has no endpoint. With `classes` the login has to end in one
/// of them.
pub fn own(
    page: &EntityDescriptor,
    force_authn: bool,
    classes: Vec<AuthnContextClassRef>,
) -> Option<AuthnRequest> {
    let acs = page.sp.assertion_consumer_services.first()?;
    let requested = (!classes.is_empty()).then_some(RequestedAuthnContext {
        comparison: Comparison::Exact,
        classes,
        declarations: Vec::new(),
    });
    Some(AuthnRequest {
        own: true,
        force_authn,
        requested,
        ..AuthnRequest::new(&page.entity_id, acs.clone())
    })
}
