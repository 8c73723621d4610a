//! `vestibule metadata`: the identity provider's own metadata, and what it knows of others.

use crate::cli::{Context, EXIT_FOUND, say, say_error};
use crate::config::settings::Settings;
use crate::saml::metadata::lint::{Severity, lint};
use crate::saml::metadata::{EntityDescriptor, SpSsoDescriptor};
use crate::server::metadata::{Metadata, Snapshot};
use crate::server::world::{Clock as _, SystemClock};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Without a word, the identity provider's own metadata is printed.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists every source: what it holds, until when, and what is wrong with it.
    Sources,
    /// Shows a relying party as it is known here, and from which source.
    Show {
        /// The relying party's entityID.
        entity_id: String,
    },
    /// Fetches remote sources now and says what a refresh changes.
    Diff,
    /// Looks over an SP's metadata and gives its owner advice.
    Lint {
        /// The metadata file.
        file: PathBuf,
    },
}

/// Runs one of them; 1 when something is wrong or missing.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    if let Some(Command::Lint { file }) = &args.command {
        return advise(context, file);
    }
    let settings = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    match &args.command {
        None => own(context, &settings),
        Some(Command::Sources) => sources(context, &settings),
        Some(Command::Show { entity_id }) => show(context, &settings, entity_id),
        Some(Command::Diff) => diff(context, &settings),
        Some(Command::Lint { .. }) => unreachable!("answered above, since it needs no home"),
    }
}

/// The document that `/shibboleth` serves.
fn own(context: &Context, settings: &Settings) -> ExitCode {
    let xml = settings.own_metadata().to_xml();
    if context.json {
        let value = json!({"entity_id": settings.entity_id, "metadata": xml});
        say(&value.to_string());
    } else {
        say(xml.trim_end());
    }
    ExitCode::SUCCESS
}

fn open(settings: &Settings) -> Metadata {
    Metadata::open(&settings.metadata, SystemClock.now())
}

fn found(found: bool) -> ExitCode {
    if found {
        ExitCode::from(EXIT_FOUND)
    } else {
        ExitCode::SUCCESS
    }
}

fn sources(context: &Context, settings: &Settings) -> ExitCode {
    let statuses = open(settings).statuses(SystemClock.now());
    let problems = statuses.iter().any(|status| status.problem.is_some());
    if context.json {
        say(&json!({ "sources": statuses }).to_string());
        return found(problems);
    }
    for status in statuses {
        let signed = if status.signed {
            ", signature required"
        } else {
            ""
        };
        say(&format!(
            "{} ({}{signed}): {}",
            status.name, status.kind, status.place
        ));
        say(&format!("    entities     {}", status.entities));
        if let Some(until) = status.valid_until {
            say(&format!("    valid until  {until}"));
        }
        if let Some(problem) = status.problem {
            say(&format!("    problem      {}", problem.escape_debug()));
        }
    }
    found(problems)
}

fn show(context: &Context, settings: &Settings, entity_id: &str) -> ExitCode {
    let now = SystemClock.now();
    let metadata = open(settings);
    let Ok(runtime) = runtime() else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(metadata.prepare(entity_id, now));
    let snapshot = metadata.current();
    let Some((source, entity)) = snapshot.find(entity_id) else {
        say_error("no source has this entity, or what it has cannot be used");
        return ExitCode::from(EXIT_FOUND);
    };
    let expired = entity.valid_until.is_some_and(|until| until <= now);
    let value = described(source, &entity, expired);
    if context.json {
        say(&value.to_string());
    } else {
        say(&format!("{value:#}"));
    }
    found(expired)
}

fn described(source: &str, entity: &EntityDescriptor, expired: bool) -> Value {
    json!({
        "entity_id": entity.entity_id,
        "source": source,
        "valid_until": entity.valid_until.map(|until| until.to_string()),
        "expired": expired,
        "display_name": entity.display_name(&["en".to_owned()]),
        "registration_authority": entity.registration_authority,
        "entity_attributes": entity.entity_attributes,
        "groups": entity.groups,
        "sp": described_sp(&entity.sp),
    })
}

fn described_sp(sp: &SpSsoDescriptor) -> Value {
    let keys = |key: &crate::saml::metadata::TrustedKey| format!("{key:?}");
    let requested = sp
        .attribute_consuming_services
        .iter()
        .flat_map(|service| &service.requested);
    json!({
        "authn_requests_signed": sp.authn_requests_signed,
        "want_assertions_signed": sp.want_assertions_signed,
        "assertion_consumer_services": sp.assertion_consumer_services,
        "single_logout_services": sp.single_logout_services,
        "signing_keys": sp.signing_keys.iter().map(keys).collect::<Vec<_>>(),
        "encryption_keys": sp.encryption_keys.iter().map(|key| keys(&key.key)).collect::<Vec<_>>(),
        "name_id_formats": sp.name_id_formats,
        "requested_attributes": requested.map(|r| &r.name).collect::<Vec<_>>(),
    })
}

/// What a remote source held at its last fetch lies in its backing file; what it offers now is
/// fetched into a set of our own, so that nothing of the running server changes.
fn diff(context: &Context, settings: &Settings) -> ExitCode {
    let now = SystemClock.now();
    let before = open(settings).current();
    let mut scratch = settings.metadata.clone();
    let folder = scratch.copies.join(format!("diff-{}", std::process::id()));
    for provider in &mut scratch.providers {
        provider.backing_file = folder.join(&provider.name);
    }
    let fresh = Arc::new(Metadata::open(&scratch, now));
    let Ok(runtime) = runtime() else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(fresh.fetch_all(now));
    let _ = std::fs::remove_dir_all(folder);
    let problems: Vec<(String, String)> = fresh
        .statuses(now)
        .into_iter()
        .filter_map(|status| Some((status.name, status.problem?)))
        .collect();
    let failed = |source: &str| problems.iter().any(|(name, _)| name == source);
    let changes = changes(&before, &fresh.current(), failed);
    if context.json {
        say(&json!({ "changes": changes, "problems": problems }).to_string());
    } else {
        for (id, change) in &changes {
            say(&format!("{change:8} {}", id.escape_debug()));
        }
        for (source, problem) in &problems {
            say(&format!("problem  {source}: {}", problem.escape_debug()));
        }
        say(&format!("{} entities change", changes.len()));
    }
    found(!problems.is_empty())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.inspect_err(|error| say_error(&format!("error: {error}")))
}

/// By entityID: added, removed or changed. A source that could not be fetched changes nothing.
fn changes(
    before: &Snapshot,
    after: &Snapshot,
    failed: impl Fn(&str) -> bool,
) -> BTreeMap<String, &'static str> {
    let (old, new) = (digests(before, &failed), digests(after, &failed));
    let gone = old
        .keys()
        .filter(|id| !new.contains_key(*id))
        .map(|id| (id.clone(), "removed"));
    let other = new.iter().filter_map(|(id, digest)| match old.get(id) {
        None => Some((id.clone(), "added")),
        Some(before) if before != digest => Some((id.clone(), "changed")),
        Some(_) => None,
    });
    gone.chain(other).collect()
}

fn digests(snapshot: &Snapshot, failed: impl Fn(&str) -> bool) -> BTreeMap<String, [u8; 32]> {
    let mut digests = BTreeMap::new();
    for (source, held) in snapshot.documents() {
        for (id, digest) in held.digests().filter(|_| !failed(source)) {
            digests.entry(id.to_owned()).or_insert(*digest);
        }
    }
    digests
}

fn advise(context: &Context, file: &PathBuf) -> ExitCode {
    let read = std::fs::read(file).map_err(|error| error.to_string());
    let advice =
        read.and_then(|xml| lint(&xml, SystemClock.now()).map_err(|error| error.to_string()));
    let advice = match advice {
        Ok(advice) => advice,
        Err(reason) => {
            say_error(&format!("error: {}: {reason}", file.display()));
            return ExitCode::from(EXIT_FOUND);
        }
    };
    if context.json {
        say(&json!({ "advice": advice }).to_string());
    } else {
        for advice in &advice {
            say(&advice.to_string());
        }
        say(&format!("{} pieces of advice", advice.len()));
    }
    found(advice.iter().any(|advice| advice.severity < Severity::Hint))
}
