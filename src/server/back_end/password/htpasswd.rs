//! The htpasswd file: parsed when it changes, asked in constant cost.

use crate::server::back_end::password::hash::StoredHash;
use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The users of one version of the file.
#[derive(Debug)]
pub struct Users {
    entries: HashMap<String, Entry>,
    /// Checked when there is nothing to check, so that it takes as long.
    stand_in: StoredHash,
}

#[derive(Debug)]
struct Entry {
    hash: StoredHash,
    locked: bool,
}

impl Users {
    /// Parses `name:hash` lines; `#` begins a comment line, `!` before a hash locks the account.
    /// Lines without a known scheme are skipped and their numbers returned.
    pub fn parse(text: &str) -> (Self, Vec<usize>) {
        let mut entries = HashMap::new();
        let mut skipped = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(line) {
                Some((name, entry)) => {
                    entries.insert(name, entry);
                }
                None => skipped.push(number + 1),
            }
        }
        let stand_in = most_common_cost(&entries);
        (Self { entries, stand_in }, skipped)
    }

    /// Whether this is the user's password. Unknown users, locked accounts and wrong passwords all
    /// compute one hash and all answer false.
    pub fn accept(&self, username: &str, password: &str) -> bool {
        let (hash, may_enter) = match self.entries.get(username) {
            Some(entry) => (&entry.hash, !entry.locked),
            None => (&self.stand_in, false),
        };
        // Not short-circuited: the hash is computed in every case.
        hash.matches(password) & may_enter
    }
}

impl Users {
    /// The stored password of a user who may enter, digested with a salt.
    pub fn digest(&self, username: &str, salt: &str) -> Option<String> {
        let entry = self.entries.get(username).filter(|entry| !entry.locked)?;
        Some(entry.hash.digest(salt))
    }
}

fn parse_line(line: &str) -> Option<(String, Entry)> {
    let (name, rest) = line.trim_end().split_once(':')?;
    // htpasswd files may carry further fields after a second colon.
    let hash = rest.split(':').next()?;
    let locked = hash.starts_with('!');
    let hash = StoredHash::parse(hash.trim_start_matches('!'))?;
    (!name.is_empty()).then(|| (name.to_owned(), Entry { hash, locked }))
}

fn most_common_cost(entries: &HashMap<String, Entry>) -> StoredHash {
    let mut classes: BTreeMap<&str, (usize, &StoredHash)> = BTreeMap::new();
    for entry in entries.values() {
        classes
            .entry(entry.hash.cost_class())
            .or_insert((0, &entry.hash))
            .0 += 1;
    }
    classes
        .into_values()
        .max_by_key(|(count, _)| *count)
        .map_or_else(StoredHash::nobody, |(_, hash)| hash.clone())
}

/// The file, read again when its size, time or inode changes.
#[derive(Debug)]
pub struct Htpasswd {
    path: PathBuf,
    current: Mutex<Option<(Stamp, Arc<Users>)>>,
}

/// What tells two versions of a file apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Htpasswd {
    /// The file at this path; it is first read when first asked.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            current: Mutex::new(None),
        }
    }

    /// Today's users.
    pub fn users(&self) -> io::Result<Arc<Users>> {
        let stamp = Stamp::of(&std::fs::metadata(&self.path)?);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, users)) = &*current
            && *known == stamp
        {
            return Ok(Arc::clone(users));
        }
        let (users, skipped) = Users::parse(&std::fs::read_to_string(&self.path)?);
        if !skipped.is_empty() {
            tracing::warn!(file = %self.path.display(), lines = ?skipped,
                "lines without a name and a known password hash are ignored");
        }
        let users = Arc::new(users);
        *current = Some((stamp, Arc::clone(&users)));
        Ok(users)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            inode: metadata.ino(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA_PASSWORD: &str = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";

    fn users(text: &str) -> Users {
        Users::parse(text).0
    }

    #[test]
    fn a_known_user_enters_with_the_right_password_alone() {
        let users = users(&format!(
            "# people\nann:{SHA_PASSWORD}\n\nbob:{SHA_PASSWORD}:Bob\n"
        ));
        assert!(users.accept("ann", "password"));
        assert!(users.accept("bob", "password"));
        assert!(!users.accept("ann", "other"));
        assert!(!users.accept("Ann", "password"));
        assert!(!users.accept("", "password"));
    }

    #[test]
    fn a_locked_account_is_refused_with_the_right_password() {
        let users = users(&format!("ann:!{SHA_PASSWORD}\n"));
        assert!(!users.accept("ann", "password"));
    }

    #[test]
    fn lines_that_cannot_be_used_are_named_by_number() {
        let (users, skipped) = Users::parse(&format!("ann:plain\n:x\nnocolon\nbob:{SHA_PASSWORD}"));
        assert_eq!(skipped, [1, 2, 3]);
        assert!(users.accept("bob", "password"));
    }

    #[test]
    fn s52_an_unknown_user_costs_what_most_users_cost() {
        let text = format!("a:{SHA_PASSWORD}\nb:$2y$04$b\nc:$2y$04$c\nd:$2y$12$d\n");
        assert_eq!(users(&text).stand_in.cost_class(), "$2y$04");
        assert_eq!(users("").stand_in, StoredHash::nobody());
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd.txt");
        std::fs::write(&path, format!("ann:{SHA_PASSWORD}\n")).unwrap();
        let file = Htpasswd::new(&path);
        assert!(file.users().unwrap().accept("ann", "password"));
        std::fs::write(&path, format!("# moved\nbob:{SHA_PASSWORD}\n")).unwrap();
        assert!(!file.users().unwrap().accept("ann", "password"));
        assert!(file.users().unwrap().accept("bob", "password"));
    }
}
