//! A Metadata Query service: one entity for each question, answers and refusals kept for a while
//! (draft-young-md-query, draft-young-md-query-saml).

use super::fetch::{self, Fetched, Validators};
use super::held::Held;
use super::status::SourceStatus;
use crate::config::metadata::{Mdq, ProviderSettings};
use crate::saml::metadata::EntityDescriptor;
use crate::server::session::later;
use jiff::Timestamp;
use openssl::hash::{MessageDigest, hash};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Client;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};

/// The greatest answer: one entity.
const LARGEST: u64 = 1024 * 1024;
/// Questions under way at once; the ids come from whoever sends requests.
const AT_ONCE: usize = 8;
/// Answers and refusals kept.
const KEPT: usize = 10_000;
/// The longest entityID (SAML metadata 2.2.1).
const LONGEST_ID: usize = 1024;
/// How long a service that failed is not asked for the same entity again.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// RFC 3986 2.3: unreserved characters stand for themselves.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What a service said so far.
#[derive(Debug)]
pub(super) struct MdqCache {
    settings: Arc<ProviderSettings>,
    mdq: Mdq,
    client: OnceCell<Client>,
    permits: Semaphore,
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    known: HashMap<String, Answer>,
    problem: Option<String>,
    failures: u64,
}

#[derive(Clone, Debug)]
struct Answer {
    entity: Option<Arc<EntityDescriptor>>,
    ask_again: Timestamp,
}

impl MdqCache {
    pub(super) fn new(settings: Arc<ProviderSettings>, mdq: Mdq) -> Self {
        Self {
            settings,
            mdq,
            client: OnceCell::new(),
            permits: Semaphore::new(AT_ONCE),
            answers: Mutex::default(),
        }
    }

    /// What is known of the entity without asking.
    pub(super) fn find(&self, entity_id: &str) -> Option<Arc<EntityDescriptor>> {
        self.lock().known.get(entity_id)?.entity.clone()
    }

    /// Asks for the entity unless what is known is fresh; whether there is such an entity.
    pub(super) async fn prepare(&self, entity_id: &str, now: Timestamp) -> bool {
        if entity_id.is_empty() || entity_id.len() > LONGEST_ID {
            return false;
        }
        if let Some(found) = self.fresh(entity_id, now) {
            return found;
        }
        // A service that hangs must not gather logins without end.
        let patience = self.settings.socket_timeout;
        let Ok(Ok(_permit)) = tokio::time::timeout(patience, self.permits.acquire()).await else {
            return false;
        };
        // Somebody else may have asked meanwhile.
        if let Some(found) = self.fresh(entity_id, now) {
            return found;
        }
        let asked = self.ask(entity_id, now).await;
        self.keep(entity_id, asked, now)
    }

    fn fresh(&self, entity_id: &str, now: Timestamp) -> Option<bool> {
        let answers = self.lock();
        let answer = answers.known.get(entity_id)?;
        (now < answer.ask_again).then_some(answer.entity.is_some())
    }

    /// The entity and how long it may be kept; `None` when the service knows none.
    async fn ask(
        &self,
        entity_id: &str,
        now: Timestamp,
    ) -> Result<Option<(Arc<EntityDescriptor>, Duration)>, String> {
        let make = || async { fetch::client(&self.settings, self.settings.socket_timeout) };
        let client = self.client.get_or_try_init(make).await?;
        let url = self.url(entity_id);
        let fetched = fetch::get(client, &url, &Validators::default(), LARGEST).await?;
        let Some(Fetched::Document { octets, .. }) = fetched else {
            return Ok(None);
        };
        // Never larger than what is parsed whole, so no copy is made anywhere.
        let held = Held::read(&octets, &self.settings, Path::new("."), now)?;
        match held.find(entity_id) {
            Some(entity) if held.len() == 1 => Ok(Some((entity, self.delay(&held, now)))),
            // S29: an answer about somebody else is no answer.
            _ => Err("the answer is not the entity that was asked for".to_owned()),
        }
    }

    fn delay(&self, held: &Held, now: Timestamp) -> Duration {
        let remaining = held.valid_until.map(|until| until.duration_since(now));
        let remaining = remaining.map(|left| Duration::try_from(left).unwrap_or_default());
        self.settings.refresh.delay(remaining, held.cache_duration)
    }

    /// A failure keeps what was known: it ends by its own validity.
    fn keep(
        &self,
        entity_id: &str,
        asked: Result<Option<(Arc<EntityDescriptor>, Duration)>, String>,
        now: Timestamp,
    ) -> bool {
        let mut answers = self.lock();
        let (entity, delay) = match asked {
            Ok(Some((entity, delay))) => {
                answers.problem = None;
                (Some(entity), delay)
            }
            Ok(None) => {
                answers.problem = None;
                (None, self.mdq.negative)
            }
            Err(problem) => {
                tracing::error!(
                    provider = self.settings.name,
                    problem,
                    "metadata query failed"
                );
                answers.problem = Some(problem);
                answers.failures += 1;
                let last = answers
                    .known
                    .get(entity_id)
                    .and_then(|answer| answer.entity.clone());
                (last, AFTER_FAILURE)
            }
        };
        let found = entity.is_some();
        answers.make_room(now);
        let ask_again = later(now, delay);
        answers
            .known
            .insert(entity_id.to_owned(), Answer { entity, ask_again });
        found
    }

    fn url(&self, entity_id: &str) -> String {
        let name = if self.mdq.sha1 {
            format!("{{sha1}}{}", sha1(entity_id))
        } else {
            entity_id.to_owned()
        };
        format!(
            "{}/entities/{}",
            self.mdq.base,
            utf8_percent_encode(&name, ESCAPED)
        )
    }

    pub(super) fn describe(&self, status: &mut SourceStatus) {
        let answers = self.lock();
        status.entities = answers
            .known
            .values()
            .filter(|a| a.entity.is_some())
            .count();
        status.failures = answers.failures;
        status.add_problems(answers.problem.clone());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    /// Ids come from outside: refusals go first, then everything.
    fn make_room(&mut self, now: Timestamp) {
        if self.known.len() < KEPT {
            return;
        }
        self.known
            .retain(|_, answer| answer.entity.is_some() && now < answer.ask_again);
        if self.known.len() >= KEPT {
            self.known.clear();
        }
    }
}

fn sha1(text: &str) -> String {
    let digest = hash(MessageDigest::sha1(), text.as_bytes()).expect("OpenSSL has SHA-1");
    let mut hex = String::with_capacity(40);
    for octet in digest.iter() {
        let _ = write!(hex, "{octet:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_is_asked_for_by_its_escaped_id_or_its_digest() {
        let settings = Arc::new(ProviderSettings::folder("x".into()));
        let url = |sha1| {
            let base = "https://mdq.example.org".to_owned();
            let mdq = Mdq {
                base,
                sha1,
                negative: Duration::from_mins(10),
            };
            MdqCache::new(Arc::clone(&settings), mdq).url("http://example.org/service")
        };
        // The example of draft-young-md-query-saml 2.
        assert_eq!(
            url(false),
            "https://mdq.example.org/entities/http%3A%2F%2Fexample.org%2Fservice"
        );
        assert_eq!(
            url(true),
            "https://mdq.example.org/entities/%7Bsha1%7D11d72e8cf351eb6c75c721e838f469677ab41bdb"
        );
    }
}
