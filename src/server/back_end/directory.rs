//! The embedded attribute source: one CSV file, read again when it changes (contract 1.2).

use crate::server::back_end::{Directory, DirectoryError, UserRecord};
use arc_swap::ArcSwap;
use futures_util::future::{BoxFuture, try_join_all};
use std::collections::HashMap;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The column that holds the user's name.
const KEY: &str = "uid";

/// People by user name.
type People = HashMap<String, UserRecord>;

/// A CSV file: a header row names the attributes, the column `uid` is the key, `;` separates
/// values.
pub struct CsvDirectory {
    path: PathBuf,
    current: ArcSwap<Generation>,
}

/// One reading of the file.
struct Generation {
    /// What the file looked like when it was read.
    stamp: Option<Stamp>,
    people: People,
}

/// Tells one state of the file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

/// Several sources: what they know of a user, together. One that fails fails all, or a rule that
/// asks for the absence of a value would be met.
#[derive(Debug)]
pub struct JoinedDirectory(pub Vec<Arc<dyn Directory>>);

impl Directory for JoinedDirectory {
    fn record<'a>(
        &'a self,
        username: &'a str,
    ) -> BoxFuture<'a, Result<UserRecord, DirectoryError>> {
        Box::pin(async move {
            let asked = self.0.iter().map(|source| source.record(username));
            let mut joined = UserRecord::new();
            for record in try_join_all(asked).await? {
                join(&mut joined, record);
            }
            Ok(joined)
        })
    }
}

/// Adds what another source knows: its values stand behind those that are there, each once.
pub fn join(joined: &mut UserRecord, record: UserRecord) {
    for (attribute, values) in record {
        let known = joined.entry(attribute).or_default();
        for value in values {
            if !known.contains(&value) {
                known.push(value);
            }
        }
    }
}

impl CsvDirectory {
    /// Opens the file; everything in it must be well formed.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let directory = Self {
            path: path.to_owned(),
            current: ArcSwap::from_pointee(Generation {
                stamp: None,
                people: People::new(),
            }),
        };
        directory.read()?;
        Ok(directory)
    }

    /// The user's record in the file as it is now. A change that cannot be read is refused and
    /// logged once; the last good content stays in force.
    fn look_up(&self, username: &str) -> UserRecord {
        if self.stamp_now() != self.current.load().stamp {
            self.read_change();
        }
        let current = self.current.load();
        current.people.get(username).cloned().unwrap_or_default()
    }

    fn stamp_now(&self) -> Option<Stamp> {
        fs::metadata(&self.path).ok().as_ref().map(Stamp::of)
    }

    fn read_change(&self) {
        if let Err(error) = self.read() {
            tracing::error!(file = %self.path.display(), %error, "the attribute file is not used");
            let people = self.current.load().people.clone();
            let stamp = self.stamp_now();
            self.current.store(Arc::new(Generation { stamp, people }));
        }
    }

    fn read(&self) -> Result<(), DirectoryError> {
        // The stamp comes first: a change during the read is then seen at the next look.
        let unreadable =
            |error: io::Error| DirectoryError(format!("{}: {error}", self.path.display()));
        let stamp = Stamp::of(&fs::metadata(&self.path).map_err(unreadable)?);
        let octets = fs::read(&self.path).map_err(unreadable)?;
        let people = parse(&octets)
            .map_err(|error| DirectoryError(format!("{}: {error}", self.path.display())))?;
        let stamp = Some(stamp);
        self.current.store(Arc::new(Generation { stamp, people }));
        Ok(())
    }
}

impl fmt::Debug for CsvDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CsvDirectory({})", self.path.display())
    }
}

impl Directory for CsvDirectory {
    fn record<'a>(
        &'a self,
        username: &'a str,
    ) -> BoxFuture<'a, Result<UserRecord, DirectoryError>> {
        Box::pin(async move { Ok(self.look_up(username)) })
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            length: metadata.len(),
        }
    }
}

/// People from a CSV document.
pub fn parse(octets: &[u8]) -> Result<People, CsvError> {
    let octets = octets.strip_prefix("\u{feff}".as_bytes()).unwrap_or(octets);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(octets);
    let names = reader.headers().map_err(CsvError::of)?.clone();
    let key = names
        .iter()
        .position(|name| name == KEY)
        .ok_or(CsvError::at(1, "no column `uid`"))?;
    let mut people = People::new();
    for row in reader.records() {
        let row = row.map_err(CsvError::of)?;
        let line = row.position().map_or(0, csv::Position::line);
        let username = &row[key];
        if username.is_empty() {
            return Err(CsvError::at(line, "no value in column `uid`"));
        }
        let record = person(&names, &row);
        if people.insert(username.to_owned(), record).is_some() {
            return Err(CsvError::at(line, "a `uid` that an earlier line has"));
        }
    }
    Ok(people)
}

fn person(names: &csv::StringRecord, row: &csv::StringRecord) -> UserRecord {
    let columns = names.iter().zip(row).filter(|(name, _)| !name.is_empty());
    columns
        .map(|(name, cell)| (name.to_owned(), values(name, cell)))
        .filter(|(_, values)| !values.is_empty())
        .collect()
}

fn values(name: &str, cell: &str) -> Vec<String> {
    // The key is one value, whatever it holds.
    if name == KEY {
        return vec![cell.to_owned()];
    }
    let values = cell.split(';').map(str::trim);
    let present = values.filter(|value| !value.is_empty());
    present.map(str::to_owned).collect()
}

/// What is wrong with a CSV document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvError {
    line: u64,
    reason: &'static str,
}

impl CsvError {
    fn at(line: u64, reason: &'static str) -> Self {
        Self { line, reason }
    }

    fn of(error: csv::Error) -> Self {
        let line = error.position().map_or(0, csv::Position::line);
        let reason = match error.into_kind() {
            csv::ErrorKind::Utf8 { .. } => "text that is not UTF-8",
            csv::ErrorKind::UnequalLengths { .. } => "another number of columns than the header",
            _ => "text that is not CSV",
        };
        Self { line, reason }
    }
}

impl fmt::Display for CsvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for CsvError {}

/// A directory held in memory, for tests and for the demo; `fail` makes it unavailable.
#[derive(Debug, Default)]
pub struct FixedDirectory {
    /// People by user name.
    pub people: HashMap<String, UserRecord>,
    /// Answer every question with an error.
    pub fail: bool,
}

impl Directory for FixedDirectory {
    fn record<'a>(
        &'a self,
        username: &'a str,
    ) -> BoxFuture<'a, Result<UserRecord, DirectoryError>> {
        let answer = if self.fail {
            Err(DirectoryError("the directory is switched off".to_owned()))
        } else {
            Ok(self.people.get(username).cloned().unwrap_or_default())
        };
        Box::pin(std::future::ready(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEOPLE: &str =
        "uid,mail,displayName\njdoe,a@x;b@x ;,\"Doe, Jane\"\n# gone,,\nmmuster,,Max\n";

    fn home(content: &str) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("people.csv");
        fs::write(&path, content).unwrap();
        (home, path)
    }

    #[test]
    fn a_header_names_the_attributes_and_semicolons_part_values() {
        let people = parse(PEOPLE.as_bytes()).unwrap();
        assert_eq!(people.len(), 2);
        assert_eq!(people["jdoe"]["mail"], ["a@x", "b@x"]);
        assert_eq!(people["jdoe"]["displayName"], ["Doe, Jane"]);
        assert_eq!(people["jdoe"]["uid"], ["jdoe"]);
        assert!(!people["mmuster"].contains_key("mail"));
    }

    #[test]
    fn a_wrong_document_is_refused_with_its_line() {
        let error = |text: &[u8]| parse(text).unwrap_err().to_string();
        assert_eq!(error(b"name\nx\n"), "line 1: no column `uid`");
        assert_eq!(
            error(b"uid\na\nb\na\n"),
            "line 4: a `uid` that an earlier line has"
        );
        assert_eq!(
            error(b"uid,mail\na,b\n,c\n"),
            "line 3: no value in column `uid`"
        );
        assert!(error(b"uid,mail\na\n").starts_with("line 2: another number of columns"));
        assert_eq!(error(b"uid\n\xff\n"), "line 2: text that is not UTF-8");
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_change_is_not_used() {
        let (_home, path) = home(PEOPLE);
        let directory = CsvDirectory::open(&path).unwrap();
        assert_eq!(directory.look_up("jdoe")["mail"], ["a@x", "b@x"]);
        fs::write(&path, "uid,mail\njdoe,c@x\n").unwrap();
        assert_eq!(directory.look_up("jdoe")["mail"], ["c@x"]);
        fs::write(&path, "mail\nnobody\n").unwrap();
        assert_eq!(directory.look_up("jdoe")["mail"], ["c@x"]);
        fs::remove_file(&path).unwrap();
        assert_eq!(directory.look_up("jdoe")["mail"], ["c@x"]);
    }

    #[test]
    fn an_unknown_user_has_an_empty_record_and_an_absent_file_does_not_open() {
        let (home, path) = home(PEOPLE);
        let directory = CsvDirectory::open(&path).unwrap();
        assert!(directory.look_up("nobody").is_empty());
        assert!(CsvDirectory::open(&home.path().join("absent.csv")).is_err());
    }
}
