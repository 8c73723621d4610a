//! Resolve, then filter: what this relying party gets of this user, and why.

use crate::attribute::filter::{Allowance, Grant, Plan, service};
use crate::attribute::make::{Made, Unusable};
use crate::attribute::{Attribute, AttributeSettings, Definition, Subject};
use crate::saml::metadata::{AttributeConsumingService, EntityDescriptor};

/// One defined attribute, its values, and what happened to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The attribute with every value it has.
    pub attribute: Attribute,
    /// Values that are never sent.
    pub unusable: Vec<Unusable>,
    /// What goes to the relying party.
    pub released: Vec<String>,
    /// Released or not, and why.
    pub outcome: Outcome,
}

/// Whether an attribute goes to the relying party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Released.
    Released {
        /// The first rule that releases a value.
        rule: String,
        /// Why the rule is for this relying party.
        because: String,
    },
    /// Withheld.
    Withheld(Withheld),
}

/// Why an attribute is withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// The user has no value for it.
    NoValue,
    /// No rule releases it to this relying party.
    NoRule,
    /// This rule withholds it.
    Denied(String),
    /// Rules release it, but none of its values: they are not requested, or do not match.
    NoSuchValue,
}

/// What a relying party gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// The attributes.
    pub attributes: Vec<Attribute>,
    /// Scripts that failed, whose attributes are therefore not there: safe to log.
    pub problems: Vec<String>,
}

/// What this relying party gets of this subject. Nothing without a rule.
pub fn release(
    settings: &AttributeSettings,
    plan: &Plan,
    subject: &Subject<'_>,
    asking: (&EntityDescriptor, Option<u16>),
) -> Released {
    let filter = Filter::new(settings, asking);
    let mut released = Released::default();
    for (definition, grant) in settings.definitions.iter().zip(&plan.grants) {
        if grant.allowed.is_empty() {
            continue;
        }
        let Made {
            mut values,
            unusable,
        } = definition.make(subject);
        values.retain(|value| filter.verdict(definition, grant, value).is_ok());
        if !values.is_empty() {
            released.attributes.push(attribute(definition, values));
        }
        released
            .problems
            .extend(unusable.into_iter().filter_map(|one| match one {
                Unusable::Script(reason) => Some(format!("{}: {reason}", definition.id)),
                Unusable::Characters | Unusable::Syntax => None,
            }));
    }
    released
}

/// Every defined attribute with its values and what would happen to them: `release` explained.
pub fn explain(
    settings: &AttributeSettings,
    plan: &Plan,
    subject: &Subject<'_>,
    asking: (&EntityDescriptor, Option<u16>),
) -> Vec<Resolved> {
    let filter = Filter::new(settings, asking);
    let granted = settings.definitions.iter().zip(&plan.grants);
    granted
        .map(|(definition, grant)| filter.explain(definition, grant, subject))
        .collect()
}

/// The values of a defined attribute, whatever is released: for NameIDs. `None` when nothing of
/// this name is defined.
pub fn values_of(
    settings: &AttributeSettings,
    id: &str,
    subject: &Subject<'_>,
) -> Option<Vec<String>> {
    let mut definitions = settings.definitions.iter();
    let definition = definitions.find(|definition| definition.id == id)?;
    Some(definition.make(subject).values)
}

fn attribute(definition: &Definition, values: Vec<String>) -> Attribute {
    Attribute {
        id: definition.id.clone(),
        name: definition.name.clone(),
        values,
    }
}

/// The rules, and what the relying party requests.
struct Filter<'a> {
    settings: &'a AttributeSettings,
    service: Option<&'a AttributeConsumingService>,
}

impl<'a> Filter<'a> {
    fn new(settings: &'a AttributeSettings, asking: (&'a EntityDescriptor, Option<u16>)) -> Self {
        let service = service(asking.0, asking.1);
        Self { settings, service }
    }

    /// What allows a value to go out, or why it must not.
    fn verdict<'g>(
        &self,
        definition: &Definition,
        grant: &'g Grant,
        value: &str,
    ) -> Result<&'g Allowance, Withheld> {
        let rules = &self.settings.release;
        let means = |rule: usize| {
            let pattern = rules[rule].values.get(&definition.id);
            pattern.is_none_or(|pattern| pattern.matches(value))
        };
        if let Some(rule) = grant.denied.iter().find(|rule| means(**rule)) {
            return Err(Withheld::Denied(rules[*rule].name.clone()));
        }
        let mut allowed = grant.allowed.iter();
        allowed
            .find(|allowance| {
                means(allowance.rule)
                    && rules[allowance.rule].is_requested(definition, value, self.service)
            })
            .ok_or(Withheld::NoSuchValue)
    }

    fn explain(&self, definition: &Definition, grant: &Grant, subject: &Subject<'_>) -> Resolved {
        let made = definition.make(subject);
        let verdicts = made
            .values
            .iter()
            .map(|value| (value, self.verdict(definition, grant, value)));
        let (released, refused): (Vec<_>, Vec<_>) =
            verdicts.partition(|(_, verdict)| verdict.is_ok());
        let outcome = match (released.first(), refused.into_iter().next()) {
            (Some((_, Ok(allowance))), _) => Outcome::Released {
                rule: self.settings.release[allowance.rule].name.clone(),
                because: allowance.because.clone(),
            },
            (_, Some((_, Err(withheld @ Withheld::Denied(_))))) => Outcome::Withheld(withheld),
            _ if grant.allowed.is_empty() => Outcome::Withheld(Withheld::NoRule),
            (_, Some((_, Err(withheld)))) => Outcome::Withheld(withheld),
            _ => Outcome::Withheld(Withheld::NoValue),
        };
        let released = released
            .into_iter()
            .map(|(value, _)| value.clone())
            .collect();
        Resolved {
            released,
            outcome,
            unusable: made.unusable,
            attribute: attribute(definition, made.values),
        }
    }
}
