//! What is said about the user at the end of a login: attributes and NameID.

use crate::attribute::{self, Attribute, DUO_RESULT, SourceRecord, Subject};
use crate::authn::event::Event;
use crate::authn::evidence::Evidence;
use crate::authn::login::Success;
use crate::response::name_id::Asked;
use crate::saml::name_id::NameId;
use crate::server::http::visit::Visit;
use std::borrow::Cow;

/// The directory did not answer: it has been logged.
pub(super) struct NoRecord;

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
    pub(super) fn release(
        &self,
        success: &Success,
        record: &SourceRecord,
        token: &str,
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
        let name_id = self.profile.name_ids.name_id(&Asked {
            request: &self.asked.request,
            relying_party: &self.relying_party,
            issuer: &settings.entity_id,
            record: &self.profile.name_ids.record(&settings.attributes, &subject),
            released: &released.attributes,
            token,
        })?;
        Ok((released.attributes, name_id))
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
    facts
}
