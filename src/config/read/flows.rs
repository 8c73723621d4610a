//! Flow descriptors, the order of classes, and the flows a login may start with.

use crate::authn::descriptor::{Condition, FlowDescriptor};
use crate::authn::flow::FlowId;
use crate::authn::principal::{ClassOrder, Strength};
use crate::config::nearest::nearest;
use crate::config::reader::Reader;
use crate::config::value;
use crate::duo::integration::Integration;
use crate::saml::context::AuthnContextClassRef;
use std::collections::BTreeMap;
use std::sync::Arc;

type Integrations = BTreeMap<String, Arc<Integration>>;

/// The declared order of classes. A class has one strength.
pub(super) fn classes(reader: &mut Reader<'_>) -> ClassOrder {
    let mut order: Vec<(AuthnContextClassRef, Strength)> = Vec::new();
    for (name, strength) in [
        ("password", Strength::Password),
        ("sfa", Strength::SingleFactor),
        ("mfa", Strength::MultiFactor),
        ("phishingResistant", Strength::PhishingResistant),
    ] {
        let key = format!("vestibule.authn.class.{name}");
        for class in reader.classes(&key) {
            if order.iter().any(|(known, _)| *known == class) {
                let found = format!("{class}, which has a strength already");
                reader.error(
                    &key,
                    found,
                    "one strength for a class",
                    "keep it in one list",
                );
            } else {
                order.push((class, strength));
            }
        }
    }
    ClassOrder::new(order)
}

/// The descriptors of every flow, enabled or not: transitions may lead to any.
pub(super) fn descriptors(
    reader: &mut Reader<'_>,
    classes: &ClassOrder,
    integrations: Option<&Integrations>,
) -> Option<BTreeMap<FlowId, FlowDescriptor>> {
    for key in ["idp.authn.defaultLifetime", "idp.authn.defaultTimeout"] {
        reader.duration(key);
    }
    let password = descriptor(reader, FlowId::Password);
    let duo = descriptor(reader, FlowId::DuoOidc);
    let mfa = descriptor(reader, FlowId::Mfa);
    let (password, duo, mut mfa) = (password?, duo?, mfa?);
    password_stays_a_password(reader, classes, &password);
    let union = union(&password, &duo, integrations);
    let key = "idp.authn.MFA.supportedPrincipals";
    if reader.values.written(key).is_none() {
        mfa.supported_principals = union;
    } else {
        for class in &mfa.supported_principals {
            if !union.contains(class) {
                let found = format!("{class}, which no factor supports");
                reader.warn(key, found, "add it to a factor, or remove it here");
            }
        }
    }
    let all = [password, duo, mfa];
    Some(all.into_iter().map(|each| (each.flow, each)).collect())
}

fn descriptor(reader: &mut Reader<'_>, flow: FlowId) -> Option<FlowDescriptor> {
    let key = |part: &str| format!("idp.authn.{}.{part}", flow.name());
    let order = reader.count(&key("order"));
    let passive = reader.flag(&key("passiveAuthenticationSupported"));
    let forced = reader.flag(&key("forcedAuthenticationSupported"));
    let non_browser = reader.flag(&key("nonBrowserSupported"));
    let lifetime = reader.duration(&key("lifetime"));
    let inactivity_timeout = reader.duration(&key("inactivityTimeout"));
    let supported_principals = reader.principals(&key("supportedPrincipals"));
    let add_default_principals = reader.flag(&key("addDefaultPrincipals"));
    let reuse_condition = condition(reader, &key("reuseCondition"));
    let activation_condition = condition(reader, &key("activationCondition"));
    Some(FlowDescriptor {
        flow,
        order: order?,
        passive: passive?,
        forced: forced?,
        non_browser: non_browser?,
        lifetime: Some(lifetime?),
        inactivity_timeout: Some(inactivity_timeout?),
        supported_principals,
        add_default_principals: add_default_principals?,
        reuse_condition: reuse_condition?,
        activation_condition: activation_condition?,
    })
}

/// A constant, by our word or Shibboleth's bean, or a script.
pub(super) fn condition(reader: &mut Reader<'_>, key: &str) -> Option<Condition> {
    let text = reader.text(key)?;
    match text.as_str() {
        "true" | "shibboleth.Conditions.TRUE" => Some(Condition::Constant(true)),
        "false" | "shibboleth.Conditions.FALSE" => Some(Condition::Constant(false)),
        text if value::script(text).is_some() => reader.script(key).map(Condition::Script),
        other => {
            reader.wrong(key, other, "write true, false or script:NAME");
            None
        }
    }
}

/// What a password alone proves is no second factor, whatever a list says.
fn password_stays_a_password(
    reader: &mut Reader<'_>,
    classes: &ClassOrder,
    password: &FlowDescriptor,
) {
    for class in &password.supported_principals {
        if classes.strength(class) >= Some(Strength::MultiFactor) {
            reader.error(
                "idp.authn.Password.supportedPrincipals",
                format!("{class}, which is declared as a class of two factors"),
                "classes that a password alone can prove",
                "remove it here, or from vestibule.authn.class.*",
            );
        }
    }
}

fn union(
    password: &FlowDescriptor,
    duo: &FlowDescriptor,
    integrations: Option<&Integrations>,
) -> Vec<AuthnContextClassRef> {
    let of_integrations = integrations
        .into_iter()
        .flat_map(BTreeMap::values)
        .flat_map(|integration| &integration.supported_principals)
        .map(AuthnContextClassRef::new);
    let factors = [password, duo].into_iter();
    let mut union: Vec<AuthnContextClassRef> = Vec::new();
    for class in factors
        .flat_map(|flow| flow.supported_principals.iter().cloned())
        .chain(of_integrations)
    {
        if !union.contains(&class) {
            union.push(class);
        }
    }
    union
}

/// `idp.authn.flows`, by order. Duo proves nothing about a user nobody has named: it needs MFA.
pub(super) fn top_level(
    reader: &mut Reader<'_>,
    descriptors: Option<&BTreeMap<FlowId, FlowDescriptor>>,
) -> Vec<FlowId> {
    const KEY: &str = "idp.authn.flows";
    const PASSWORDLESS: &str = "vestibule.duo.passwordless.enabled";
    let Some(text) = reader.text(KEY) else {
        return Vec::new();
    };
    let mut flows: Vec<FlowId> = Vec::new();
    for name in value::flow_names(&text) {
        match value::flow(name) {
            Some(FlowId::DuoOidc) if reader.flag(PASSWORDLESS) != Some(true) => reader.error(
                KEY,
                "DuoOIDC on its own",
                "Password or MFA",
                "write MFA, whose transition map runs DuoOIDC after a factor that names the user, \
                 or set vestibule.duo.passwordless.enabled",
            ),
            Some(flow) => flows.push(flow),
            None => unknown_flow(reader, KEY, name),
        }
    }
    if value::flow_names(&text).is_empty() {
        reader.wrong(KEY, &text, "write MFA or Password");
    }
    flows.sort_by_key(|flow| descriptors.map(|all| all[flow].order));
    flows.dedup();
    flows
}

/// Records a name that is no flow of ours.
pub(super) fn unknown_flow(reader: &mut Reader<'_>, key: &str, name: &str) {
    let names = FlowId::ALL
        .into_iter()
        .flat_map(|flow| [flow.as_str(), flow.name()]);
    let fix = match nearest(name, names) {
        Some(near) => format!("did you mean {near}?"),
        None => "use one of these".to_owned(),
    };
    let found = format!("\"{}\", which is no flow", name.escape_debug());
    let known = FlowId::ALL.map(FlowId::as_str).join(", ");
    reader.error(key, found, format!("one of {known}"), fix);
}
