//! `vestibule.duo.selfService.*`: whether users change their own factors, and what that needs.

use crate::authn::self_service::{FirstEnrolment, SelfService};
use crate::config::reader::Reader;
use crate::config::settings::DuoAuthApiSettings;

const ENABLED: &str = "vestibule.duo.selfService.enabled";

/// `Some(None)` when it is switched off.
#[expect(
    clippy::option_option,
    reason = "wrong and switched off are not the same"
)]
pub(super) fn read(
    reader: &mut Reader<'_>,
    auth_api: Option<&DuoAuthApiSettings>,
) -> Option<Option<SelfService>> {
    let enabled = reader.flag(ENABLED);
    let first = reader.choice("vestibule.duo.selfService.firstEnrolment");
    let freshness = reader.duration("vestibule.duo.selfService.freshness");
    let rules = SelfService {
        first: match first?.as_str() {
            "password" => FirstEnrolment::Password,
            _ => FirstEnrolment::Never,
        },
        freshness: freshness?,
    };
    if !enabled? {
        return Some(None);
    }
    let written = reader
        .values
        .written("idp.duo.oidc.nonbrowser.integrationKey");
    if auth_api.is_none() && written.is_none() {
        let fix = "set idp.duo.oidc.nonbrowser.integrationKey and .secretKey";
        reader.error(ENABLED, "true without an Auth API application", "one", fix);
    }
    if reader
        .values
        .written("vestibule.duo.usernameStrategy")
        .is_some()
    {
        let found = "true beside vestibule.duo.usernameStrategy, which needs a login to decide";
        let fix = "say it with vestibule.duo.username";
        reader.error(ENABLED, found, "a rule for the name at Duo", fix);
    }
    Some(Some(rules))
}
