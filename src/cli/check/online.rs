//! `vestibule check --online`: whether what a login needs answers, and whose fault it is if not.

use crate::cli::duo::{ping, status};
use crate::cli::{admin, say};
use crate::config::ldap::LdapDirectorySettings;
use crate::config::metadata::{Origin, ProviderSettings};
use crate::config::settings::{Settings, StorageSettings};
use crate::config::sql::AttributeSource;
use crate::server::back_end::duo::HttpDuoClient;
use crate::server::back_end::ldap::{LdapDirectory, LdapPassword};
use crate::server::metadata::reach;
use crate::server::storage::{Context as Kind, Key, StorageError};
use crate::server::world::{SystemClock, attribute_source};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Nothing that a login waits for may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Beyond this Duo's results are refused (`idp.duo.oidc.jwt.verifier.*` at its default).
const CLOCK_SECONDS: i64 = 60;

/// What one thing answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Probe {
    what: String,
    pub(super) ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    /// What is wrong, or worth a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// How a thing is: perhaps a word about it, or whose fault it is and what is wrong.
type Outcome = Result<Option<String>, (&'static str, String)>;

/// A question under way.
type Question<'a> = (String, BoxFuture<'a, Outcome>);

/// Asks everything at once.
pub(super) fn probe(settings: &Settings, quiet: bool) -> Vec<Probe> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime on this thread needs nothing but memory");
    let storage = storage(settings, &runtime);
    let mut probes = vec![Probe::new("storage".to_owned(), storage)];
    let client = match HttpDuoClient::new(&settings.duo_http) {
        Ok(client) => client,
        Err(reason) => {
            probes.push(Probe::new("Duo".to_owned(), Err(("configuration", reason))));
            return probes;
        }
    };
    let mut questions = duo(settings, &client);
    questions.extend(directories(settings));
    questions.extend(metadata(settings));
    probes.extend(runtime.block_on(ask(questions, quiet)));
    probes
}

async fn ask(questions: Vec<Question<'_>>, quiet: bool) -> Vec<Probe> {
    let bar = if quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(questions.len() as u64)
    };
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} answered");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let numbered = questions.into_iter().enumerate();
    let mut asked: FuturesUnordered<_> = numbered
        .map(|(number, (what, question))| async move {
            let answer = tokio::time::timeout(PATIENCE, question).await;
            let late = || Err(("network", "no answer in 30 seconds".to_owned()));
            (number, Probe::new(what, answer.unwrap_or_else(|_| late())))
        })
        .collect();
    let mut answered = Vec::new();
    while let Some(probe) = asked.next().await {
        answered.push(probe);
        bar.inc(1);
    }
    bar.finish_and_clear();
    answered.sort_by_key(|(number, _)| *number);
    answered.into_iter().map(|(_, probe)| probe).collect()
}

fn duo<'a>(settings: &'a Settings, client: &'a HttpDuoClient) -> Vec<Question<'a>> {
    let integrations = settings.rules.duo.integrations.values();
    let mut questions: Vec<Question<'a>> = integrations
        .map(|integration| {
            let what = format!("Duo {} ({})", integration.name, integration.api_host);
            let asked = async move { health(&ping::ask(client, integration).await) };
            (what, Box::pin(asked) as BoxFuture<'a, Outcome>)
        })
        .collect();
    if let Some(api) = &settings.duo_auth_api {
        let asked = async move { api_outcome(&status::auth_api(client, api).await) };
        questions.push(("Duo Auth API".to_owned(), Box::pin(asked)));
    }
    if let Some(integration) = &settings.duo_admin_api {
        let asked = async move { api_outcome(&status::admin_api(client, integration).await) };
        questions.push(("Duo Admin API".to_owned(), Box::pin(asked)));
    }
    questions
}

fn health(health: &ping::Health) -> Outcome {
    if let Some(problem) = &health.problem {
        return Err((health.fault.unwrap_or_default(), problem.clone()));
    }
    match health.clock_difference {
        Some(seconds) if seconds.abs() > CLOCK_SECONDS => Err((
            "clock",
            format!("our clock differs from Duo's by {seconds} s: results will be refused"),
        )),
        Some(seconds) => Ok(Some(format!("our clock minus Duo's is {seconds} s"))),
        None => Ok(None),
    }
}

fn api_outcome(api: &status::Api) -> Outcome {
    match &api.problem {
        Some(problem) => Err((api.fault.unwrap_or_default(), problem.clone())),
        None => Ok(None),
    }
}

fn directories(settings: &Settings) -> Vec<Question<'_>> {
    let mut questions: Vec<Question<'_>> = Vec::new();
    if let Some(ldap) = &settings.password.ldap {
        let asked = async move {
            let ldap = LdapPassword::new(ldap.clone()).map_err(misconfigured)?;
            ldap.reach().await.map_err(directory_fault)?;
            Ok(None)
        };
        questions.push(("directory for passwords".to_owned(), Box::pin(asked)));
    }
    for source in &settings.attribute_sources {
        match source {
            AttributeSource::Csv => {}
            AttributeSource::Ldap(ldap) => {
                let asked = attributes(LdapDirectorySettings::clone(ldap));
                questions.push(("directory for attributes".to_owned(), Box::pin(asked)));
            }
            AttributeSource::Sql(_) => {
                let what = format!("database {}", source.name());
                questions.push((what, Box::pin(database(settings, source))));
            }
        }
    }
    questions
}

async fn attributes(ldap: LdapDirectorySettings) -> Outcome {
    let ldap = LdapDirectory::new(ldap).map_err(misconfigured)?;
    ldap.reach().await.map_err(directory_fault)?;
    Ok(None)
}

/// The database is asked for a user whom nobody has.
async fn database(settings: &Settings, source: &AttributeSource) -> Outcome {
    let database = attribute_source(settings, source).map_err(misconfigured)?;
    let record = database.record("-").await;
    record.map_err(|error| ("database", error.to_string()))?;
    Ok(None)
}

fn misconfigured(reason: String) -> (&'static str, String) {
    ("configuration", reason)
}

/// Whom to go to, by the word that the connection left.
fn directory_fault(reason: String) -> (&'static str, String) {
    let fault = match reason.as_str() {
        "connect" | "timeout" => "network",
        "tls" => "certificate",
        // invalidCredentials, noSuchObject: of the account that we search with.
        "LDAP result 49" | "LDAP result 32" => "configuration",
        _ => "directory",
    };
    (fault, reason)
}

fn metadata(settings: &Settings) -> Vec<Question<'_>> {
    let remote = settings
        .metadata
        .providers
        .iter()
        .filter(|provider| matches!(provider.origin, Origin::Url(_) | Origin::Mdq(_)));
    let question = |provider: &'_ ProviderSettings| {
        let provider = provider.clone();
        let what = format!("metadata {}", provider.name);
        let asked = async move {
            let reached = reach(&provider).await;
            reached.map(|()| None).map_err(|reason| {
                let network = reason.starts_with("cannot be fetched");
                (if network { "network" } else { "provider" }, reason)
            })
        };
        (what, Box::pin(asked) as BoxFuture<'_, Outcome>)
    };
    remote.map(question).collect()
}

/// The store answers, or the running server that holds it says that it does.
fn storage(settings: &Settings, runtime: &Runtime) -> Outcome {
    if let StorageSettings::Redb(path) = &settings.storage
        && !path.exists()
    {
        return Ok(Some("made at the first start".to_owned()));
    }
    let read = runtime.block_on(async {
        let store = crate::server::app::open(&settings.storage, Arc::new(SystemClock))?;
        let key = Key::new(Kind::Session, "probe");
        let late = || StorageError::Failed("no answer in 30 seconds".to_owned());
        let read = tokio::time::timeout(PATIENCE, store.read(&key)).await;
        read.map_err(|_| late())?
    });
    let Err(error) = read else {
        return Ok(None);
    };
    match admin::get(settings, "/health/ready", &[]) {
        Ok(answer) if answer.status.is_success() => Ok(Some(
            "held by the running server, which is ready".to_owned(),
        )),
        Ok(_) => Err(("storage", "the running server is not ready".to_owned())),
        Err(_) => Err(("storage", error.to_string())),
    }
}

impl Probe {
    fn new(what: String, outcome: Outcome) -> Self {
        let ok = outcome.is_ok();
        let (fault, note) = match outcome {
            Ok(note) => (None, note),
            Err((fault, problem)) => (Some(fault), Some(problem)),
        };
        Self {
            what,
            ok,
            fault,
            note,
        }
    }

    fn line(&self) -> String {
        let verdict = if self.ok { "ok     " } else { "problem" };
        let note = match (&self.note, self.fault) {
            (Some(note), Some(fault)) => format!(": {} (fault: {fault})", note.escape_debug()),
            (Some(note), None) => format!(": {}", note.escape_debug()),
            (None, _) => String::new(),
        };
        format!("{verdict}  {}{note}", self.what)
    }
}

/// One line each.
pub(super) fn print(probes: &[Probe]) {
    for probe in probes {
        say(&probe.line());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(outcome: Outcome) -> String {
        Probe::new("it".to_owned(), outcome).line()
    }

    #[test]
    fn a_problem_names_whose_fault_it_is() {
        assert_eq!(line(Ok(None)), "ok       it");
        assert_eq!(line(Ok(Some("fine".to_owned()))), "ok       it: fine");
        let broken = Err(directory_fault("LDAP result 49".to_owned()));
        assert_eq!(
            line(broken),
            "problem  it: LDAP result 49 (fault: configuration)"
        );
    }

    #[tokio::test]
    async fn answers_come_in_the_order_of_the_questions() {
        let slow = async {
            tokio::task::yield_now().await;
            Ok(None)
        };
        let questions: Vec<Question<'_>> = vec![
            ("slow".to_owned(), Box::pin(slow)),
            ("quick".to_owned(), Box::pin(async { Ok(None) })),
        ];
        let probes = ask(questions, true).await;
        let order: Vec<&str> = probes.iter().map(|probe| probe.what.as_str()).collect();
        assert_eq!(order, ["slow", "quick"]);
    }
}
