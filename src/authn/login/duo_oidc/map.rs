//! From verified claims to a result: what the evidence proves bounds what may be claimed.

use super::{Attempt, State, integration, misconfigured, stuck};
use crate::authn::event::Event;
use crate::authn::evidence::{DuoVerified, Grade};
use crate::authn::flow::FlowId;
use crate::authn::login::run::{FlowTurn, Ground};
use crate::authn::login::values::{DuoProblem, DuoRecord, Record};
use crate::authn::result::FactorResult;
use crate::authn::rules::Rules;
use crate::authn::strategy::{Decision, Trace};
use crate::duo::claims::VerifiedClaims;
use crate::saml::context::AuthnContextClassRef;
use std::collections::BTreeSet;

/// Makes the result, once the principal strategy has what it asks for.
pub(super) fn map(
    attempt: Attempt,
    claims: VerifiedClaims,
    ground: &mut Ground<'_>,
) -> FlowTurn<State> {
    match wanted_principals(&attempt, &claims, ground) {
        Decision::Made(principals, trace) => {
            ground.core.keep(trace);
            succeed(&attempt, &claims, principals, ground)
        }
        Decision::Needs(key) => FlowTurn::Needs(
            key,
            State::Mapping {
                attempt,
                claims: Box::new(claims),
            },
        ),
        Decision::Failed(reason) => {
            ground
                .records
                .push(attempt.refused("refused: policy".to_owned()));
            misconfigured(Some(attempt.chosen), reason, ground)
        }
    }
}

fn succeed(
    attempt: &Attempt,
    claims: &VerifiedClaims,
    principals: BTreeSet<AuthnContextClassRef>,
    ground: &mut Ground<'_>,
) -> FlowTurn<State> {
    let chosen = attempt.chosen.clone();
    let evidence = DuoVerified::attest(chosen.username.clone(), chosen.integration.clone(), claims);
    let rules = ground.rules;
    let forced = ground.core.request.force_authn;
    let grade = rules.duo.evidence.grade(&evidence, forced);
    if chosen.first && !stands_alone(rules, &evidence, grade) {
        ground.records.push(Record::Duo(DuoRecord {
            reason: format!("refused: factor {}", claims.factor),
            ..verified(attempt, claims)
        }));
        return stuck(Some(chosen), DuoProblem::Factor);
    }
    ground.records.push(Record::Duo(verified(attempt, claims)));
    // What Duo itself only remembered is not remembered once more.
    let acted = evidence.reason() != "remembered_device" && grade >= Grade::Mfa;
    let wanted = acted && ground.core.remember.is_wanted();
    ground.core.to_remember = wanted.then(|| Box::new(evidence.clone()));
    let now = ground.moment.now;
    let result = FactorResult::duo(evidence, grade, principals, &rules.classes, now);
    FlowTurn::Succeed(result)
}

/// Without a password before it, only a factor that the operator lets stand alone is a login.
fn stands_alone(rules: &Rules, evidence: &DuoVerified, grade: Grade) -> bool {
    let passwordless = rules.duo.passwordless.as_ref();
    passwordless.is_some_and(|passwordless| passwordless.allows(evidence.factor(), grade))
}

/// The audit fields of a verified result.
fn verified(attempt: &Attempt, claims: &VerifiedClaims) -> DuoRecord {
    DuoRecord {
        response_state: attempt.parameters.state.clone(),
        txid: claims.txid.clone(),
        device_id: claims.device_id.clone(),
        device_name: claims.device_name.clone(),
        reason: claims.reason.clone(),
        factor: claims.factor.clone(),
        ..attempt.record()
    }
}

/// Shibboleth's order: the integration's own always, and the mapping script's or else the flow's
/// defaults. A script may name only what the flow or the integration declares.
fn wanted_principals(
    attempt: &Attempt,
    claims: &VerifiedClaims,
    ground: &Ground<'_>,
) -> Decision<BTreeSet<AuthnContextClassRef>> {
    let own = integration(&attempt.chosen, ground)
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
        .principals(script, &view, &claims.all)
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
