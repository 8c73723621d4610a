//! Overrides for relying parties.

use super::audience;
use crate::attribute::ReleaseRule;
use crate::authn::flow::FlowId;
use crate::authn::rules::FailMode;
use crate::config::reader::{Reader, is_uri};
use crate::config::relying_party::{Changes, Override, ProfileId, Profiles, preset};
use crate::config::value;
use crate::response::ResponseSettings;
use crate::response::name_id::NameIdRules;
use crate::saml::context::AuthnContextClassRef;
use crate::saml::encryption::{
    BlockEncryption, EncryptionPolicy, EncryptionSettings, KeyTransport,
};
use crate::saml::name_id::{EMAIL, PERSISTENT, TRANSIENT, UNSPECIFIED};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

const FAMILY: &str = "vestibule.rp.";

pub(super) fn read(
    reader: &mut Reader<'_>,
    (response, encryption): (Option<&ResponseSettings>, Option<EncryptionSettings>),
    name_ids: Option<NameIdRules>,
    release: &[ReleaseRule],
) -> Option<Profiles> {
    let languages = reader.list("idp.ui.fallbackLanguages");
    let names = reader.values.names_under(FAMILY);
    let mut overrides: Vec<Override> = names
        .iter()
        .filter_map(|name| Section { reader, name }.read(release))
        .collect();
    overrides.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
    Some(Profiles {
        response: response?.clone(),
        encryption: encryption?,
        name_ids: name_ids?,
        languages,
        overrides,
    })
}

/// The keys of one override.
struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    name: &'r str,
}

impl Section<'_, '_> {
    fn read(mut self, release: &[ReleaseRule]) -> Option<Override> {
        let key = self.key("match");
        self.reader.required_list(&key);
        let matches = audience::read(self.reader, &key);
        let mut changes = self.changes();
        changes.release_rules = self.release_rules(release);
        if let Some(name) = self.reader.choice(&self.key("preset")) {
            changes.fill_in(&preset(&name).expect("the table lists the presets there are"));
        }
        self.check(&changes);
        Some(Override {
            name: self.name.to_owned(),
            order: self.reader.count(&self.key("order"))?,
            matches,
            owner: self.reader.text(&self.key("owner")),
            reason: self.reader.text(&self.key("reason")),
            until: self.reader.parsed(&self.key("until"), end_of_day),
            changes,
        })
    }

    fn key(&self, part: &str) -> String {
        format!("{FAMILY}{}.{part}", self.name)
    }

    fn written(&self, part: &str) -> bool {
        self.reader.values.written(&self.key(part)).is_some()
    }

    fn flag(&mut self, part: &str) -> Option<bool> {
        let key = self.key(part);
        self.reader.flag(&key)
    }

    fn choice(&mut self, part: &str) -> Option<String> {
        let key = self.key(part);
        self.reader.choice(&key)
    }

    fn changes(&mut self) -> Changes {
        Changes {
            sign_responses: self.flag("signResponses"),
            sign_assertions: self.flag("signAssertions"),
            encryption: self.choice("encryptAssertions").map(|word| policy(&word)),
            block: self.choice("dataAlgorithm").and_then(|word| block(&word)),
            transport: self
                .choice("keyTransport")
                .and_then(|word| transport(&word)),
            include_address: self.flag("includeAddress"),
            assertion_lifetime: self.reader.duration(&self.key("assertionLifetime")),
            session_lifetime: self.reader.duration(&self.key("maximumSPSessionLifetime")),
            name_id_formats: self.name_id_formats(),
            name_id_attribute: self.reader.text(&self.key("nameIDAttribute")),
            default_classes: self.principals("defaultAuthenticationMethods"),
            preferred_classes: self.classes("preferredClasses"),
            allowed_classes: self.classes("allowedClasses"),
            may_name_classes: self.choice("disallowedFeatures").map(|mask| mask == "0x0"),
            required_flows: self.required_flows(),
            release_rules: None,
            allowed_profiles: self.allowed_profiles(),
            fail_mode: self.choice("duo.failMode").map(|word| fail_mode(&word)),
            display_name: self.reader.text(&self.key("displayName")),
            tags: self.reader.list(&self.key("tags")).into_iter().collect(),
        }
    }

    fn principals(&mut self, part: &str) -> Option<Vec<AuthnContextClassRef>> {
        let principals = self.reader.principals(&self.key(part));
        self.written(part).then_some(principals)
    }

    fn classes(&mut self, part: &str) -> Option<Vec<AuthnContextClassRef>> {
        let classes = self.reader.classes(&self.key(part));
        self.written(part).then_some(classes)
    }

    fn name_id_formats(&mut self) -> Option<Vec<String>> {
        let key = self.key("nameIDFormats");
        let formats = formats(self.reader, &key);
        (!formats.is_empty()).then_some(formats)
    }

    fn required_flows(&mut self) -> Option<BTreeSet<FlowId>> {
        let key = self.key("requiredFlows");
        let text = self.reader.text(&key)?;
        let mut flows = BTreeSet::new();
        for name in value::flow_names(&text) {
            // The composite is what runs the others: it cannot be missing.
            match value::flow(name).filter(|flow| *flow != FlowId::Mfa) {
                Some(flow) => drop(flows.insert(flow)),
                None => self
                    .reader
                    .wrong(&key, name, "name factors such as authn/DuoOIDC"),
            }
        }
        Some(flows)
    }

    fn release_rules(&mut self, release: &[ReleaseRule]) -> Option<Vec<String>> {
        let key = self.key("attributes");
        let names = self.reader.list(&key);
        for name in &names {
            if !release.iter().any(|rule| rule.name == *name) {
                let found = format!("\"{}\"", name.escape_debug());
                let fix = format!(
                    "define vestibule.release.{}.attributes",
                    name.escape_debug()
                );
                self.reader
                    .error(&key, found, "names of release rules", fix);
            }
        }
        self.written("attributes").then_some(names)
    }

    fn allowed_profiles(&mut self) -> Option<BTreeSet<ProfileId>> {
        let key = self.key("allowedProfiles");
        let mut allowed = BTreeSet::new();
        for word in self.reader.list(&key) {
            let mut all = ProfileId::ALL.into_iter();
            if let Some(profile) = all.find(|profile| profile.as_str() == word) {
                allowed.insert(profile);
            } else {
                let fix = "write sso, unsolicited, ecp or logout";
                self.reader.wrong(&key, &word, fix);
            }
        }
        self.written("allowedProfiles").then_some(allowed)
    }

    fn check(&mut self, changes: &Changes) {
        let block = changes.block.filter(|block| !block.is_authenticated());
        if block.is_some() {
            let key = self.key("dataAlgorithm");
            let found = "CBC, which notices no change to what it hides";
            self.reader
                .warn(&key, found, "use GCM as soon as the service can decrypt it");
        }
        if (changes.sign_responses, changes.sign_assertions) == (Some(false), Some(false)) {
            let key = self.key("signResponses");
            let found = "false beside signAssertions = false";
            self.reader.error(
                &key,
                found,
                "at least one signature",
                "set one of the two to true",
            );
        }
    }
}

/// Formats of NameIDs by URI or short name.
pub(super) fn formats(reader: &mut Reader<'_>, key: &str) -> Vec<String> {
    let mut formats = Vec::new();
    for text in reader.list(key) {
        match format(&text) {
            Some(format) => formats.push(format),
            None => reader.wrong(key, &text, "write the format's URI"),
        }
    }
    formats
}

/// One format.
pub(super) fn format(text: &str) -> Option<String> {
    Some(match text {
        "transient" => TRANSIENT.to_owned(),
        "persistent" => PERSISTENT.to_owned(),
        "emailAddress" => EMAIL.to_owned(),
        "unspecified" => UNSPECIFIED.to_owned(),
        uri if is_uri(uri) => uri.to_owned(),
        _ => return None,
    })
}

fn policy(word: &str) -> EncryptionPolicy {
    match word {
        "true" => EncryptionPolicy::Required,
        "false" => EncryptionPolicy::Never,
        _ => EncryptionPolicy::Optional,
    }
}

fn block(word: &str) -> Option<BlockEncryption> {
    let mut all = BlockEncryption::ALL.into_iter();
    all.find(|block| block.uri().ends_with(&format!("#{word}")))
}

fn transport(word: &str) -> Option<KeyTransport> {
    let mut all = KeyTransport::ALL.into_iter();
    all.find(|transport| transport.uri().ends_with(&format!("#{word}")))
}

fn fail_mode(word: &str) -> FailMode {
    match word {
        "open" => FailMode::Open,
        _ => FailMode::Closed,
    }
}

/// The instant at which a day is over, in UTC.
fn end_of_day(text: &str) -> Option<Timestamp> {
    let next: Date = text.parse::<Date>().ok()?.tomorrow().ok()?;
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
