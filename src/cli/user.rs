//! `vestibule user`: keeps the htpasswd file. It is replaced whole, so that a server that reads
//! it meanwhile sees the old file or the new one.

mod throttled;

use crate::cli::{Context, EXIT_FOUND, private_file, say, say_error};
use crate::server::world::{Random as _, SystemRandom};
use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use base64::Engine as _;
use clap::{Subcommand, ValueEnum};
use std::fs;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
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
    /// Adds a user.
    Add(Password),
    /// Sets the password of a user.
    Passwd(Password),
    /// Removes a user.
    Remove {
        /// The user's name.
        name: String,
    },
    /// Lists the users.
    List,
    /// Lists the accounts at which too many passwords failed, as the running server knows them.
    Throttled,
    /// Forgets the failed passwords of an account, in the running server.
    Unlock {
        /// The user's name.
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Password {
    /// The user's name.
    name: String,
    /// Read the password from the first line of standard input.
    #[arg(long = "password-stdin")]
    from_stdin: bool,
    /// How to store it.
    #[arg(long, value_enum, default_value_t = Hash::Argon2id)]
    hash: Hash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Hash {
    Argon2id,
    Bcrypt,
    #[value(name = "sha512-crypt")]
    Sha512Crypt,
    /// Unsalted; for tests and files of old only.
    Sha1,
}

/// Edits or lists the htpasswd file of the home.
pub fn run(context: &Context, args: Args) -> ExitCode {
    match args.action {
        Action::Throttled => throttled::list(context),
        Action::Unlock { name } => throttled::unlock(context, &name),
        action => edit(context, action),
    }
}

fn edit(context: &Context, action: Action) -> ExitCode {
    let raw = crate::server::load::read(&context.home);
    if !Path::new(&raw.home).join("conf").is_dir() {
        crate::cli::complain(&raw.unreadable);
        return ExitCode::from(crate::cli::EXIT_CONFIG);
    }
    let file = Htpasswd {
        path: crate::config::htpasswd(&raw),
    };
    let done = match action {
        Action::List => file.names().map(|names| list(context, &names)),
        Action::Add(password) => set(context, &file, &password, Presence::Absent),
        Action::Passwd(password) => set(context, &file, &password, Presence::Present),
        Action::Remove { name } => file
            .replace(&name, None, Presence::Present)
            .map(|()| tell(context, "removed", &name)),
        Action::Throttled | Action::Unlock { .. } => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            say_error(&format!("error: {reason}"));
            ExitCode::from(EXIT_FOUND)
        }
    }
}

/// Adds a user to the htpasswd file of a home that is being made.
pub(super) fn add(htpasswd: &Path, name: &str, password: &str) -> Result<(), String> {
    check_name(name)?;
    let file = Htpasswd {
        path: htpasswd.to_owned(),
    };
    file.replace(name, Some(&Hash::Argon2id.of(password)?), Presence::Absent)
}

fn list(context: &Context, names: &[String]) {
    if context.json {
        say(&serde_json::json!({ "users": names }).to_string());
    } else {
        for name in names {
            say(name);
        }
    }
}

fn tell(context: &Context, done: &str, name: &str) {
    if context.json {
        say(&serde_json::json!({ "user": name, "done": done }).to_string());
    } else {
        say(&format!("{done} {name}"));
    }
}

fn set(
    context: &Context,
    file: &Htpasswd,
    wanted: &Password,
    presence: Presence,
) -> Result<(), String> {
    check_name(&wanted.name)?;
    file.expect(&wanted.name, presence)?;
    let password = read_password(wanted.from_stdin)?;
    let hash = wanted.hash.of(&password)?;
    file.replace(&wanted.name, Some(&hash), presence)?;
    let done = match presence {
        Presence::Absent => "added",
        Presence::Present => "changed",
    };
    tell(context, done, &wanted.name);
    Ok(())
}

/// The file's separators and comment mark, and what nobody can type at a login form.
fn check_name(name: &str) -> Result<(), String> {
    let usable = !name.is_empty()
        && name.len() <= 255
        && name.trim() == name
        && !name.starts_with('#')
        && !name.contains(|c: char| c == ':' || c.is_control());
    usable.then_some(()).ok_or_else(|| {
        "a user's name has 1 to 255 bytes, no colon, no control characters, no # in front and no \
         blanks around it"
            .to_owned()
    })
}

fn read_password(from_stdin: bool) -> Result<Zeroizing<String>, String> {
    let password = if from_stdin {
        let mut line = Zeroizing::new(String::new());
        io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|error| format!("cannot read the password: {error}"))?;
        let line = line.strip_suffix('\n').unwrap_or(&line);
        Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned())
    } else {
        let first = prompt("Password: ")?;
        if first != prompt("Once more: ")? {
            return Err("the two passwords differ".to_owned());
        }
        first
    };
    if password.is_empty() {
        return Err("the password is empty".to_owned());
    }
    Ok(password)
}

fn prompt(text: &str) -> Result<Zeroizing<String>, String> {
    rpassword::prompt_password(text)
        .map(Zeroizing::new)
        .map_err(|error| format!("cannot ask for the password ({error}); use --password-stdin"))
}

impl Hash {
    fn of(self, password: &str) -> Result<String, String> {
        let mut salt = [0_u8; 16];
        SystemRandom.fill(&mut salt);
        match self {
            Self::Argon2id => Argon2::default()
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map(|hash| hash.to_string())
                .map_err(|error| error.to_string()),
            // What follows the 72nd byte would not count.
            Self::Bcrypt if password.len() > 72 => {
                Err("bcrypt takes 72 bytes at most; use argon2id".to_owned())
            }
            Self::Bcrypt => bcrypt::hash_with_salt(password, BCRYPT_COST, salt)
                .map(|parts| parts.format_for_version(bcrypt::Version::TwoY))
                .map_err(|error| error.to_string()),
            Self::Sha512Crypt => sha_crypt::ShaCrypt::default()
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map(|hash| hash.to_string())
                .map_err(|error| error.to_string()),
            Self::Sha1 => {
                let digest = openssl::sha::sha1(password.as_bytes());
                let text = base64::engine::general_purpose::STANDARD.encode(digest);
                Ok(format!("{{SHA}}{text}"))
            }
        }
    }
}

/// About a tenth of a second on today's machines.
const BCRYPT_COST: u32 = 11;

/// Whether a user must be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Present,
    Absent,
}

struct Htpasswd {
    path: PathBuf,
}

impl Htpasswd {
    fn text(&self) -> Result<String, String> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    fn names(&self) -> Result<Vec<String>, String> {
        let text = self.text()?;
        Ok(text
            .lines()
            .filter_map(name_of)
            .map(str::to_owned)
            .collect())
    }

    fn expect(&self, name: &str, presence: Presence) -> Result<(), String> {
        let there = self.names()?.iter().any(|known| known == name);
        match presence {
            Presence::Present if !there => Err(format!("there is no user {name}")),
            Presence::Absent if there => Err(format!(
                "there is a user {name} already; `vestibule user passwd` sets the password"
            )),
            _ => Ok(()),
        }
    }

    /// Replaces, adds or (without a hash) removes one user's line. Everything else stays.
    fn replace(&self, name: &str, hash: Option<&str>, presence: Presence) -> Result<(), String> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        private_file::alone_in(folder, || {
            self.expect(name, presence)?;
            let line = hash.map(|hash| format!("{name}:{hash}"));
            let text = with_line(&self.text()?, name, line);
            private_file::replace(&self.path, text.as_bytes())
                .map_err(|error| self.failed("write", &error))
        })
    }

    fn failed(&self, what: &str, error: &io::Error) -> String {
        format!("cannot {what} {}: {error}", self.path.display())
    }
}

/// The text with this line for a user, in the place of the old one if there is one.
fn with_line(text: &str, name: &str, mut line: Option<String>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for old in text.lines() {
        if name_of(old) == Some(name) {
            lines.extend(line.take());
        } else {
            lines.push(old.to_owned());
        }
    }
    lines.extend(line);
    lines
        .iter()
        .fold(String::new(), |text, line| text + line.as_str() + "\n")
}

fn name_of(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    (!name.starts_with('#')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn file() -> (tempfile::TempDir, Htpasswd) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd.txt");
        (folder, Htpasswd { path })
    }

    #[test]
    fn every_hash_is_one_the_password_flow_reads() {
        use crate::server::back_end::password::hash::StoredHash;
        for hash in [Hash::Argon2id, Hash::Bcrypt, Hash::Sha512Crypt, Hash::Sha1] {
            let stored = StoredHash::parse(&hash.of("correct horse").unwrap()).unwrap();
            assert!(stored.matches("correct horse"), "{hash:?}");
            assert!(!stored.matches("wrong horse"), "{hash:?}");
        }
    }

    #[test]
    fn bcrypt_refuses_what_it_would_cut() {
        assert!(Hash::Bcrypt.of(&"x".repeat(73)).is_err());
    }

    #[test]
    fn one_line_changes_and_the_others_stay() {
        let (_folder, file) = file();
        fs::write(&file.path, "# ours\nann:!{SHA}x\nbob:{SHA}y\n").unwrap();
        file.replace("bob", Some("{SHA}z"), Presence::Present)
            .unwrap();
        file.replace("cat", Some("{SHA}c"), Presence::Absent)
            .unwrap();
        assert_eq!(
            file.text().unwrap(),
            "# ours\nann:!{SHA}x\nbob:{SHA}z\ncat:{SHA}c\n"
        );
        file.replace("bob", None, Presence::Present).unwrap();
        assert_eq!(file.names().unwrap(), ["ann", "cat"]);
        let mode = fs::metadata(&file.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn adding_twice_and_changing_nobody_are_refused() {
        let (_folder, file) = file();
        file.replace("ann", Some("{SHA}x"), Presence::Absent)
            .unwrap();
        assert!(
            file.replace("ann", Some("{SHA}y"), Presence::Absent)
                .is_err()
        );
        assert!(
            file.replace("bob", Some("{SHA}y"), Presence::Present)
                .is_err()
        );
        assert_eq!(file.text().unwrap(), "ann:{SHA}x\n");
    }

    #[test]
    fn a_name_cannot_break_the_file() {
        for name in ["", "a:b", "a\nb", "#a", " a", "a "] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name("jane.doe@example.org").is_ok());
    }
}
