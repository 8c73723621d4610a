//! Which relying parties something is for: one vocabulary for overrides and release rules.

use crate::authn::event::Event;
use crate::authn::facts::{RelyingPartyFacts, RequestFacts};
use crate::authn::strategy::{Decision, ScriptName, Strategies, View};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// The entity attribute that names categories (`category:URI`).
pub const ENTITY_CATEGORY: &str = "http://macedir.org/entity-category";

/// A property of relying parties. Everything is compared as a plain string (SAML core 1.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// `*`: every relying party in metadata.
    Everyone,
    /// An entityID.
    Entity(String),
    /// `list:NAME`: the entityIDs in `conf/lists/NAME.txt`.
    List {
        /// The list's name.
        name: String,
        /// Its entries.
        entries: Arc<BTreeSet<String>>,
    },
    /// `attribute:NAME=VALUE`, and `category:URI`: an entity attribute has this value.
    Attribute {
        /// The entity attribute's name.
        name: String,
        /// The value.
        value: String,
    },
    /// `registrationAuthority:URI`.
    RegistrationAuthority(String),
    /// `group:NAME`: an `EntitiesDescriptor` of this name holds it.
    Group(String),
    /// `tag:NAME`: an override gave it this tag.
    Tag(String),
    /// `script:NAME`: a condition of the deployer's.
    Script(ScriptName),
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("*"),
            Self::Entity(id) => f.write_str(id),
            Self::List { name, .. } => write!(f, "list:{name}"),
            Self::Attribute { name, value } if name == ENTITY_CATEGORY => {
                write!(f, "category:{value}")
            }
            Self::Attribute { name, value } => write!(f, "attribute:{name}={value}"),
            Self::RegistrationAuthority(uri) => write!(f, "registrationAuthority:{uri}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Tag(name) => write!(f, "tag:{name}"),
            Self::Script(script) => write!(f, "script:{script}"),
        }
    }
}

/// A script that should say whether a relying party is meant did not: nothing may be assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided(pub String);

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Undecided {}

impl Audience {
    /// Whether this relying party is meant.
    pub fn includes(
        &self,
        rp: &RelyingPartyFacts,
        strategies: &dyn Strategies,
    ) -> Result<bool, Undecided> {
        Ok(match self {
            Self::Everyone => true,
            Self::Entity(id) => *id == rp.id,
            Self::List { entries, .. } => entries.contains(&rp.id),
            Self::Attribute { name, value } => {
                let values = rp.entity_attributes.get(name);
                values.is_some_and(|values| values.contains(value))
            }
            Self::RegistrationAuthority(uri) => {
                rp.registration_authority.as_deref() == Some(uri.as_str())
            }
            Self::Group(name) => rp.groups.contains(name),
            Self::Tag(name) => rp.tags.contains(name),
            Self::Script(script) => return ask(script, rp, strategies),
        })
    }
}

/// The first of these that includes the relying party.
pub fn first_of<'a>(
    audiences: &'a [Audience],
    rp: &RelyingPartyFacts,
    strategies: &dyn Strategies,
) -> Result<Option<&'a Audience>, Undecided> {
    for audience in audiences {
        if audience.includes(rp, strategies)? {
            return Ok(Some(audience));
        }
    }
    Ok(None)
}

/// Such a script sees the relying party and nothing else, so its answer holds for every login.
fn ask(
    script: &ScriptName,
    rp: &RelyingPartyFacts,
    strategies: &dyn Strategies,
) -> Result<bool, Undecided> {
    let view = View {
        rp,
        request: &RequestFacts::default(),
        username: None,
        results: &BTreeMap::new(),
        acceptable: false,
        event: Event::Proceed,
        attempts: &BTreeMap::new(),
        fetched: &BTreeMap::new(),
        now: Timestamp::UNIX_EPOCH,
    };
    match strategies.condition(script, &view) {
        Decision::Made(answer, _) => Ok(answer),
        Decision::Needs(_) => Err(Undecided(format!(
            "scripts/{script}.rhai asks for more than the relying party"
        ))),
        Decision::Failed(reason) => Err(Undecided(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    const RP: &str = "https://sp.example.org";

    fn policy(source: &str) -> Policy {
        let scripts = BTreeMap::from([("relying-party/x".to_owned(), source.to_owned())]);
        Policy::compile(&scripts, &BTreeMap::new()).expect("compiles")
    }

    fn facts() -> RelyingPartyFacts {
        RelyingPartyFacts {
            id: RP.to_owned(),
            entity_attributes: BTreeMap::from([(
                ENTITY_CATEGORY.to_owned(),
                vec!["urn:a".to_owned(), "urn:b".to_owned()],
            )]),
            registration_authority: Some("https://registrar.example.org".to_owned()),
            groups: BTreeSet::from(["federation".to_owned()]),
            tags: BTreeSet::from(["hr".to_owned()]),
            ..RelyingPartyFacts::default()
        }
    }

    fn includes(audience: &Audience) -> bool {
        audience.includes(&facts(), &policy("true")).unwrap()
    }

    #[test]
    fn each_kind_of_audience_includes_what_it_names_and_nothing_else() {
        let list = |entry: &str| Audience::List {
            name: "l".into(),
            entries: Arc::new(BTreeSet::from([entry.to_owned()])),
        };
        let category = |uri: &str| Audience::Attribute {
            name: ENTITY_CATEGORY.into(),
            value: uri.into(),
        };
        let authority = |uri: &str| Audience::RegistrationAuthority(uri.into());
        for (yes, no) in [
            (
                Audience::Entity(RP.into()),
                Audience::Entity(format!("{RP}/")),
            ),
            (list(RP), list("https://other.example.org")),
            (category("urn:b"), category("urn:c")),
            (
                authority("https://registrar.example.org"),
                authority("https://other.example.org"),
            ),
            (
                Audience::Group("federation".into()),
                Audience::Group("x".into()),
            ),
            (Audience::Tag("hr".into()), Audience::Tag("x".into())),
        ] {
            assert!(includes(&yes), "{yes}");
            assert!(!includes(&no), "{no}");
        }
        assert!(includes(&Audience::Everyone));
    }

    #[test]
    fn a_script_sees_the_relying_party_and_its_failure_is_no_answer() {
        let script = Audience::Script(ScriptName("relying-party/x".into()));
        let ask = |source: &str| script.includes(&facts(), &policy(source));
        assert_eq!(ask("\"hr\" in rp.tags"), Ok(true));
        assert_eq!(ask("rp.id == \"x\""), Ok(false));
        assert!(ask("1 + true").is_err());
        assert!(ask("\"yes\"").is_err());
    }

    #[test]
    fn what_changes_from_login_to_login_cannot_be_asked_of_a_relying_party() {
        for source in ["user.name == \"x\"", "now.hour > 3", "request.signed"] {
            let scripts = BTreeMap::from([("relying-party/x".to_owned(), source.to_owned())]);
            assert!(
                Policy::compile(&scripts, &BTreeMap::new()).is_err(),
                "{source}"
            );
        }
    }
}
