//! Between a login's success and its answer: the user's consent, where the relying party is one
//! whose users are asked.
//!
//! The success waits in the store like any unfinished login; no session exists and nothing was
//! sent until the last question is answered.

use crate::attribute::Attribute;
use crate::attribute::consent::{Concern, Memory, Question, Release, Scope};
use crate::audit::ConsentAnswer;
use crate::authn::event::Event;
use crate::authn::login::{Failure, Record, Success, Verdict};
use crate::server::conversation::{Consenting, Execution};
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::visit::{Place, Visit, execution_url};
use crate::server::pages::{ReleaseView, ReleasedView, TermsView, View};
use actix_web::http::StatusCode;
use std::borrow::Cow;

/// A success with its questions.
struct Interview {
    success: Box<Success>,
    answered: Vec<Question>,
}

impl Visit<'_> {
    /// A login is decided: its answer goes out, unless the user has to be asked before.
    pub(super) async fn conclude(
        self,
        verdict: Verdict,
        records: &[Record],
    ) -> Result<Reply, Fault> {
        match verdict {
            Verdict::Success(success) if self.concern().is_some() => {
                let answered = Vec::new();
                let interview = Interview { success, answered };
                // In a box: a login that asks nothing must not carry the room for it.
                Box::pin(self.ask_next(interview, records)).await
            }
            verdict => self.finish(verdict, records).await,
        }
    }

    fn concern(&self) -> Option<Concern> {
        if self.asked.request.is_own() {
            return None;
        }
        let settings = &self.exchange.generation.settings;
        let strategies = &*settings.rules.strategies;
        let rp = &self.profile.facts;
        settings.consent.concern(rp, strategies)
    }

    async fn ask_next(self, mut interview: Interview, records: &[Record]) -> Result<Reply, Fault> {
        // What the user sees is what is sent, whatever the directory says later.
        if let Ok(record) = self.known(&interview.success).await.map(Cow::into_owned) {
            interview.success.attributes = Some(record);
        }
        let attributes = self.released(&interview.success).await;
        let memory = self.memory(&interview.success).await?;
        let open = self.next_question(&attributes, &memory, &interview.answered);
        match open {
            None => {
                let verdict = Verdict::Success(interview.success);
                self.finish(verdict, records).await
            }
            Some(_) if self.asked.request.is_passive || self.is_enhanced_client() => {
                let event = if self.asked.request.is_passive {
                    Event::NoPassive
                } else {
                    Event::AccessDenied
                };
                let why = "the user would have to be asked for consent";
                let failure = failure(event, &interview.success, why);
                self.finish(Verdict::Failure(failure), records).await
            }
            Some(question) => self.wait(interview, question, records).await,
        }
    }

    fn next_question(
        &self,
        attributes: &[Attribute],
        memory: &Memory,
        answered: &[Question],
    ) -> Option<Question> {
        let consent = &self.exchange.generation.settings.consent;
        consent.next(&self.pending(attributes), memory, answered)
    }

    fn pending<'a>(&'a self, attributes: &'a [Attribute]) -> Release<'a> {
        Release {
            relying_party: &self.asked.request.issuer,
            concern: self.concern().unwrap_or_default(),
            attributes,
            now: self.exchange.now,
        }
    }

    async fn memory(&self, success: &Success) -> Result<Memory, Fault> {
        let consents = self.exchange.consents();
        Ok(consents.of(success.result.username()).await?)
    }

    /// What would be sent to the relying party.
    async fn released(&self, success: &Success) -> Vec<Attribute> {
        let Ok(record) = self.record(success).await else {
            return Vec::new();
        };
        // Where no NameID can be made there will be no answer: `finish` says so.
        let released = self.release(success, &record, None).await;
        released
            .map(|(attributes, _)| attributes)
            .unwrap_or_default()
    }

    /// Stores the success with its question and sends the browser to the page.
    async fn wait(
        self,
        interview: Interview,
        question: Question,
        records: &[Record],
    ) -> Result<Reply, Fault> {
        let (id, won) = self.store(&self.waiting(interview, question)).await?;
        if won {
            self.journal().records(&self.asked, records);
        }
        let current = execution_url(self.exchange, &self.asked.request, &id);
        Ok(Reply::see_other(current).with(self.browser.cookie()))
    }

    fn waiting(&self, interview: Interview, question: Question) -> Execution {
        Execution::Consent(Box::new(Consenting {
            asked: self.asked.clone(),
            generation: self.exchange.generation.settings.fingerprint.clone(),
            browser: self.browser.hash(),
            csrf: self.csrf.clone(),
            success: interview.success,
            question,
            answered: interview.answered,
        }))
    }

    /// The question's page.
    async fn question(&self, success: &Success, question: Question) -> Result<Reply, Fault> {
        let Place::At { id, .. } = &self.place else {
            return Err(Fault::Defect("a question of no stored login".to_owned()));
        };
        let consent = &self.exchange.generation.settings.consent;
        let action = execution_url(self.exchange, &self.asked.request, id);
        let csrf = self.csrf.clone();
        let view = match question {
            Question::Terms => View::Terms(TermsView {
                action,
                csrf,
                key: consent.current_terms.key.clone(),
            }),
            Question::Release => View::Release(ReleaseView {
                action,
                csrf,
                username: success.result.username().to_owned(),
                attributes: consent
                    .asked(&self.released(success).await)
                    .into_iter()
                    .map(ReleasedView::from)
                    .collect(),
                allow_once: consent.allows(Scope::Once),
                allow_everything: consent.allows(Scope::Everything),
            }),
        };
        Ok(Reply::login_page(
            view,
            &self.asked.transaction,
            self.service(),
        ))
    }

    /// The user agreed. The one request that moves the login on remembers it and goes on.
    async fn agreed(
        mut self,
        mut interview: Interview,
        question: Question,
        scope: Scope,
    ) -> Result<Reply, Fault> {
        interview.answered.push(question);
        let success = interview.success.clone();
        let answered = interview.answered.clone();
        let (id, won) = self.store(&self.waiting(interview, question)).await?;
        let moved = self.exchange.executions().read(&id).await?;
        let (true, Some(moved)) = (won, moved) else {
            let current = execution_url(self.exchange, &self.asked.request, &id);
            return Ok(Reply::see_other(current));
        };
        self.place = Place::At {
            id,
            version: moved.version,
        };
        self.write_answer(&success, question, Ok(())).await?;
        self.remember(&success, question, scope).await?;
        self.ask_next(Interview { success, answered }, &[]).await
    }

    async fn remember(
        &self,
        success: &Success,
        question: Question,
        scope: Scope,
    ) -> Result<(), Fault> {
        let consents = self.exchange.consents();
        let attributes = self.released(success).await;
        let release = self.pending(&attributes);
        let add = |memory: &mut Memory| match question {
            Question::Terms => memory.accept_terms(consents.settings, release.now),
            Question::Release => memory.consent(consents.settings, &release, scope),
        };
        Ok(consents.add(success.result.username(), add).await?)
    }

    /// The user refused: our own page, and nothing is sent.
    async fn refused(self, success: &Success, question: Question) -> Result<Reply, Fault> {
        let Place::At { id, .. } = &self.place else {
            return Err(Fault::Defect("an answer to no stored login".to_owned()));
        };
        if !self.claim().await? {
            let current = execution_url(self.exchange, &self.asked.request, id);
            return Ok(Reply::see_other(current));
        }
        let event = refusal(question);
        self.write_answer(success, question, Err(event)).await?;
        let failure = failure(event, success, "the user refused");
        self.journal().failure(&self.asked, &failure, None)?;
        Ok(Reply::login_error(
            StatusCode::OK,
            event.as_str(),
            &self.asked.transaction,
            self.service(),
        ))
    }

    async fn write_answer(
        &self,
        success: &Success,
        question: Question,
        outcome: Result<(), Event>,
    ) -> Result<(), Fault> {
        let consent = &self.exchange.generation.settings.consent;
        let attributes = self.released(success).await;
        let asked = consent.asked(&attributes);
        let terms = &consent.current_terms;
        let (agreed, ids, value) = match question {
            Question::Terms => (
                "TermsOfUseConsent",
                vec![&*terms.key],
                terms.version.clone(),
            ),
            Question::Release => (
                "AttributeReleaseConsent",
                asked.iter().map(|attribute| &*attribute.id).collect(),
                consent.digest(&asked),
            ),
        };
        let answer = ConsentAnswer {
            username: success.result.username(),
            event: outcome.map_or_else(Event::as_str, |()| agreed),
            ids: &ids,
            value: &value,
            approved: outcome.is_ok(),
        };
        Ok(self.journal().consent(&self.asked, &answer)?)
    }
}

fn refusal(question: Question) -> Event {
    match question {
        Question::Terms => Event::TermsRejected,
        Question::Release => Event::AttributeReleaseRejected,
    }
}

fn failure(event: Event, success: &Success, reason: &str) -> Failure {
    Failure {
        event,
        username: Some(success.result.username().to_owned()),
        why: format!("{}; {reason}", success.why),
        audit: success.audit.clone(),
    }
}

/// The name of a question in its form.
fn name(question: Question) -> &'static str {
    match question {
        Question::Terms => "terms-of-use",
        Question::Release => "attribute-release",
    }
}

/// GET: the page of the open question.
pub(super) async fn show(
    exchange: &Exchange,
    consenting: Consenting,
    place: Place,
) -> Result<Reply, Fault> {
    let is_current = is_current(exchange, &consenting);
    let Consenting {
        asked,
        csrf,
        success,
        question,
        answered,
        ..
    } = consenting;
    let visit = Visit::new(exchange, asked, place, csrf).await?;
    match is_current {
        false => visit.begin().await,
        // Agreed, but the request that was to go on did not: this one does.
        true if answered.contains(&question) => {
            visit.ask_next(Interview { success, answered }, &[]).await
        }
        true => visit.question(&success, question).await,
    }
}

/// POST: the answer.
pub(super) async fn submit(
    exchange: &Exchange,
    consenting: Consenting,
    place: Place,
    form: &Parameters,
) -> Result<Reply, Fault> {
    let is_current = is_current(exchange, &consenting);
    let Consenting {
        asked,
        csrf,
        success,
        question,
        answered,
        ..
    } = consenting;
    let visit = Visit::new(exchange, asked, place, csrf).await?;
    // The answer to an earlier question is none to this one.
    let answers_this = form.value("question") == Some(name(question));
    if !is_current || !answers_this || answered.contains(&question) {
        return visit.current_page();
    }
    match form.value("_eventId") {
        Some("proceed") => {
            let scope = scope(exchange, question, form)?;
            let interview = Interview { success, answered };
            visit.agreed(interview, question, scope).await
        }
        Some("reject") => visit.refused(&success, question).await,
        _ => Err(Fault::BAD_REQUEST),
    }
}

impl Visit<'_> {
    fn current_page(&self) -> Result<Reply, Fault> {
        match &self.place {
            Place::At { id, .. } => {
                let url = execution_url(self.exchange, &self.asked.request, id);
                Ok(Reply::see_other(url))
            }
            Place::New => Err(Fault::BAD_REQUEST),
        }
    }
}

fn is_current(exchange: &Exchange, consenting: &Consenting) -> bool {
    consenting.generation == exchange.generation.settings.fingerprint
}

/// The choice on the page, by Shibboleth's names; one that is not offered is refused.
fn scope(exchange: &Exchange, question: Question, form: &Parameters) -> Result<Scope, Fault> {
    let scope = match form.value("_shib_idp_consentOptions") {
        _ if question == Question::Terms => return Ok(Scope::UntilChanged),
        Some("_shib_idp_rememberConsent") => Scope::UntilChanged,
        Some("_shib_idp_doNotRememberConsent") => Scope::Once,
        Some("_shib_idp_globalConsent") => Scope::Everything,
        _ => return Err(Fault::BAD_REQUEST),
    };
    let allowed = exchange.generation.settings.consent.allows(scope);
    allowed.then_some(scope).ok_or(Fault::BAD_REQUEST)
}
