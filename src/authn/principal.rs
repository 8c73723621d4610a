//! Authentication context classes in order of strength, and what a request accepts.

use crate::authn::evidence::Grade;
use crate::authn::flow::FlowId;
use crate::authn::result::FactorResult;
use crate::saml::context::{
    AuthnContextClassRef, Comparison, PASSWORD, PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA,
    REFEDS_SFA, RequestedAuthnContext, UNSPECIFIED,
};
use std::collections::{BTreeMap, BTreeSet};

/// The four strengths, weakest first; the order of classes and what each needs as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// A password.
    Password,
    /// A single factor of the REFEDS SFA profile.
    SingleFactor,
    /// Two factors.
    MultiFactor,
    /// Two factors, phishing-resistant.
    PhishingResistant,
}

/// The declared order of classes (`vestibule.authn.class.*`), weakest first, and within a strength
/// in order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassOrder {
    classes: Vec<(AuthnContextClassRef, Strength)>,
}

impl Default for ClassOrder {
    fn default() -> Self {
        let class = |uri: &str, strength| (AuthnContextClassRef::new(uri), strength);
        Self::new(vec![
            class(PASSWORD_PROTECTED_TRANSPORT, Strength::Password),
            class(PASSWORD, Strength::Password),
            class(REFEDS_SFA, Strength::SingleFactor),
            class(REFEDS_MFA, Strength::MultiFactor),
            class(
                "http://schemas.microsoft.com/claims/multipleauthn",
                Strength::MultiFactor,
            ),
            class(
                "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken",
                Strength::MultiFactor,
            ),
            class(
                "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract",
                Strength::MultiFactor,
            ),
            class(
                "https://refeds.org/profile/phishing-resistant-mfa",
                Strength::PhishingResistant,
            ),
        ])
    }
}

impl ClassOrder {
    /// An order from (class, strength) pairs; earlier is preferred within a strength.
    pub fn new(classes: Vec<(AuthnContextClassRef, Strength)>) -> Self {
        Self { classes }
    }

    /// The strength of a class; `None` when it is not declared.
    pub fn strength(&self, class: &AuthnContextClassRef) -> Option<Strength> {
        self.classes
            .iter()
            .find(|(known, _)| known == class)
            .map(|(_, strength)| *strength)
    }

    /// The strongest of these classes; within a strength the one declared first.
    pub fn strongest<'a>(
        &self,
        classes: impl IntoIterator<Item = &'a AuthnContextClassRef>,
    ) -> Option<&'a AuthnContextClassRef> {
        classes.into_iter().max_by_key(|class| self.rank(class))
    }

    /// Whether a Duo result of this grade may claim the class. Classes nobody declared need MFA
    /// evidence: only a declared password class is free of it.
    pub fn duo_may_claim(&self, class: &AuthnContextClassRef, grade: Grade) -> bool {
        match self.strength(class) {
            Some(Strength::PhishingResistant) => grade >= Grade::PhishingResistant,
            _ => grade >= Grade::Mfa,
        }
    }

    /// Whether a password may claim the class: anything not declared to need more factors.
    pub fn password_may_claim(&self, class: &AuthnContextClassRef) -> bool {
        self.strength(class)
            .is_none_or(|strength| strength < Strength::MultiFactor)
    }

    /// What these results may claim together. Two-factor classes need two factors: a Duo result on
    /// its own claims only what is phishing-resistant by itself.
    pub fn held(results: &BTreeMap<FlowId, FactorResult>) -> BTreeSet<AuthnContextClassRef> {
        let alone = results.len() == 1;
        results
            .values()
            .filter(|result| !alone || result.stands_alone())
            .flat_map(|result| result.principals().iter().cloned())
            .collect()
    }

    /// The class to assert for a request from what is true, or `None` when nothing fits.
    ///
    /// SAML core 3.3.2.2.1. `exact` takes the requested classes in order, the others compare
    /// strengths and echo the requested class itself when it is true.
    pub fn select(
        &self,
        requested: &RequestedAuthnContext,
        held: &BTreeSet<AuthnContextClassRef>,
    ) -> Option<AuthnContextClassRef> {
        match requested.comparison {
            Comparison::Exact => requested
                .classes
                .iter()
                .find_map(|class| Self::exactly(class, held)),
            Comparison::Minimum => requested.classes.iter().find_map(|class| {
                Self::exactly(class, held)
                    .or_else(|| self.comparable(held, |s| Some(s) >= self.strength(class), class))
            }),
            Comparison::Maximum => {
                let limit = requested
                    .classes
                    .iter()
                    .filter_map(|c| self.strength(c))
                    .max()?;
                self.strongest(
                    held.iter()
                        .filter(|c| self.strength(c).is_some_and(|s| s <= limit)),
                )
                .cloned()
            }
            Comparison::Better => {
                let limit = self.all_strengths(&requested.classes)?;
                self.strongest(held.iter().filter(|c| self.strength(c) > Some(limit)))
                    .cloned()
            }
        }
    }

    fn exactly(
        class: &AuthnContextClassRef,
        held: &BTreeSet<AuthnContextClassRef>,
    ) -> Option<AuthnContextClassRef> {
        let matches = held.contains(class) || (class.as_str() == UNSPECIFIED && !held.is_empty());
        matches.then(|| class.clone())
    }

    fn comparable(
        &self,
        held: &BTreeSet<AuthnContextClassRef>,
        accepts: impl Fn(Strength) -> bool,
        requested: &AuthnContextClassRef,
    ) -> Option<AuthnContextClassRef> {
        self.strength(requested)?;
        self.strongest(
            held.iter()
                .filter(|c| self.strength(c).is_some_and(&accepts)),
        )
        .cloned()
    }

    /// The strongest of the requested classes, or `None` when one of them is not declared: nothing
    /// can then be known to be better.
    fn all_strengths(&self, classes: &[AuthnContextClassRef]) -> Option<Strength> {
        classes
            .iter()
            .map(|c| self.strength(c))
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .max()
    }

    fn rank(&self, class: &AuthnContextClassRef) -> (Option<Strength>, std::cmp::Reverse<usize>) {
        let position = self.classes.iter().position(|(known, _)| known == class);
        (
            self.strength(class),
            std::cmp::Reverse(position.unwrap_or(usize::MAX)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PR: &str = "https://refeds.org/profile/phishing-resistant-mfa";

    fn select(comparison: Comparison, asked: &[&str], held: &[&str]) -> Option<String> {
        let class = |uri: &&str| AuthnContextClassRef::new(*uri);
        let requested = RequestedAuthnContext {
            comparison,
            classes: asked.iter().map(class).collect(),
            declarations: Vec::new(),
        };
        let held = held.iter().map(class).collect();
        ClassOrder::default()
            .select(&requested, &held)
            .map(|class| class.to_string())
    }

    #[test]
    fn r04_exact_password_after_mfa_is_the_password_class() {
        let held = [PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA];
        let class = select(Comparison::Exact, &[PASSWORD_PROTECTED_TRANSPORT], &held);
        assert_eq!(class.as_deref(), Some(PASSWORD_PROTECTED_TRANSPORT));
    }

    #[test]
    fn r06_the_first_requested_class_that_is_true_wins() {
        let asked = [REFEDS_MFA, REFEDS_SFA];
        assert_eq!(
            select(Comparison::Exact, &asked, &[REFEDS_SFA]).as_deref(),
            Some(REFEDS_SFA)
        );
        let both = [REFEDS_SFA, REFEDS_MFA];
        assert_eq!(
            select(Comparison::Exact, &asked, &both).as_deref(),
            Some(REFEDS_MFA)
        );
    }

    #[test]
    fn r09_minimum_echoes_the_requested_class_when_it_is_true() {
        let held = [PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA];
        let class = select(Comparison::Minimum, &[PASSWORD_PROTECTED_TRANSPORT], &held);
        assert_eq!(class.as_deref(), Some(PASSWORD_PROTECTED_TRANSPORT));
    }

    #[test]
    fn minimum_takes_a_stronger_class_when_the_requested_one_is_not_held() {
        let class = select(Comparison::Minimum, &[REFEDS_SFA], &[REFEDS_MFA]);
        assert_eq!(class.as_deref(), Some(REFEDS_MFA));
        assert_eq!(
            select(Comparison::Minimum, &[REFEDS_MFA], &[PASSWORD]),
            None
        );
        assert_eq!(
            select(Comparison::Minimum, &["urn:unknown"], &[REFEDS_MFA]),
            None
        );
    }

    #[test]
    fn r11_better_than_a_password_is_never_a_password() {
        let held = [PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA];
        let class = select(Comparison::Better, &[PASSWORD_PROTECTED_TRANSPORT], &held);
        assert_eq!(class.as_deref(), Some(REFEDS_MFA));
        let same = [PASSWORD_PROTECTED_TRANSPORT, PASSWORD];
        assert_eq!(
            select(Comparison::Better, &[PASSWORD_PROTECTED_TRANSPORT], &same),
            None
        );
        assert_eq!(select(Comparison::Better, &["urn:unknown"], &held), None);
    }

    #[test]
    fn r12_nothing_is_better_than_the_strongest() {
        assert_eq!(select(Comparison::Better, &[PR], &[PR, REFEDS_MFA]), None);
    }

    #[test]
    fn r13_r14_maximum_is_as_strong_as_possible_without_exceeding() {
        let held = [PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA, PR];
        let at_most = |limit| select(Comparison::Maximum, &[limit], &held);
        let password = at_most(PASSWORD_PROTECTED_TRANSPORT);
        assert_eq!(password.as_deref(), Some(PASSWORD_PROTECTED_TRANSPORT));
        assert_eq!(at_most(REFEDS_MFA).as_deref(), Some(REFEDS_MFA));
    }

    #[test]
    fn r17_classes_are_compared_as_plain_strings() {
        for almost in [
            "https://refeds.org/profile/mfa/",
            "HTTPS://refeds.org/profile/mfa",
            "https://refeds.org%2Fprofile/mfa",
            " https://refeds.org/profile/mfa",
        ] {
            assert_eq!(
                select(Comparison::Exact, &[almost], &[REFEDS_MFA]),
                None,
                "{almost}"
            );
        }
    }

    #[test]
    fn the_strongest_class_is_the_multi_factor_one() {
        let held = [PASSWORD_PROTECTED_TRANSPORT, PASSWORD, REFEDS_MFA];
        let held: Vec<_> = held
            .iter()
            .map(|uri| AuthnContextClassRef::new(*uri))
            .collect();
        let order = ClassOrder::default();
        assert_eq!(
            order.strongest(&held).map(AuthnContextClassRef::as_str),
            Some(REFEDS_MFA)
        );
        let strongest = order
            .strongest(&held[..2])
            .map(AuthnContextClassRef::as_str);
        assert_eq!(strongest, Some(PASSWORD_PROTECTED_TRANSPORT));
    }

    #[test]
    fn an_undeclared_class_needs_mfa_evidence_from_duo() {
        let class = AuthnContextClassRef::new("http://example.org/ac/classes/mfa");
        let order = ClassOrder::default();
        assert!(!order.duo_may_claim(&class, Grade::None));
        assert!(order.duo_may_claim(&class, Grade::Mfa));
        assert!(!order.duo_may_claim(&AuthnContextClassRef::new(PR), Grade::Mfa));
    }
}
