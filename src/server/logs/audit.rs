//! The audit's own thread: lines in order, in batches, never lost in silence.
//!
//! A request pays one channel send. While the disk refuses, lines wait in memory, the declared
//! rule (`vestibule.audit.onFailure`) decides about logins, and the process log says so.

use crate::audit::{Category, OnFailure};
use crate::config::settings::LoggingSettings;
use crate::server::logs::archive::Archivist;
use crate::server::logs::rolling::{Append, Place, Rolling};
use crate::server::world::{AuditSink, AuditUnavailable, Clock};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Lines that may wait for the thread.
const QUEUE: usize = 16 * 1024;
/// Octets that may wait for the disk in the thread's own memory.
const PENDING_OCTETS: usize = 8 * 1024 * 1024;
/// How soon a refused write is tried again when nothing else happens.
const RETRY: Duration = Duration::from_secs(1);

/// The audit files of contract 1.2. Dropping it writes what waits.
pub struct AuditFiles {
    queue: Option<SyncSender<Message>>,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

enum Message {
    Line(Category, String),
    Flush(SyncSender<()>),
}

struct State {
    on_failure: OnFailure,
    failing: AtomicBool,
    lost: AtomicU64,
}

impl AuditFiles {
    /// Opens the files; an error here stops the start.
    pub fn open(
        settings: &LoggingSettings,
        on_failure: OnFailure,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let archivist = Arc::new(Archivist::start(settings.history_days));
        let open = |stem: &'static str| -> io::Result<Box<dyn Append>> {
            let place = Place {
                directory: settings.directory.clone(),
                stem,
                max_bytes: settings.max_bytes,
            };
            let file = Rolling::open(place, Arc::clone(&archivist), clock.now())?;
            Ok(Box::new(file))
        };
        let files = [
            open("idp-audit")?,
            open("idp-duo2fa-audit")?,
            open("idp-consent-audit")?,
        ];
        Self::start(files, on_failure, clock)
    }

    /// Returns when everything written before has been tried.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(0);
        if let Some(queue) = &self.queue
            && queue.send(Message::Flush(done)).is_ok()
        {
            let _ = wait.recv();
        }
    }

    /// How many lines could not be kept since the start.
    pub fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Relaxed)
    }

    fn start(
        files: [Box<dyn Append>; 3],
        on_failure: OnFailure,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE);
        let state = Arc::new(State {
            on_failure,
            failing: AtomicBool::new(false),
            lost: AtomicU64::new(0),
        });
        let writer = Writer {
            trails: files.map(Trail::new),
            state: Arc::clone(&state),
            clock,
        };
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(&messages))?;
        Ok(Self {
            queue: Some(queue),
            state,
            thread: Some(thread),
        })
    }
}

impl AuditSink for AuditFiles {
    fn write(&self, category: Category, line: String) -> Result<(), AuditUnavailable> {
        let sent = match &self.queue {
            Some(queue) => queue.try_send(Message::Line(category, line)),
            None => return Err(AuditUnavailable),
        };
        match sent {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.state.cannot_keep(),
        }
    }

    fn ready(&self) -> bool {
        self.state.on_failure == OnFailure::Continue || !self.state.failing.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for AuditFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditFiles")
    }
}

impl Drop for AuditFiles {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    fn cannot_keep(&self) -> Result<(), AuditUnavailable> {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::error!(lost, "an audit line cannot be kept");
        match self.on_failure {
            OnFailure::Refuse => Err(AuditUnavailable),
            OnFailure::Continue => Ok(()),
        }
    }
}

/// What the thread owns.
struct Writer {
    trails: [Trail; 3],
    state: Arc<State>,
    clock: Arc<dyn Clock>,
}

/// One file and what waits for it.
struct Trail {
    file: Box<dyn Append>,
    pending: Vec<u8>,
}

impl Trail {
    fn new(file: Box<dyn Append>) -> Self {
        let pending = Vec::new();
        Self { file, pending }
    }
}

impl Writer {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut waiting = Vec::new();
        while self.take(messages, &mut waiting) {
            self.write_pending();
            for done in waiting.drain(..) {
                let _: Result<(), _> = SyncSender::send(&done, ());
            }
        }
        self.write_pending();
        self.give_up();
    }

    /// Waits for something to do; false when nobody is left to send.
    fn take(&mut self, messages: &Receiver<Message>, flushes: &mut Vec<SyncSender<()>>) -> bool {
        let pending = self.pending();
        if pending >= PENDING_OCTETS {
            // What comes meanwhile fills the queue, and the sender learns of it.
            std::thread::park_timeout(RETRY);
            return true;
        }
        let first = if pending == 0 {
            messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            messages.recv_timeout(RETRY)
        };
        match first {
            Ok(message) => self.absorb(message, flushes),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        while self.pending() < PENDING_OCTETS
            && let Ok(message) = messages.try_recv()
        {
            self.absorb(message, flushes);
        }
        true
    }

    fn absorb(&mut self, message: Message, flushes: &mut Vec<SyncSender<()>>) {
        match message {
            Message::Line(category, line) => {
                let pending = &mut self.trails[trail_of(category)].pending;
                pending.extend_from_slice(line.as_bytes());
                pending.push(b'\n');
            }
            Message::Flush(done) => flushes.push(done),
        }
    }

    fn pending(&self) -> usize {
        self.trails.iter().map(|trail| trail.pending.len()).sum()
    }

    fn write_pending(&mut self) {
        let now = self.clock.now();
        let mut failure = None;
        for trail in self.trails.iter_mut().filter(|t| !t.pending.is_empty()) {
            match trail.file.append(&trail.pending, now) {
                Ok(()) => trail.pending.clear(),
                Err(error) => failure = Some(error),
            }
        }
        self.note(failure);
    }

    fn note(&self, failure: Option<io::Error>) {
        let failed_before = self
            .state
            .failing
            .swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(error) if !failed_before => {
                tracing::error!(%error, rule = ?self.state.on_failure, "the audit cannot be written");
            }
            None if failed_before => tracing::warn!("the audit is written again"),
            _ => {}
        }
    }

    /// The last resort at the end of the process: standard error instead of nothing.
    fn give_up(&self) {
        for trail in &self.trails {
            for line in String::from_utf8_lossy(&trail.pending).lines() {
                eprintln!("audit line that could not be written: {line}");
            }
        }
    }
}

/// Duo's and the consent's lines go to their own files alone.
fn trail_of(category: Category) -> usize {
    match category {
        Category::Sso | Category::Password | Category::Logout => 0,
        Category::Duo => 1,
        Category::Consent => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use std::fs;
    use std::sync::Mutex;

    #[derive(Debug)]
    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            "2026-11-23T12:00:00Z".parse().unwrap()
        }
    }

    /// A disk that can be full.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(bool, String)>>);

    impl Append for Disk {
        fn append(&mut self, octets: &[u8], _now: Timestamp) -> io::Result<()> {
            let mut disk = self.0.lock().unwrap();
            if disk.0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            disk.1.push_str(std::str::from_utf8(octets).unwrap());
            Ok(())
        }
    }

    impl Disk {
        fn fill(&self, full: bool) {
            self.0.lock().unwrap().0 = full;
        }

        fn text(&self) -> String {
            self.0.lock().unwrap().1.clone()
        }
    }

    fn sink(on_failure: OnFailure) -> (AuditFiles, Disk) {
        let disk = Disk::default();
        let files: [Box<dyn Append>; 3] = [
            Box::new(disk.clone()),
            Box::new(Disk::default()),
            Box::new(Disk::default()),
        ];
        let sink = AuditFiles::start(files, on_failure, Arc::new(Noon)).unwrap();
        (sink, disk)
    }

    fn write(sink: &AuditFiles, line: &str) -> Result<(), AuditUnavailable> {
        sink.write(Category::Sso, line.to_owned())
    }

    #[test]
    fn each_category_has_its_file_and_duo_lines_go_nowhere_else() {
        let home = tempfile::tempdir().unwrap();
        let settings = LoggingSettings {
            directory: home.path().join("logs"),
            history_days: 180,
            max_bytes: 1 << 20,
            filter: "info".to_owned(),
        };
        let sink = AuditFiles::open(&settings, OnFailure::Refuse, Arc::new(Noon)).unwrap();
        for (category, line) in [
            (Category::Sso, "sso"),
            (Category::Duo, "duo"),
            (Category::Password, "password"),
            (Category::Consent, "consent"),
        ] {
            sink.write(category, line.to_owned()).unwrap();
        }
        drop(sink);
        let read = |name: &str| fs::read_to_string(settings.directory.join(name)).unwrap();
        assert_eq!(read("idp-audit.log"), "sso\npassword\n");
        assert_eq!(read("idp-duo2fa-audit.log"), "duo\n");
        assert_eq!(read("idp-consent-audit.log"), "consent\n");
    }

    #[test]
    fn s62_a_full_disk_refuses_logins_and_loses_no_line() {
        let (sink, disk) = sink(OnFailure::Refuse);
        write(&sink, "one").unwrap();
        sink.flush();
        assert!(sink.ready());
        disk.fill(true);
        write(&sink, "two").unwrap();
        sink.flush();
        assert!(!sink.ready());
        disk.fill(false);
        write(&sink, "three").unwrap();
        sink.flush();
        assert!(sink.ready());
        assert_eq!(disk.text(), "one\ntwo\nthree\n");
    }

    #[test]
    fn s62_a_full_disk_may_be_declared_bearable() {
        let (sink, disk) = sink(OnFailure::Continue);
        disk.fill(true);
        write(&sink, "one").unwrap();
        sink.flush();
        assert!(sink.ready());
        disk.fill(false);
        drop(sink);
        assert_eq!(disk.text(), "one\n");
    }

    /// A disk that answers only when told to.
    struct Stalled(Arc<Mutex<()>>);

    impl Append for Stalled {
        fn append(&mut self, _octets: &[u8], _now: Timestamp) -> io::Result<()> {
            drop(self.0.lock());
            Ok(())
        }
    }

    fn overrun(on_failure: OnFailure) -> (Result<(), AuditUnavailable>, u64) {
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let stalled = || -> Box<dyn Append> { Box::new(Stalled(Arc::clone(&gate))) };
        let files = [stalled(), stalled(), stalled()];
        let sink = AuditFiles::start(files, on_failure, Arc::new(Noon)).unwrap();
        let mut answer = Ok(());
        // The thread takes at most its octets before it stalls; what follows fills the queue.
        for _ in 0..=PENDING_OCTETS + QUEUE {
            answer = write(&sink, "line");
            if answer.is_err() || sink.lost() > 0 {
                break;
            }
        }
        let lost = sink.lost();
        drop(held);
        (answer, lost)
    }

    #[test]
    fn s62_a_queue_that_overruns_refuses_or_counts_but_never_forgets() {
        assert_eq!(overrun(OnFailure::Refuse), (Err(AuditUnavailable), 1));
        assert_eq!(overrun(OnFailure::Continue), (Ok(()), 1));
    }
}
