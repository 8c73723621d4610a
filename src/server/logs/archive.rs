//! The archivist: one thread that gzips rolled files and removes those past their time.

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::civil::Date;
use jiff::{Span, ToSpan as _};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// The thread and its queue; dropping it finishes the work at hand.
pub(super) struct Archivist {
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    rolled: Option<PathBuf>,
    directory: PathBuf,
    stem: &'static str,
    today: Date,
}

impl Archivist {
    /// Starts the thread; archives older than this many days are removed.
    pub(super) fn start(history_days: u32) -> Self {
        let (queue, jobs) = channel();
        let keep = i64::from(history_days).days();
        let thread = std::thread::Builder::new()
            .name("log-archive".to_owned())
            .spawn(move || work(&jobs, keep))
            .map_err(|error| tracing::error!(%error, "old logs are not gzipped or removed"))
            .ok();
        Self {
            queue: Some(queue),
            thread,
        }
    }

    /// Takes over a rolled file.
    pub(super) fn archive(&self, rolled: PathBuf, stem: &'static str, today: Date) {
        let directory = rolled.parent().unwrap_or(Path::new(".")).to_owned();
        self.submit(Job {
            rolled: Some(rolled),
            directory,
            stem,
            today,
        });
    }

    /// Takes over what an earlier run left: rolled files, half archives, archives past their time.
    pub(super) fn sweep(
        &self,
        directory: &Path,
        stem: &'static str,
        today: Date,
    ) -> io::Result<()> {
        for (path, name) in rolled_files(directory, stem)? {
            match name.state {
                State::Rolled => self.archive(path, stem, today),
                State::Half => fs::remove_file(path)?,
                State::Archived => {}
            }
        }
        self.submit(Job {
            rolled: None,
            directory: directory.to_owned(),
            stem,
            today,
        });
        Ok(())
    }

    fn submit(&self, job: Job) {
        if let Some(queue) = &self.queue {
            // Without its thread the files stay as they are; the start said so.
            let _ = queue.send(job);
        }
    }
}

impl Drop for Archivist {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The archive's path of a rolled file.
pub(super) fn compressed(rolled: &Path) -> PathBuf {
    let mut name = rolled.as_os_str().to_owned();
    name.push(".gz");
    PathBuf::from(name)
}

fn work(jobs: &Receiver<Job>, keep: Span) {
    while let Ok(job) = jobs.recv() {
        let packed = job.rolled.as_deref().map_or(Ok(()), compress);
        if let Err(error) = packed.and_then(|()| remove_expired(&job, keep)) {
            tracing::error!(log = job.stem, %error, "an old log is not gzipped or removed");
        }
    }
}

fn compress(rolled: &Path) -> io::Result<()> {
    let archive = compressed(rolled);
    let mut half = archive.clone().into_os_string();
    half.push(".tmp");
    let target = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o640)
        .open(&half)?;
    let mut encoder = GzEncoder::new(target, Compression::default());
    io::copy(&mut File::open(rolled)?, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    fs::rename(&half, archive)?;
    fs::remove_file(rolled)
}

fn remove_expired(job: &Job, keep: Span) -> io::Result<()> {
    let oldest = job.today.saturating_sub(keep);
    for (path, name) in rolled_files(&job.directory, job.stem)? {
        if name.state == State::Archived && name.day < oldest {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// What a rolled file's name tells.
struct Name {
    day: Date,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Rolled,
    Half,
    Archived,
}

fn rolled_files(directory: &Path, stem: &str) -> io::Result<Vec<(PathBuf, Name)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.and_then(|name| Name::parse(name, stem)) {
            found.push((path, name));
        }
    }
    Ok(found)
}

impl Name {
    /// `STEM-YYYY-MM-DD[.N].log`, `.log.gz` or `.log.gz.tmp`.
    fn parse(name: &str, stem: &str) -> Option<Self> {
        let rest = name.strip_prefix(stem)?.strip_prefix('-')?;
        let day = rest.get(..10)?.parse().ok()?;
        let (number, suffix) = rest[10..].split_once("log")?;
        let digits = number.trim_matches('.');
        if !number.ends_with('.') || !digits.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let state = match suffix {
            "" => State::Rolled,
            ".gz" => State::Archived,
            ".gz.tmp" => State::Half,
            _ => return None,
        };
        Some(Self { day, state })
    }
}
