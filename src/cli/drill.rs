//! `vestibule drill`: rehearses what may happen one day, with the home's own rules.

use crate::authn::facts::{FactKey, FactValue, RequestFacts};
use crate::authn::flow::FlowId;
use crate::cli::{Context, EXIT_FOUND, say, say_error};
use crate::config::relying_party::Ground;
use crate::config::settings::Settings;
use crate::policy::tests::{Drilled, Effect, Rehearsed, Situation, drill};
use crate::response::status_of;
use crate::saml::context::{AuthnContextClassRef, Comparison, RequestedAuthnContext};
use crate::saml::metadata::EntityDescriptor;
use crate::server::http::ask::groups_of;
use crate::server::metadata::Metadata;
use crate::server::world::{BackEnds as _, Clock as _, RealBackEnds, SystemClock};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// What to rehearse.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Duo cannot be reached: what would each relying party get?
    DuoDown(DuoDown),
}

#[derive(Debug, clap::Args)]
struct DuoDown {
    /// These relying parties, by entityID; all of the metadata when absent.
    #[arg(long, value_name = "ENTITYID")]
    rp: Vec<String>,
    /// A class that the relying party asks for; it asks for none when absent.
    #[arg(long, value_name = "URI")]
    class: Vec<String>,
    /// Whose directory record the rules read; without it nothing is known of the user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// Rehearses; 1 when a relying party could not be rehearsed.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    let What::DuoDown(args) = &args.what;
    let settings = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    match rehearse(context, &settings, args) {
        Ok(rows) => {
            if context.json {
                print_json(&rows);
            } else {
                print(&settings, args, &rows);
            }
            let complete = rows.iter().all(|row| row.drilled.is_ok());
            ExitCode::from(if complete { 0 } else { EXIT_FOUND })
        }
        Err(reason) => {
            say_error(&format!("vestibule drill: {reason}"));
            ExitCode::from(EXIT_FOUND)
        }
    }
}

/// One relying party's rehearsal.
struct Row {
    entity_id: String,
    name: String,
    drilled: Result<Drilled, String>,
}

fn rehearse(context: &Context, settings: &Settings, args: &DuoDown) -> Result<Vec<Row>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let user = match &args.user {
        Some(name) => facts(&runtime, settings, name)?,
        None => BTreeMap::new(),
    };
    let now = SystemClock.now();
    let metadata = Metadata::open(&settings.metadata, now);
    for entity_id in &args.rp {
        runtime.block_on(metadata.prepare(entity_id, now));
    }
    let snapshot = metadata.current();
    let ids = match &args.rp[..] {
        [] => snapshot.ids().into_iter().collect(),
        named => named.to_vec(),
    };
    let bar = progress(context, ids.len());
    let mut rows = Vec::new();
    for entity_id in ids {
        let found = snapshot.find(&entity_id);
        let found = found.map(|(_, entity)| entity);
        rows.push(Row {
            name: found.as_ref().map_or_else(String::new, |entity| {
                entity.display_name(&settings.ui.fallback_languages)
            }),
            drilled: found
                .ok_or_else(|| "not in metadata".to_owned())
                .and_then(|entity| situation(settings, args, &entity, &user))
                .and_then(|situation| drill(&settings.rules, &situation)),
            entity_id,
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(rows)
}

fn progress(context: &Context, rows: usize) -> ProgressBar {
    if context.json {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(rows as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} relying parties");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What the directory says of a user, as the server would fetch it.
fn facts(
    runtime: &Runtime,
    settings: &Settings,
    name: &str,
) -> Result<BTreeMap<FactKey, FactValue>, String> {
    let directory = RealBackEnds.directory(settings)?;
    let record = runtime.block_on(directory.record(name));
    let record = record.map_err(|error| error.to_string())?;
    Ok(BTreeMap::from([
        (FactKey::UserGroups, groups_of(&record)),
        (FactKey::UserAttributes, FactValue::Attributes(record)),
    ]))
}

fn situation(
    settings: &Settings,
    args: &DuoDown,
    entity: &EntityDescriptor,
    user: &BTreeMap<FactKey, FactValue>,
) -> Result<Situation, String> {
    let now = SystemClock.now();
    let ground = Ground {
        attributes: &settings.attributes,
        strategies: &*settings.rules.strategies,
        now,
    };
    let profile = settings.relying_parties.profile_for(entity, &ground);
    let profile = profile.map_err(|reason| reason.to_string())?;
    let classes: Vec<_> = args.class.iter().map(AuthnContextClassRef::new).collect();
    let requested = (!classes.is_empty()).then(|| RequestedAuthnContext {
        comparison: Comparison::default(),
        classes,
        declarations: Vec::new(),
    });
    Ok(Situation {
        rp: profile.facts,
        request: RequestFacts {
            requested,
            ..RequestFacts::default()
        },
        default_classes: profile.default_classes,
        terms: profile.terms,
        username: args.user.clone().unwrap_or_else(|| "somebody".to_owned()),
        user: user.clone(),
        now,
    })
}

/// What the relying party is told, in a few words.
fn told(rehearsed: &Rehearsed) -> String {
    match (&rehearsed.ending, rehearsed.stuck) {
        (Ok((class, degraded)), _) => {
            let mark = if *degraded { ", degraded" } else { "" };
            format!("{class}{mark}")
        }
        (Err(_), Some(_)) => format!("a page to try again; given up: {}", status(rehearsed)),
        (Err(_), None) => status(rehearsed),
    }
}

/// The last parts of the status codes.
fn status(rehearsed: &Rehearsed) -> String {
    let Err(event) = rehearsed.ending else {
        return "Success".to_owned();
    };
    let status = status_of(event);
    let last = |uri: &str| uri.rsplit(':').next().unwrap_or_default().to_owned();
    let top = last(status.top.uri());
    match status.second {
        Some(second) => format!("{top}/{}", last(second)),
        None => top,
    }
}

fn print(settings: &Settings, args: &DuoDown, rows: &[Row]) {
    if settings.rules.duo.integrations.is_empty() {
        say("No Duo integration is configured: a login that needs Duo is refused today.");
    }
    if args.user.is_none() {
        say("Nothing is assumed of the user; --user NAME reads the directory.");
    }
    for row in rows {
        let shown = row.entity_id.escape_debug();
        match &row.drilled {
            Err(reason) => say(&format!("unknown      {shown}: {reason}")),
            Ok(drilled) => {
                let effect = drilled.effect();
                say(&format!("{:12} {shown}", effect.as_str()));
                say(&format!("    with Duo     {}", told(&drilled.well)));
                if effect != Effect::Unaffected {
                    say(&format!("    without Duo  {}", told(&drilled.away)));
                }
                say(&format!("    because      {}", drilled.away.why));
            }
        }
    }
    say(&summary(rows));
}

fn summary(rows: &[Row]) -> String {
    let count = |effect: Effect| {
        let effects = rows.iter().filter_map(|row| row.drilled.as_ref().ok());
        effects.filter(|drilled| drilled.effect() == effect).count()
    };
    format!(
        "{} relying parties: {} unaffected, {} degraded, {} refused",
        rows.len(),
        count(Effect::Unaffected),
        count(Effect::Degraded),
        count(Effect::Refused)
    )
}

fn print_json(rows: &[Row]) {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| match &row.drilled {
            Err(reason) => json!({ "entity_id": row.entity_id, "error": reason }),
            Ok(drilled) => json!({
                "entity_id": row.entity_id,
                "name": row.name,
                "effect": drilled.effect().as_str(),
                "well": described(&drilled.well),
                "away": described(&drilled.away),
            }),
        })
        .collect();
    say(&json!({ "relying_parties": rows }).to_string());
}

fn described(rehearsed: &Rehearsed) -> Value {
    let steps: Vec<&str> = rehearsed.steps.iter().map(|flow| flow.as_str()).collect();
    let success = rehearsed.ending.as_ref().ok();
    json!({
        "steps": steps,
        "stuck": rehearsed.stuck.map(FlowId::as_str),
        "class": success.map(|(class, _)| class.as_str()),
        "degraded": success.is_some_and(|(_, degraded)| *degraded),
        "status": status(rehearsed),
        "why": rehearsed.why,
    })
}
