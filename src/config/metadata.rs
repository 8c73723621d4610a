//! Where relying parties' metadata comes from, as settings.

use crate::saml::metadata::TrustedKey;
use openssl::x509::X509;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Every source, in order of precedence.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataSettings {
    /// How often files and folders are looked at.
    pub poll_interval: Duration,
    /// Where copies of our own are kept.
    pub copies: PathBuf,
    /// The folder `metadata/` of the home, then `vestibule.metadata.providers`.
    pub providers: Vec<ProviderSettings>,
}

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderSettings {
    /// Its name in the configuration.
    pub name: String,
    /// Where it reads from.
    pub origin: Origin,
    /// A PEM file's contents: a valid signature by one of its certificates is then required.
    pub certificates: Option<Vec<u8>>,
    /// Whether the document must say until when it is valid.
    pub require_valid_until: bool,
    /// The furthest future `validUntil` that is believed.
    pub max_validity: Option<Duration>,
    /// When a remote document is fetched again.
    pub refresh: Refresh,
    /// Where a remote document is kept for the next start.
    pub backing_file: PathBuf,
    /// Limit for connecting.
    pub connection_timeout: Duration,
    /// Limit for each silence of the server.
    pub socket_timeout: Duration,
    /// If set, only these entities are taken.
    pub allow: Option<BTreeSet<String>>,
    /// These entities are never taken.
    pub deny: BTreeSet<String>,
    /// Entity attributes added to what the document says.
    pub entity_attributes: Vec<EntityAttributeRule>,
}

/// Where a source reads from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One file.
    File(PathBuf),
    /// Every `*.xml` file of a folder.
    Folder(PathBuf),
    /// One document over HTTP.
    Url(String),
    /// One document for each entity, by the Metadata Query Protocol.
    Mdq(Mdq),
}

/// A Metadata Query service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mdq {
    /// The base URL, without a slash at its end.
    pub base: String,
    /// Whether entities are asked for by the SHA-1 of their id.
    pub sha1: bool,
    /// How long an entity the service does not know is not asked for again.
    pub negative: Duration,
}

/// When a remote document is fetched again: a share of what remains of its validity or of its
/// `cacheDuration`, within bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refresh {
    /// `minRefreshDelay`
    pub min: Duration,
    /// `maxRefreshDelay`
    pub max: Duration,
    /// `refreshDelayFactor`
    pub factor: f64,
}

/// An entity attribute given by the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityAttributeRule {
    /// The attribute's name.
    pub name: String,
    /// Values to add.
    pub values: Vec<String>,
    /// The entities; `None` is every one of the source.
    pub entities: Option<BTreeSet<String>>,
}

impl ProviderSettings {
    /// The folder `metadata/` of a home: nothing is required of what the operator put there.
    pub fn folder(path: PathBuf) -> Self {
        Self {
            name: "metadata".to_owned(),
            origin: Origin::Folder(path),
            certificates: None,
            require_valid_until: false,
            max_validity: None,
            refresh: Refresh {
                min: Duration::from_mins(5),
                max: Duration::from_hours(4),
                factor: 0.75,
            },
            backing_file: PathBuf::new(),
            connection_timeout: Duration::from_secs(5),
            socket_timeout: Duration::from_secs(5),
            allow: None,
            deny: BTreeSet::new(),
            entity_attributes: Vec::new(),
        }
    }

    /// The keys a signature must be made with; `None` when no signature is asked for.
    pub fn keys(&self) -> Option<Vec<TrustedKey>> {
        self.certificates.as_deref().map(trusted_keys)
    }

    /// Whether this source may give this entity.
    pub fn wants(&self, entity_id: &str) -> bool {
        let allowed = self.allow.as_ref();
        !self.deny.contains(entity_id) && allowed.is_none_or(|allow| allow.contains(entity_id))
    }
}

/// The keys of every certificate in a PEM file; none when one of them cannot be read.
pub fn trusted_keys(pem: &[u8]) -> Vec<TrustedKey> {
    let certificates = X509::stack_from_pem(pem).unwrap_or_default();
    let keys: Result<Vec<_>, _> = certificates.iter().map(|c| c.public_key()).collect();
    keys.unwrap_or_default()
        .into_iter()
        .map(TrustedKey)
        .collect()
}

impl Refresh {
    /// How long to wait after a success, given what remains of the document's validity and the
    /// `cacheDuration` it asks for.
    pub fn delay(&self, remaining: Option<Duration>, cache: Option<Duration>) -> Duration {
        let shortest = match (remaining, cache) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let share = shortest.map_or(self.max, |duration| {
            Duration::try_from_secs_f64(duration.as_secs_f64() * self.factor).unwrap_or(self.max)
        });
        share.clamp(self.min.min(self.max), self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_refresh_is_a_share_of_what_remains_within_bounds() {
        let refresh = ProviderSettings::folder(PathBuf::new()).refresh;
        let hours = Duration::from_hours;
        assert_eq!(refresh.delay(None, None), hours(4));
        assert_eq!(refresh.delay(Some(hours(4)), None), hours(3));
        assert_eq!(
            refresh.delay(Some(hours(4)), Some(hours(1))),
            Duration::from_mins(45)
        );
        assert_eq!(
            refresh.delay(Some(Duration::ZERO), None),
            Duration::from_mins(5)
        );
        assert_eq!(refresh.delay(Some(hours(100)), None), hours(4));
    }
}
