use super::*;
use jiff::Timestamp;
use std::fs;
use std::sync::Mutex;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-11-23T12:00:00.5Z".parse().unwrap()
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Buffer {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Buffer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn logged(events: impl FnOnce()) -> (String, String) {
    let (all, warnings) = (Buffer::default(), Buffer::default());
    let layer = ProcessLayer {
        clock: Arc::new(Noon),
        all: all.clone(),
        warnings: warnings.clone(),
        console: false,
    };
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, events);
    (all.text(), warnings.text())
}

#[test]
fn a_line_says_when_who_how_bad_where_and_what() {
    let (all, warnings) = logged(|| {
        let request = tracing::info_span!("request", client = "192.0.2.7", transaction = "t-9");
        let _request = request.enter();
        let _step = tracing::info_span!("step").entered();
        tracing::info!(target: "idp.authn", user = "jdoe", tries = 2, "password accepted");
        tracing::error!(target: "idp", "no disk");
    });
    let error = "2026-11-23T12:00:00.500Z - 192.0.2.7 - ERROR [idp] - no disk; transaction=t-9\n";
    assert_eq!(warnings, error);
    let info = "2026-11-23T12:00:00.500Z - 192.0.2.7 - INFO [idp.authn] - password accepted; \
                transaction=t-9; user=jdoe; tries=2\n";
    assert_eq!(all, format!("{info}{error}"));
}

#[test]
fn a_client_learned_later_is_recorded_and_none_is_a_dash() {
    let (all, _) = logged(|| {
        tracing::info!(target: "t", "before");
        let request = tracing::info_span!("request", client = tracing::field::Empty);
        request.record("client", tracing::field::display("::1"));
        request.in_scope(|| tracing::info!(target: "t", "inside"));
    });
    assert!(all.contains(" - - - INFO [t] - before\n"), "{all}");
    assert!(all.contains(" - ::1 - INFO [t] - inside\n"), "{all}");
}

#[test]
fn s61_hostile_text_makes_no_line_and_no_colour() {
    let (all, _) = logged(|| {
        let hostile = "x\r\n2026 - forged\u{1b}[31m";
        let _span = tracing::info_span!("request", client = hostile).entered();
        tracing::info!(user = hostile, "login of {hostile}");
    });
    assert_eq!(all.lines().count(), 1);
    assert!(!all.trim_end().contains(char::is_control));
    assert_eq!(all.matches("x\\x0d\\x0a2026").count(), 3);
}

#[test]
fn the_files_are_written_before_the_guard_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let settings = LoggingSettings {
        directory: home.path().join("logs"),
        history_days: 180,
        max_bytes: 1 << 20,
        filter: "info".to_owned(),
    };
    let clock: Arc<dyn Clock> = Arc::new(Noon);
    let archivist = Arc::new(Archivist::start(180));
    let (mut file, guard) = writer(&settings, "idp-process", &archivist, &clock).unwrap();
    for number in 0..1000 {
        io::Write::write_all(&mut file, format!("{number}\n").as_bytes()).unwrap();
    }
    drop(guard);
    let text = fs::read_to_string(settings.directory.join("idp-process.log")).unwrap();
    assert_eq!(text.lines().count(), 1000);
    assert!(text.ends_with("999\n"));
}
