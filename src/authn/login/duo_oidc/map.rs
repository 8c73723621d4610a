//! From verified claims to a result: what the evidence proves bounds what may be claimed.

use super::choose::Chosen;
use super::{Attempt, State, integration, misconfigured, stuck};
use crate::authn::event::Event;
use crate::authn::evidence::{DuoAllow, DuoVerified, Grade};
use crate::authn::flow::FlowId;
use crate::authn::login::run::{FlowTurn, Ground};
use crate::authn::login::values::{DuoProblem, DuoRecord, Record, Unknown};
use crate::authn::result::FactorResult;
use crate::authn::rules::Rules;
use crate::authn::strategy::{Decision, Trace};
use crate::duo::auth_api::Allowed;
use crate::duo::claims::VerifiedClaims;
use crate::saml::context::AuthnContextClassRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// A verified allow of Duo's on its way to a result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::authn::login) struct Allow {
    pub(super) chosen: Chosen,
    evidence: DuoVerified,
    /// What the principal strategy reads.
    claims: Value,
    /// The line for the audit.
    pub(super) record: DuoRecord,
}

impl Allow {
    /// By a result token.
    pub(super) fn by_token(attempt: &Attempt, claims: VerifiedClaims) -> Self {
        let chosen = attempt.chosen.clone();
        let (username, integration) = (chosen.username.clone(), chosen.integration.clone());
        Self {
            evidence: DuoVerified::attest(username, integration, DuoAllow::Token(&claims)),
            chosen,
            record: DuoRecord {
                response_state: attempt.parameters.state.clone(),
                txid: claims.txid,
                device_id: claims.device_id,
                device_name: claims.device_name,
                reason: claims.reason,
                factor: claims.factor,
                ..attempt.record()
            },
            claims: claims.all,
        }
    }

    /// By the Auth API, where there is neither a redirect nor a state.
    pub(super) fn by_auth_api(chosen: Chosen, client_id: String, allowed: &Allowed) -> Self {
        let (username, integration) = (chosen.username.clone(), chosen.integration.clone());
        Self {
            evidence: DuoVerified::attest(username, integration, DuoAllow::AuthApi(allowed)),
            record: DuoRecord {
                username: allowed.username.clone(),
                client_id,
                txid: allowed.txid.clone(),
                device_id: allowed.device_id.clone(),
                device_name: allowed.device_name.clone(),
                reason: allowed.reason.to_owned(),
                factor: allowed.factor.to_owned(),
                ..DuoRecord::default()
            },
            chosen,
            claims: allowed.claims(),
        }
    }

    fn refused(self, reason: String) -> Record {
        Record::Duo(DuoRecord {
            reason,
            ..self.record
        })
    }
}

/// Makes the result, once the principal strategy has what it asks for.
pub(super) fn map(allow: Allow, ground: &mut Ground<'_>) -> FlowTurn<State> {
    match wanted_principals(&allow, ground) {
        Decision::Made(principals, trace) => {
            ground.core.keep(trace);
            succeed(allow, principals, ground)
        }
        Decision::Needs(key) => FlowTurn::Needs(key, State::Mapping(Box::new(allow))),
        Decision::Failed(reason) => {
            let chosen = allow.chosen.clone();
            let refused = allow.refused("refused: policy".to_owned());
            ground.records.push(refused);
            misconfigured(Some(chosen), reason, ground)
        }
    }
}

fn succeed(
    allow: Allow,
    principals: BTreeSet<AuthnContextClassRef>,
    ground: &mut Ground<'_>,
) -> FlowTurn<State> {
    let evidence = allow.evidence.clone();
    let rules = ground.rules;
    let forced = ground.core.request.force_authn;
    let grade = rules.duo.evidence.grade(&evidence, forced);
    if allow.chosen.first && !stands_alone(rules, &evidence, grade) {
        let chosen = allow.chosen.clone();
        let refused = allow.refused(format!("refused: factor {}", evidence.factor()));
        ground.records.push(refused);
        return stuck(Some(chosen), DuoProblem::Factor);
    }
    ground.records.push(Record::Duo(allow.record));
    alarm(&evidence, ground);
    // What Duo itself only remembered is not remembered once more.
    let acted = evidence.reason() != "remembered_device" && grade >= Grade::Mfa;
    let wanted = acted && ground.core.remember.is_wanted();
    ground.core.to_remember = wanted.then(|| Box::new(evidence.clone()));
    let now = ground.moment.now;
    let result = FactorResult::duo(evidence, grade, principals, &rules.classes, now);
    FlowTurn::Succeed(result)
}

/// A factor or reason that Duo has invented since claims nothing, and somebody has to know.
fn alarm(evidence: &DuoVerified, ground: &mut Ground<'_>) {
    let table = &ground.rules.duo.evidence;
    for (what, known, word) in [
        (
            Unknown::Factor,
            table.factors.contains_key(evidence.factor()),
            evidence.factor(),
        ),
        (
            Unknown::Reason,
            table.reasons.contains_key(evidence.reason()),
            evidence.reason(),
        ),
    ] {
        if !known {
            ground.records.push(Record::Unknown(what, word.to_owned()));
        }
    }
}

/// Without a password before it, only a factor that the operator lets stand alone is a login.
fn stands_alone(rules: &Rules, evidence: &DuoVerified, grade: Grade) -> bool {
    let passwordless = rules.duo.passwordless.as_ref();
    passwordless.is_some_and(|passwordless| passwordless.allows(evidence.factor(), grade))
}

/// Shibboleth's order: the integration's own always, and the mapping script's or else the flow's
/// defaults. A script may name only what the flow or the integration declares.
fn wanted_principals(
    allow: &Allow,
    ground: &Ground<'_>,
) -> Decision<BTreeSet<AuthnContextClassRef>> {
    let own = integration(&allow.chosen, ground)
        .map(|duo| duo.supported_principals.clone())
        .unwrap_or_default();
    let mut principals: BTreeSet<_> = own.into_iter().map(AuthnContextClassRef::new).collect();
    let descriptor = ground.rules.flows.get(&FlowId::DuoOidc);
    let declared = descriptor
        .map(|d| d.supported_principals.as_slice())
        .unwrap_or_default();
    let Some(script) = &ground.rules.duo.principal_strategy else {
        if descriptor.is_some_and(|d| d.add_default_principals) {
            principals.extend(declared.iter().cloned());
        }
        return Decision::Made(principals, Trace::default());
    };
    let view = ground
        .core
        .view(ground.rules, Event::Proceed, ground.moment.now);
    match ground
        .rules
        .strategies
        .principals(script, &view, &allow.claims)
    {
        Decision::Made(mapped, trace) => {
            let undeclared = mapped
                .iter()
                .find(|class| !declared.contains(class) && !principals.contains(class));
            if let Some(class) = undeclared {
                return Decision::Failed(format!("{script} named an undeclared class {class}"));
            }
            principals.extend(mapped);
            Decision::Made(principals, trace)
        }
        Decision::Needs(key) => Decision::Needs(key),
        Decision::Failed(reason) => Decision::Failed(reason),
    }
}
