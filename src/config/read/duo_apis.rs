//! Duo's other APIs: the Auth API (`idp.duo.oidc.nonbrowser.*`) and the Admin API
//! (`vestibule.duo.admin.*`), each an application of its own at Duo.

use super::duo;
use crate::authn::descriptor::FlowDescriptor;
use crate::authn::flow::FlowId;
use crate::config::reader::Reader;
use crate::config::settings::DuoAuthApiSettings;
use crate::duo::integration::Integration;
use std::collections::BTreeMap;
use std::sync::Arc;

const AUTH: &str = "idp.duo.oidc.nonbrowser";
const ADMIN: &str = "vestibule.duo.admin";

pub(super) fn auth(reader: &mut Reader<'_>) -> Option<DuoAuthApiSettings> {
    let integration = integration(reader, AUTH, "auth-api");
    let factor = header(reader, "factor");
    let device = header(reader, "device");
    let passcode = header(reader, "passcode");
    let auto = reader.flag("idp.duo.oidc.nonbrowser.auto");
    let trusted = reader.flag("idp.duo.oidc.nonbrowser.clientAddressTrusted");
    Some(DuoAuthApiSettings {
        integration: integration?,
        factor_header: factor?,
        device_header: device?,
        passcode_header: passcode?,
        auto: auto?,
        client_address_trusted: trusted?,
    })
}

/// A Duo flow that is to serve clients without a browser needs the Auth API.
pub(super) fn check_need(
    reader: &mut Reader<'_>,
    flows: Option<&BTreeMap<FlowId, FlowDescriptor>>,
    auth_api: Option<&DuoAuthApiSettings>,
) {
    let duo = flows.and_then(|flows| flows.get(&FlowId::DuoOidc));
    if auth_api.is_none() && duo.is_some_and(|duo| duo.non_browser) {
        let key = |part: &str| format!("{AUTH}.{part}");
        reader.error(
            "idp.authn.DuoOIDC.nonBrowserSupported",
            "true without an Auth API application",
            format!("{} and {}", key("integrationKey"), key("secretKey")),
            "set both to those of a Duo application of kind Auth API, or this to false",
        );
    }
}

pub(super) fn admin(reader: &mut Reader<'_>) -> Option<Arc<Integration>> {
    integration(reader, ADMIN, "admin-api")
}

/// The name of a request header (RFC 9110 section 5.1), in lower case.
fn header(reader: &mut Reader<'_>, part: &str) -> Option<String> {
    let token = |text: &str| {
        let good = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
        let whole = !text.is_empty() && text.bytes().all(good);
        whole.then(|| text.to_ascii_lowercase())
    };
    reader.parsed(&format!("{AUTH}.header.{part}"), token)
}

/// There is one once a key of it is set; then it needs both keys, and a host of its own or the
/// default integration's.
fn integration(reader: &mut Reader<'_>, prefix: &str, name: &str) -> Option<Arc<Integration>> {
    let key = |part: &str| format!("{prefix}.{part}");
    let own_host = reader.parsed(&key("apiHost"), duo::api_host);
    let id = key("integrationKey");
    let secret = key("secretKey");
    match (reader.text(&id).is_some(), reader.text(&secret).is_some()) {
        (false, false) => return None,
        (true, true) => {}
        (false, true) => incomplete(reader, &id),
        (true, false) => incomplete(reader, &secret),
    }
    let client_id = duo::client_id(reader, &id);
    let client_secret = duo::client_secret(reader, &secret);
    let host = own_host.or_else(|| reader.parsed("idp.duo.oidc.apiHost", duo::api_host));
    if host.is_none() {
        incomplete(reader, &key("apiHost"));
    }
    let integration = Integration::new(name, host?, client_id?, client_secret?);
    Some(Arc::new(integration))
}

fn incomplete(reader: &mut Reader<'_>, key: &str) {
    reader.error(
        key,
        "no value beside the other keys of this API",
        "integrationKey and secretKey together, and an API host",
        format!("set {key}, or comment the others out"),
    );
}
