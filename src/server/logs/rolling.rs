//! A file that rolls by day and by size: `NAME.log` now, `NAME-2026-11-23[.N].log.gz` when old.
//!
//! Days are UTC days. The caller passes the time.

use crate::server::logs::archive::{self, Archivist};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Something lines are appended to.
pub(super) trait Append: Send {
    /// Appends octets, all or nothing.
    fn append(&mut self, octets: &[u8], now: Timestamp) -> io::Result<()>;
}

/// Which file, and when it rolls.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The directory, made if absent.
    pub(super) directory: PathBuf,
    /// The file's name without `.log`.
    pub(super) stem: &'static str,
    /// Octets before the file rolls within the day.
    pub(super) max_bytes: u64,
}

/// The rolling file. It survives what happens to it from outside: a file moved or deleted by
/// others is made anew, never written to where nobody looks.
pub(super) struct Rolling {
    place: Place,
    archivist: Arc<Archivist>,
    open: Option<Open>,
}

struct Open {
    file: File,
    length: u64,
    /// The day its lines are of.
    day: Date,
}

impl Rolling {
    /// Opens the file and hands rolled files that an earlier run left behind to the archivist.
    pub(super) fn open(
        place: Place,
        archivist: Arc<Archivist>,
        now: Timestamp,
    ) -> io::Result<Self> {
        fs::create_dir_all(&place.directory)?;
        archivist.sweep(&place.directory, place.stem, utc_day(now))?;
        let open = Some(open_current(&place.path(), now)?);
        Ok(Self {
            place,
            archivist,
            open,
        })
    }

    fn current(&mut self, more: u64, now: Timestamp) -> io::Result<&mut Open> {
        let path = self.place.path();
        let mut open = match self.open.take() {
            Some(open) if open.is_at(&path) => open,
            _ => open_current(&path, now)?,
        };
        let full = open.length > 0 && open.length + more > self.place.max_bytes;
        if full || open.day < utc_day(now) {
            let rolled = self.place.roll(open.day)?;
            self.archivist
                .archive(rolled, self.place.stem, utc_day(now));
            open = open_current(&path, now)?;
        }
        Ok(self.open.insert(open))
    }
}

impl Append for Rolling {
    fn append(&mut self, octets: &[u8], now: Timestamp) -> io::Result<()> {
        let open = self.current(octets.len() as u64, now)?;
        match open.file.write_all(octets) {
            Ok(()) => {
                open.length += octets.len() as u64;
                Ok(())
            }
            Err(error) => {
                // No half line stays behind; where that fails too, the next try opens afresh.
                let _ = open.file.set_len(open.length);
                self.open = None;
                Err(error)
            }
        }
    }
}

impl Open {
    /// Whether the path still leads to this file.
    fn is_at(&self, path: &Path) -> bool {
        let here = self.file.metadata();
        let there = fs::metadata(path);
        matches!((here, there), (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()))
    }
}

impl Place {
    fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.stem))
    }

    /// Renames the current file to the first free name of its day.
    fn roll(&self, day: Date) -> io::Result<PathBuf> {
        let name = |number: u32| match number {
            0 => format!("{}-{day}.log", self.stem),
            number => format!("{}-{day}.{number}.log", self.stem),
        };
        let free = |path: &PathBuf| !path.exists() && !archive::compressed(path).exists();
        let rolled = (0..=u32::MAX)
            .map(|number| self.directory.join(name(number)))
            .find(free)
            .ok_or_else(|| io::Error::other("no free name to roll to"))?;
        fs::rename(self.path(), &rolled)?;
        Ok(rolled)
    }
}

fn open_current(path: &Path, now: Timestamp) -> io::Result<Open> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)?;
    let metadata = file.metadata()?;
    let written = metadata.modified().ok().and_then(|at| at.try_into().ok());
    let day = match written {
        Some(written) if metadata.len() > 0 => utc_day(written),
        _ => utc_day(now),
    };
    let length = metadata.len();
    Ok(Open { file, length, day })
}

fn utc_day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    const MORNING: &str = "2026-11-23T08:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn rolling(directory: &Path, max_bytes: u64) -> Rolling {
        let place = Place {
            directory: directory.to_owned(),
            stem: "idp-audit",
            max_bytes,
        };
        Rolling::open(place, Arc::new(Archivist::start(180)), at(MORNING)).unwrap()
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn unpacked(path: &Path) -> String {
        let mut text = String::new();
        GzDecoder::new(File::open(path).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn a_new_day_starts_a_new_file_and_the_old_one_is_gzipped() {
        let home = tempfile::tempdir().unwrap();
        let mut file = rolling(home.path(), 1000);
        file.append(b"one\n", at(MORNING)).unwrap();
        file.append(b"two\n", at("2026-11-24T00:00:00Z")).unwrap();
        drop(file);
        assert_eq!(
            names(home.path()),
            ["idp-audit-2026-11-23.log.gz", "idp-audit.log"]
        );
        let old = home.path().join("idp-audit-2026-11-23.log.gz");
        assert_eq!(unpacked(&old), "one\n");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&old) & 0o137, 0);
        assert_eq!(mode(&home.path().join("idp-audit.log")) & 0o137, 0);
    }

    #[test]
    fn a_full_file_rolls_within_the_day_and_loses_no_line() {
        let home = tempfile::tempdir().unwrap();
        let mut file = rolling(home.path(), 10);
        for line in [
            "line1\n",
            "line2\n",
            "line3\n",
            "a line longer than a file\n",
        ] {
            file.append(line.as_bytes(), at(MORNING)).unwrap();
        }
        drop(file);
        let day = "idp-audit-2026-11-23";
        let read = |name: &str| unpacked(&home.path().join(name));
        assert_eq!(read(&format!("{day}.log.gz")), "line1\n");
        assert_eq!(read(&format!("{day}.1.log.gz")), "line2\n");
        assert_eq!(read(&format!("{day}.2.log.gz")), "line3\n");
        let current = fs::read_to_string(home.path().join("idp-audit.log")).unwrap();
        assert_eq!(current, "a line longer than a file\n");
    }

    #[test]
    fn a_file_moved_away_by_others_is_made_anew() {
        let home = tempfile::tempdir().unwrap();
        let mut file = rolling(home.path(), 1000);
        file.append(b"one\n", at(MORNING)).unwrap();
        fs::remove_file(home.path().join("idp-audit.log")).unwrap();
        file.append(b"two\n", at(MORNING)).unwrap();
        let current = fs::read_to_string(home.path().join("idp-audit.log")).unwrap();
        assert_eq!(current, "two\n");
    }

    #[test]
    fn a_restart_appends_and_takes_up_what_a_crash_left_behind() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("idp-audit-2026-11-22.log"), "left\n").unwrap();
        fs::write(home.path().join("idp-audit-2026-11-21.log.gz.tmp"), "half").unwrap();
        fs::write(home.path().join("idp-audit-2026-01-01.log.gz"), "old").unwrap();
        fs::write(home.path().join("idp-other-2026-01-01.log.gz"), "other").unwrap();
        drop(rolling(home.path(), 1000));
        assert_eq!(
            names(home.path()),
            [
                "idp-audit-2026-11-22.log.gz",
                "idp-audit.log",
                "idp-other-2026-01-01.log.gz"
            ]
        );
    }

    #[test]
    fn a_write_that_fails_is_told_and_the_next_one_starts_afresh() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("idp-audit.log");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut file = rolling(home.path(), 1000);
        assert!(file.append(b"one\n", at(MORNING)).is_err());
        fs::remove_file(&path).unwrap();
        file.append(b"one\n", at(MORNING)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    }
}
