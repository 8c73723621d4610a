//! When a remembered browser stands in for Duo, and when a browser may be remembered.

use super::duo_oidc::choose;
use super::run::{Ground, Run};
use crate::authn::facts::FactKey;
use crate::authn::flow::FlowId;
use crate::authn::remembered::{BrowserRemembered, Offer};
use crate::authn::result::FactorResult;
use serde::{Deserialize, Serialize};

/// Whether this browser is to be remembered once Duo has allowed its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Remember {
    /// It is not on offer.
    #[default]
    No,
    /// It is on offer, and the user has not asked for it.
    Offered,
    /// The user asked for it.
    Wanted,
    /// The operator remembers every browser.
    Always,
}

impl Remember {
    /// The user went on to Duo with the box ticked, or not.
    pub(super) fn answered(self, ticked: bool) -> Self {
        match (self, ticked) {
            (Self::No | Self::Always, _) => self,
            (Self::Offered | Self::Wanted, true) => Self::Wanted,
            (Self::Offered | Self::Wanted, false) => Self::Offered,
        }
    }

    /// How the box stands on the page, where there is one.
    pub(super) fn ticked(self) -> Option<bool> {
        match self {
            Self::Offered => Some(false),
            Self::Wanted => Some(true),
            Self::No | Self::Always => None,
        }
    }

    pub(super) fn is_wanted(self) -> bool {
        matches!(self, Self::Wanted | Self::Always)
    }
}

/// Whether to offer it for this integration.
pub(super) fn offered(integration: &str, ground: &mut Ground<'_>) -> Result<Remember, FactKey> {
    let rules = &ground.rules.duo.remember;
    // Where Duo comes first, nobody else could say later whose browser it is.
    let possible = rules.is_on()
        && rules.covers(integration)
        && !ground.core.request.non_browser
        && ground.core.username().is_some();
    if !possible || !ground.holds(&rules.condition)? {
        return Ok(Remember::No);
    }
    Ok(match (rules.offer, ground.core.remember) {
        (Offer::Always, _) => Remember::Always,
        (Offer::Ask, Remember::Wanted) => Remember::Wanted,
        (Offer::Ask, _) => Remember::Offered,
    })
}

impl Run<'_> {
    /// Takes the remembered browser in Duo's place, where everything speaks for it: the user was
    /// proved by another factor and is the one who was remembered, Duo's answer came from the
    /// integration this request would be sent to, and what the browser may claim is enough.
    pub(super) fn remembered_stands_in(&mut self) -> Result<bool, FactKey> {
        let Some(remembered) = self.core.remembered.as_deref().cloned() else {
            return Ok(false);
        };
        let rules = self.rules;
        let remember = &rules.duo.remember;
        // Invariant 7: a forced login rests on nothing old.
        let stands = !self.core.request.force_authn
            && remembered.is_good(remember, self.moment.now)
            && remember.covers(remembered.duo().integration())
            && self.core.username() == Some(remembered.username())
            && choose::is_same_integration(&self.ground(), remembered.duo())?
            && self.ground().holds(&remember.condition)?;
        Ok(stands && self.is_enough(remembered))
    }

    fn is_enough(&mut self, remembered: BrowserRemembered) -> bool {
        let rules = self.rules;
        let grade = rules.duo.evidence.grade(remembered.duo(), false);
        let declared = rules.potential();
        let principals = rules.duo.remember.principals.iter();
        let principals = principals.filter(|class| declared.contains(class)).cloned();
        let principals = principals.collect();
        let now = self.moment.now;
        let result = FactorResult::remembered(remembered, grade, principals, &rules.classes, now);
        self.core.results.insert(FlowId::DuoOidc, result);
        let enough = self.core.acceptable(rules);
        if !enough {
            self.core.results.remove(&FlowId::DuoOidc);
        }
        enough
    }
}
