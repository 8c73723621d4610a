//! From readable values to [`Settings`], one file for each part of the program.

mod attributes;
mod audience;
mod audit;
mod consent;
mod duo;
mod duo_apis;
mod enrolment;
mod flows;
mod identity;
mod keys;
mod ldap;
mod logout;
mod metadata;
mod name_id;
mod operation;
mod own_metadata;
mod policy;
mod release;
mod relying_party;
mod remember;
mod saml;
mod sql;
mod transitions;
mod ui;

pub(super) use duo::{REVOCATION_LISTS as DUO_REVOCATION_LISTS, TRUST as DUO_TRUST};
pub(super) use keys::FILE as KEY_RING_FILE;
pub(super) use policy::{failed as failed_test, tests as policy_tests};

use crate::attribute::AttributeSettings;
use crate::authn::rules::Rules;
use crate::config::reader::Reader;
use crate::config::relying_party::Profiles;
use crate::config::settings::{BaseUrl, DuoAuthApiSettings, Settings};
use crate::config::sql::{AttributeSource, PersistentIdTable};
use crate::response::ResponseSettings;
use crate::saml::request::Acceptance;
use std::path::PathBuf;

/// Every setting, or `None` when something is wrong: each part has then recorded what.
pub(super) fn settings(reader: &mut Reader<'_>) -> Option<Settings> {
    let identity = identity::read(reader);
    let operation = operation::read(reader);
    let duo_auth_api = duo_apis::auth(reader);
    let rules = rules(reader, identity.base_url.as_ref(), duo_auth_api.as_ref());
    let keys = keys::read(reader);
    let ecp = reader.flag("vestibule.ecp.enabled");
    let artifact = saml::artifact(reader);
    let also = (ecp, artifact);
    let acceptance = saml::acceptance(reader, identity.base_url.as_ref(), also);
    let acceptance = acceptance.zip(keys.as_ref()).map(decrypting);
    let logout = logout::read(reader, identity.base_url.as_ref(), acceptance.as_ref());
    let response = saml::response(reader);
    let subjects = subjects(reader, identity.scopes.first(), response.as_ref());
    let consent = consent::read(reader);
    let audit = audit::read(reader);
    let duo_http = duo::http(reader);
    let enrolment = enrolment::read(reader, duo_auth_api.as_ref());
    let duo_admin_api = duo_apis::admin(reader);
    let ui = ui::read(reader);
    let metadata = metadata::read(reader);
    let described = own_metadata::read(reader);
    let keys = keys?;
    let operation = operation?;
    Some(Settings {
        home: PathBuf::from(&reader.raw.home),
        entity_id: identity.entity_id?,
        scopes: identity.scopes,
        base_url: identity.base_url?,
        http: operation.http,
        rules: rules?,
        acceptance: acceptance?,
        logout: logout?,
        signing_keys: keys.signing,
        signing_certificates: keys.signing_certificates,
        encryption_certificates: keys.encryption_certificates,
        described,
        artifact_index: artifact?.0,
        key_life: keys.life,
        sealer_keys: keys.sealer,
        sealer_file: keys.sealer_file,
        session: operation.session,
        storage: operation.storage,
        password: operation.password,
        attributes: subjects.attributes?,
        relying_parties: subjects.relying_parties?,
        consent: consent?,
        ecp: ecp?,
        response: response?,
        audit: audit?,
        logging: operation.logging,
        duo_http: duo_http?,
        duo_auth_api,
        enrolment: enrolment?,
        duo_admin_api,
        metadata: metadata?,
        attribute_sources: subjects.sources,
        persistent_ids: subjects.persistent_ids,
        ui: ui?,
        fingerprint: reader.raw.fingerprint(),
    })
}

/// What is known of users, and what relying parties are told of it.
struct Subjects {
    attributes: Option<AttributeSettings>,
    sources: Vec<AttributeSource>,
    persistent_ids: Option<PersistentIdTable>,
    relying_parties: Option<Profiles>,
}

fn subjects(
    reader: &mut Reader<'_>,
    scope: Option<&String>,
    response: Option<&ResponseSettings>,
) -> Subjects {
    let encryption = saml::encryption(reader);
    let salt = attributes::salt(reader);
    let attributes = attributes::read(reader, scope, salt.as_ref());
    let release = attributes.as_ref().map_or(&[][..], |all| &all.release[..]);
    let databases = sql::databases(reader);
    let (name_ids, persistent_ids) = name_id::read(reader, salt.as_ref(), &databases);
    let data_source = persistent_ids.as_ref().map(|ids| &*ids.database.name);
    sql::unused(reader, &databases, data_source);
    let relying_parties = relying_party::read(reader, (response, encryption), name_ids, release);
    let ldap = ldap::directory(reader);
    Subjects {
        sources: sql::sources(reader, ldap, &databases),
        attributes,
        persistent_ids,
        relying_parties,
    }
}

fn decrypting((acceptance, keys): (Acceptance, &keys::Keys)) -> Acceptance {
    Acceptance {
        decryption_keys: keys.decryption.clone(),
        ..acceptance
    }
}

fn rules(
    reader: &mut Reader<'_>,
    base_url: Option<&BaseUrl>,
    auth_api: Option<&DuoAuthApiSettings>,
) -> Option<Rules> {
    let classes = flows::classes(reader);
    let duo = duo::rules(reader, base_url, auth_api);
    let integrations = duo.as_ref().map(|duo| &duo.integrations);
    let flows = flows::descriptors(reader, &classes, integrations);
    duo_apis::check_need(reader, flows.as_ref(), auth_api);
    let top_level = flows::top_level(reader, flows.as_ref());
    let transitions = transitions::read(reader, &top_level);
    let ignored_contexts = reader.classes("vestibule.authn.ignoredContexts");
    let on_first_unavailable = reader.choice("vestibule.authn.onFirstUnavailable");
    let step_limit = reader.count("vestibule.authn.stepLimit");
    let strategies = policy::strategies(reader);
    Some(Rules {
        top_level,
        flows: flows?,
        transitions,
        classes,
        ignored_contexts,
        accept_later_classes: on_first_unavailable? == "next",
        duo: duo?,
        strategies: strategies?,
        step_limit: step_limit?,
    })
}
