//! What is said about the user at the end of a login: attributes and NameID.

use crate::attribute::{self, Attribute, DUO_RESULT, SourceRecord, Subject};
use crate::authn::event::Event;
use crate::authn::evidence::Evidence;
use crate::authn::login::Success;
use crate::response::name_id::{Asked, Needed};
use crate::saml::name_id::NameId;
use crate::server::back_end::PersistentIdOf;
use crate::server::http::visit::Visit;
use serde_json::Value;
use std::borrow::Cow;

/// The directory did not answer: it has been logged.
pub(super) struct NoRecord;

/// What stands in for what a NameID is made of while nothing is sent yet.
const UNSENT: &str = "unsent";

impl Visit<'_> {
    /// What the directory knows of the user, and what Duo said in this login.
    pub(super) async fn record<'s>(
        &self,
        success: &'s Success,
    ) -> Result<Cow<'s, SourceRecord>, NoRecord> {
        let mut record = self.known(success).await?;
        if let Some(duo) = &success.duo {
            let source = DUO_RESULT.to_owned();
            record.to_mut().insert(source, vec![duo.to_string()]);
        }
        Ok(record)
    }

    pub(super) async fn known<'s>(
        &self,
        success: &'s Success,
    ) -> Result<Cow<'s, SourceRecord>, NoRecord> {
        if let Some(record) = &success.attributes {
            return Ok(Cow::Borrowed(record));
        }
        let username = success.result.username();
        let record = self.exchange.generation.directory.record(username).await;
        record.map(Cow::Owned).map_err(|error| {
            tracing::error!(%error, "the directory did not answer");
            NoRecord
        })
    }

    /// What the relying party gets of this record; `token` is what a transient NameID is made of.
    /// Without one nothing is sent yet, and no identifier is created.
    pub(super) async fn release(
        &self,
        success: &Success,
        record: &SourceRecord,
        token: Option<&str>,
    ) -> Result<(Vec<Attribute>, NameId), Event> {
        let settings = &self.exchange.generation.settings;
        let login = if settings.attributes.reads_login {
            login_facts(success)
        } else {
            SourceRecord::new()
        };
        let subject = Subject {
            username: success.result.username(),
            record,
            login: &login,
            rp: &self.profile.facts,
            strategies: &*settings.rules.strategies,
            now: self.exchange.now,
        };
        let index = self.asked.request.attribute_consuming_service_index;
        let asking = (&*self.relying_party, index);
        let released =
            attribute::release(&settings.attributes, &self.profile.plan, &subject, asking);
        for problem in &released.problems {
            tracing::error!(problem, "an attribute is missing: its script failed");
        }
        let rules = &self.profile.name_ids;
        let asked = Asked {
            request: &self.asked.request,
            relying_party: &self.relying_party,
            issuer: &settings.entity_id,
            record: &rules.record(&settings.attributes, &subject),
            released: &released.attributes,
            token: token.unwrap_or(UNSENT),
            stored: None,
        };
        let stored = match rules.needs(&asked) {
            Some(needed) if token.is_none() && needed.may_create => Some(UNSENT.to_owned()),
            Some(needed) => self.stored_id(success.result.username(), &needed).await?,
            None => None,
        };
        let stored = stored.as_deref();
        let name_id = rules.name_id(&Asked { stored, ..asked })?;
        Ok((released.attributes, name_id))
    }

    /// The persistent identifier that is kept for this user and relying party.
    async fn stored_id(&self, username: &str, needed: &Needed) -> Result<Option<String>, Event> {
        let generation = &self.exchange.generation;
        let Some(ids) = &generation.persistent_ids else {
            return Ok(None);
        };
        let of = PersistentIdOf {
            issuer: &generation.settings.entity_id,
            relying_party: &self.asked.request.issuer,
            username,
            local_id: &needed.local_id,
        };
        let random = self.exchange.app.world.id();
        let new: Vec<String> = needed.initial.iter().cloned().chain([random]).collect();
        let new = if needed.may_create { &new[..] } else { &[] };
        let found = ids.find_or_create(of, new).await;
        found.map_err(|error| {
            tracing::error!(%error, "no NameID");
            Event::RuntimeException
        })
    }
}

/// The login's own facts as source attributes.
fn login_facts(success: &Success) -> SourceRecord {
    let result = &success.result;
    let flows = result.factors().keys();
    let mut facts = SourceRecord::from([
        (
            "login.username".to_owned(),
            vec![result.username().to_owned()],
        ),
        (
            "login.method".to_owned(),
            flows.map(ToString::to_string).collect(),
        ),
        ("login.class".to_owned(), vec![success.class.to_string()]),
        (
            "login.instant".to_owned(),
            vec![result.authn_instant().to_string()],
        ),
    ]);
    for factor in result.factors().values() {
        if let Evidence::Duo(duo) = factor.evidence() {
            facts.insert("login.duo.factor".to_owned(), vec![duo.factor().to_owned()]);
            facts.insert("login.duo.reason".to_owned(), vec![duo.reason().to_owned()]);
        }
    }
    if let Some(claims) = success.duo.as_ref().map(|duo| &duo["claims"]) {
        add_claims(&mut facts, "login.duo.claim", claims);
    }
    facts
}

/// Every claim of Duo's verified result under its path, the items of a list as values.
fn add_claims(facts: &mut SourceRecord, path: &str, claim: &Value) {
    match claim {
        Value::Null => {}
        Value::Object(members) => {
            for (name, member) in members {
                add_claims(facts, &format!("{path}.{name}"), member);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| add_claims(facts, path, item)),
        Value::String(text) => facts.entry(path.to_owned()).or_default().push(text.clone()),
        other => facts
            .entry(path.to_owned())
            .or_default()
            .push(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_have_their_paths_and_lists_are_values() {
        let claims = serde_json::json!({
            "sub": "alice",
            "auth_time": 5,
            "auth_context": {"user": {"groups": ["staff", "vpn"], "key": null}},
        });
        let mut facts = SourceRecord::new();
        add_claims(&mut facts, "login.duo.claim", &claims);
        assert_eq!(facts["login.duo.claim.sub"], ["alice"]);
        assert_eq!(facts["login.duo.claim.auth_time"], ["5"]);
        assert_eq!(
            facts["login.duo.claim.auth_context.user.groups"],
            ["staff", "vpn"]
        );
        assert_eq!(facts.len(), 3);
    }
}
