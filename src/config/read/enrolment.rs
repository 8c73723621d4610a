//! Enrolment with Duo: how long it waits, and whether users begin it (`vestibule.duo.selfService.*`).

use crate::authn::self_service::{FirstEnrolment, SelfService};
use crate::config::reader::Reader;
use crate::config::settings::{DuoAuthApiSettings, EnrolmentSettings};

const ENABLED: &str = "vestibule.duo.selfService.enabled";

pub(super) fn read(
    reader: &mut Reader<'_>,
    auth_api: Option<&DuoAuthApiSettings>,
) -> Option<EnrolmentSettings> {
    let enabled = reader.flag(ENABLED);
    let rules = rules(reader);
    let lifetime = reader.duration("vestibule.duo.enrolmentLifetime");
    if enabled == Some(true) {
        check_needs(reader, auth_api);
    }
    Some(EnrolmentSettings {
        self_service: rules.filter(|_| enabled == Some(true)),
        lifetime: lifetime.filter(|_| enabled.is_some() && rules.is_some())?,
    })
}

fn rules(reader: &mut Reader<'_>) -> Option<SelfService> {
    let first = reader.choice("vestibule.duo.selfService.firstEnrolment");
    let freshness = reader.duration("vestibule.duo.selfService.freshness");
    Some(SelfService {
        first: match first?.as_str() {
            "password" => FirstEnrolment::Password,
            _ => FirstEnrolment::Never,
        },
        freshness: freshness?,
    })
}

/// Users enrol through the Auth API, outside a login.
fn check_needs(reader: &mut Reader<'_>, auth_api: Option<&DuoAuthApiSettings>) {
    let written = |reader: &Reader<'_>, key| reader.values.written(key).is_some();
    if auth_api.is_none() && !written(reader, "idp.duo.oidc.nonbrowser.integrationKey") {
        let fix = "set idp.duo.oidc.nonbrowser.integrationKey and .secretKey";
        reader.error(ENABLED, "true without an Auth API application", "one", fix);
    }
    if written(reader, "vestibule.duo.usernameStrategy") {
        let found = "true beside vestibule.duo.usernameStrategy, which needs a login to decide";
        let fix = "say it with vestibule.duo.username";
        reader.error(ENABLED, found, "a rule for the name at Duo", fix);
    }
}
