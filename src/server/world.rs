//! The one source of time and randomness, and the makers of everything else outside the process.

use crate::audit::Category;
use crate::authn::moment::Moment;
use crate::config::ldap::LdapDirectorySettings;
use crate::config::settings::Settings;
use crate::config::sql::AttributeSource;
use crate::server::back_end::directory::{CsvDirectory, JoinedDirectory};
use crate::server::back_end::duo::HttpDuoClient;
use crate::server::back_end::duo::guard::GuardedDuoClient;
use crate::server::back_end::ldap::LdapDirectory;
use crate::server::back_end::sql::{SqlDirectory, SqlPersistentIds};
use crate::server::back_end::{Directory, DuoClient, PersistentIds};
use crate::server::counters::Counters;
use crate::server::logs::AuditFiles;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The current instant.
    fn now(&self) -> Timestamp;
}

/// Makes unpredictable bytes.
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// Takes finished audit lines.
pub trait AuditSink: Send + Sync + fmt::Debug {
    /// Appends one line (without its newline) to its category's file, after what was written
    /// before. An error means that the login it belongs to must be refused.
    fn write(&self, category: Category, line: String) -> Result<(), AuditUnavailable>;

    /// Whether logins may go on: false while lines cannot be kept and
    /// `vestibule.audit.onFailure` is `refuse`.
    fn ready(&self) -> bool;
}

/// The audit cannot keep another line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditUnavailable;

impl fmt::Display for AuditUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the audit cannot be written")
    }
}

impl std::error::Error for AuditUnavailable {}

/// Makes the back ends of one generation of the configuration.
pub trait BackEnds: Send + Sync + fmt::Debug {
    /// The client that talks to Duo.
    fn duo(&self, settings: &Settings) -> Result<Arc<dyn DuoClient>, String>;
    /// The attribute source.
    fn directory(&self, settings: &Settings) -> Result<Arc<dyn Directory>, String>;
    /// Where persistent NameIDs are kept, if they are.
    fn persistent_ids(
        &self,
        settings: &Settings,
    ) -> Result<Option<Arc<dyn PersistentIds>>, String> {
        let Some(table) = &settings.persistent_ids else {
            return Ok(None);
        };
        Ok(Some(Arc::new(SqlPersistentIds::new(table)?)))
    }
}

/// What a server needs of the world. A test gives its own.
#[derive(Clone, Debug)]
pub struct World {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Where audit lines go.
    pub audit: Arc<dyn AuditSink>,
    /// Duo and the directory.
    pub back_ends: Arc<dyn BackEnds>,
    /// What happened, counted.
    pub counters: Arc<Counters>,
}

impl World {
    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The instant and fresh randomness for one step.
    pub fn moment(&self) -> Moment {
        Moment {
            now: self.now(),
            random: self.bytes(),
        }
    }

    /// Fresh random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    /// 128 random bits as 32 hexadecimal digits.
    pub fn id(&self) -> String {
        hex(&self.bytes::<16>())
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one clock of the program")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// OpenSSL's random generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the one source of randomness")]
    fn fill(&self, buffer: &mut [u8]) {
        openssl::rand::rand_bytes(buffer).expect("OpenSSL's generator is seeded by the system");
    }
}

/// The real back ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealBackEnds;

impl BackEnds for RealBackEnds {
    fn duo(&self, settings: &Settings) -> Result<Arc<dyn DuoClient>, String> {
        let client = Arc::new(HttpDuoClient::new(&settings.duo_http)?);
        Ok(Arc::new(GuardedDuoClient::new(
            client,
            &settings.duo_http,
            Arc::new(SystemClock),
            Arc::new(SystemRandom),
        )))
    }

    fn directory(&self, settings: &Settings) -> Result<Arc<dyn Directory>, String> {
        let mut sources = Vec::new();
        for source in &settings.attribute_sources {
            sources.push(attribute_source(settings, source)?);
        }
        match <[_; 1]>::try_from(sources) {
            Ok([only]) => Ok(only),
            Err(several) => Ok(Arc::new(JoinedDirectory(several))),
        }
    }
}

/// One of the sources that user records are made of.
pub fn attribute_source(
    settings: &Settings,
    source: &AttributeSource,
) -> Result<Arc<dyn Directory>, String> {
    Ok(match source {
        AttributeSource::Csv => {
            let directory = CsvDirectory::open(&settings.attributes.csv);
            Arc::new(directory.map_err(|error| error.to_string())?)
        }
        AttributeSource::Ldap(ldap) => {
            Arc::new(LdapDirectory::new(LdapDirectorySettings::clone(ldap))?)
        }
        AttributeSource::Sql(sql) => Arc::new(SqlDirectory::new(sql)?),
    })
}

impl World {
    /// The real world, with the audit files of these settings.
    pub fn real(settings: &Settings) -> std::io::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let audit = AuditFiles::open(
            &settings.logging,
            settings.audit.on_failure,
            Arc::clone(&clock),
        )?;
        Ok(Self {
            clock,
            random: Arc::new(SystemRandom),
            audit: Arc::new(audit),
            back_ends: Arc::new(RealBackEnds),
            counters: Arc::default(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Keeps audit lines in memory.
    #[derive(Debug, Default)]
    pub(crate) struct MemoryAudit(pub(crate) Mutex<Vec<(Category, String)>>);

    impl AuditSink for MemoryAudit {
        fn write(&self, category: Category, line: String) -> Result<(), AuditUnavailable> {
            self.0.lock().unwrap().push((category, line));
            Ok(())
        }

        fn ready(&self) -> bool {
            true
        }
    }

    /// Has neither Duo nor a directory.
    #[derive(Debug)]
    pub(crate) struct NoBackEnds;

    impl BackEnds for NoBackEnds {
        fn duo(&self, _settings: &Settings) -> Result<Arc<dyn DuoClient>, String> {
            Err("no Duo here".to_owned())
        }

        fn directory(&self, _settings: &Settings) -> Result<Arc<dyn Directory>, String> {
            Err("no directory here".to_owned())
        }
    }

    /// A world with this clock, real randomness and nothing else.
    pub(crate) fn world_at(clock: Arc<dyn Clock>) -> World {
        World {
            clock,
            random: Arc::new(SystemRandom),
            audit: Arc::new(MemoryAudit::default()),
            back_ends: Arc::new(NoBackEnds),
            counters: Arc::default(),
        }
    }

    #[test]
    fn ids_are_128_random_bits_and_never_repeat() {
        let world = world_at(Arc::new(SystemClock));
        let ids: std::collections::BTreeSet<String> = (0..1000).map(|_| world.id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
