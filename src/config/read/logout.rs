//! What a logout asks of users and of relying parties.

use crate::config::reader::Reader;
use crate::config::settings::{BaseUrl, LogoutSettings};
use crate::saml::own_metadata::SLO_ENDPOINTS;
use crate::saml::request::Acceptance;

/// Logout messages come to endpoints of their own and count only when they are signed; for the
/// rest they have to satisfy what every message has to.
pub(super) fn read(
    reader: &mut Reader<'_>,
    base_url: Option<&BaseUrl>,
    acceptance: Option<&Acceptance>,
) -> Option<LogoutSettings> {
    let prompt_user = reader.flag("idp.logout.promptUser");
    let assume_async = reader.flag("idp.logout.assumeAsync");
    let encrypt_name_ids = reader.flag("vestibule.logout.encryptNameIDs");
    let timeout = reader.duration("vestibule.logout.timeout");
    let base = &base_url?.url;
    let destinations = SLO_ENDPOINTS
        .iter()
        .map(|(binding, path)| (*binding, format!("{base}{path}")));
    Some(LogoutSettings {
        acceptance: Acceptance {
            destinations: destinations.collect(),
            ..acceptance?.clone()
        },
        prompt_user: prompt_user?,
        assume_async: assume_async?,
        encrypt_name_ids: encrypt_name_ids?,
        timeout: timeout?,
    })
}
