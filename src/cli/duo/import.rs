//! `vestibule duo import`: which of Duo's users are which of ours, by a rule or one by one. No
//! secret of any device can be read back from Duo; what is kept are references.

use crate::cli::{Context, EXIT_CONFIG, EXIT_FOUND, EXIT_USAGE, say, say_error};
use crate::config::settings::Settings;
use crate::duo::import::{LocalUser, Match, MatchRule, Plan, matched, plan};
use crate::duo::integration::Integration;
use crate::server::back_end::duo::HttpDuoClient;
use crate::server::back_end::duo::admin::AdminApi;
use crate::server::duo_users::{Added, DuoUsers};
use crate::server::storage::Storage;
use crate::server::world::{Clock as _, SystemClock};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

/// How to import.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The integration that the users belong to.
    #[arg(long, default_value = "default", value_name = "NAME")]
    integration: String,
    /// When a Duo user is one of ours.
    #[arg(long = "match", value_enum, default_value_t = Rule::Exact)]
    rule: Rule,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Import this user of ours alone.
    #[arg(long, requires = "duo_user", value_name = "NAME")]
    user: Option<String>,
    /// The Duo user's id (DU..) or name.
    #[arg(long, requires = "user", value_name = "ID|NAME")]
    duo_user: Option<String>,
    /// Forget every imported user of the integration, and say how many there were.
    #[arg(long, conflicts_with_all = ["user", "duo_user"])]
    remove: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "camelCase")]
enum Rule {
    Exact,
    CaseInsensitive,
    Email,
    Alias,
}

impl From<Rule> for MatchRule {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Exact => Self::Exact,
            Rule::CaseInsensitive => Self::CaseInsensitive,
            Rule::Email => Self::Email,
            Rule::Alias => Self::Alias,
        }
    }
}

/// What was, or would be, done.
#[derive(Debug, Serialize)]
struct Report {
    dry_run: bool,
    imported: usize,
    known: usize,
    conflicts: Vec<String>,
    #[serde(flatten)]
    plan: Plan,
}

/// A failure: what to say, and the exit code.
type Failure = (String, u8);

/// Runs the import; 1 when somebody stays unmatched for a reason worth looking at.
pub(super) fn run(context: &Context, args: &Args) -> ExitCode {
    let settings = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime on this thread needs nothing but memory");
    match runtime.block_on(import(context, args, &settings)) {
        Ok(code) => code,
        Err((reason, code)) => {
            say_error(&format!("vestibule duo import: {reason}"));
            ExitCode::from(code)
        }
    }
}

async fn import(context: &Context, args: &Args, settings: &Settings) -> Result<ExitCode, Failure> {
    let storage = if args.dry_run && args.user.is_none() {
        None
    } else {
        Some(open(settings)?)
    };
    let users = storage.as_ref().map(|storage| DuoUsers {
        storage: &**storage,
        integration: &args.integration,
    });
    if args.remove {
        return remove(context, args, users).await;
    }
    let integration = admin_application(args, settings)?;
    let client = HttpDuoClient::new(&settings.duo_http).map_err(|reason| (reason, EXIT_CONFIG))?;
    let admin = AdminApi {
        duo: &client,
        integration: &integration,
        clock: &SystemClock,
    };
    match (&args.user, &args.duo_user) {
        (Some(user), Some(duo_user)) => one(context, args, users, admin, (user, duo_user)).await,
        _ => everybody(context, args, users, admin, settings).await,
    }
}

fn open(settings: &Settings) -> Result<Arc<dyn Storage>, Failure> {
    crate::server::app::open(&settings.storage, Arc::new(SystemClock)).map_err(|error| {
        let reason = format!("{error}; a running server holds its store: stop it for the import");
        (reason, EXIT_FOUND)
    })
}

fn admin_application(args: &Args, settings: &Settings) -> Result<Arc<Integration>, Failure> {
    if !settings
        .rules
        .duo
        .integrations
        .contains_key(&args.integration)
    {
        return Err((format!("no integration {}", args.integration), EXIT_USAGE));
    }
    settings.duo_admin_api.clone().ok_or_else(|| {
        let reason = "set vestibule.duo.admin.integrationKey and .secretKey".to_owned();
        (reason, EXIT_CONFIG)
    })
}

async fn remove(
    context: &Context,
    args: &Args,
    users: Option<DuoUsers<'_>>,
) -> Result<ExitCode, Failure> {
    let removed = match users {
        Some(users) => users.remove_all().await.map_err(failed)?,
        None => 0,
    };
    if context.json {
        say(&json!({"removed": removed, "integration": args.integration}).to_string());
    } else {
        say(&format!("{}: {removed} users forgotten", args.integration));
    }
    Ok(ExitCode::SUCCESS)
}

/// The manual import and its three outcomes: imported, no such user at Duo, exists already.
async fn one(
    context: &Context,
    args: &Args,
    users: Option<DuoUsers<'_>>,
    admin: AdminApi<'_>,
    (user, duo_user): (&str, &str),
) -> Result<ExitCode, Failure> {
    let found = admin.find(duo_user).await.map_err(failed)?;
    let (outcome, good) = match (&found, users) {
        (None, _) => ("no such user at Duo", false),
        (Some(_), _) if args.dry_run => ("would be imported", true),
        (Some(_), None) => ("no store", false),
        (Some(found), Some(users)) => {
            let one = [matched(user, found)];
            let added = users.add(&one, SystemClock.now()).await.map_err(failed)?;
            match added[0] {
                Added::New => ("imported", true),
                Added::Known | Added::Conflict => ("exists already", false),
            }
        }
    };
    if context.json {
        say(&json!({"user": user, "duo_user": found, "outcome": outcome}).to_string());
    } else {
        say(&format!("{user}: {outcome}"));
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FOUND)
    })
}

async fn everybody(
    context: &Context,
    args: &Args,
    users: Option<DuoUsers<'_>>,
    admin: AdminApi<'_>,
    settings: &Settings,
) -> Result<ExitCode, Failure> {
    let theirs = read_all(context, admin).await?;
    let ours = local_users(settings)?;
    let plan = plan(args.rule.into(), &ours, &theirs);
    let outcomes = match users {
        Some(users) => users
            .add(&plan.matched, SystemClock.now())
            .await
            .map_err(failed)?,
        None => Vec::new(),
    };
    let report = report(args.dry_run, plan, &outcomes);
    if context.json {
        say(&serde_json::to_string(&report).expect("plain fields always serialize"));
    } else {
        print(&report);
    }
    let clean = report.conflicts.is_empty() && report.plan.ambiguous.is_empty();
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FOUND)
    })
}

/// All of Duo's users, with a progress bar for people; it draws on a terminal alone.
async fn read_all(
    context: &Context,
    admin: AdminApi<'_>,
) -> Result<Vec<crate::duo::admin_api::User>, Failure> {
    let bar = if context.json {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(0)
    };
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} users at Duo");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let users = admin.users(|so_far, total| {
        bar.set_length(total.unwrap_or(so_far));
        bar.set_position(so_far);
    });
    let users = users.await.map_err(failed);
    bar.finish_and_clear();
    users
}

/// Our users: those with a password, and those of the attribute file, with their addresses.
fn local_users(settings: &Settings) -> Result<Vec<LocalUser>, Failure> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let htpasswd = std::fs::read_to_string(&settings.password.htpasswd).unwrap_or_default();
    let names = htpasswd.lines().filter(|line| !line.starts_with('#'));
    for (name, _) in names.filter_map(|line| line.split_once(':')) {
        users.insert(name.to_owned(), Vec::new());
    }
    if let Ok(csv) = std::fs::read(&settings.attributes.csv) {
        let people = crate::server::back_end::directory::parse(&csv);
        for (name, record) in people.map_err(failed)? {
            let mail = record.get("mail").cloned().unwrap_or_default();
            users.entry(name).or_default().extend(mail);
        }
    }
    let users = users.into_iter();
    Ok(users
        .map(|(name, emails)| LocalUser { name, emails })
        .collect())
}

fn report(dry_run: bool, plan: Plan, outcomes: &[Added]) -> Report {
    let count = |wanted: Added| outcomes.iter().filter(|added| **added == wanted).count();
    let conflict =
        |(found, added): (&Match, &Added)| (*added == Added::Conflict).then(|| found.user.clone());
    Report {
        dry_run,
        imported: count(Added::New),
        known: count(Added::Known),
        conflicts: plan
            .matched
            .iter()
            .zip(outcomes)
            .filter_map(conflict)
            .collect(),
        plan,
    }
}

fn print(report: &Report) {
    let plan = &report.plan;
    if report.dry_run {
        say(&format!("{} users would be imported", plan.matched.len()));
        for found in &plan.matched {
            say(&format!("    {} is {}", found.user, found.duo_username));
        }
    } else {
        say(&format!(
            "{} users imported, {} known already",
            report.imported, report.known
        ));
    }
    for user in &report.conflicts {
        say(&format!(
            "conflict: {user} is tied to another Duo user already"
        ));
    }
    for (user, candidates) in &plan.ambiguous {
        say(&format!(
            "ambiguous: {user} could be {}",
            candidates.join(", ")
        ));
    }
    unmatched("here, not at Duo", &plan.unmatched_here);
    unmatched("at Duo, not here", &plan.unmatched_at_duo);
}

fn unmatched(what: &str, names: &[String]) {
    if !names.is_empty() {
        say(&format!("{what} ({}): {}", names.len(), names.join(", ")));
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    (error.to_string(), EXIT_FOUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_what_was_kept_and_names_conflicts() {
        let one = |user: &str| Match {
            user: user.to_owned(),
            duo_user_id: "DU".to_owned(),
            duo_username: user.to_owned(),
            label: "Duo".to_owned(),
        };
        let plan = Plan {
            matched: vec![one("a"), one("b"), one("c")],
            ..Plan::default()
        };
        let report = report(false, plan, &[Added::New, Added::Known, Added::Conflict]);
        assert_eq!((report.imported, report.known), (1, 1));
        assert_eq!(report.conflicts, ["c"]);
    }
}
