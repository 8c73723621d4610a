//! `vestibule key`: the life of signing and encryption keys, step by step (docs/keys.md).
//!
//! A step changes `credentials/keys.toml` as a whole and asks the running server to read it. No key
//! is ever destroyed: a retired one is moved to `credentials/retired/`.

use crate::cli::admin::{self, Reload};
use crate::cli::credentials::{self, Kind};
use crate::cli::{Context, EXIT_FOUND, private_file, say, say_error};
use crate::config::key_life::KeyLife;
use crate::config::key_ring::{KeyRing, KeyState, Purpose, RingKey, Step};
use crate::config::settings::Settings;
use crate::server::world::{Clock as _, SystemClock};
use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::json;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where retired keys go, beside the file that names the keys.
const ASIDE: &str = "retired";

/// Which step.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows every key, how far it has come, and what to do next.
    List,
    /// Makes a new key and certificate beside those in use. Nothing else changes.
    Stage {
        /// What it is for.
        purpose: PurposeName,
        /// What kind of key.
        #[arg(long = "type", value_name = "KIND", default_value = "rsa")]
        kind: KindName,
        /// Bits of an RSA key.
        #[arg(long, value_name = "BITS", default_value_t = 3072,
              value_parser = clap::value_parser!(u32).range(2048..=8192))]
        bits: u32,
    },
    /// Puts a staged key's certificate into our metadata, beside the one in use.
    Publish(Which),
    /// Makes a published key the one that signs, or that others encrypt to.
    Switch {
        #[command(flatten)]
        which: Which,
        /// Leave the key in use in its place: the other serves relying parties that list its
        /// algorithm alone.
        #[arg(long)]
        beside: bool,
    },
    /// Takes a key that was replaced out of our metadata and out of use, and moves it aside.
    Retire(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The key's name, or signing or encryption where only one can be meant.
    key: String,
    /// Do it out of order, or before relying parties can know.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PurposeName {
    /// To sign with.
    Signing,
    /// For others to encrypt to.
    Encryption,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindName {
    /// RSA.
    Rsa,
    /// EC on P-256.
    Ec,
}

/// Takes a step; 1 when it is refused.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    let before = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    if matches!(args.action, Action::List) {
        list(context, &before);
        return ExitCode::SUCCESS;
    }
    let file = &before.key_life.file;
    let folder = file.parent().unwrap_or(Path::new("."));
    let taken = private_file::alone_in(folder, || {
        // Another command may have changed it while this one waited.
        let settings = context
            .settings()
            .map_err(|_| "the configuration is wrong".to_owned())?;
        take(&settings, &args.action)
    });
    match taken {
        Ok((name, ring)) => report(context, &before, &name, &ring),
        Err(reason) => {
            say_error(&format!("vestibule key: {reason}"));
            ExitCode::from(EXIT_FOUND)
        }
    }
}

/// The key that the step concerned, and the ring as it is now.
fn take(settings: &Settings, action: &Action) -> Result<(String, KeyRing), String> {
    let life = &settings.key_life;
    let mut ring = life.ring.clone();
    let step = |which: &Which| Step {
        now: SystemClock.now(),
        propagation: life.propagation,
        force: which.force,
    };
    let name = |ring: &KeyRing, which: &Which, states: &[KeyState]| {
        ring.named(&which.key, states).map(|key| key.name.clone())
    };
    let key = match action {
        Action::List => return Err("a list is no step".to_owned()),
        Action::Stage {
            purpose,
            kind,
            bits,
        } => {
            let kind = match kind {
                KindName::Rsa => Kind::Rsa(*bits),
                KindName::Ec => Kind::Ec,
            };
            stage(settings, &mut ring, purpose.purpose(), kind)?
        }
        Action::Publish(which) => {
            let name = name(&ring, which, &[KeyState::Staged])?;
            ring.publish(&name, &step(which)).map_err(refused)?;
            name
        }
        Action::Switch { which, beside } => {
            let name = name(&ring, which, &[KeyState::Published])?;
            ring.switch(&name, *beside, &step(which)).map_err(refused)?;
            name
        }
        Action::Retire(which) => {
            let name = name(&ring, which, &[KeyState::Outgoing])?;
            return retire(settings, ring, name, &step(which));
        }
    };
    save(life, &ring)?;
    Ok((key, ring))
}

impl PurposeName {
    fn purpose(self) -> Purpose {
        match self {
            Self::Signing => Purpose::Signing,
            Self::Encryption => Purpose::Encryption,
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err takes"
)]
fn refused(refusal: crate::config::key_ring::Refusal) -> String {
    if refusal.can_be_forced {
        format!("{refusal} (--force does it all the same)")
    } else {
        refusal.to_string()
    }
}

/// The files come first: a ring that names them must find them.
fn stage(
    settings: &Settings,
    ring: &mut KeyRing,
    purpose: Purpose,
    kind: Kind,
) -> Result<String, String> {
    let name = ring.fresh_name(purpose);
    let folder = settings.key_life.file.parent().unwrap_or(Path::new("."));
    let made = credentials::pair(kind, &settings.base_url.url, &settings.entity_id);
    let (key, certificate) = made.map_err(|error| format!("cannot make a key: {error}"))?;
    let write = |ending: &str, contents: &[u8]| {
        let path = folder.join(format!("idp-{name}.{ending}"));
        let written = private_file::create(&path, contents);
        written.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok::<_, String>(below(&settings.home, &path))
    };
    ring.keys.push(RingKey {
        key: write("key", &key)?,
        certificate: write("crt", &certificate)?,
        name: name.clone(),
        purpose,
        state: KeyState::Staged,
        staged: Some(SystemClock.now()),
        published: None,
        switched: None,
        retired: None,
    });
    Ok(name)
}

/// The path as the ring names it: a home that is moved takes its keys along.
fn below(home: &Path, path: &Path) -> String {
    path.strip_prefix(home)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

fn save(life: &KeyLife, ring: &KeyRing) -> Result<(), String> {
    let written = private_file::replace(&life.file, ring.to_toml().as_bytes());
    written.map_err(|error| format!("cannot write {}: {error}", life.file.display()))
}

/// The ring lets go of the files before they move: a server that starts in between misses nothing.
fn retire(
    settings: &Settings,
    mut ring: KeyRing,
    name: String,
    step: &Step,
) -> Result<(String, KeyRing), String> {
    let (life, home) = (&settings.key_life, &settings.home);
    let key = ring.named(&name, &[])?;
    let folder = life.file.parent().unwrap_or(Path::new(".")).join(ASIDE);
    let from = [home.join(&key.key), home.join(&key.certificate)];
    let to = from.clone().map(|path| free_path(&folder, &name, &path));
    let files = (below(home, &to[0]), below(home, &to[1]));
    ring.retire(&name, files, step).map_err(refused)?;
    let failed =
        |error: std::io::Error| format!("cannot move {name} to {}: {error}", folder.display());
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(failed)?;
    save(life, &ring)?;
    for (from, to) in from.iter().zip(&to) {
        fs::rename(from, to).map_err(failed)?;
    }
    Ok((name, ring))
}

/// Where a file can be moved without covering another.
fn free_path(folder: &Path, name: &str, path: &Path) -> PathBuf {
    let file = path.file_name().unwrap_or_default();
    let plain = folder.join(file);
    if plain.exists() {
        folder.join(format!("{name}-{}", file.to_string_lossy()))
    } else {
        plain
    }
}

fn report(context: &Context, settings: &Settings, name: &str, ring: &KeyRing) -> ExitCode {
    let life = &settings.key_life;
    let key = ring.keys.iter().find(|key| key.name == name);
    let reload = admin::reload(settings);
    let server = match &reload {
        Reload::Done => "the running server has read it".to_owned(),
        Reload::NotRunning => "no server runs; the next start reads it".to_owned(),
        Reload::Refused(reason) => format!("the running server did not take it: {reason}"),
    };
    if context.json {
        let keys = life.standings(ring);
        let reloaded = reload == Reload::Done;
        say(
            &json!({"key": name, "keys": keys, "reloaded": reloaded, "server": server}).to_string(),
        );
    } else if let Some(key) = key {
        say(&format!("{name} is {}; {server}", key.state.as_str()));
        for key in ring.of(key.purpose) {
            say_next(key, life);
        }
    }
    match reload {
        Reload::Refused(_) => ExitCode::from(EXIT_FOUND),
        _ => ExitCode::SUCCESS,
    }
}

fn list(context: &Context, settings: &Settings) {
    let life = &settings.key_life;
    if context.json {
        return say(&json!({ "keys": life.standings(&life.ring) }).to_string());
    }
    for key in [Purpose::Signing, Purpose::Encryption]
        .into_iter()
        .flat_map(|p| life.ring.of(p))
    {
        let since = since(key).map_or_else(|| "-".to_owned(), day);
        let facts = life.certificates.get(&key.name);
        let facts = facts.map_or_else(String::new, |facts| {
            format!("{}, certificate until {}", facts.algorithm, facts.ends)
        });
        say(&format!(
            "{:14}{:11}{since:12}{facts}",
            key.name,
            key.state.as_str()
        ));
        say_next(key, life);
    }
}

fn say_next(key: &RingKey, life: &KeyLife) {
    if let Some((command, from)) = key.next(life.propagation) {
        let from = from.map_or_else(String::new, |from| format!(", from {} on", day(from)));
        say(&format!(
            "    next: vestibule key {command} {}{from}",
            key.name
        ));
    }
}

fn since(key: &RingKey) -> Option<Timestamp> {
    match key.state {
        KeyState::Staged => key.staged,
        KeyState::Published => key.published,
        KeyState::Active | KeyState::Outgoing => key.switched,
        KeyState::Retired => key.retired,
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
