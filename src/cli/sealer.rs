//! `vestibule sealer`: changes the key that seals what is kept, without losing what was sealed.

use crate::cli::admin::{self, Reload};
use crate::cli::{Context, EXIT_FOUND, credentials, private_file, say, say_error};
use crate::config::settings::{SealerKey, Settings};
use clap::Subcommand;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use zeroize::Zeroizing;

/// What to do with the file.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a new first key; the last ones still open what they sealed.
    Rotate {
        /// Older keys to keep.
        #[arg(long, value_name = "NUMBER", default_value_t = 5)]
        keep: usize,
    },
}

/// Rotates; 1 when it could not.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    let Action::Rotate { keep } = args.action;
    let settings = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let path = &settings.sealer_file;
    let folder = path.parent().unwrap_or(Path::new("."));
    match private_file::alone_in(folder, || rotate(path, keep)) {
        Ok((kept, dropped)) => report(context, &settings, (kept, dropped)),
        Err(reason) => {
            say_error(&format!("vestibule sealer: {reason}"));
            ExitCode::from(EXIT_FOUND)
        }
    }
}

/// How many older keys stay, and how many go.
fn rotate(path: &Path, keep: usize) -> Result<(usize, usize), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
    if SealerKey::parse(&text).is_none() {
        return Err(format!("{}: a line is no key", path.display()));
    }
    let is_key = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let old: Vec<&str> = text.lines().filter(is_key).collect();
    let comments = text
        .lines()
        .filter(|line| line.trim_start().starts_with('#'));
    let new = Zeroizing::new(credentials::sealer_key());
    let lines = comments
        .chain([new.as_str()])
        .chain(old.iter().copied().take(keep));
    let written = Zeroizing::new(lines.flat_map(|line| [line, "\n"]).collect::<String>());
    private_file::replace(path, written.as_bytes()).map_err(failed)?;
    let kept = old.len().min(keep);
    Ok((kept, old.len() - kept))
}

fn report(context: &Context, settings: &Settings, (kept, dropped): (usize, usize)) -> ExitCode {
    let reload = admin::reload(settings);
    if context.json {
        let reloaded = reload == Reload::Done;
        say(&json!({"kept": kept, "dropped": dropped, "reloaded": reloaded}).to_string());
    } else {
        say(&format!(
            "a new key seals; {kept} older ones open; {dropped} dropped"
        ));
        match &reload {
            Reload::Done => say("the running server has read it"),
            Reload::NotRunning => say("no server runs; the next start reads it"),
            Reload::Refused(_) => {}
        }
    }
    if let Reload::Refused(reason) = reload {
        say_error(&format!("vestibule sealer: {reason}"));
        return ExitCode::from(EXIT_FOUND);
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_new_key_is_first_and_so_many_old_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealer.key");
        let first = credentials::sealer_key();
        fs::write(&path, format!("# of the cluster\n{first}\n")).unwrap();
        assert_eq!(rotate(&path, 2), Ok((1, 0)));
        assert_eq!(rotate(&path, 2), Ok((2, 0)));
        let before = fs::read_to_string(&path).unwrap();
        assert_eq!(before.lines().next_back(), Some(first.as_str()));
        assert_eq!(rotate(&path, 2), Ok((2, 1)));
        let after = fs::read_to_string(&path).unwrap();
        assert_eq!(SealerKey::parse(&after).map(|keys| keys.len()), Some(3));
        assert!(after.starts_with("# of the cluster\n") && !after.contains(&first));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_no_sealer_s_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealer.key");
        fs::write(&path, "not a key\n").unwrap();
        assert!(rotate(&path, 5).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "not a key\n");
    }
}
