//! What the user must be asked before anything is sent: terms of use, and the attributes of this
//! release. Pure: what was answered earlier comes as a [`Memory`], which `server` keeps.

use crate::attribute::Attribute;
use crate::authn::facts::RelyingPartyFacts;
use crate::authn::strategy::Strategies;
use crate::policy::audience::{Audience, first_of};
use jiff::Timestamp;
use openssl::sha::Sha256;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// `idp.consent.*` and `vestibule.consent.*`
#[derive(Clone, Debug, Default)]
pub struct ConsentSettings {
    /// `vestibule.consent.attribute-release.relyingParties`
    pub release: Vec<Audience>,
    /// `vestibule.consent.terms-of-use.relyingParties`
    pub terms: Vec<Audience>,
    /// `vestibule.consent.terms-of-use.key` and `.version`
    pub current_terms: Terms,
    /// `vestibule.consent.attribute-release.ignoredAttributes`: released without asking.
    pub ignored: BTreeSet<String>,
    /// `idp.consent.allowGlobal`
    pub allow_global: bool,
    /// `idp.consent.allowDoNotRemember`
    pub allow_do_not_remember: bool,
    /// `idp.consent.compareValues`
    pub compare_values: bool,
    /// `idp.consent.storageRecordLifetime`
    pub lifetime: Duration,
    /// `idp.consent.expandedMaxStoredRecords`; 0 is no limit.
    pub most_records: usize,
}

/// What a relying party's users are asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concern {
    /// The release of attributes.
    pub release: bool,
    /// The terms of use.
    pub terms: bool,
}

/// The terms of use in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Names their texts: `terms-of-use.KEY.title` and `terms-of-use.KEY.text`.
    pub key: String,
    /// Users are asked again when it changes.
    pub version: String,
}

/// A question that stands between a login and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Accept the terms of use?
    Terms,
    /// Release these attributes?
    Release,
}

/// For how long a consent to a release counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This login alone.
    Once,
    /// Until what is released to this relying party changes.
    UntilChanged,
    /// For every relying party, whatever is released.
    Everything,
}

/// What a user consented to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    releases: BTreeMap<String, Given>,
    terms: BTreeMap<String, Given>,
    everything: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    to: String,
    at: Timestamp,
}

/// A login about to be answered.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    /// Who is to get it.
    pub relying_party: &'a str,
    /// What its users are asked about.
    pub concern: Concern,
    /// What is to be released.
    pub attributes: &'a [Attribute],
    /// Now.
    pub now: Timestamp,
}

impl ConsentSettings {
    /// What this relying party's users are asked about, if anything. Where a script cannot say,
    /// they are asked: nothing goes out that somebody might have had to see.
    pub fn concern(&self, rp: &RelyingPartyFacts, strategies: &dyn Strategies) -> Option<Concern> {
        let meant = |audiences: &[Audience]| {
            !audiences.is_empty()
                && first_of(audiences, rp, strategies).map_or(true, |first| first.is_some())
        };
        let concern = Concern {
            release: meant(&self.release),
            terms: meant(&self.terms),
        };
        (concern != Concern::default()).then_some(concern)
    }

    /// What must still be asked: of `answered` nothing, for that was answered in this login.
    pub fn next(
        &self,
        release: &Release<'_>,
        memory: &Memory,
        answered: &[Question],
    ) -> Option<Question> {
        let open = |question: &Question| !answered.contains(question);
        [Question::Terms, Question::Release]
            .into_iter()
            .filter(open)
            .find(|question| match question {
                Question::Terms => self.must_accept(release, memory),
                Question::Release => self.must_release(release, memory),
            })
    }

    /// The attributes that the user is asked about.
    pub fn asked<'a>(&self, attributes: &'a [Attribute]) -> Vec<&'a Attribute> {
        let asked = attributes.iter();
        asked
            .filter(|attribute| !self.ignored.contains(&attribute.id))
            .collect()
    }

    /// Whether the user may choose this.
    pub fn allows(&self, scope: Scope) -> bool {
        match scope {
            Scope::Once => self.allow_do_not_remember,
            Scope::UntilChanged => true,
            Scope::Everything => self.allow_global,
        }
    }

    fn must_accept(&self, release: &Release<'_>, memory: &Memory) -> bool {
        let accepted = memory.terms.get(&self.current_terms.key);
        release.concern.terms
            && !accepted.is_some_and(|given| {
                given.to == self.current_terms.version && self.is_live(given.at, release.now)
            })
    }

    fn must_release(&self, release: &Release<'_>, memory: &Memory) -> bool {
        if !release.concern.release {
            return false;
        }
        let asked = self.asked(release.attributes);
        let everything = memory
            .everything
            .filter(|_| self.allow_global)
            .is_some_and(|at| self.is_live(at, release.now));
        if asked.is_empty() || everything {
            return false;
        }
        let digest = self.digest(&asked);
        let given = memory.releases.get(release.relying_party);
        !given.is_some_and(|given| given.to == digest && self.is_live(given.at, release.now))
    }

    fn is_live(&self, given: Timestamp, now: Timestamp) -> bool {
        let age = Duration::try_from(now.duration_since(given)).unwrap_or_default();
        age < self.lifetime
    }

    /// What was released, so that a change shows; the values themselves are not kept. The order of
    /// attributes and values does not count.
    pub fn digest(&self, attributes: &[&Attribute]) -> String {
        let mut parts: Vec<Vec<&str>> = attributes
            .iter()
            .map(|attribute| {
                let mut part = vec![attribute.id.as_str()];
                if self.compare_values {
                    part.extend(attribute.values.iter().map(String::as_str));
                    part[1..].sort_unstable();
                }
                part
            })
            .collect();
        parts.sort_unstable();
        let mut hasher = Sha256::new();
        for part in parts {
            // Each length goes first, so that no two releases look alike.
            hasher.update(&part.len().to_be_bytes());
            for text in part {
                hasher.update(&text.len().to_be_bytes());
                hasher.update(text.as_bytes());
            }
        }
        openssl::base64::encode_block(&hasher.finish())
    }
}

impl Memory {
    /// The user accepted the terms in force.
    pub fn accept_terms(&mut self, settings: &ConsentSettings, now: Timestamp) {
        let terms = &settings.current_terms;
        let given = Given {
            to: terms.version.clone(),
            at: now,
        };
        self.terms.insert(terms.key.clone(), given);
    }

    /// The user consented to a release.
    pub fn consent(&mut self, settings: &ConsentSettings, release: &Release<'_>, scope: Scope) {
        match scope {
            // What was remembered earlier is taken back.
            Scope::Once => drop(self.releases.remove(release.relying_party)),
            Scope::Everything => self.everything = Some(release.now),
            Scope::UntilChanged => {
                let given = Given {
                    to: settings.digest(&settings.asked(release.attributes)),
                    at: release.now,
                };
                self.releases
                    .insert(release.relying_party.to_owned(), given);
                self.forget_oldest(settings.most_records);
            }
        }
    }

    fn forget_oldest(&mut self, most: usize) {
        while most > 0 && self.releases.len() > most {
            let oldest = self.releases.iter().min_by_key(|(_, given)| given.at);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                return;
            };
            self.releases.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::strategy::ScriptName;
    use crate::policy::Policy;

    const SP: &str = "https://sp.example.org";

    fn settings() -> ConsentSettings {
        ConsentSettings {
            allow_global: true,
            allow_do_not_remember: true,
            lifetime: Duration::from_hours(24),
            current_terms: Terms {
                key: "default".into(),
                version: "1".into(),
            },
            ..ConsentSettings::default()
        }
    }

    fn attribute(id: &str, values: &[&str]) -> Attribute {
        Attribute {
            id: id.into(),
            name: format!("urn:test:{id}"),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        }
    }

    fn at(attributes: &[Attribute], hour: i64) -> Release<'_> {
        Release {
            relying_party: SP,
            concern: Concern {
                release: true,
                terms: false,
            },
            attributes,
            now: Timestamp::from_second(3600 * hour).expect("an instant"),
        }
    }

    fn remembered(settings: &ConsentSettings, attributes: &[Attribute], scope: Scope) -> Memory {
        let mut memory = Memory::default();
        memory.consent(settings, &at(attributes, 0), scope);
        memory
    }

    fn facts(id: &str) -> RelyingPartyFacts {
        RelyingPartyFacts {
            id: id.to_owned(),
            ..RelyingPartyFacts::default()
        }
    }

    #[test]
    fn nobody_is_asked_unless_the_relying_party_is_meant() {
        let concern = |release: Vec<Audience>, id: &str| {
            let settings = ConsentSettings {
                release,
                ..settings()
            };
            let nothing = BTreeMap::new();
            let policy = Policy::compile(&nothing, &BTreeMap::new()).expect("no script");
            settings.concern(&facts(id), &policy)
        };
        let release = Some(Concern {
            release: true,
            terms: false,
        });
        assert_eq!(concern(vec![], SP), None);
        assert_eq!(concern(vec![Audience::Everyone], SP), release);
        let listed = || vec![Audience::Entity(SP.into())];
        assert_eq!(concern(listed(), SP), release);
        assert_eq!(concern(listed(), "https://sp.example.org/"), None);
        let script = Audience::Script(ScriptName("missing".into()));
        assert_eq!(concern(vec![script], SP), release);
    }

    #[test]
    fn a_consent_lasts_until_another_attribute_is_released_or_its_time_is_over() {
        let settings = settings();
        let one = [attribute("mail", &["a@x"])];
        let two = [attribute("mail", &["a@x"]), attribute("uid", &["a"])];
        let memory = remembered(&settings, &one, Scope::UntilChanged);
        assert_eq!(settings.next(&at(&one, 1), &memory, &[]), None);
        let asked = Some(Question::Release);
        assert_eq!(settings.next(&at(&two, 1), &memory, &[]), asked);
        assert_eq!(settings.next(&at(&one, 24), &memory, &[]), asked);
    }

    #[test]
    fn a_changed_value_counts_where_values_are_compared_and_their_order_never() {
        let before = [attribute("mail", &["a@x", "b@x"])];
        let swapped = [attribute("mail", &["b@x", "a@x"])];
        let changed = [attribute("mail", &["a@x", "c@x"])];
        for (compare_values, expected) in [(false, None), (true, Some(Question::Release))] {
            let settings = ConsentSettings {
                compare_values,
                ..settings()
            };
            let memory = remembered(&settings, &before, Scope::UntilChanged);
            assert_eq!(settings.next(&at(&changed, 1), &memory, &[]), expected);
            assert_eq!(settings.next(&at(&swapped, 1), &memory, &[]), None);
        }
    }

    #[test]
    fn a_consent_for_once_is_not_remembered_and_takes_back_an_earlier_one() {
        let settings = settings();
        let attributes = [attribute("mail", &["a@x"])];
        let mut memory = remembered(&settings, &attributes, Scope::UntilChanged);
        memory.consent(&settings, &at(&attributes, 1), Scope::Once);
        let release = at(&attributes, 1);
        let next = settings.next(&release, &memory, &[]);
        assert_eq!(next, Some(Question::Release));
        let answered = [Question::Release];
        assert_eq!(settings.next(&release, &memory, &answered), None);
    }

    #[test]
    fn a_consent_to_everything_ends_with_the_permission_to_give_it() {
        let allowed = settings();
        let attributes = [attribute("mail", &["a@x"])];
        let memory = remembered(&allowed, &attributes, Scope::Everything);
        let elsewhere = Release {
            relying_party: "https://other.example.org",
            ..at(&attributes, 1)
        };
        assert_eq!(allowed.next(&elsewhere, &memory, &[]), None);
        let forbidden = ConsentSettings {
            allow_global: false,
            ..settings()
        };
        assert!(!forbidden.allows(Scope::Everything));
        let next = forbidden.next(&elsewhere, &memory, &[]);
        assert_eq!(next, Some(Question::Release));
    }

    #[test]
    fn new_terms_are_asked_about_before_the_release() {
        let settings = settings();
        let attributes = [attribute("mail", &["a@x"])];
        let release = Release {
            concern: Concern {
                release: true,
                terms: true,
            },
            ..at(&attributes, 1)
        };
        let mut memory = remembered(&settings, &attributes, Scope::UntilChanged);
        assert_eq!(settings.next(&release, &memory, &[]), Some(Question::Terms));
        memory.accept_terms(&settings, release.now);
        assert_eq!(settings.next(&release, &memory, &[]), None);
        let mut changed = settings.clone();
        changed.current_terms.version = "2".into();
        assert_eq!(changed.next(&release, &memory, &[]), Some(Question::Terms));
    }

    #[test]
    fn nothing_is_asked_about_ignored_attributes_alone() {
        let settings = ConsentSettings {
            ignored: ["mail".to_owned()].into(),
            ..settings()
        };
        let memory = Memory::default();
        let ignored = [attribute("mail", &["a@x"])];
        assert_eq!(settings.next(&at(&ignored, 0), &memory, &[]), None);
    }

    #[test]
    fn the_oldest_consents_go_when_there_are_too_many() {
        let settings = ConsentSettings {
            most_records: 2,
            ..settings()
        };
        let attributes = [attribute("mail", &["a@x"])];
        let mut memory = Memory::default();
        let to = |relying_party, hour| Release {
            relying_party,
            ..at(&attributes, hour)
        };
        for (hour, relying_party) in (0..).zip(["b", "a", "c"]) {
            memory.consent(&settings, &to(relying_party, hour), Scope::UntilChanged);
        }
        let open = |id| settings.next(&to(id, 3), &memory, &[]).is_some();
        assert_eq!(["a", "b", "c"].map(open), [false, true, false]);
    }
}
